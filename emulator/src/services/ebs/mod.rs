//! EBS direct: the six operations that write and read the blocks of snapshots (API version 2019-11-02,
//! rest-json).

mod complete;
mod errors;
mod list;
mod put;
mod read;
mod start;
mod token;
mod validation;

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, StatusCode};
use serde::Serialize;

use crate::clock::Timestamp;
use crate::http::request::SignedRequest;
use crate::http::response::{Response, new_response, with_header};
use crate::state::blocks::BLOCK_SIZE;
use crate::state::config::Quotas;
use crate::state::snapshot::Snapshot;
use crate::state::{Region, State};

use self::errors::EbsError;
pub(crate) use self::errors::{deny, fail, frontend_throttled, reject};

/// The number of blocks in a GiB.
const BLOCKS_OF_GIB: u64 = (1 << 30) / BLOCK_SIZE as u64;

/// An operation with the parameters in its path.
#[derive(Debug, Clone, PartialEq, Eq)]
enum EbsOperation {
    Start,
    Put(String, String),
    Complete(String),
    Blocks(String),
    Changes(String),
    Read(String, String),
}

impl EbsOperation {
    fn from_request(request: &SignedRequest) -> Option<Self> {
        let path = request.parts.uri.path().trim_start_matches('/');
        let parts: Vec<_> = path.split('/').map(crate::sigv4::percent_decoded).collect();
        let parts: Vec<_> = parts.iter().map(String::as_str).collect();
        let own = str::to_owned;
        match (&request.parts.method, &parts[..]) {
            (&Method::POST, ["snapshots"]) => Some(Self::Start),
            (&Method::POST, ["snapshots", "completion", id]) => Some(Self::Complete(own(id))),
            (&Method::PUT, ["snapshots", id, "blocks", index]) => Some(Self::Put(own(id), own(index))),
            (&Method::GET, ["snapshots", id, "blocks"]) => Some(Self::Blocks(own(id))),
            (&Method::GET, ["snapshots", id, "changedblocks"]) => Some(Self::Changes(own(id))),
            (&Method::GET, ["snapshots", id, "blocks", index]) => Some(Self::Read(own(id), own(index))),
            _ => None,
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Start => "StartSnapshot",
            Self::Put(..) => "PutSnapshotBlock",
            Self::Complete(_) => "CompleteSnapshot",
            Self::Blocks(_) => "ListSnapshotBlocks",
            Self::Changes(_) => "ListChangedBlocks",
            Self::Read(..) => "GetSnapshotBlock",
        }
    }

    /// The quota per account, and the quota per snapshot, in requests per second.
    fn quota(&self, quotas: &Quotas) -> (Option<u32>, Option<(&str, u32)>) {
        let of = |id, rate: Option<u32>| rate.map(|rate| (id, rate));
        match self {
            Self::Start => (quotas.starts, None),
            Self::Complete(_) => (quotas.completes, None),
            Self::Put(id, _) => (quotas.puts, of(id.as_str(), quotas.puts_of_snapshot)),
            Self::Read(id, _) => (quotas.gets, of(id.as_str(), quotas.gets_of_snapshot)),
            Self::Blocks(_) | Self::Changes(_) => (quotas.lists, None),
        }
    }
}

/// A successful response.
#[derive(Debug)]
struct EbsResponse {
    status: StatusCode,
    content_type: &'static str,
    headers: Vec<(&'static str, String)>,
    body: Bytes,
}

/// The name of the requested operation; empty or approximate if it cannot be determined.
pub(crate) fn action(request: &SignedRequest) -> String {
    EbsOperation::from_request(request).map_or("", |call| call.name()).to_owned()
}

/// The snapshot in the path of a request, if there is one.
pub(crate) fn snapshots_of_path(request: &SignedRequest) -> Vec<String> {
    match EbsOperation::from_request(request) {
        Some(
            EbsOperation::Put(id, _)
            | EbsOperation::Complete(id)
            | EbsOperation::Blocks(id)
            | EbsOperation::Changes(id)
            | EbsOperation::Read(id, _),
        ) => vec![id],
        Some(EbsOperation::Start) | None => Vec::new(),
    }
}

/// The response that the snapshot of a request does not exist.
pub(crate) fn not_found(request: &SignedRequest) -> Response {
    let id = snapshots_of_path(request).concat();
    EbsError::snapshot_not_found(&id).response(&request.request_id)
}

/// Responds to a request.
pub(crate) async fn respond(state: &State, region: &Region, request: SignedRequest) -> Response {
    let id = request.request_id.clone();
    match perform(state, region, request).await {
        Ok(EbsResponse { status, content_type, headers, body }) => {
            let response = with_header(new_response(status, content_type, body), "x-amzn-requestid", &id);
            headers.iter().fold(response, |response, (name, value)| with_header(response, name, value))
        }
        Err(error) => error.response(&id),
    }
}

async fn perform(state: &State, region: &Region, request: SignedRequest) -> Result<EbsResponse, EbsError> {
    let call = EbsOperation::from_request(&request).ok_or_else(EbsError::unknown_operation)?;
    check_quota(state, &call, &request.account)?;
    match &call {
        EbsOperation::Start => start::respond(state, region, &request),
        EbsOperation::Put(id, index) => put::respond(state, region, &request, id, index).await,
        EbsOperation::Complete(id) => complete::respond(state, region, &request, id),
        EbsOperation::Blocks(id) => list::blocks(state, region, &request, id),
        EbsOperation::Changes(id) => list::changes(state, region, &request, id),
        EbsOperation::Read(id, index) => read::respond(state, region, &request, id, index).await,
    }
}

fn check_quota(state: &State, call: &EbsOperation, account: &str) -> Result<(), EbsError> {
    let (of_account, of_snapshot) = call.quota(&state.config.quotas);
    let (now, limiter) = (state.now(), &state.limiter);
    if !limiter.take(call.name(), account, of_account, now) {
        return Err(EbsError::throttled("ACCOUNT_THROTTLED"));
    }
    if let Some((id, rate)) = of_snapshot
        && !limiter.take(call.name(), id, Some(rate), now)
    {
        return Err(EbsError::throttled("RESOURCE_LEVEL_THROTTLE"));
    }
    Ok(())
}

/// A snapshot that an account may write to.
fn owned_snapshot(region: &Region, account: &str, id: &str) -> Option<Arc<Snapshot>> {
    region.snapshots.find(id).filter(|snapshot| snapshot.owner == account)
}

/// A snapshot whose blocks an account may read at this time.
fn readable_snapshot(
    state: &State,
    region: &Region,
    account: &str,
    id: &str,
) -> Result<Arc<Snapshot>, EbsError> {
    let snapshot = region.snapshots.find(id).filter(|snapshot| snapshot.readable_by(account));
    let snapshot = snapshot.ok_or_else(|| EbsError::snapshot_not_found(id))?;
    if snapshot.shared_with.everybody {
        return Err(EbsError::invalid("INVALID_SNAPSHOT_ID", "Public snapshots are not supported"));
    }
    if !region.is_usable(id, state.now()) {
        return Err(EbsError::invalid("INVALID_SNAPSHOT_ID", format!("The snapshot '{id}' is archived")));
    }
    if snapshot.listable(state.now(), &state.config.windows) {
        Ok(snapshot)
    } else {
        Err(EbsError::snapshot_not_found(id))
    }
}

/// The number of blocks in the volume of a snapshot.
fn block_count(snapshot: &Snapshot) -> u64 {
    snapshot.volume_size * BLOCKS_OF_GIB
}

/// Checks that a block index is within the volume.
fn check_index(index: i64, snapshot: &Snapshot) -> Result<u32, EbsError> {
    let within = u32::try_from(index).ok().filter(|&index| u64::from(index) < block_count(snapshot));
    within.ok_or_else(|| {
        let message = format!("Block index {index} is beyond the volume size extent");
        EbsError::invalid("INVALID_BLOCK", message)
    })
}

/// The parameters of a query.
struct Query(Vec<(String, String)>);

impl Query {
    fn of(request: &SignedRequest) -> Self {
        Self(request.query())
    }

    /// A parameter that exists and is not empty.
    fn find(&self, name: &str) -> Option<&str> {
        let pair = self.0.iter().find(|(key, _)| key == name);
        pair.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }
}

/// A response with a JSON body.
fn json_response(status: StatusCode, body: impl Into<Bytes>) -> EbsResponse {
    EbsResponse { status, content_type: "application/json", headers: Vec::new(), body: body.into() }
}

/// Serializes a value as JSON.
fn to_json<T: Serialize>(value: &T) -> String {
    // Strings, numbers and lists of them can always be serialized.
    serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned())
}

/// A JSON object of members that are already serialized, in the given order.
fn json_object(members: &[(&str, String)]) -> String {
    let members: Vec<_> = members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
    format!("{{{}}}", members.join(","))
}

/// A time in the service's format: seconds as a number in scientific notation.
fn format_time(moment: Timestamp) -> String {
    format!("{:E}", moment.seconds())
}

/// Runs file accesses outside the threads that serve connections.
async fn run_blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, EbsError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| EbsError::internal())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_the_service_writes_them() {
        assert_eq!(format_time(Timestamp(1_790_337_440_328)), "1.790337440328E9");
    }
}
