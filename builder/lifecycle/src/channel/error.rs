//! Errors of changing a channel. Every refusal has what to do about it.

use std::fmt;

use amiforge_publish::ami::AmiError;
use amiforge_publish::retry::RetryExhausted;

use super::name::NameError;
use crate::ledger::LedgerError;

/// Why a channel was not changed, or not read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChannelError {
    /// The parameter has no valid name.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A call failed.
    #[error("{action}")]
    Call {
        /// The action that failed, as a gerund.
        action: String,
        /// The cause.
        source: RetryExhausted,
    },
    /// Images or parameters cannot be used; nothing was changed.
    #[error("{}", list(.0))]
    Refused(Vec<Refusal>),
    /// SSM accepted a version that does not appear.
    #[error(
        "SSM accepted {image} as version {version} of `{parameter}` in {region}, and does not show it after {seconds} s: \
         it checks that the image is available to the caller, who needs `ec2:DescribeImages`, and drops the version if not"
    )]
    NotVisible {
        /// The region.
        region: String,
        /// The parameter.
        parameter: String,
        /// The image.
        image: String,
        /// Number of the version.
        version: u64,
        /// Time waited.
        seconds: u64,
    },
    /// Another operator changed the parameter at the same time.
    #[error("`{parameter}` in {region} was changed at the same time: version {version} holds {image}{}", by(user.as_deref()))]
    Conflict {
        /// The region.
        region: String,
        /// The parameter.
        parameter: String,
        /// Number of the other version.
        version: u64,
        /// Its image.
        image: String,
        /// The user who made it, if SSM names one.
        user: Option<String>,
    },
    /// The parameter was deleted by others meanwhile.
    #[error("`{parameter}` in {region} was deleted at the same time")]
    Deleted {
        /// The region.
        region: String,
        /// The parameter.
        parameter: String,
    },
    /// The history is full, and its oldest version cannot make room.
    #[error(
        "`{parameter}` in {region} has as many versions as SSM keeps, and the oldest, {version}, has the label `{label}`"
    )]
    HistoryFull {
        /// The region.
        region: String,
        /// The parameter.
        parameter: String,
        /// Number of the oldest version.
        version: u64,
        /// A label of it.
        label: String,
    },
    /// All parameters were set, and then others changed the channel: what they set stays.
    #[error("all regions were set, and then others changed the channel")]
    Overtaken {
        /// What they changed.
        source: Box<Self>,
    },
    /// The change failed and every parameter is as before, or as others have set it since.
    #[error("the change failed, and {}", kept_text(kept))]
    SetBack {
        /// Why the change failed.
        source: Box<Self>,
        /// Parameters that could not be as before, with the reason.
        kept: Vec<Kept>,
    },
    /// The change failed and could not be set back completely.
    #[error("the change failed, and {} not set back yet: {}", parameters(left.len()), left.join("; "))]
    SetBackIncomplete {
        /// Why the change failed.
        source: Box<Self>,
        /// What is left, with the reason.
        left: Vec<String>,
    },
    /// A change that is not finished is another one.
    #[error("the change of {title} that began before, a {verb}, is not finished")]
    OtherChange {
        /// Image and version of that change.
        title: String,
        /// Its command.
        verb: &'static str,
    },
    /// An earlier run ended before its change was complete.
    #[error("an earlier run did not finish")]
    Unfinished,
    /// There is nothing to abandon.
    #[error("nothing is under way: {reason}")]
    NothingToAbandon {
        /// The state that the ledger records.
        reason: String,
    },
    /// The images of a bundle or of an image in other regions cannot be found.
    #[error("reading what `{bundle}` was published as")]
    Bundle {
        /// The bundle.
        bundle: String,
        /// The cause.
        source: Box<AmiError>,
    },
    /// The image has no name of its own.
    #[error(
        "{image} has no tag `{}`, so nothing says which image the channel is of",
        amiforge_publish::tags::IMAGE
    )]
    Nameless {
        /// The image.
        image: String,
    },
    /// The ledger cannot be used.
    #[error("keeping the ledger of the channel")]
    Ledger(#[from] LedgerError),
    /// The user interrupted the work.
    #[error("interrupted")]
    Interrupted,
}

/// A parameter that was not set back because it must not be.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Kept {
    /// The region.
    pub region: String,
    /// The parameter.
    pub parameter: String,
    /// The reason.
    pub reason: String,
}

/// Why an image or a parameter cannot be used, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Refusal {
    /// The region.
    pub region: String,
    /// The reason, for programs.
    pub reason: RefusalReason,
    /// The problem.
    pub problem: String,
    /// The remedy.
    pub remedy: String,
}

/// Why something is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RefusalReason {
    /// The region has no such image.
    Missing,
    /// Several images could be meant.
    Ambiguous,
    /// The image is pending, failed, or in another such state.
    NotAvailable,
    /// The image is deprecated.
    Deprecated,
    /// The image is disabled.
    Disabled,
    /// Those who must use the image may not.
    NotShared,
    /// Its architecture is not that of the image that the channel holds.
    Architecture,
    /// The parameter is of another type or data type.
    ParameterType,
    /// The parameter's history is full.
    HistoryFull,
    /// There is no channel.
    NoChannel,
    /// The channel held nothing that could be gone back to.
    NoVersion,
    /// The regions would hold different versions.
    Differing,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.region, self.problem, self.remedy)
    }
}

impl ChannelError {
    /// The error of a call that was the first cause, if one was.
    pub fn call(&self) -> Option<&RetryExhausted> {
        match self {
            Self::Call { source, .. } => Some(source),
            Self::SetBack { source, .. }
            | Self::SetBackIncomplete { source, .. }
            | Self::Overtaken { source } => source.call(),
            _ => None,
        }
    }

    /// The first cause.
    pub fn cause(&self) -> &Self {
        match self {
            Self::SetBack { source, .. }
            | Self::SetBackIncomplete { source, .. }
            | Self::Overtaken { source } => source.cause(),
            other => other,
        }
    }
}

fn list(refusals: &[Refusal]) -> String {
    if let [only] = refusals {
        return only.to_string();
    }
    let mut text = format!("{} reasons", refusals.len());
    for refusal in refusals {
        text = format!("{text}\n{refusal}");
    }
    text
}

fn by(user: Option<&str>) -> String {
    user.map(|user| format!(", set by {user}")).unwrap_or_default()
}

fn parameters(count: usize) -> String {
    if count == 1 { "1 parameter is".to_owned() } else { format!("{count} parameters are") }
}

fn kept_text(kept: &[Kept]) -> String {
    if kept.is_empty() {
        return "everything is set back".to_owned();
    }
    let one =
        |kept: &Kept| format!("`{}` in {} stays as it is: {}", kept.parameter, kept.region, kept.reason);
    let all: Vec<_> = kept.iter().map(one).collect();
    format!("is set back where it can be; {}", all.join("; "))
}
