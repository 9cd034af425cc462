//! The plan of a publish whose snapshots are imported: other calls, another policy, and the role of the service.

use serde::Serialize;

use super::cost::{self, BillingPeriod, CostLine};
use super::volume::{Parent, SourceRead, Volume};
use super::{Plan, calls, policy, unknown};
use crate::import::{ImportOptions, role};
use crate::request::Request;

/// The role of the service that imports.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ImportRole {
    /// Its name.
    pub name: String,
    /// Its trust policy.
    pub trust: serde_json::Value,
    /// Its permissions.
    pub policy: serde_json::Value,
}

/// US dollars for 1000 requests that write to S3.
const PUT: f64 = 0.005;
/// US dollars for 1000 blocks that are read back.
const GET: f64 = 0.003;

/// Plans a request whose snapshots are imported. `sizes` are the numbers of all blocks of the volumes, and of the parts
/// that they are sent in: an object has no holes. The volumes are made from sources that are read before.
pub fn plan_import(
    request: &Request,
    volumes: &[Volume],
    import: &ImportOptions,
    sizes: &[(u64, u64)],
    sources: &[SourceRead],
) -> Plan {
    let (blocks, parts) = sizes.iter().fold((0, 0), |all, one| (all.0 + one.0, all.1 + one.1));
    let mut calls = calls::source_calls(sources);
    calls.extend(calls::import_calls(request, volumes.len() as u64, parts));
    let whole: Vec<_> = volumes.iter().map(|volume| Volume { zero: 0, ..volume.clone() }).collect();
    let mut unknown = unknown(request, &whole, blocks, Parent::Some);
    // What concerns the blocks of a parent is not asked.
    unknown.retain(|line| !line.starts_with("which blocks the parent has"));
    unknown.push(format!(
        "whether the role `{}` is there, trusted and allowed enough: known when the import begins; the object stays, and \
         the same command goes on",
        import.role_name()
    ));
    Plan {
        name: request.name.clone(),
        region: request.region.clone(),
        copies: request.copies.iter().map(|copy| copy.region.clone()).collect(),
        blocks,
        bytes: blocks * amiforge_formats::digest::BLOCK,
        cost: cost(request, blocks, parts),
        prices: cost::PRICES_SOURCE,
        policy: policy::with_sources(policy::policy(request, volumes, &calls, Some(&import.bucket)), sources),
        role: Some(ImportRole {
            name: import.role_name().to_owned(),
            trust: role::trust_policy(),
            policy: role::permissions(request, &import.bucket),
        }),
        unknown,
        calls,
    }
}

/// The items of the cost: those of a direct publish, with other requests.
fn cost(request: &Request, blocks: u64, parts: u64) -> Vec<CostLine> {
    let line = |what: String, usd: f64| CostLine {
        what,
        usd: (usd * 1e4).round() / 1e4,
        every: BillingPeriod::Once,
    };
    let mut lines = cost::cost(request, blocks, Parent::None);
    lines[0] = line(format!("sending {parts} parts ({PUT} for 1000)"), parts as f64 / 1000.0 * PUT);
    lines.insert(
        1,
        line(format!("reading {blocks} blocks back ({GET} for 1000)"), blocks as f64 / 1000.0 * GET),
    );
    lines
}
