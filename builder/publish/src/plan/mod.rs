//! The plan of a publish, made without a network: its calls, the bytes sent, an estimate of the cost, and the IAM
//! policy for exactly these calls. Facts that only the service knows are listed as unknown.

mod calls;
mod cost;
mod import;
mod policy;
#[cfg(test)]
mod tests;
mod volume;

use serde::Serialize;

use super::request::{KeyChoice, Request};

pub use calls::PlannedCall;
pub use cost::{ARCHIVED, BillingPeriod, CostLine, PRICES_SOURCE, STORED};
pub use import::{ImportRole, plan_import};
pub use policy::key_statements;
pub use volume::{Parent, Precision, SourceName, SourceRead, Volume};

/// The plan of a publish.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// Name of the AMI.
    pub name: String,
    /// The region.
    pub region: String,
    /// The target regions.
    pub copies: Vec<String>,
    /// The calls, in order.
    pub calls: Vec<PlannedCall>,
    /// Blocks that are sent.
    pub blocks: u64,
    /// Bytes that are sent.
    pub bytes: u64,
    /// Estimated cost.
    pub cost: Vec<CostLine>,
    /// The source of the prices.
    pub prices: &'static str,
    /// The IAM policy for exactly these calls.
    pub policy: serde_json::Value,
    /// The role of the service that imports, if it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<ImportRole>,
    /// Facts that only the service knows.
    pub unknown: Vec<String>,
}

/// Plans a request with these volumes, which are made from sources that are read before.
pub fn plan(request: &Request, volumes: &[Volume], parent: Parent, sources: &[SourceRead]) -> Plan {
    let encrypted = request.requests_encryption();
    let sent = |volume: &Volume| volume.data + if encrypted { volume.zero } else { 0 };
    let blocks: u64 = volumes.iter().map(sent).sum();
    let mut calls = calls::source_calls(sources);
    calls.extend(calls::calls(request, volumes, blocks, parent));
    Plan {
        name: request.name.clone(),
        region: request.region.clone(),
        copies: request.copies.iter().map(|copy| copy.region.clone()).collect(),
        blocks,
        bytes: blocks * amiforge_formats::digest::BLOCK,
        cost: cost::cost(request, blocks, parent),
        prices: PRICES_SOURCE,
        policy: policy::with_sources(policy::policy(request, volumes, &calls, None), sources),
        role: None,
        unknown: unknown(request, volumes, blocks, parent),
        calls,
    }
}

/// Plans the registration of a snapshot that exists.
pub fn plan_register(request: &Request) -> Plan {
    let calls = calls::register_calls(request);
    Plan {
        name: request.name.clone(),
        region: request.region.clone(),
        copies: Vec::new(),
        blocks: 0,
        bytes: 0,
        cost: Vec::new(),
        prices: PRICES_SOURCE,
        policy: policy::policy(request, &[], &calls, None),
        role: None,
        unknown: vec![
            format!("whether the AMI `{}` is there already: then it is compared", request.name),
            "calls that have to be repeated, and how often is asked until something is done".to_owned(),
        ],
        calls,
    }
}

/// Facts that only the service knows, as sentences.
fn unknown(request: &Request, volumes: &[Volume], blocks: u64, parent: Parent) -> Vec<String> {
    let mut unknown = Vec::new();
    let zero: u64 = volumes.iter().map(|volume| volume.zero).sum();
    if !request.requests_encryption() && zero > 0 {
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
    if std::iter::once(&request.encryption)
        .chain(request.copies.iter().map(|copy| &copy.encryption))
        .any(|key| matches!(key, KeyChoice::Account | KeyChoice::Default))
    {
        unknown.push(
            "whether the account's default key for EBS is one of its own: then the policy needs the `kms:` actions of a \
             named key for it too"
                .to_owned(),
        );
    }
    if !request.share.with.is_empty() {
        unknown.push("who may launch the AMI already: nobody is added twice".to_owned());
    }
    unknown.push("calls that have to be repeated, and how often is asked until something is done".to_owned());
    unknown
}
