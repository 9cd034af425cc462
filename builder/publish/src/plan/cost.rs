//! An estimate of the cost of a publish. Prices differ between regions and change, so every output names it an
//! estimate.

use serde::Serialize;

use super::volume::Parent;
use crate::request::Request;

/// The source of the prices.
pub const PRICES_SOURCE: &str =
    "list prices of us-east-1 in US dollars, 2026-11; other regions differ, see docs/publish.md";

/// US dollars per 1000 written blocks.
const PUT: f64 = 0.006;
/// US dollars per GB of snapshots and month.
pub const STORED: f64 = 0.05;
/// US dollars per GB of archived snapshots and month.
pub const ARCHIVED: f64 = 0.0125;
/// US dollars per GB that is transferred to another region.
const TRANSFERRED: f64 = 0.02;
/// Length of a block in GB.
const BLOCK_GB: f64 = 524_288.0 / 1e9;

/// An item of the cost.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CostLine {
    /// The item.
    pub what: String,
    /// US dollars, once or per month.
    pub usd: f64,
    /// How often the amount is due.
    pub every: BillingPeriod,
}

/// How often an amount is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum BillingPeriod {
    /// Once.
    Once,
    /// Every month.
    Month,
}

/// The items of the cost.
pub(super) fn cost(request: &Request, blocks: u64, parent: Parent) -> Vec<CostLine> {
    let blocks = blocks as f64;
    let gb = blocks * BLOCK_GB;
    let line = |what: String, usd: f64, every| CostLine { what, usd: (usd * 1e4).round() / 1e4, every };
    let bound = if parent == Parent::Some { "at most, " } else { "" };
    let mut lines = vec![
        line(
            format!("writing {blocks} blocks ({bound}{PUT} for 1000)"),
            blocks / 1000.0 * PUT,
            BillingPeriod::Once,
        ),
        line(
            format!("keeping {gb:.2} GB of snapshots ({bound}{STORED} for a GB)"),
            gb * STORED,
            BillingPeriod::Month,
        ),
    ];
    for copy in &request.copies {
        let region = &copy.region;
        lines.push(line(
            format!("moving {gb:.2} GB to {region} ({TRANSFERRED} for a GB)"),
            gb * TRANSFERRED,
            BillingPeriod::Once,
        ));
        lines.push(line(format!("keeping the copy in {region}"), gb * STORED, BillingPeriod::Month));
    }
    lines
}
