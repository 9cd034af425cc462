//! Resources of requests: their ARNs and their condition keys.

use crate::iam::Keys;
use crate::state::tags::Tags;

/// A resource of a request.
#[derive(Debug, Clone)]
pub(super) struct Resource {
    arn: String,
    keys: Keys,
}

impl Resource {
    /// The resource of actions that have none.
    pub(super) fn any() -> Self {
        Self::with_arn("*".to_owned())
    }

    /// A resource with an ARN.
    pub(super) fn with_arn(arn: String) -> Self {
        Self { arn, keys: Keys::default() }
    }

    /// Adds the tags of the resource, as condition keys with these prefixes.
    #[must_use]
    pub(super) fn tagged(mut self, prefixes: &[&str], tags: &Tags) -> Self {
        for (key, value) in tags {
            for prefix in prefixes {
                self.keys.set(&format!("{prefix}{key}"), value);
            }
        }
        self
    }

    /// Adds the tags that the request gives to the resource.
    #[must_use]
    pub(super) fn requesting(mut self, tags: &[(String, String)]) -> Self {
        if tags.is_empty() {
            return self;
        }
        for (key, value) in tags {
            self.keys.set(&format!("aws:RequestTag/{key}"), value);
        }
        self.keys.set_all("aws:TagKeys", tags.iter().map(|(key, _)| key.clone()).collect());
        self
    }

    /// Adds a condition key.
    #[must_use]
    pub(super) fn with_key(mut self, name: &str, value: impl Into<String>) -> Self {
        self.keys.set(name, value);
        self
    }

    /// Adds a condition key with several values.
    #[must_use]
    pub(super) fn with_keys(mut self, name: &str, values: Vec<String>) -> Self {
        self.keys.set_all(name, values);
        self
    }

    /// The ARN, or `*`.
    pub(super) fn arn(&self) -> &str {
        &self.arn
    }

    /// The condition keys of the resource.
    pub(super) fn keys(&self) -> &Keys {
        &self.keys
    }
}

/// The partition of a region's ARNs (AWS General Reference, "Amazon Resource Names").
pub(super) fn partition(region: &str) -> &'static str {
    match region {
        name if name.starts_with("cn-") => "aws-cn",
        name if name.starts_with("us-gov-") => "aws-us-gov",
        name if name.starts_with("eusc-") => "aws-eusc",
        name if name.starts_with("us-isob-") => "aws-iso-b",
        name if name.starts_with("us-isof-") => "aws-iso-f",
        name if name.starts_with("eu-isoe-") => "aws-iso-e",
        name if name.starts_with("us-iso-") => "aws-iso",
        _ => "aws",
    }
}
