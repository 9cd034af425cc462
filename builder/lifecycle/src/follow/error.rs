//! Why a fleet does not follow.

use amiforge_publish::retry::RetryExhausted;

/// Why a fleet does not follow. The top of the chain, "cannot let … follow …", is the caller's.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FollowError {
    /// A call failed.
    #[error("{action}")]
    Call {
        /// A gerund and its object.
        action: String,
        /// The error after all retries.
        source: RetryExhausted,
    },
    /// The image cannot be launched.
    #[error("{image} is `{state}`, and only an image that is `available` can be launched")]
    ImageState {
        /// The image.
        image: String,
        /// Its state.
        state: String,
    },
    /// Nothing opts in.
    #[error("no group and no launch template opts in: {selection}")]
    NoFollower {
        /// What was looked for.
        selection: String,
    },
    /// A group or template that is listed does not exist.
    #[error("there is no {kind} `{name}`")]
    Missing {
        /// `group` or `launch template`.
        kind: &'static str,
        /// Its name or id.
        name: String,
    },
    /// A group whose configuration cannot follow.
    #[error("the group `{group}` uses {what}, which cannot follow")]
    Unsupported {
        /// The group.
        group: String,
        /// What it uses.
        what: String,
    },
    /// The instance types of a group cannot run the image.
    #[error(transparent)]
    Mismatch(#[from] Mismatch),
    /// Another operator works on the same resources.
    #[error(transparent)]
    Conflict(#[from] Conflict),
    /// A refresh ended without success, or hung, and could not be taken back completely.
    #[error("the instance refresh of `{group}` {what}, and taking it back did not end: {rest}")]
    NotTakenBack {
        /// The group.
        group: String,
        /// What happened to the refresh.
        what: String,
        /// What could not be taken back, and why.
        rest: String,
    },
    /// A refresh ended without success, or hung; the fleet is as it was before.
    #[error("the instance refresh of `{group}` {what}; everything that this run changed was taken back")]
    TakenBack {
        /// The group.
        group: String,
        /// What happened to the refresh.
        what: String,
    },
    /// The refresh that takes a group back ended without success.
    #[error("the instance refresh that takes `{group}` back {what}")]
    Back {
        /// The group.
        group: String,
        /// What happened to it.
        what: String,
    },
    /// A refresh was cancelled, which only another operator does.
    #[error("the instance refresh of `{group}` was cancelled by another operator at {percentage} %")]
    Cancelled {
        /// The group.
        group: String,
        /// The part of the instances that was updated.
        percentage: u64,
    },
    /// Instances do not run the image although the refresh succeeded.
    #[error(
        "the instance refresh of `{group}` succeeded, but {count} instances run another image: {examples}"
    )]
    Drift {
        /// The group.
        group: String,
        /// The number of instances.
        count: usize,
        /// Some of them with their images.
        examples: String,
    },
    /// A version that was made has another image.
    #[error("version {version} of {template} holds `{actual}`, not `{expected}`")]
    Version {
        /// The template.
        template: String,
        /// The version.
        version: u64,
        /// The image that it was made with.
        expected: String,
        /// The image that it has.
        actual: String,
    },
    /// The work was interrupted.
    #[error("interrupted")]
    Interrupted,
}

/// Instance types that cannot run an image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// The architectures differ.
    #[error("{image} is for `{architecture}`, and `{group}` launches {types}")]
    Architecture {
        /// The group, or the template.
        group: String,
        /// The image.
        image: String,
        /// Its architecture.
        architecture: String,
        /// The types that cannot run it, with their architectures.
        types: String,
    },
    /// A type does not support the boot mode.
    #[error("{image} boots in the mode `{mode}`, and `{group}` launches {types}, which do not")]
    BootMode {
        /// The group, or the template.
        group: String,
        /// The image.
        image: String,
        /// Its boot mode.
        mode: String,
        /// The types that cannot boot it.
        types: String,
    },
}

/// Other work on the same resources.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Conflict {
    /// A refresh with another configuration runs.
    #[error("another instance refresh of `{group}` ({id}) is `{status}`, for {configuration}")]
    Refresh {
        /// The group.
        group: String,
        /// The refresh.
        id: String,
        /// Its status.
        status: String,
        /// What it launches.
        configuration: String,
    },
    /// A group that does not opt in uses the default or latest version of a template.
    #[error("`{other}` uses version `{selector}` of {template} and does not opt in")]
    Bystander {
        /// The group that does not opt in.
        other: String,
        /// The template.
        template: String,
        /// `$Default` or `$Latest`.
        selector: String,
    },
    /// Two uses of one template contradict each other.
    #[error(
        "{template} is used at `$Latest` and at version {version}, and a new version of the latter would become the latest"
    )]
    Latest {
        /// The template.
        template: String,
        /// The other version.
        version: u64,
    },
    /// The default version was changed meanwhile.
    #[error(
        "the default version of {template} was set to {actual} by another operator, after this run set it to {expected}"
    )]
    Default {
        /// The template.
        template: String,
        /// What this run set.
        expected: u64,
        /// What it is.
        actual: u64,
    },
    /// The configuration of a group was changed meanwhile.
    #[error("the configuration of `{group}` was changed by another operator meanwhile")]
    Group {
        /// The group.
        group: String,
    },
}

impl FollowError {
    /// What the user can do next.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Call { .. } | Self::Interrupted => return None,
            Self::ImageState { .. } => "wait until it is available, or name another image",
            Self::NoFollower { .. } => {
                "name groups with `--groups`, or set the tag `amiforge:follow` to NAME/CHANNEL on groups and launch templates"
            }
            Self::Missing { .. } => "check the name, and the region",
            Self::Unsupported { .. } => "give the group a launch template or a mixed instances policy first",
            Self::Mismatch(_) => "publish an image for these types, or change the types of the group",
            Self::Conflict(Conflict::Refresh { .. }) => {
                "wait for its end, or take it back (`aws autoscaling rollback-instance-refresh`), and run the same command \
                 again"
            }
            Self::Conflict(Conflict::Bystander { .. }) => {
                "let that group opt in too, or give it a fixed version of the template"
            }
            Self::Conflict(Conflict::Latest { .. }) => {
                "give both the same selector, or a fixed version to each"
            }
            Self::Conflict(_) => "agree on one image, and run the command again",
            Self::NotTakenBack { .. } | Self::Back { .. } => {
                "`amiforge follow --status` shows what runs; the same command with the image before brings the fleet back"
            }
            Self::TakenBack { .. } => {
                "the reasons are in the scaling activities of the group: `aws autoscaling describe-scaling-activities`"
            }
            Self::Cancelled { .. } => "the same command continues, with `--skip-matching` where it left off",
            Self::Drift { .. } => "the same command replaces them",
            Self::Version { .. } => "delete that version, and run the same command again",
        };
        Some(hint.to_owned())
    }
}
