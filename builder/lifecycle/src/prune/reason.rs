//! Why an image is kept.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::api::images::{ChannelImage, Held, ImageReference, UsageEntry};
use crate::inventory::moment;

/// Why an image is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeepReason {
    /// It is among the newest of its name.
    Newest {
        /// Its place, from 1.
        place: usize,
        /// Number of images that are kept.
        keep: usize,
    },
    /// It is too young.
    Young {
        /// Its age in seconds; none if the service does not say when it was registered.
        age: Option<i64>,
        /// The minimum age in seconds.
        limit: i64,
    },
    /// It is protected from deregistration.
    Protected {
        /// The state of the protection.
        state: String,
    },
    /// It is in a state in which nothing is done.
    State {
        /// The state.
        state: String,
    },
    /// A resource of the account names it.
    Reference(ImageReference),
    /// A channel holds or held it.
    Channel(ChannelImage),
    /// It was launched lately.
    Launched {
        /// When.
        at: String,
        /// The limit in seconds.
        limit: i64,
    },
    /// Another account uses it.
    OtherAccount(UsageEntry),
    /// Whether other accounts use it is not known.
    UsageUnknown {
        /// Why.
        why: String,
    },
}

impl KeepReason {
    /// The kind of reason, in a word.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Newest { .. } => "newest",
            Self::Young { .. } => "young",
            Self::Protected { .. } => "protected",
            Self::State { .. } => "state",
            Self::Reference(_) => "reference",
            Self::Channel(_) => "channel",
            Self::Launched { .. } => "launched",
            Self::OtherAccount(_) => "other-account",
            Self::UsageUnknown { .. } => "usage-unknown",
        }
    }

    /// Whether something uses or may launch the image, so that it must not be disabled.
    pub(super) fn is_use(&self) -> bool {
        matches!(self, Self::Reference(_) | Self::OtherAccount(_))
            || matches!(self, Self::Channel(channel) if channel.held == Held::Now)
    }
}

impl fmt::Display for KeepReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Newest { place: 1, .. } => f.write_str("it is the newest of its name"),
            Self::Newest { place, keep } => {
                write!(f, "it is number {place} of its name by age, and the newest {keep} are kept")
            }
            Self::Young { age: Some(age), limit } => {
                write!(f, "it is {} old, not {}", moment::span(*age), moment::span(*limit))
            }
            Self::Young { age: None, .. } => f.write_str("the service does not say how old it is"),
            Self::Protected { state } => write!(f, "deregistration protection is `{state}`"),
            Self::State { state } => write!(f, "it is `{state}`"),
            Self::Reference(reference) => write!(f, "{} names it", reference.arn),
            Self::Channel(channel) => match channel.held {
                Held::Now => write!(f, "{} holds it", channel.parameter),
                Held::Before => write!(f, "{} held it before its last change", channel.parameter),
                Held::Earlier => write!(f, "{} held it earlier", channel.parameter),
            },
            Self::Launched { at, limit } => {
                write!(f, "it was launched at {at}, less than {} ago", moment::span(*limit))
            }
            Self::OtherAccount(entry) => {
                write!(f, "account {} uses it ({} of {})", entry.account, entry.count, entry.kind)
            }
            Self::UsageUnknown { why } => write!(f, "whether other accounts use it is not known: {why}"),
        }
    }
}

impl Serialize for KeepReason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct as _;
        let mut shown = serializer.serialize_struct("KeepReason", 2)?;
        shown.serialize_field("kind", self.kind())?;
        shown.serialize_field("text", &self.to_string())?;
        shown.end()
    }
}
