//! How long each wait may be.

use std::time::Duration;

/// For a registered AMI: it is available at once, but for what the service learns late.
pub(super) const REGISTERED: Duration = Duration::from_mins(10);
/// For a snapshot that was sealed.
pub(super) const SNAPSHOT: Duration = Duration::from_mins(30);
/// For a copy, unless something else is asked for: 64 TiB across the world took hours.
pub(super) const COPIED: Duration = Duration::from_hours(6);
