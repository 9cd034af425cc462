//! Who else may use an image: accounts, everybody, organisations and their units.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// One whom something is shared with.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum SharedWith {
    /// Everybody: the group `all`.
    Everybody,
    /// An account: twelve digits.
    Account(String),
    /// An organisation: its ARN.
    Organization(String),
    /// A unit of an organisation: its ARN.
    Unit(String),
}

/// All whom something is shared with.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Grants(pub(crate) BTreeSet<SharedWith>);

impl Grants {
    /// Whether everybody may.
    pub(crate) fn is_public(&self) -> bool {
        self.0.contains(&SharedWith::Everybody)
    }

    /// Whether an account is named, or everybody is.
    pub(crate) fn allows(&self, account: &str) -> bool {
        self.is_public() || self.names(account)
    }

    /// Whether an account is named itself.
    pub(crate) fn names(&self, account: &str) -> bool {
        self.0.contains(&SharedWith::Account(account.to_owned()))
    }
}
