//! How a local region behaves: where its state is kept, and how much like the busy real thing it is.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::{Clock, SystemClock};
use crate::http::connection::Timeouts;
use crate::state::faults::FaultScript;
use crate::state::request_log::RequestLog;

/// How a local region behaves. By default it is quick and faultless: no windows, no quotas, no faults.
#[derive(Debug, Clone)]
pub struct RegionConfig {
    /// The folder of its state; made when missing.
    pub folder: PathBuf,
    /// How long its answers lag behind its effects.
    pub windows: Windows,
    /// How many requests it takes.
    pub quotas: Quotas,
    /// How long each part of a request may take.
    pub timeouts: Timeouts,
    /// How many entries a page of a list of blocks has at most; a service may give fewer than it was asked for.
    pub list_page_size: Option<usize>,
    /// What goes wrong on purpose.
    pub faults: FaultScript,
    /// What tells it the time.
    pub clock: Arc<dyn Clock>,
    /// Where it notes the requests that it answered, if anywhere.
    pub request_log: Option<Arc<RequestLog>>,
}

impl RegionConfig {
    /// A quick and faultless region with its state in `folder`.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            windows: Windows::default(),
            quotas: Quotas::default(),
            timeouts: Timeouts::default(),
            list_page_size: None,
            faults: FaultScript::default(),
            clock: Arc::new(SystemClock),
            request_log: None,
        }
    }

    /// Where the state is kept when nobody says otherwise: `$AMIFORGE_LOCAL_REGION`, else
    /// `amiforge/local-region` in `$XDG_DATA_HOME`, else in `~/.local/share`.
    pub fn default_folder() -> PathBuf {
        let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        variable("AMIFORGE_LOCAL_REGION").unwrap_or_else(|| {
            variable("XDG_DATA_HOME")
                .or_else(|| std::env::home_dir().map(|home| home.join(".local/share")))
                .unwrap_or_else(std::env::temp_dir)
                .join("amiforge/local-region")
        })
    }
}

impl Default for RegionConfig {
    fn default() -> Self {
        Self::new(Self::default_folder())
    }
}

/// How long answers lag behind effects, as they do in a real region. All zero by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Windows {
    /// From `CompleteSnapshot` until the snapshot is completed (or in error).
    pub completion: Duration,
    /// From `StartSnapshot` until `PutSnapshotBlock` finds the snapshot; 404 before.
    pub put_after_start: Duration,
    /// From completion until `ListSnapshotBlocks`, `ListChangedBlocks` and `GetSnapshotBlock` find the snapshot;
    /// 404 before.
    pub list_after_completion: Duration,
    /// From the making of an image or a snapshot until EC2's describing calls find it; `NotFound` before.
    pub describe_after_creation: Duration,
    /// From `CopyImage` or `CopySnapshot` until the copy is completed; pending before.
    pub copy: Duration,
    /// How long it takes to store or restore an image, and to look at one that is put into a parameter.
    pub task: Duration,
    /// What is added to a snapshot's `Timeout` before it is cancelled.
    pub cancel_lag: Duration,
}

impl Windows {
    /// About as long as they were seen to be in a real region.
    pub fn real() -> Self {
        Self {
            completion: Duration::from_millis(1500),
            put_after_start: Duration::from_secs(3),
            list_after_completion: Duration::from_secs(52),
            describe_after_creation: Duration::from_secs(2),
            copy: Duration::from_secs(5),
            task: Duration::from_secs(3),
            cancel_lag: Duration::from_mins(10),
        }
    }
}

/// How many requests are taken; nothing is refused by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Quotas {
    /// `StartSnapshot` a second and account.
    pub starts: Option<u32>,
    /// `CompleteSnapshot` a second and account.
    pub completes: Option<u32>,
    /// `PutSnapshotBlock` a second and account.
    pub puts: Option<u32>,
    /// `PutSnapshotBlock` a second and snapshot.
    pub puts_of_snapshot: Option<u32>,
    /// `GetSnapshotBlock` a second and account.
    pub gets: Option<u32>,
    /// `GetSnapshotBlock` a second and snapshot.
    pub gets_of_snapshot: Option<u32>,
    /// `ListSnapshotBlocks` a second and account, and `ListChangedBlocks` likewise.
    pub lists: Option<u32>,
    /// Snapshots of an account that are pending at a time.
    pub pending: Option<u32>,
    /// Images of an account that everybody may launch, in a region.
    pub public_images: Option<u32>,
    /// EC2, KMS, SSM and S3 requests a second and account.
    pub others: Option<u32>,
}

impl Quotas {
    /// The documented defaults of an account.
    pub fn real() -> Self {
        Self {
            starts: Some(10),
            completes: Some(10),
            puts: Some(1000),
            puts_of_snapshot: Some(1000),
            gets: Some(1000),
            gets_of_snapshot: Some(1000),
            lists: Some(50),
            pending: Some(100),
            public_images: Some(5),
            others: Some(100),
        }
    }
}
