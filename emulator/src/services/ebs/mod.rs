//! EBS direct: the six calls that write and read the blocks of snapshots (API version 2019-11-02, rest-json).

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

use crate::clock::Moment;
use crate::http::request::SignedRequest;
use crate::http::response::{Response, reply, with};
use crate::state::blocks::BLOCK;
use crate::state::config::Quotas;
use crate::state::snapshot::Snapshot;
use crate::state::{Region, World};

use self::errors::EbsRefusal;
pub(crate) use self::errors::{fail, refuse, throttle_in_front};

/// Blocks of a GiB.
const BLOCKS_OF_GIB: u64 = (1 << 30) / BLOCK as u64;

/// A call, with what its path says.
#[derive(Debug, Clone, PartialEq, Eq)]
enum EbsCall {
    Start,
    Put(String, String),
    Complete(String),
    Blocks(String),
    Changes(String),
    Read(String, String),
}

impl EbsCall {
    fn of(request: &SignedRequest) -> Option<Self> {
        let path = request.parts.uri.path().trim_start_matches('/');
        let parts: Vec<_> = path.split('/').map(crate::sigv4::decoded).collect();
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

    /// Requests a second that an account may make of it, and that may be made of it for one snapshot.
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

/// An answer that grants what was asked for.
#[derive(Debug)]
struct EbsAnswer {
    status: StatusCode,
    content_type: &'static str,
    headers: Vec<(&'static str, String)>,
    body: Bytes,
}

/// The name of what a request asks for.
pub(crate) fn action(request: &SignedRequest) -> String {
    EbsCall::of(request).map_or("", |call| call.name()).to_owned()
}

/// Says that there is no such snapshot as a request is about.
pub(crate) fn miss(request: &SignedRequest) -> Response {
    let id = match EbsCall::of(request) {
        Some(
            EbsCall::Put(id, _)
            | EbsCall::Complete(id)
            | EbsCall::Blocks(id)
            | EbsCall::Changes(id)
            | EbsCall::Read(id, _),
        ) => id,
        Some(EbsCall::Start) | None => String::new(),
    };
    EbsRefusal::no_snapshot(&id).response(&request.request_id)
}

/// Answers a request.
pub(crate) async fn answer(world: &World, region: &Region, request: SignedRequest) -> Response {
    let id = request.request_id.clone();
    match granted(world, region, request).await {
        Ok(EbsAnswer { status, content_type, headers, body }) => {
            let response = with(reply(status, content_type, body), "x-amzn-requestid", &id);
            headers.iter().fold(response, |response, (name, value)| with(response, name, value))
        }
        Err(refusal) => refusal.response(&id),
    }
}

async fn granted(world: &World, region: &Region, request: SignedRequest) -> Result<EbsAnswer, EbsRefusal> {
    let call = EbsCall::of(&request).ok_or_else(EbsRefusal::no_operation)?;
    check_quota(world, &call, &request.account)?;
    match &call {
        EbsCall::Start => start::answer(world, region, &request),
        EbsCall::Put(id, index) => put::answer(world, region, &request, id, index).await,
        EbsCall::Complete(id) => complete::answer(world, region, &request, id),
        EbsCall::Blocks(id) => list::blocks(world, region, &request, id),
        EbsCall::Changes(id) => list::changes(world, region, &request, id),
        EbsCall::Read(id, index) => read::answer(world, region, &request, id, index).await,
    }
}

fn check_quota(world: &World, call: &EbsCall, account: &str) -> Result<(), EbsRefusal> {
    let (of_account, of_snapshot) = call.quota(&world.config.quotas);
    let (now, limiter) = (world.now(), &world.limiter);
    if !limiter.take(call.name(), account, of_account, now) {
        return Err(EbsRefusal::throttled("ACCOUNT_THROTTLED"));
    }
    if let Some((id, rate)) = of_snapshot
        && !limiter.take(call.name(), id, Some(rate), now)
    {
        return Err(EbsRefusal::throttled("RESOURCE_LEVEL_THROTTLE"));
    }
    Ok(())
}

/// A snapshot that an account may write into.
fn owned(region: &Region, account: &str, id: &str) -> Option<Arc<Snapshot>> {
    region.snapshots.find(id).filter(|snapshot| snapshot.owner == account)
}

/// A snapshot whose blocks an account may read now.
fn readable(world: &World, region: &Region, account: &str, id: &str) -> Result<Arc<Snapshot>, EbsRefusal> {
    let found = region.snapshots.find(id).filter(|snapshot| snapshot.readable_by(account));
    let snapshot = found.ok_or_else(|| EbsRefusal::no_snapshot(id))?;
    if snapshot.shared_with.everybody {
        return Err(EbsRefusal::invalid("INVALID_SNAPSHOT_ID", "Public snapshots are not supported"));
    }
    if snapshot.listable(world.now(), &world.config.windows) {
        Ok(snapshot)
    } else {
        Err(EbsRefusal::no_snapshot(id))
    }
}

/// Number of blocks that fit into a snapshot.
fn extent(snapshot: &Snapshot) -> u64 {
    snapshot.volume_size * BLOCKS_OF_GIB
}

/// The index of a block, if it is within the volume.
fn check_index(index: i64, snapshot: &Snapshot) -> Result<u32, EbsRefusal> {
    let within = u32::try_from(index).ok().filter(|&index| u64::from(index) < extent(snapshot));
    within.ok_or_else(|| {
        let message = format!("Block index {index} is beyond the volume size extent");
        EbsRefusal::invalid("INVALID_BLOCK", message)
    })
}

/// The parameters of a query.
struct Query(Vec<(String, String)>);

impl Query {
    fn of(request: &SignedRequest) -> Self {
        Self(request.query())
    }

    /// A parameter that is there and not empty.
    fn find(&self, name: &str) -> Option<&str> {
        let pair = self.0.iter().find(|(key, _)| key == name);
        pair.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }
}

/// An answer in JSON.
fn answered(status: StatusCode, body: impl Into<Bytes>) -> EbsAnswer {
    EbsAnswer { status, content_type: "application/json", headers: Vec::new(), body: body.into() }
}

/// A value as JSON.
fn json<T: Serialize>(value: &T) -> String {
    // Strings, numbers and lists of them always have a JSON form.
    serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned())
}

/// An object of members that are JSON already.
fn object(members: &[(&str, String)]) -> String {
    let members: Vec<_> = members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
    format!("{{{}}}", members.join(","))
}

/// A time as the service writes it: seconds as a number, in scientific notation.
fn time(moment: Moment) -> String {
    format!("{:E}", moment.seconds())
}

/// Runs what touches the disk off the threads that serve connections.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, EbsRefusal> {
    tokio::task::spawn_blocking(work).await.map_err(|_| EbsRefusal::broken())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_the_service_writes_them() {
        assert_eq!(time(Moment(1_790_337_440_328)), "1.790337440328E9");
    }
}
