//! Changed packages and sources as JSON.

use serde::{Deserialize, Serialize};

use super::{HeldBack, PackageChange, PinnedBy, SourceStatus};

/// A changed package as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageJson {
    /// `image`, or `stage NAME`.
    pub of: String,
    /// Its name.
    pub name: String,
    /// `added`, `removed`, `upgraded`, `downgraded` or `rebuilt`.
    pub change: String,
    /// The version that it had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The version that it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// Its source package.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The newest version in a suite of security updates, if the older version is before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub security: Option<String>,
}

/// A package that is held back as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldBackJson {
    /// `image`, or `stage NAME`.
    pub of: String,
    /// Its name.
    pub name: String,
    /// The version that it has.
    pub version: String,
    /// The version in the suite of security updates.
    pub security: String,
    /// Its source package.
    pub source: String,
}

/// How the packages of a new lock differ, as an update keeps it for the run that continues it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageChanges {
    /// The packages that changed.
    pub packages: Vec<PackageJson>,
    /// The packages that are held back.
    pub held_back: Vec<HeldBackJson>,
}

/// A source of a stage, or an AMI as a source of the image, as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SourceJson {
    /// The stage; left out for a source of the image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
    /// Its name.
    pub name: String,
    /// Its location.
    pub location: String,
    /// `lock` or `recipe`.
    pub pinned_by: &'static str,
    /// `same`, `changed`, `newer`, `missing` or `unknown`.
    pub state: &'static str,
    /// How it differs, or why that is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl From<&PackageChange> for PackageJson {
    fn from(package: &PackageChange) -> Self {
        let (change, from, to) = package.change.parts();
        Self {
            of: package.owner.clone(),
            name: package.name.clone(),
            change: change.to_owned(),
            from: from.map(str::to_owned),
            to: to.map(str::to_owned),
            source: package.source.clone(),
            security: package.security.clone(),
        }
    }
}

impl From<&HeldBack> for HeldBackJson {
    fn from(package: &HeldBack) -> Self {
        Self {
            of: package.owner.clone(),
            name: package.name.clone(),
            version: package.version.clone(),
            security: package.security.clone(),
            source: package.source.clone(),
        }
    }
}

impl From<&SourceStatus> for SourceJson {
    fn from(source: &SourceStatus) -> Self {
        let (state, detail) = source.state.parts();
        Self {
            stage: source.stage.clone(),
            name: source.label.clone(),
            location: source.location.clone(),
            pinned_by: match source.pinned_by {
                PinnedBy::Lock => "lock",
                PinnedBy::Recipe => "recipe",
            },
            state,
            detail: detail.map(str::to_owned),
        }
    }
}
