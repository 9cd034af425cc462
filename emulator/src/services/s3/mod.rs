//! S3, as far as keeping bundles and stored images needs it (API version 2006-03-01, REST with XML).

mod voice;

use http::StatusCode;

use crate::door::reply::Response;
use crate::door::signed::Signed;
use crate::world::{Region, World};

pub(crate) use self::voice::{error, fail, refuse};

/// A word for what a request asks for.
pub(crate) fn action(request: &Signed) -> String {
    request.parts.method.to_string()
}

/// Answers a request.
#[expect(clippy::unused_async, reason = "the calls are still to come")]
pub(crate) async fn answer(_world: &World, _region: &Region, request: Signed) -> Response {
    let message = "A header or query you provided implies functionality that is not implemented.";
    error(StatusCode::NOT_IMPLEMENTED, "NotImplemented", message, &request.request_id)
}
