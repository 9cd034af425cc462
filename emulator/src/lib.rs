//! The local region: an AWS-compatible region on this machine. EBS direct, the part of EC2 that an AMI's life needs,
//! and the parts of SSM, S3, KMS and STS around it, over HTTP on loopback, with its state in a folder.
//!
//! It shares no code with the clients that it tests: signatures, digests and wire forms are read again from AWS's own
//! descriptions. It is as strict as the real service, and unlike it does what it is told: windows of eventual
//! consistency, quotas and faults happen when [`RegionConfig`] says so, and time is what its [`Clock`] says.

mod clock;
mod digest;
mod error;
mod http;
mod ids;
mod server;
mod services;
mod sigv4;
mod state;
mod sync;

pub use self::clock::{Clock, ManualClock, SystemClock, Timestamp};
pub use self::error::Error;
pub use self::http::connection::Timeouts;
pub use self::server::{LocalRegion, RegionServer};
pub use self::state::config::{Quotas, RegionConfig, Windows};
pub use self::state::faults::{FaultRule, FaultScript, InjectedFault, When};
pub use self::state::request_log::{LoggedRequest, RequestLog};
pub use self::state::snapshot_volume::{SnapshotVolume, UnwrittenView};
pub use self::state::{ACCESS_KEY_ID, ACCOUNT, SECRET_ACCESS_KEY};
