//! EC2, as far as an AMI's life needs it (API version 2016-11-15, query protocol).

pub(crate) mod store;
mod voice;

use http::StatusCode;

use crate::door::reply::Response;
use crate::door::signed::Signed;
use crate::world::{Region, World};

pub(crate) use self::voice::{error, escape, fail, refuse};

/// The name of what a request asks for.
pub(crate) fn action(request: &Signed) -> String {
    let mut fields = form_urlencoded::parse(request.body());
    fields.find(|(name, _)| name == "Action").map(|(_, value)| value.into_owned()).unwrap_or_default()
}

/// Answers a request.
#[expect(clippy::unused_async, reason = "the calls are still to come")]
pub(crate) async fn answer(_world: &World, _region: &Region, request: Signed) -> Response {
    let message = format!("The action {} is not valid for this web service.", action(&request));
    error(StatusCode::BAD_REQUEST, "InvalidAction", &message, &request.request_id)
}
