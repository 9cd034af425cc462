//! An estimate of what keeping an image costs in a month.

use amiforge_publish::plan;
use serde::Serialize;

/// The source of the prices.
pub const PRICES: &str = plan::PRICES_SOURCE;

/// The storage tier with the lower price.
const ARCHIVE: &str = "archive";

/// The estimated cost of an image in a month.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MonthlyCost {
    /// US dollars.
    pub usd: f64,
    /// Whether it may be less: which blocks other snapshots share is not known.
    pub at_most: bool,
}

impl MonthlyCost {
    /// Adds the cost of a snapshot with this many bytes.
    pub(super) fn add(&mut self, bytes: u64, tier: Option<&str>) {
        let price = if tier == Some(ARCHIVE) { plan::ARCHIVED } else { plan::STORED };
        self.usd = ((self.usd + bytes as f64 / 1e9 * price) * 1e4).round() / 1e4;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archived_gigabyte_costs_a_quarter() {
        let (mut standard, mut archived) = (MonthlyCost::default(), MonthlyCost::default());
        standard.add(8_000_000_000, Some("standard"));
        archived.add(8_000_000_000, Some("archive"));
        assert!((standard.usd - 0.4).abs() < 1e-9 && (archived.usd - 0.1).abs() < 1e-9);
    }
}
