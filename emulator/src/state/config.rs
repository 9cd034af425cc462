//! The configuration of a local region: its folder, and how closely it imitates the timing and limits of a
//! real region.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::{Clock, SystemClock};
use crate::http::connection::Timeouts;
use crate::state::faults::FaultScript;
use crate::state::request_log::RequestLog;

/// The configuration of a local region. By default it is fast and reliable: no windows, no quotas, no faults.
#[derive(Debug, Clone)]
pub struct RegionConfig {
    /// The folder of its state; created if it does not exist.
    pub folder: PathBuf,
    /// The delays between an effect and its visibility.
    pub windows: Windows,
    /// The limits on the number of requests.
    pub quotas: Quotas,
    /// The time limits for the parts of a request.
    pub timeouts: Timeouts,
    /// The maximum number of entries in a page of a block list; a service may return fewer entries than
    /// requested.
    pub list_page_size: Option<usize>,
    /// The scripted faults.
    pub faults: FaultScript,
    /// The source of the current time.
    pub clock: Arc<dyn Clock>,
    /// The log of the requests, if they are logged.
    pub request_log: Option<Arc<RequestLog>>,
}

impl RegionConfig {
    /// A fast and reliable region with its state in `folder`.
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

    /// The default folder: `$AMIFORGE_LOCAL_REGION`, else `amiforge/local-region` in `$XDG_DATA_HOME`, else
    /// in `~/.local/share`.
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

/// Windows of eventual consistency: the delays between an effect and its visibility. All zero by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Windows {
    /// From `CompleteSnapshot` until the snapshot is completed (or in error).
    pub completion: Duration,
    /// From `StartSnapshot` until `PutSnapshotBlock` finds the snapshot; 404 before.
    pub put_after_start: Duration,
    /// From completion until `ListSnapshotBlocks`, `ListChangedBlocks` and `GetSnapshotBlock` find the
    /// snapshot; 404 before.
    pub list_after_completion: Duration,
    /// From the creation of an image or a snapshot until EC2's Describe operations find it; `NotFound`
    /// before.
    pub describe_after_creation: Duration,
    /// From `CopyImage` or `CopySnapshot` until the copy is completed; pending before.
    pub copy: Duration,
    /// The duration of storing or restoring an image, and of the check of an image in a parameter.
    pub task: Duration,
    /// From the launch of an instance until it is running, and from a stop or termination until it is in effect.
    pub instances: Duration,
    /// How long an instance refresh tries again after a launch that failed or an instance that is unhealthy. Zero: it
    /// fails with the first.
    pub refresh_retry: Duration,
    /// Added to a snapshot's `Timeout` before it is cancelled.
    pub cancel_lag: Duration,
}

impl Windows {
    /// About the delays that were observed in a real region.
    pub fn real() -> Self {
        Self {
            completion: Duration::from_millis(1500),
            put_after_start: Duration::from_secs(3),
            list_after_completion: Duration::from_secs(52),
            describe_after_creation: Duration::from_secs(2),
            copy: Duration::from_secs(5),
            task: Duration::from_secs(3),
            instances: Duration::from_secs(20),
            // Auto Scaling User Guide: a refresh that cannot make progress fails after an hour.
            refresh_retry: Duration::from_hours(1),
            cancel_lag: Duration::from_mins(10),
        }
    }
}

/// The limits on the number of requests; unlimited by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Quotas {
    /// `StartSnapshot` per second and account.
    pub starts: Option<u32>,
    /// `CompleteSnapshot` per second and account.
    pub completes: Option<u32>,
    /// `PutSnapshotBlock` per second and account.
    pub puts: Option<u32>,
    /// `PutSnapshotBlock` per second and snapshot.
    pub puts_of_snapshot: Option<u32>,
    /// `GetSnapshotBlock` per second and account.
    pub gets: Option<u32>,
    /// `GetSnapshotBlock` per second and snapshot.
    pub gets_of_snapshot: Option<u32>,
    /// `ListSnapshotBlocks` per second and account, and separately `ListChangedBlocks`.
    pub lists: Option<u32>,
    /// Pending snapshots of an account at the same time.
    pub pending: Option<u32>,
    /// Public images of an account in a region.
    pub public_images: Option<u32>,
    /// Auto Scaling, EC2, KMS, SSM and S3 requests per second and account.
    pub others: Option<u32>,
}

impl Quotas {
    /// The documented default quotas of an account.
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
