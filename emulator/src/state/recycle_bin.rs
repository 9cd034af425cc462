//! The recycle bin: retention rules of an account, and the images and snapshots that they retain. Knows no
//! permissions of operations.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::image::Life;
use super::snapshot::Snapshot;
use super::tags::Tags;
use crate::clock::Timestamp;

/// The retention rules of an account in a region, in the order of their creation.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct RetentionRules(pub(crate) Vec<RetentionRule>);

/// A retention rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RetentionRule {
    /// The id: eleven letters and digits.
    pub(crate) id: String,
    /// The retained resources.
    pub(crate) resources: RetainedResources,
    /// The time for which a resource is retained.
    pub(crate) days: u64,
    /// The description given at creation.
    pub(crate) description: Option<String>,
    /// The tags of the retained resources, of which one has to match; empty for all resources.
    pub(crate) tags: Vec<(String, Option<String>)>,
}

/// The resources that a retention rule retains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum RetainedResources {
    /// `EC2_IMAGE`.
    Images,
    /// `EBS_SNAPSHOT`.
    Snapshots,
}

/// The stay of a resource in the recycle bin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Retained {
    /// The time at which it entered.
    pub(crate) entered: Timestamp,
    /// The time at which it is deleted for good.
    pub(crate) leaves: Timestamp,
}

/// An image in the recycle bin. Its record stays among the images as a deregistered one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct BinnedImage {
    /// Its stay.
    pub(crate) retained: Retained,
    /// The stage of its life before it was deregistered.
    pub(crate) life: Life,
}

/// A snapshot in the recycle bin.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct BinnedSnapshot {
    /// Its stay.
    pub(crate) retained: Retained,
    /// Its record.
    pub(crate) snapshot: Snapshot,
}

impl RetentionRules {
    /// The stay of a resource that is deleted now; `None` if no rule retains it. The longest rule counts.
    pub(crate) fn retain(&self, what: RetainedResources, tags: &Tags, now: Timestamp) -> Option<Retained> {
        let of_rule = |rule: &&RetentionRule| {
            let tagged = |(key, value): &(String, Option<String>)| {
                tags.get(key).is_some_and(|tag| value.as_ref().is_none_or(|value| value == tag))
            };
            rule.resources == what && (rule.tags.is_empty() || rule.tags.iter().any(tagged))
        };
        let days = self.0.iter().filter(of_rule).map(|rule| rule.days).max()?;
        Some(Retained { entered: now, leaves: now.after(Duration::from_hours(24 * days)) })
    }
}

impl Retained {
    /// Whether the stay has ended.
    pub(crate) fn is_over(self, now: Timestamp) -> bool {
        now >= self.leaves
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_rule_for_a_resource_counts() {
        let rule = |resources, days, tag: Option<&str>| RetentionRule {
            id: "r".to_owned(),
            resources,
            days,
            description: None,
            tags: tag.map(|tag| (tag.to_owned(), None)).into_iter().collect(),
        };
        let (images, snapshots) = (RetainedResources::Images, RetainedResources::Snapshots);
        let rules = RetentionRules(vec![
            rule(images, 1, None),
            rule(images, 7, Some("k")),
            rule(snapshots, 3, Some("k")),
        ]);
        let tagged = Tags::from([("k".to_owned(), "v".to_owned())]);
        let days = |what, tags: &Tags| {
            let retained = rules.retain(what, tags, Timestamp(5))?;
            Some(retained.leaves.since(retained.entered).as_secs() / 86_400)
        };
        assert_eq!(days(images, &Tags::new()), Some(1));
        assert_eq!(days(images, &tagged), Some(7));
        assert_eq!(days(snapshots, &tagged), Some(3));
        assert_eq!(days(snapshots, &Tags::new()), None);
    }
}
