//! The form body of the query protocol, which EC2 and STS share. Knows no operation.

use crate::http::request::SignedRequest;

/// The name of what a request asks for.
pub(crate) fn action(request: &SignedRequest) -> String {
    let mut fields = form_urlencoded::parse(request.body());
    fields.find(|(name, _)| name == "Action").map(|(_, value)| value.into_owned()).unwrap_or_default()
}
