//! A writer of HTML: the only place that writes markup and the only one that escapes.
//!
//! Names of elements and classes are constants of the program. Foreign text enters as text or as the value of
//! an attribute, and both are escaped; the target of a link is a [`Link`], which never names another site or
//! scheme. Follows the HTML Standard, 13.1.2 (elements), 13.1.3 (text).

use std::fmt::Write as _;

use super::link::Link;

/// A part of a document, written from its beginning to its end.
#[derive(Debug, Default)]
pub(super) struct Html(String);

/// An attribute.
#[derive(Debug, Clone, Copy)]
pub(super) enum Attribute<'a> {
    /// Classes of the style sheet.
    Class(&'static str),
    /// The target of a link, a form or a style sheet.
    Target(&'static str, &'a Link),
    /// An attribute whose name and value are constants.
    Fixed(&'static str, &'static str),
    /// An attribute with a foreign value.
    Value(&'static str, &'a str),
    /// An attribute with a number.
    Number(&'static str, u64),
}

/// Elements that have no content and no end tag.
const VOID: [&str; 5] = ["br", "hr", "input", "link", "meta"];

impl Html {
    /// A complete document.
    pub(super) fn document(write: impl FnOnce(&mut Self)) -> String {
        let mut html = Self("<!DOCTYPE html>\n".to_owned());
        html.element("html", &[Attribute::Fixed("lang", "en")], write);
        html.0
    }

    /// An element with attributes and content.
    pub(super) fn element(
        &mut self,
        name: &'static str,
        attributes: &[Attribute<'_>],
        write: impl FnOnce(&mut Self),
    ) {
        self.open(name, attributes);
        write(self);
        self.0.push_str("</");
        self.0.push_str(name);
        self.0.push('>');
    }

    /// An element without content, such as `input`.
    pub(super) fn void(&mut self, name: &'static str, attributes: &[Attribute<'_>]) {
        debug_assert!(VOID.contains(&name), "{name} has an end tag");
        self.open(name, attributes);
    }

    /// An element with nothing but a text.
    pub(super) fn text_in(&mut self, name: &'static str, class: &'static str, text: &str) {
        let class = [Attribute::Class(class)];
        self.element(name, if class_is_empty(&class) { &[] } else { &class }, |html| html.text(text));
    }

    /// A link with a text.
    pub(super) fn link(&mut self, link: &Link, class: &'static str, text: &str) {
        let all = [Attribute::Target("href", link), Attribute::Class(class)];
        self.element("a", if class.is_empty() { &all[..1] } else { &all }, |html| html.text(text));
    }

    /// A text. Characters that are not shown, or that change the direction of the text around them, become
    /// visible.
    pub(super) fn text(&mut self, text: &str) {
        for character in text.chars() {
            match visible(character) {
                Some(shown) => self.escape(&shown),
                None => self.push_escaped(character),
            }
        }
    }

    /// A text whose lines are kept, for `pre`.
    pub(super) fn lines(&mut self, text: &str) {
        for line in text.lines() {
            self.text(line);
            self.0.push('\n');
        }
    }

    fn open(&mut self, name: &'static str, attributes: &[Attribute<'_>]) {
        self.0.push('<');
        self.0.push_str(name);
        for attribute in attributes {
            let (name, value) = match attribute {
                Attribute::Class(value) => ("class", (*value).to_owned()),
                Attribute::Target(name, link) => (*name, link.text()),
                Attribute::Fixed(name, value) | Attribute::Value(name, value) => (*name, (*value).to_owned()),
                Attribute::Number(name, value) => (*name, value.to_string()),
            };
            // Writing to a String cannot fail.
            let _ = write!(self.0, " {name}=\"");
            self.escape(&value);
            self.0.push('"');
        }
        self.0.push('>');
    }

    fn escape(&mut self, text: &str) {
        for character in text.chars() {
            self.push_escaped(character);
        }
    }

    fn push_escaped(&mut self, character: char) {
        match character {
            '&' => self.0.push_str("&amp;"),
            '<' => self.0.push_str("&lt;"),
            '>' => self.0.push_str("&gt;"),
            '"' => self.0.push_str("&quot;"),
            '\'' => self.0.push_str("&#39;"),
            // A NUL is an error of the parser, also as a reference.
            '\0' => self.0.push('\u{fffd}'),
            other => self.0.push(other),
        }
    }
}

fn class_is_empty(attributes: &[Attribute<'_>]) -> bool {
    matches!(attributes, [Attribute::Class("")])
}

/// How a character is shown that a reader would not see: control characters by their symbols (Unicode block
/// "Control Pictures"), marks of direction and of no width by their numbers.
fn visible(character: char) -> Option<String> {
    let code = u32::from(character);
    match character {
        '\u{0}'..='\u{1f}' => char::from_u32(0x2400 + code).map(String::from),
        '\u{7f}' => Some('\u{2421}'.to_string()),
        '\u{80}'..='\u{9f}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}'
        | '\u{e0000}'..='\u{e007f}' => Some(format!("[U+{code:04X}]")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_values_are_escaped() {
        let text = Html::document(|html| {
            html.element("p", &[Attribute::Value("title", "\"><script>")], |html| {
                html.text("<script>alert('1')</script> & \u{1b}[2J\u{202e}");
            });
            html.void("br", &[]);
        });
        assert_eq!(
            text,
            "<!DOCTYPE html>\n<html lang=\"en\"><p title=\"&quot;&gt;&lt;script&gt;\">&lt;script&gt;alert(&#39;1&#39;)\
             &lt;/script&gt; &amp; \u{241b}[2J[U+202E]</p><br></html>"
        );
    }

    #[test]
    fn links_stay_on_this_site() {
        let mut html = Html::default();
        html.link(&Link::new(&["images", "javascript:alert(1)//\"><b>"]), "", "x");
        assert_eq!(html.0, "<a href=\"/_region/images/javascript%3Aalert%281%29%2F%2F%22%3E%3Cb%3E\">x</a>");
    }

    proptest::proptest! {
        #[test]
        fn no_text_opens_an_element(text in "\\PC{0,40}[<>&\"']{0,8}\\x00?") {
            let mut html = Html::default();
            html.text(&text);
            html.text_in("b", "", "");
            assert!(!html.0.strip_suffix("<b></b>").unwrap().contains(['<', '>', '"', '\'', '\0']));
        }
    }
}
