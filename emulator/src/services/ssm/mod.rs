//! SSM, as far as parameters go (API version 2014-11-06, JSON 1.1).

mod voice;

use http::StatusCode;

use crate::door::reply::Response;
use crate::door::signed::Signed;
use crate::world::{Region, World};

pub(crate) use self::voice::{error, fail, refuse};

/// The name of what a request asks for.
pub(crate) fn action(request: &Signed) -> String {
    let target = request.header("x-amz-target").unwrap_or_default();
    target.rsplit('.').next().unwrap_or_default().to_owned()
}

/// Answers a request.
#[expect(clippy::unused_async, reason = "the calls are still to come")]
pub(crate) async fn answer(_world: &World, _region: &Region, request: Signed) -> Response {
    error(StatusCode::BAD_REQUEST, "UnknownOperationException", "", &request.request_id)
}
