//! The local region: an AWS-compatible region on this machine. EBS direct, the part of EC2 that an AMI's life needs,
//! and the parts of SSM, S3, KMS and STS around it, over HTTP on loopback, with its state in a folder.
//!
//! It shares no code with the clients that it tests: signatures, digests and wire forms are read again from AWS's own
//! descriptions. It is as strict as the real service, and unlike it does what it is told: windows of eventual
//! consistency, quotas and faults happen when [`RegionConfig`] says so, and time is what its [`Clock`] says.

mod account;
mod clock;
mod config;
mod door;
mod error;
mod faults;
mod limit;
mod locks;
mod region;
mod services;
mod sigv4;
mod state;
mod trail;
mod volume;
mod world;

pub use account::{ACCESS_KEY_ID, ACCOUNT, SECRET_ACCESS_KEY};
pub use clock::{Clock, HandClock, Moment, SystemClock};
pub use config::{Quotas, RegionConfig, Timeouts, Windows};
pub use error::Error;
pub use faults::{FaultRule, FaultScript, InjectedFault, When};
pub use region::{LocalRegion, Running};
pub use trail::{SeenRequest, Trail};
pub use volume::{SnapshotVolume, UnwrittenView};
