//! What publishing would do, told without a network: the calls, the bytes, an estimate of the cost, and the IAM policy
//! that exactly these calls need. What only the service knows is named as not known.

mod calls;
mod cost;
mod policy;
#[cfg(test)]
mod tests;

use serde::Serialize;

use super::request::Request;

pub use calls::PlannedCall;
pub use cost::{BillingPeriod, CostLine, PRICES_SOURCE};

/// A volume that is uploaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// The bundle or raw file, as it was named.
    pub path: String,
    /// Blocks with data.
    pub data: u64,
    /// Blocks that have to read as zeros.
    pub zero: u64,
    /// How sure that is.
    pub known: Precision,
}

/// How sure the number of blocks is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// A manifest lists every block.
    Exact,
    /// It can only be less: blocks are looked at when they are read, or a parent has some of them.
    UpperBound,
}

/// Whether there is a parent that has blocks already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parent {
    /// There is none.
    None,
    /// There is one; only changed blocks are sent, and read back.
    Some,
}

/// What publishing would do.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// Name of the AMI.
    pub name: String,
    /// The region.
    pub region: String,
    /// The regions that it is copied to.
    pub copies: Vec<String>,
    /// The calls, in their order.
    pub calls: Vec<PlannedCall>,
    /// Blocks that are sent.
    pub blocks: u64,
    /// Bytes that are sent.
    pub bytes: u64,
    /// What it costs about, in US dollars.
    pub cost: Vec<CostLine>,
    /// Where the prices are from.
    pub prices: &'static str,
    /// The IAM policy that exactly this needs.
    pub policy: serde_json::Value,
    /// What only the service knows.
    pub unknown: Vec<String>,
}

/// The plan of a request whose volumes are these.
pub fn plan(request: &Request, volumes: &[Volume], parent: Parent) -> Plan {
    let encrypted = request.asks_for_encryption();
    let sent = |volume: &Volume| volume.data + if encrypted { volume.zero } else { 0 };
    let blocks: u64 = volumes.iter().map(sent).sum();
    let calls = calls::calls(request, volumes, blocks, parent);
    Plan {
        name: request.name.clone(),
        region: request.region.clone(),
        copies: request.copies.iter().map(|copy| copy.region.clone()).collect(),
        blocks,
        bytes: blocks * amiforge_formats::digest::BLOCK,
        cost: cost::cost(request, blocks, parent),
        prices: PRICES_SOURCE,
        policy: policy::policy(request, &calls),
        unknown: unknown(request, volumes, blocks, parent),
        calls,
    }
}

/// What only the service knows, in sentences.
fn unknown(request: &Request, volumes: &[Volume], blocks: u64, parent: Parent) -> Vec<String> {
    let mut unknown = Vec::new();
    let zero: u64 = volumes.iter().map(|volume| volume.zero).sum();
    if !request.asks_for_encryption() && zero > 0 {
        let regions =
            if request.copies.is_empty() { "the region" } else { "the region or one that is copied to" };
        unknown.push(format!(
            "whether the account encrypts by default in {regions}: then {zero} blocks of zeros are sent too, {} in all",
            blocks + zero
        ));
    }
    unknown.push(format!(
        "whether the AMI `{}` is there already: then it is compared, and nothing is sent",
        request.name
    ));
    if parent == Parent::Some {
        unknown.push(
            "which blocks the parent has: they are not sent, so the numbers can only be less".to_owned(),
        );
    }
    for volume in
        volumes.iter().filter(|volume| volume.known == Precision::UpperBound && parent == Parent::None)
    {
        unknown.push(format!(
            "which blocks of `{}` are zero: they are looked at when they are read",
            volume.path
        ));
    }
    if !request.share.with.is_empty() {
        unknown.push("who may launch the AMI already: nobody is added twice".to_owned());
    }
    unknown.push("calls that have to be repeated, and how often is asked until something is done".to_owned());
    unknown
}
