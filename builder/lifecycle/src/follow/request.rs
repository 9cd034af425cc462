//! What a follow is asked to do.

use std::time::Duration;

use crate::api::groups::RefreshPreferences;

/// The tag by which groups and templates opt in; its value is `NAME/CHANNEL`.
pub const FOLLOW_TAG: &str = "amiforge:follow";

/// The prefix of an image id that refers to a parameter.
pub(crate) const RESOLVE: &str = "resolve:ssm:";

/// A request to follow an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FollowRequest {
    /// The image.
    pub target: ImageTarget,
    /// Who follows.
    pub selection: Selection,
    /// How instances are replaced.
    pub preferences: RefreshPreferences,
    /// Whether and how long refreshes are waited for.
    pub wait: WaitPolicy,
}

/// The image to follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageTarget {
    /// Its id.
    pub image: String,
    /// The parameter that templates refer to instead of the image (`--resolve-ssm`), by its name.
    pub parameter: Option<String>,
}

impl ImageTarget {
    /// The text that a template version holds: the image, or the reference to the parameter.
    pub fn text(&self) -> String {
        self.parameter.as_ref().map_or_else(|| self.image.clone(), |name| format!("{RESOLVE}{name}"))
    }
}

/// Who follows: what is listed, and what has the tag. Nothing else is ever changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// Names of groups.
    pub groups: Vec<String>,
    /// Ids or names of launch templates without a group.
    pub templates: Vec<String>,
    /// A tag of groups and templates.
    pub tag: Option<TagChoice>,
}

/// A tag by which groups and templates opt in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagChoice {
    /// Its key.
    pub key: String,
    /// Its value; `None` for groups with any value.
    pub value: Option<String>,
}

impl TagChoice {
    /// Whether tags have it.
    pub(super) fn matches(&self, tags: &amiforge_publish::api::ec2::Tags) -> bool {
        let found = tags.get(&self.key);
        match &self.value {
            Some(value) => found == Some(value),
            None => found.is_some(),
        }
    }
}

/// Whether and how long refreshes are waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitPolicy {
    /// They are only started.
    Start,
    /// Until they end. One that makes no progress for this time is taken back; the pauses that the preferences ask for
    /// are added.
    UntilDone {
        /// The longest time without progress.
        stall: Duration,
    },
}
