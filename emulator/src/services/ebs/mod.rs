//! EBS direct: the six calls that write and read the blocks of snapshots (API version 2019-11-02, rest-json).

mod voice;

use crate::door::reply::Response;
use crate::door::signed::Signed;
use crate::world::{Region, World};

pub(crate) use self::voice::{Refusal, fail, refuse};

/// The name of what a request asks for.
pub(crate) fn action(request: &Signed) -> String {
    request.parts.method.to_string()
}

/// Answers a request.
#[expect(clippy::unused_async, reason = "the calls are still to come")]
pub(crate) async fn answer(_world: &World, _region: &Region, request: Signed) -> Response {
    Refusal::no_operation().response(&request.request_id)
}
