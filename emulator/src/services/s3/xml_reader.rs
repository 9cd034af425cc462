//! A reader for the few XML documents that S3 receives: elements and text, without attributes and document
//! types.

use super::errors::S3Error;

/// An XML element.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct XmlElement {
    /// The name without its namespace prefix.
    pub(crate) name: String,
    /// The text directly in the element.
    pub(crate) text: String,
    /// The child elements.
    pub(crate) children: Vec<XmlElement>,
}

/// The maximum depth of nested elements.
const MAX_DEPTH: usize = 32;

impl XmlElement {
    /// Parses a document.
    pub(crate) fn read(text: &str) -> Result<Self, S3Error> {
        let mut open: Vec<XmlElement> = vec![XmlElement::default()];
        let mut rest = text;
        while let Some(at) = rest.find('<') {
            let (before, tag) = rest.split_at(at);
            let top = open.last_mut().ok_or_else(S3Error::malformed_xml)?;
            top.text.push_str(&unescape(before)?);
            let close = if tag.starts_with("<!--") { "-->" } else { ">" };
            let end = tag.find(close).ok_or_else(S3Error::malformed_xml)?;
            let inner = &tag[1..end];
            rest = &tag[end + close.len()..];
            if inner.starts_with('?') || inner.starts_with("!--") {
                continue;
            }
            if inner.starts_with('!') || open.len() > MAX_DEPTH {
                return Err(S3Error::malformed_xml());
            }
            take_tag(&mut open, inner)?;
        }
        if open.len() != 1 || !rest.trim().is_empty() {
            return Err(S3Error::malformed_xml());
        }
        open.pop().and_then(|mut root| root.children.pop()).ok_or_else(S3Error::malformed_xml)
    }

    /// The first child with a name.
    pub(crate) fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The text of the first child with a name.
    pub(crate) fn text_of(&self, name: &str) -> Option<&str> {
        self.child(name).map(|child| child.text.trim())
    }

    /// All children with a name.
    pub(crate) fn all(&self, name: &str) -> impl Iterator<Item = &Self> {
        self.children.iter().filter(move |child| child.name == name)
    }
}

fn take_tag(open: &mut Vec<XmlElement>, inner: &str) -> Result<(), S3Error> {
    let local = |name: &str| name.rsplit(':').next().unwrap_or(name).to_owned();
    if let Some(name) = inner.strip_prefix('/') {
        let done = open.pop().ok_or_else(S3Error::malformed_xml)?;
        if done.name != local(name.trim()) {
            return Err(S3Error::malformed_xml());
        }
        open.last_mut().ok_or_else(S3Error::malformed_xml)?.children.push(done);
        return Ok(());
    }
    let (inner, empty) = inner.strip_suffix('/').map_or((inner, false), |inner| (inner, true));
    let name = inner.split_whitespace().next().ok_or_else(S3Error::malformed_xml)?;
    let element = XmlElement { name: local(name), ..XmlElement::default() };
    if empty {
        open.last_mut().ok_or_else(S3Error::malformed_xml)?.children.push(element);
    } else {
        open.push(element);
    }
    Ok(())
}

fn unescape(text: &str) -> Result<String, S3Error> {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        plain.push_str(&rest[..at]);
        let end = rest[at..].find(';').ok_or_else(S3Error::malformed_xml)? + at;
        let name = &rest[at + 1..end];
        let number = name.strip_prefix("#x").map(|digits| u32::from_str_radix(digits, 16).ok());
        let number = number.or_else(|| name.strip_prefix('#').map(|digits| digits.parse().ok()));
        let one = match (name, number) {
            ("lt", _) => Some('<'),
            ("gt", _) => Some('>'),
            ("amp", _) => Some('&'),
            ("quot", _) => Some('"'),
            ("apos", _) => Some('\''),
            (_, Some(number)) => number.and_then(char::from_u32),
            _ => None,
        };
        plain.push(one.ok_or_else(S3Error::malformed_xml)?);
        rest = &rest[end + 1..];
    }
    plain.push_str(rest);
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_parts_is_read() {
        let text = "<?xml version=\"1.0\"?><C xmlns=\"urn:x\"><!-- > --><Part><ETag>&quot;a&#38;b&quot;</ETag>\
                    <PartNumber> 1 </PartNumber></Part><Part/></C>";
        let read = XmlElement::read(text).unwrap();
        assert_eq!(read.all("Part").count(), 2);
        assert_eq!(read.children[0].text_of("ETag"), Some("\"a&b\""));
        assert_eq!(read.children[0].text_of("PartNumber"), Some("1"));
    }

    proptest::proptest! {
        #[test]
        fn no_document_makes_the_reader_panic(text in "[<>/!?a&;#x1 \\-\"\u{e9}]{0,60}") {
            let _ = XmlElement::read(&text);
        }
    }

    #[test]
    fn malformed_documents_are_refused() {
        let deep = "<a>".repeat(40);
        for text in ["", "x", "<a>", "<a></b>", "</a>", "<a>&x;</a>", "<!DOCTYPE a><a/>", "<a", &deep] {
            assert_eq!(XmlElement::read(text).unwrap_err().code, "MalformedXML", "{text}");
        }
    }
}
