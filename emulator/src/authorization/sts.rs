//! STS.

use super::rule::{Rule, rule};

#[rustfmt::skip]
pub(super) const RULES: &[Rule] = &[
    // "No permissions are required", not even with an explicit deny (STS API Reference, GetCallerIdentity).
    rule("GetCallerIdentity", &[]),
];
