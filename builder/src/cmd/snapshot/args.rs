//! The arguments of `amiforge snapshot`.

use std::time::Duration;

use amiforge_lifecycle::api::storage::{LockExpiry, LockMode, NewLock, RestorePeriod};
use amiforge_lifecycle::storage::plan::SnapshotOperation;
use amiforge_lifecycle::storage::snapshots::Waiting;

use crate::cmd::region;
use crate::outcome::Failure;

/// Lock snapshots, move them to the archive and back, and make volumes from them start fast
///
/// A snapshot is named by its id, or all snapshots of an AMI by the id of the AMI. Each operation can be run again: what
/// is done already stays.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  amiforge snapshot lock snap-0abc --for 365d\n  \
    amiforge snapshot archive ami-0abc --region eu-west-1 --wait\n  amiforge snapshot restore snap-0abc --days 7\n  \
    amiforge snapshot fast-restore ami-0abc --zones eu-west-1a --yes")]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(super) operation: Operation,
}

/// The operations.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Operation {
    /// Lock against deletion for a time
    Lock(LockArgs),
    /// Remove a lock
    Unlock(SnapshotTarget),
    /// Move into the archive, which is slower and cheaper; AMIs that use it have to be disabled
    Archive(ArchiveArgs),
    /// Bring back from the archive
    Restore(RestoreArgs),
    /// Make volumes fast from their first read on, in some zones, at a price per hour
    FastRestore(FastRestoreArgs),
}

/// The arguments of all operations.
#[derive(Debug, clap::Args)]
#[group(skip)]
pub(super) struct SnapshotTarget {
    /// The snapshot, or the AMI whose snapshots are meant
    #[arg(value_parser = region::resource_id)]
    pub(super) snapshot: String,

    /// Print the calls and the IAM policy that they need; makes no call
    #[arg(long)]
    pub(super) dry_run: bool,

    #[command(flatten)]
    pub(super) aws: region::Args,
}

#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("expiry").required(true).args(["days", "until"]))]
pub(super) struct LockArgs {
    #[command(flatten)]
    target: SnapshotTarget,

    /// For a number of days: `30d`
    #[arg(long = "for", value_name = "DAYS", value_parser = days)]
    days: Option<u64>,

    /// Until a moment: RFC 3339, in UTC
    #[arg(long, value_name = "TIME")]
    until: Option<String>,

    /// In compliance mode: after the cooling-off period it cannot be unlocked, not even by AWS; needs `--yes`
    #[arg(long)]
    compliance: bool,

    /// Hours during which a lock in compliance mode can be removed: 1 to 72
    #[arg(long, value_name = "HOURS", requires = "compliance", value_parser = clap::value_parser!(u64).range(1..=72))]
    cool_off: Option<u64>,

    /// Do not ask for confirmation
    #[arg(long)]
    yes: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct ArchiveArgs {
    #[command(flatten)]
    target: SnapshotTarget,

    #[command(flatten)]
    waiting: WaitArgs,
}

#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("period").required(true).args(["days", "permanent"]))]
pub(super) struct RestoreArgs {
    #[command(flatten)]
    target: SnapshotTarget,

    /// For a number of days, after which it is archived again
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=180))]
    days: Option<u64>,

    /// For good
    #[arg(long)]
    permanent: bool,

    #[command(flatten)]
    pub(super) waiting: WaitArgs,
}

#[derive(Debug, clap::Args)]
#[group(skip)]
pub(super) struct WaitArgs {
    /// Wait until it is done; archiving and restoring may take days
    #[arg(long)]
    wait: bool,

    /// Hours to wait
    #[arg(long, value_name = "N", default_value_t = 72, requires = "wait")]
    wait_hours: u64,
}

#[derive(Debug, clap::Args)]
pub(super) struct FastRestoreArgs {
    #[command(flatten)]
    target: SnapshotTarget,

    /// The availability zones [default: all of the region]
    #[arg(long, value_name = "ZONE", value_delimiter = ',')]
    zones: Vec<String>,

    /// End them, and with them their price
    #[arg(long)]
    pub(super) off: bool,

    /// Accept the price, which is shown before
    #[arg(long)]
    pub(super) yes: bool,
}

impl Operation {
    pub(super) fn target(&self) -> &SnapshotTarget {
        match self {
            Self::Lock(args) => &args.target,
            Self::Unlock(target) => target,
            Self::Archive(args) => &args.target,
            Self::Restore(args) => &args.target,
            Self::FastRestore(args) => &args.target,
        }
    }

    /// What it does, as an infinitive.
    pub(super) fn verb(&self) -> &'static str {
        match self {
            Self::Lock(_) => "lock",
            Self::Unlock(_) => "unlock",
            Self::Archive(_) => "archive",
            Self::Restore(_) => "restore",
            Self::FastRestore(_) => "change the fast restores of",
        }
    }

    pub(super) fn kind(&self) -> SnapshotOperation {
        match self {
            Self::Lock(_) => SnapshotOperation::Lock,
            Self::Unlock(_) => SnapshotOperation::Unlock,
            Self::Archive(_) => SnapshotOperation::Archive,
            Self::Restore(_) => SnapshotOperation::Restore,
            Self::FastRestore(args) if args.off => SnapshotOperation::DisableFastRestore,
            Self::FastRestore(_) => SnapshotOperation::EnableFastRestore,
        }
    }

    pub(super) fn zones(&self) -> &[String] {
        match self {
            Self::FastRestore(args) => &args.zones,
            _ => &[],
        }
    }

    /// A lock in compliance mode cannot be taken back, so it needs a confirmation.
    pub(super) fn check_confirmed(&self, cannot: &str) -> Result<(), Failure> {
        match self {
            Self::Lock(args) if args.compliance && !args.yes => {
                let problem =
                    anyhow::anyhow!("a lock in compliance mode cannot be removed before it expires")
                        .context(cannot.to_owned());
                Err(Failure::usage(problem).hint(
                    "add `--yes`; `--cool-off 24` leaves a day to remove it, and without `--compliance` it can be removed",
                ))
            }
            _ => Ok(()),
        }
    }
}

impl LockArgs {
    pub(super) fn lock(&self) -> NewLock {
        let expiry = match (self.days, &self.until) {
            (Some(days), _) => LockExpiry::Days(days),
            (None, until) => LockExpiry::At(until.clone().unwrap_or_default()),
        };
        let mode = if self.compliance { LockMode::Compliance } else { LockMode::Governance };
        NewLock { mode, expiry, cool_off: self.cool_off }
    }
}

impl ArchiveArgs {
    pub(super) fn waiting(&self) -> Waiting {
        self.waiting.waiting()
    }
}

impl RestoreArgs {
    pub(super) fn period(&self) -> RestorePeriod {
        self.days.map_or(RestorePeriod::Permanent, RestorePeriod::Days)
    }
}

impl WaitArgs {
    pub(super) fn waiting(&self) -> Waiting {
        if self.wait { Waiting::UntilDone(Duration::from_hours(self.wait_hours)) } else { Waiting::None }
    }
}

/// Parses a number of days for a lock.
fn days(text: &str) -> Result<u64, String> {
    let days = text.strip_suffix('d').and_then(|days| days.parse().ok());
    days.filter(|days| (1..=36_500).contains(days)).ok_or_else(|| "not `1d` to `36500d`".to_owned())
}
