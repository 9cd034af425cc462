//! The documents of S3: one level of elements, and lists of structures with texts.

use amiforge_publish::service_error::{ServiceError, ServiceErrorKind};

use super::super::query::{document, refusal as refusal_body};
use super::rest::{RestResponse, kind};

/// The elements of a document, or of a structure in it.
#[derive(Debug, Default)]
pub(super) struct Document {
    texts: Vec<(String, String)>,
    structures: Vec<(String, Document)>,
}

impl Document {
    /// Reads the document of a response with the status of success. A call that takes long sends the status first: the
    /// document may still be an error.
    pub(super) fn read(response: &RestResponse, root: &str) -> Result<Self, ServiceError> {
        let parsed = document(&response.body).map_err(|error| malformed(&error.to_string()))?;
        match parsed.root_element().tag_name().name() {
            "Error" => Err(refusal_with(response, 500)),
            // moto names some of its answers after the call: `ListPartsResponse`.
            name if name == root || name.strip_suffix("Response") == root.strip_suffix("Result") => {
                Ok(Self::of(parsed.root_element()))
            }
            _ => Err(malformed(&format!("it is not a `{root}`"))),
        }
    }

    fn of(node: roxmltree::Node<'_, '_>) -> Self {
        let mut document = Self::default();
        for child in node.children().filter(roxmltree::Node::is_element) {
            let name = child.tag_name().name().to_owned();
            if child.children().any(|inner| inner.is_element()) {
                document.structures.push((name, Self::of(child)));
            } else {
                document.texts.push((name, child.text().unwrap_or_default().to_owned()));
            }
        }
        document
    }

    /// The text of an element.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.texts.iter().find(|(other, _)| other == name).map(|(_, text)| text.as_str())
    }

    /// The text of an element that has to be there.
    pub(super) fn required(&self, name: &str) -> Result<String, ServiceError> {
        let text = self.text(name).filter(|text| !text.is_empty());
        text.map(str::to_owned).ok_or_else(|| malformed(&format!("it has no `{name}`")))
    }

    /// The number of an element that has to be there.
    pub(super) fn number(&self, name: &str) -> Result<u32, ServiceError> {
        let text = self.required(name)?;
        text.parse().map_err(|_| malformed(&format!("its `{name}` is not a whole number")))
    }

    /// The structures with a name.
    pub(super) fn all(&self, name: &str) -> Vec<&Self> {
        self.structures.iter().filter(|(other, _)| other == name).map(|(_, inner)| inner).collect()
    }
}

/// The error for a response that is not one of S3.
pub(super) fn malformed(problem: &str) -> ServiceError {
    ServiceError::local(ServiceErrorKind::Unreadable, format!("the answer of S3 cannot be read: {problem}"))
}

/// The error of a response.
pub(super) fn refusal(response: &RestResponse) -> ServiceError {
    refusal_with(response, response.status)
}

fn refusal_with(response: &RestResponse, status: u16) -> ServiceError {
    let body = refusal_body(&response.body);
    let message = body.message.unwrap_or_default();
    let code = body.code;
    let kind = match &code {
        Some(code) => ServiceError::classify(status, Some(code), &message, None),
        None => kind(status),
    };
    let request_id = body.request_id.or_else(|| response.header("x-amz-request-id").map(str::to_owned));
    ServiceError { kind, code, message, reason: None, status: Some(response.status), request_id }
}

/// A text between tags.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
