//! The local region: an AWS-compatible region on this machine. It implements EBS direct, the part of EC2 for
//! the life cycle of an AMI, and the related parts of SSM, S3, KMS and STS, over HTTP on loopback, and stores
//! its state in a folder.
//!
//! It shares no code with the clients that it tests: signatures, digests and wire formats are implemented
//! independently from AWS's documentation. It is as strict as the real service, but deterministic: windows of
//! eventual consistency, quotas and faults follow [`RegionConfig`], and the time comes from its [`Clock`].

mod attestation;
mod authorization;
mod clock;
mod digest;
mod error;
mod http;
mod iam;
mod ids;
mod launch;
mod page;
mod server;
mod services;
mod sigv4;
mod state;
mod sync;

pub use self::attestation::{AttestationIssuer, AttestationRequest, AttestedInstance, PCR_COUNT};
pub use self::clock::{Clock, ManualClock, SystemClock, Timestamp};
pub use self::error::Error;
pub use self::http::connection::Timeouts;
pub use self::launch::{Launch, LaunchState, Launcher};
pub use self::server::{LocalRegion, RegionServer};
pub use self::state::config::{Quotas, RegionConfig, Windows};
pub use self::state::faults::{FaultRule, FaultScript, InjectedFault, When};
pub use self::state::request_log::{LoggedRequest, RequestLog};
pub use self::state::snapshot_volume::{SnapshotVolume, UnwrittenView};
pub use self::state::{ACCESS_KEY_ID, ACCOUNT, SECRET_ACCESS_KEY};
