//! The form body of the query protocol, which Auto Scaling, EC2 and STS share. Knows no operation.

use crate::http::request::SignedRequest;

/// The name of the requested operation; empty if there is none.
pub(crate) fn action(request: &SignedRequest) -> String {
    let mut fields = form_urlencoded::parse(request.body());
    fields.find(|(name, _)| name == "Action").map(|(_, value)| value.into_owned()).unwrap_or_default()
}
