//! XML of repositories as a stream of events, with limits: on the bytes of one event, the depth, and the attributes of an
//! element. Entities beyond the five of XML are refused, and document types are skipped, so that nothing is expanded or fetched.

use std::borrow::Cow;
use std::io::{self, BufRead, Read};

use quick_xml::escape;
use quick_xml::events::{BytesStart, Event};

use super::error::RepodataError;

/// Most bytes of one tag, or of one piece of text.
const LONGEST_EVENT: usize = 1 << 20;
/// Most elements around one.
const DEEPEST: usize = 32;
/// Most attributes of an element.
const MOST_ATTRIBUTES: usize = 64;

/// A part of a document. Names are without the prefix of a namespace.
#[derive(Debug)]
pub(super) enum XmlEvent<'a> {
    /// An element begins.
    Start(RepodataElement<'a>),
    /// An element ends; its text came before, in one piece or several.
    End(Vec<u8>),
    /// Text.
    Text(String),
    /// The document ends.
    Eof,
}

/// The start of an element.
#[derive(Debug)]
pub(super) struct RepodataElement<'a>(BytesStart<'a>);

impl RepodataElement<'_> {
    /// Its name.
    pub(super) fn name(&self) -> &[u8] {
        self.0.local_name().into_inner()
    }

    /// The value of an attribute; none where it is missing. Damaged attributes count as missing.
    pub(super) fn attribute(&self, name: &[u8]) -> Option<String> {
        let mut attributes = self.0.attributes();
        let found = attributes.with_checks(false).take(MOST_ATTRIBUTES).flatten();
        let found = found.into_iter().find(|one| one.key.local_name().into_inner() == name)?;
        let text = std::str::from_utf8(&found.value).ok()?;
        escape::unescape(text).ok().map(Cow::into_owned)
    }
}

/// Reads a document.
pub(super) struct XmlReader<R> {
    reader: quick_xml::Reader<EventLimit<R>>,
    buffer: Vec<u8>,
    depth: usize,
    file: String,
}

impl<R: BufRead> XmlReader<R> {
    /// Reads a document; `file` is its name in messages.
    pub(super) fn new(file: &str, input: R) -> Self {
        let mut reader = quick_xml::Reader::from_reader(EventLimit { input, left: LONGEST_EVENT });
        reader.config_mut().expand_empty_elements = true;
        Self { reader, buffer: Vec::new(), depth: 0, file: file.to_owned() }
    }

    /// The next part.
    pub(super) fn next(&mut self) -> Result<XmlEvent<'_>, RepodataError> {
        let Self { reader, buffer, depth, file } = self;
        buffer.clear();
        reader.get_mut().left = LONGEST_EVENT;
        let at = reader.buffer_position();
        let failed = |reason: String| RepodataError::Xml { file: file.clone(), at, reason };
        let event = reader.read_event_into(buffer).map_err(|error| failed(error.to_string()))?;
        // Input in memory comes in one piece.
        if reader.get_ref().left == 0 {
            return Err(failed(too_long()));
        }
        Ok(match event {
            Event::Start(start) | Event::Empty(start) => {
                *depth = depth.saturating_add(1);
                if *depth > DEEPEST {
                    return Err(failed(format!("more than {DEEPEST} elements within each other")));
                }
                XmlEvent::Start(RepodataElement(start))
            }
            Event::End(end) => {
                *depth = depth.saturating_sub(1);
                XmlEvent::End(end.local_name().into_inner().to_vec())
            }
            Event::Text(text) => XmlEvent::Text(plain(&text.into_inner(), &failed)?),
            Event::CData(text) => XmlEvent::Text(plain(&text.into_inner(), &failed)?),
            Event::GeneralRef(reference) => {
                let known = reference.resolve_char_ref().map_err(|error| failed(error.to_string()))?;
                let name = plain(&reference.into_inner(), &failed)?;
                let entity = || escape::resolve_xml_entity(&name).map(str::to_owned);
                let text = known.map(String::from).or_else(entity);
                XmlEvent::Text(text.ok_or_else(|| failed(format!("the entity `{name}` is none of XML's")))?)
            }
            Event::Eof if *depth > 0 => return Err(failed("it ends before its elements do".to_owned())),
            Event::Eof => XmlEvent::Eof,
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {
                XmlEvent::Text(String::new())
            }
        })
    }
}

/// The error of a file that is XML and not what it should be.
pub(super) fn malformed(file: &str, reason: impl Into<String>) -> RepodataError {
    RepodataError::Malformed { file: file.to_owned(), reason: reason.into() }
}

fn plain(bytes: &[u8], failed: &dyn Fn(String) -> RepodataError) -> Result<String, RepodataError> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text.to_owned()),
        Err(error) => Err(failed(format!("it is not UTF-8: {error}"))),
    }
}

fn too_long() -> String {
    format!("a part of it is longer than {LONGEST_EVENT} bytes")
}

/// Input that ends in an error where one event takes too many bytes.
struct EventLimit<R> {
    input: R,
    left: usize,
}

impl<R: BufRead> Read for EventLimit<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(buffer)?;
        self.left = self.left.saturating_sub(count);
        Ok(count)
    }
}

impl<R: BufRead> BufRead for EventLimit<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.left == 0 {
            return Err(io::Error::other(too_long()));
        }
        self.input.fill_buf()
    }

    fn consume(&mut self, count: usize) {
        self.left = self.left.saturating_sub(count);
        self.input.consume(count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Starts, texts and ends, in few words.
    fn events(text: &str) -> Result<Vec<String>, RepodataError> {
        let mut reader = XmlReader::new("x.xml", text.as_bytes());
        let mut all = Vec::new();
        loop {
            match reader.next()? {
                XmlEvent::Start(element) => {
                    let name = String::from_utf8_lossy(element.name()).into_owned();
                    all.push(format!("<{name} {:?}", element.attribute(b"a")));
                }
                XmlEvent::End(name) => all.push(format!("{}>", String::from_utf8_lossy(&name))),
                XmlEvent::Text(text) if text.is_empty() => {}
                XmlEvent::Text(text) => all.push(text),
                XmlEvent::Eof => return Ok(all),
            }
        }
    }

    #[test]
    fn a_document_is_read_in_order() {
        let text = "<?xml version=\"1.0\"?><!DOCTYPE x><r:x a='1&amp;2'><y/>a&lt;b&#65;<![CDATA[<c>]]></r:x>";
        let expected = ["<x Some(\"1&2\")", "<y None", "y>", "a", "<", "b", "A", "<c>", "x>"];
        assert_eq!(events(text).unwrap(), expected);
    }

    #[test]
    fn what_goes_beyond_the_limits_is_refused() {
        let deep = "<a>".repeat(40);
        let long = format!("<a>{}</a>", "x".repeat(LONGEST_EVENT + 10_000));
        let bomb = "<!DOCTYPE a [<!ENTITY b \"bbbb\">]><a>&b;</a>";
        for wrong in [deep.as_str(), &long, bomb, "<a></b>", "<a>", "<a", "<a>&nbsp;</a>"] {
            assert!(events(wrong).is_err(), "{}", &wrong[..wrong.len().min(40)]);
        }
    }
}
