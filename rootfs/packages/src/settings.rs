//! Settings of a configuration: plain data, the same for every kind.

use std::collections::BTreeMap;

use amiforge_formats::time::Time;
use amiforge_sandbox::{OnFailure, SandboxClock, SandboxLimits, Seed};

use crate::configure::AccountIds;

/// Answers of a recipe to questions that packages ask, by question.
pub type Answers = BTreeMap<String, String>;

/// Settings of a configuration without running scripts.
#[derive(Debug, Clone, Copy)]
pub struct NativeSettings<'a> {
    /// Answers to questions of the packages; others are answered by their defaults.
    pub answers: &'a Answers,
    /// Numbers of users and groups that the packages make.
    pub accounts: &'a AccountIds,
    /// The time of what is written.
    pub epoch: Time,
}

/// Settings of a configuration by the packages' scripts.
#[derive(Debug, Clone, Copy)]
pub struct ScriptSettings<'a> {
    /// Answers to questions of the packages.
    pub answers: &'a Answers,
    /// Numbers of users and groups that the scripts make.
    pub accounts: &'a AccountIds,
    /// Resource limits of all scripts together.
    pub limits: SandboxLimits,
    /// `SOURCE_DATE_EPOCH`, and the newest time that what they write may have.
    pub epoch: Time,
    /// The time of day that they see.
    pub now: Time,
    /// The reaction to a failed script.
    pub on_failure: OnFailure,
    /// Which time of day the scripts see.
    pub clock: SandboxClock,
    /// The seed of their random numbers.
    pub seed: Seed,
}
