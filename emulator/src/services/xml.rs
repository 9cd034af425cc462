//! A writer for the XML documents of the query and S3 protocols: escaping and nesting. Knows no operation.
//!
//! Follows XML 1.0 (fifth edition), sections 2.2 (characters) and 2.4 (character data).

use std::fmt::{Display, Write as _};

const DECLARATION: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";

/// A document or a fragment, written from the beginning to the end.
#[derive(Debug, Default)]
pub(crate) struct Xml {
    text: String,
}

impl Xml {
    /// Creates an empty fragment.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Writes a document with one root element and a default namespace.
    pub(crate) fn document(root: &str, namespace: &str, body: impl FnOnce(&mut Self)) -> String {
        let mut xml = Self { text: DECLARATION.to_owned() };
        let _ = write!(xml.text, "<{root} xmlns=\"{namespace}\">");
        body(&mut xml);
        xml.close(root);
        xml.text
    }

    /// Writes an element with child elements.
    pub(crate) fn element(&mut self, name: &str, body: impl FnOnce(&mut Self)) {
        self.open(name);
        body(self);
        self.close(name);
    }

    /// Writes an element with a value.
    pub(crate) fn value(&mut self, name: &str, value: impl Display) {
        self.open(name);
        self.push_escaped(&value.to_string());
        self.close(name);
    }

    /// Writes an element if there is a value.
    pub(crate) fn optional(&mut self, name: &str, value: Option<impl Display>) {
        if let Some(value) = value {
            self.value(name, value);
        }
    }

    /// Writes a list in the form of EC2: an element with an `item` for each member.
    pub(crate) fn items<T>(
        &mut self,
        name: &str,
        members: impl IntoIterator<Item = T>,
        mut write: impl FnMut(&mut Self, T),
    ) {
        self.element(name, |xml| {
            for member in members {
                xml.element("item", |xml| write(xml, member));
            }
        });
    }

    /// Writes text into the open element.
    pub(crate) fn text(&mut self, text: &str) {
        self.push_escaped(text);
    }

    /// Appends a fragment.
    pub(crate) fn append(&mut self, part: &Self) {
        self.text.push_str(&part.text);
    }

    fn open(&mut self, name: &str) {
        let _ = write!(self.text, "<{name}>");
    }

    fn close(&mut self, name: &str) {
        let _ = write!(self.text, "</{name}>");
    }

    fn push_escaped(&mut self, value: &str) {
        for character in value.chars() {
            match character {
                '<' => self.text.push_str("&lt;"),
                '>' => self.text.push_str("&gt;"),
                '&' => self.text.push_str("&amp;"),
                // A bare carriage return would be read back as a line feed (section 2.11).
                '\r' => self.text.push_str("&#13;"),
                '\t' | '\n' | ' '..='\u{fffd}' | '\u{10000}'.. => self.text.push(character),
                // Section 2.2 does not allow the others, not even as references.
                _ => self.text.push('\u{fffd}'),
            }
        }
    }
}

/// Escapes a text for XML.
pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_escaped() {
        let mut xml = Xml::new();
        xml.value("a", "<&>\u{1}\r\n\u{1f600}");
        assert_eq!(xml.text, "<a>&lt;&amp;&gt;\u{fffd}&#13;\n\u{1f600}</a>");
    }

    #[test]
    fn a_document_nests() {
        let text = Xml::document("R", "urn:x", |xml| {
            xml.items("set", [1, 2], |xml, number| xml.value("n", number));
            xml.optional("none", None::<&str>);
        });
        let expected = "<R xmlns=\"urn:x\"><set><item><n>1</n></item><item><n>2</n></item></set></R>";
        assert_eq!(text.split_once('\n').map(|(_, rest)| rest), Some(expected));
    }
}
