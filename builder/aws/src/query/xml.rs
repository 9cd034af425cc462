//! Decodes outputs from XML.
//!
//! `aws-smithy-xml`, which generated clients use, accepts a truncated document and ends its lists there: a response
//! with half of the images would look complete. So documents are parsed by `roxmltree`, which refuses documents that
//! are not well-formed, and all document type definitions with their entities.

use roxmltree::{Document, Node, ParsingOptions};

use super::field::Shape;
use super::{Protocol, Tree};

/// Maximum number of nodes of a document: a page of 1,000 images, each with 50 tags, has less than a million.
const MAX_NODES: u32 = 4 << 20;

/// The response does not have the expected form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct MalformedResponse(String);

impl MalformedResponse {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

/// An element of a response.
#[derive(Debug, Clone, Copy)]
pub(crate) struct XmlElement<'a, 'input> {
    node: Node<'a, 'input>,
    protocol: Protocol,
}

/// A value of an output; an omitted value is the default.
pub(crate) trait OutputValue: Default {
    /// Its shape.
    const SHAPE: Shape;

    /// Reads the value from an element.
    fn read(element: XmlElement<'_, '_>) -> Result<Self, MalformedResponse>;
}

/// The body of an error response.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct RefusalBody {
    pub(crate) code: Option<String>,
    pub(crate) message: Option<String>,
    pub(crate) request_id: Option<String>,
}

/// Decodes the output of a successful call.
pub(super) fn decode<A: OutputValue>(
    body: &[u8],
    call: &str,
    protocol: Protocol,
) -> Result<A, MalformedResponse> {
    let document = document(body)?;
    let root = XmlElement { node: document.root_element(), protocol };
    let root = root.expect_name(&format!("{call}Response"))?;
    match protocol {
        Protocol::Ec2 => A::read(root),
        // Calls with JSON are not decoded here.
        Protocol::Query | Protocol::Json => {
            let name = format!("{call}Result");
            match root.children().find(|child| child.name() == name) {
                Some(result) => A::read(result),
                // Calls without an output omit the result element.
                None => Ok(A::default()),
            }
        }
    }
}

/// Decodes an error response, as far as possible: gateways return pages of their own.
pub(crate) fn refusal(body: &[u8]) -> RefusalBody {
    let Ok(document) = document(body) else { return RefusalBody::default() };
    let root = document.root_element();
    let text = |of: Node<'_, '_>, names: [&str; 2]| {
        let element = of.children().find(|node| node.is_element() && names.contains(&node.tag_name().name()));
        element
            .and_then(|node| node.text())
            .map(|text| text.trim().to_owned())
            .filter(|text| !text.is_empty())
    };
    let error = root.descendants().find(|node| node.is_element() && node.tag_name().name() == "Error");
    RefusalBody {
        code: error.and_then(|error| text(error, ["Code", "code"])),
        message: error.and_then(|error| text(error, ["Message", "message"])),
        // EC2 uses `RequestID`, the other services `RequestId`.
        request_id: text(root, ["RequestID", "RequestId"]),
    }
}

/// Parses a document.
pub(crate) fn document(body: &[u8]) -> Result<Document<'_>, MalformedResponse> {
    let text =
        std::str::from_utf8(body).map_err(|error| MalformedResponse(format!("it is not UTF-8: {error}")))?;
    let options = ParsingOptions { allow_dtd: false, nodes_limit: MAX_NODES, ..ParsingOptions::default() };
    Document::parse_with_options(text, options)
        .map_err(|error| MalformedResponse(format!("it is not XML: {error}")))
}

impl<'a, 'input> XmlElement<'a, 'input> {
    /// Its local name.
    pub(super) fn name(&self) -> &'a str {
        self.node.tag_name().name()
    }

    /// Fails unless the element can be a structure or a list: those have no text between their elements.
    pub(crate) fn structure(self) -> Result<(), MalformedResponse> {
        let text =
            |node: &Node<'_, '_>| node.is_text() && node.text().is_some_and(|text| !text.trim().is_empty());
        match self.node.children().find(text).and_then(|node| node.text()) {
            Some(stray) => Err(self.malformed_value(stray, "text where elements are expected")),
            None => Ok(()),
        }
    }

    /// The value of a member: the last element with the name, or the default if there is none.
    pub(crate) fn field<A: OutputValue>(self, name: &str) -> Result<A, MalformedResponse> {
        self.children().filter(|child| child.name() == name).last().map_or_else(|| Ok(A::default()), A::read)
    }

    /// Its child elements.
    pub(super) fn child_elements(self) -> Vec<XmlElement<'a, 'input>> {
        self.children().collect()
    }

    fn children(self) -> impl Iterator<Item = XmlElement<'a, 'input>> {
        let protocol = self.protocol;
        self.node.children().filter(Node::is_element).map(move |node| XmlElement { node, protocol })
    }

    /// The items of a list.
    pub(super) fn items(self) -> Result<Vec<XmlElement<'a, 'input>>, MalformedResponse> {
        let item = self.protocol.item();
        self.structure()?;
        self.children().map(|child| child.expect_name(item)).collect()
    }

    /// The text of an element without child elements.
    pub(super) fn text(&self) -> Result<&'a str, MalformedResponse> {
        if let Some(child) = self.node.children().find(Node::is_element) {
            return Err(self.malformed_value(child.tag_name().name(), "an element where text is expected"));
        }
        // A comment splits the text into several nodes.
        match (self.node.children().filter(Node::is_text).count(), self.node.text()) {
            (0, _) => Ok(""),
            (1, Some(text)) => Ok(text),
            _ => Err(self.malformed("broken up by comments")),
        }
    }

    fn expect_name(self, name: &str) -> Result<Self, MalformedResponse> {
        if self.name() == name {
            return Ok(self);
        }
        Err(MalformedResponse(format!(
            "it has an element `{}` where `{name}` is expected",
            truncated(self.name())
        )))
    }

    /// The error for an invalid value.
    pub(super) fn malformed(&self, problem: &str) -> MalformedResponse {
        self.malformed_value(self.node.text().unwrap_or_default(), problem)
    }

    fn malformed_value(&self, value: &str, problem: &str) -> MalformedResponse {
        MalformedResponse(format!(
            "its `{}` is `{}`: {problem}",
            truncated(self.name()),
            truncated(value.trim())
        ))
    }
}

impl OutputValue for Tree {
    const SHAPE: Shape = Shape::Structure(&[]);

    fn read(element: XmlElement<'_, '_>) -> Result<Self, MalformedResponse> {
        element.structure()?;
        Ok(Self::Members(tree_members(element)?))
    }
}

fn tree_members(element: XmlElement<'_, '_>) -> Result<Vec<(String, Tree)>, MalformedResponse> {
    let mut members = Vec::new();
    for child in element.child_elements() {
        // An empty element is an empty list or a value that is not set.
        if let Some(value) = tree_value(child)? {
            members.push((child.name().to_owned(), value));
        }
    }
    Ok(members)
}

fn tree_value(element: XmlElement<'_, '_>) -> Result<Option<Tree>, MalformedResponse> {
    let children = element.child_elements();
    let Some(first) = children.first() else {
        let text = element.text()?;
        return Ok((!text.is_empty()).then(|| Tree::Text(text.to_owned())));
    };
    element.structure()?;
    let item = first.name();
    if matches!(item, "member" | "item") && children.iter().all(|child| child.name() == item) {
        let mut entries = Vec::new();
        for child in &children {
            entries.push(tree_value(*child)?.unwrap_or_default());
        }
        return Ok(Some(Tree::List(item.to_owned(), entries)));
    }
    Ok(Some(Tree::Members(tree_members(element)?)))
}

/// The beginning of a text, for an error message.
fn truncated(text: &str) -> String {
    const MOST: usize = 60;
    let mut text_start: String =
        text.chars().take(MOST).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if text.chars().nth(MOST).is_some() {
        text_start.push('…');
    }
    text_start
}

#[cfg(test)]
mod tests {
    use super::super::{Timestamp, outputs};
    use super::*;

    outputs! {
        Inner { key: Option<String> = "key", size: Option<u64> = "size", }
        Whole {
            name: Option<String> = "name",
            on: Option<bool> = "on",
            at: Option<Timestamp> = "at",
            all: Vec<Inner> = "allSet",
            inner: Option<Inner> = "inner",
        }
    }

    fn read(body: &str) -> Result<Whole, String> {
        let body = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><WholeResponse xmlns=\"http://x/\">{body}</WholeResponse>"
        );
        decode(body.as_bytes(), "Whole", Protocol::Ec2).map_err(|error| error.to_string())
    }

    #[test]
    fn members_are_read_by_name_and_unknown_ones_are_ignored() {
        let body = "<requestId>r</requestId>\n <name>a&amp;b&#x20ac; <![CDATA[<c>]]></name><on>true</on>\
            <at>2026-11-27T00:41:51.000Z</at>\n<new><deep><name>other</name></deep></new>\
            <allSet>\n<item><key>k</key><size>8</size></item> <item/></allSet><inner><size>1</size></inner>";
        let whole = read(body).unwrap();
        assert_eq!((whole.name.as_deref(), whole.on), (Some("a&b€ <c>"), Some(true)));
        assert_eq!(whole.at.unwrap().seconds, 1_795_740_111);
        assert_eq!(whole.all, [Inner { key: Some("k".to_owned()), size: Some(8) }, Inner::default()]);
        assert_eq!(whole.inner.unwrap().size, Some(1));
        assert_eq!(read(""), Ok(Whole::default()));
    }

    #[test]
    fn the_query_protocol_wraps_its_result() {
        let body = "<WholeResponse><WholeResult><allSet><member><key>k</key></member></allSet></WholeResult>\
            <ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></WholeResponse>";
        let whole: Whole = decode(body.as_bytes(), "Whole", Protocol::Query).unwrap();
        assert_eq!(whole.all.len(), 1);
        let none: Whole = decode(b"<WholeResponse/>", "Whole", Protocol::Query).unwrap();
        assert_eq!(none, Whole::default());
    }

    #[test]
    fn a_malformed_response_is_an_error_with_the_value() {
        for (body, message) in [
            ("<on>yes</on>", "its `on` is `yes`: neither `true` nor `false`"),
            ("<inner><size>eight</size></inner>", "its `size` is `eight`: not a whole number"),
            ("<inner><size/></inner>", "its `size` is ``: not a whole number"),
            ("<inner><size>-1</size></inner>", "its `size` is `-1`: not a whole number"),
            ("<inner><size>99999999999999999999</size></inner>", "not a whole number"),
            ("<at>yesterday</at>", "its `at` is `yesterday`: not a moment"),
            ("<name><b>x</b></name>", "its `name` is `b`: an element where text is expected"),
            ("<name>a<!-- x -->b</name>", "broken up by comments"),
            ("<inner>text</inner>", "its `inner` is `text`: text where elements are expected"),
            ("<allSet><member/></allSet>", "it has an element `member` where `item` is expected"),
            ("<allSet><item>", "it is not XML: "),
            ("<allSet><item></allSet></item>", "it is not XML: "),
            ("<name>&unknown;</name>", "it is not XML: "),
            ("<name>\u{1}</name>", "it is not XML: "),
        ] {
            let error = read(body).unwrap_err();
            assert!(error.contains(message), "{body}: {error}");
        }
    }

    #[test]
    fn truncated_and_hostile_documents_are_refused() {
        let whole = "<WholeResponse><allSet><item><key>k</key></item><item/></allSet></WholeResponse>";
        let read = |body: &[u8]| decode::<Whole>(body, "Whole", Protocol::Ec2);
        read(whole.as_bytes()).unwrap();
        for end in 0..whole.len() {
            read(&whole.as_bytes()[..end]).unwrap_err();
        }
        let deep = "<a>".repeat(1 << 20);
        let closed = format!("<WholeResponse>{}{}</WholeResponse>", deep, "</a>".repeat(1 << 20));
        let wide = format!("<WholeResponse>{}</WholeResponse>", "<a/>".repeat(MAX_NODES as usize));
        let entities = "<!DOCTYPE x [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;\">]><WholeResponse><name>&b;</name></WholeResponse>";
        for body in
            ["{\"a\": 1}", "<html><body>Sign in</body>", "<Other/>", "\u{feff}", &deep, &wide, entities]
        {
            read(body.as_bytes()).unwrap_err();
        }
        read(b"\xff\xfe<\0W\0").unwrap_err();
        // Unknown elements may be nested to any depth.
        let _ = read(closed.as_bytes());
    }

    #[test]
    fn a_refusal_has_code_message_and_request() {
        let ec2 = b"<?xml version='1.0'?><Response><Errors><Error><Code>InvalidAMIID.NotFound</Code>\
            <Message>The image id '[ami-1]' does not exist</Message></Error></Errors><RequestID>r-1</RequestID></Response>";
        let other =
            b"<ErrorResponse xmlns='http://x/'><Error><Type>Sender</Type><Code>ValidationError</Code>\
            <Message>no</Message></Error><RequestId>r-2</RequestId></ErrorResponse>";
        let refusal_of = |body: &[u8]| {
            let refusal = refusal(body);
            [refusal.code, refusal.message, refusal.request_id].map(Option::unwrap_or_default)
        };
        assert_eq!(
            refusal_of(ec2),
            ["InvalidAMIID.NotFound", "The image id '[ami-1]' does not exist", "r-1"]
        );
        assert_eq!(refusal_of(other), ["ValidationError", "no", "r-2"]);
        for body in ["", "<html>", "<html><body>502</body></html>", "Service Unavailable"] {
            assert_eq!(refusal(body.as_bytes()), RefusalBody::default());
        }
    }
}
