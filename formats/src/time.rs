//! A point in time with nanoseconds, as file systems and archives store it. Knows no clock.

/// Seconds and nanoseconds since 1970-01-01T00:00:00Z; `nanos` is always below 1,000,000,000 and counts forward.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time {
    /// Whole seconds, negative before 1970.
    pub secs: i64,
    /// Nanoseconds after `secs`, 0..1,000,000,000.
    pub nanos: u32,
}

impl Time {
    /// The epoch itself.
    pub const EPOCH: Self = Self { secs: 0, nanos: 0 };

    /// A time at a whole second.
    pub const fn from_secs(secs: i64) -> Self {
        Self { secs, nanos: 0 }
    }
}

impl std::fmt::Display for Time {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{:09}", self.secs, self.nanos)
    }
}
