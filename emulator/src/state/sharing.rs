//! The grants of an image: accounts, the public, organizations and organizational units.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// A grantee.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum SharedWith {
    /// Everybody: the group `all`.
    Everybody,
    /// An account: twelve digits.
    Account(String),
    /// An organization by its ARN.
    Organization(String),
    /// An organizational unit by its ARN.
    Unit(String),
}

/// The grantees of an image.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Grants(pub(crate) BTreeSet<SharedWith>);

impl Grants {
    /// Whether the image is public.
    pub(crate) fn is_public(&self) -> bool {
        self.0.contains(&SharedWith::Everybody)
    }

    /// Whether an account may use the image, by its own grant or because it is public.
    pub(crate) fn allows(&self, account: &str) -> bool {
        self.is_public() || self.names(account)
    }

    /// Whether an account has a grant of its own.
    pub(crate) fn names(&self, account: &str) -> bool {
        self.0.contains(&SharedWith::Account(account.to_owned()))
    }
}
