//! Builds and the result of their comparison: which conditions are likely to matter, by the builds that were equal.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

use super::conditions::Condition;

/// A condition that could not be changed, and the reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NotVaried {
    /// The condition.
    pub condition: String,
    /// Why.
    pub why: String,
}

/// A build and its comparison with the first one.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ComparedBuild {
    /// Its number, counted from 0.
    pub number: usize,
    /// The changed conditions.
    pub conditions: Vec<String>,
    /// The conditions that could not be changed.
    pub not_varied: Vec<NotVaried>,
    /// SHA-256 of the image.
    pub sha256: String,
    /// Whether all files of the bundle equal those of the first build.
    pub equal: bool,
    /// Its duration.
    pub seconds: f64,
    #[serde(skip)]
    pub(super) varied: Vec<Condition>,
}

/// The result of the builds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReproResult {
    /// All are equal.
    Reproducible,
    /// Builds differ although nothing was changed: the image depends on chance, such as a clock or a random number.
    Chance,
    /// These conditions were changed for every build that differs and for none that is equal.
    Suspects(Vec<String>),
    /// No one condition explains which builds differ.
    Unclear,
}

/// Evaluates the builds.
pub(super) fn evaluate(builds: &[ComparedBuild]) -> ReproResult {
    let (equal, different): (Vec<_>, Vec<_>) = builds.iter().skip(1).partition(|build| build.equal);
    if different.is_empty() {
        return ReproResult::Reproducible;
    }
    if different.iter().any(|build| build.varied.is_empty()) {
        return ReproResult::Chance;
    }
    let innocent: BTreeSet<Condition> = equal.iter().flat_map(|build| build.varied.iter().copied()).collect();
    // A build under several conditions may differ by any of them, so builds under a single condition take precedence.
    let alone: Vec<_> =
        different.iter().filter(|build| build.varied.len() == 1).flat_map(|build| &build.varied).collect();
    let suspects: Vec<String> = if alone.is_empty() {
        let shared = |one: &Condition| different.iter().all(|build| build.varied.contains(one));
        Condition::ALL
            .iter()
            .filter(|one| shared(one) && !innocent.contains(one))
            .map(ToString::to_string)
            .collect()
    } else {
        alone.into_iter().map(ToString::to_string).collect()
    };
    if suspects.is_empty() { ReproResult::Unclear } else { ReproResult::Suspects(suspects) }
}

impl fmt::Display for ReproResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reproducible => f.write_str("every build gave the same bytes"),
            Self::Chance => f.write_str(
                "builds differ although nothing was changed: something depends on chance, such as a clock or a random number",
            ),
            Self::Suspects(suspects) => write!(f, "builds differ, likely by: {}", suspects.join(", ")),
            Self::Unclear => f.write_str("builds differ, and no one condition explains which"),
        }
    }
}
