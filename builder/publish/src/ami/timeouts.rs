//! Maximum waiting times.

use std::time::Duration;

/// For a registered AMI. It is available at once, apart from eventual consistency.
pub(super) const REGISTERED: Duration = Duration::from_mins(10);
/// For a sealed snapshot.
pub(super) const SNAPSHOT: Duration = Duration::from_mins(30);
/// Default for a copy: a copy of 64 TiB across the world took hours.
pub(super) const COPIED: Duration = Duration::from_hours(6);
