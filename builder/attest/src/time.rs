//! Points in time, as documents and certificates have them.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use x509_cert::der::DateTime;

/// A point in time: milliseconds since 1970-01-01 00:00:00 UTC, without leap seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnixTime(u64);

impl UnixTime {
    /// The time that is this many milliseconds after the beginning of 1970.
    pub fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// The time that is this many seconds after the beginning of 1970; the latest that can be written if there are too many.
    pub fn from_seconds(seconds: u64) -> Self {
        Self(seconds.saturating_mul(1000))
    }

    /// Milliseconds since the beginning of 1970.
    pub fn millis(self) -> u64 {
        self.0
    }

    /// Whole seconds since the beginning of 1970.
    pub fn seconds(self) -> u64 {
        self.0 / 1000
    }

    /// How long this is after another time; zero if it is not.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

/// Why a text is no time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("it is no time in UTC as in 2026-08-13T12:00:00Z")]
pub struct TimeError;

/// From RFC 3339 in UTC, in whole seconds.
impl FromStr for UnixTime {
    type Err = TimeError;

    fn from_str(text: &str) -> Result<Self, TimeError> {
        let time: DateTime = text.parse().map_err(|_| TimeError)?;
        Ok(Self::from_seconds(time.unix_duration().as_secs()))
    }
}

/// As RFC 3339 in UTC, without the milliseconds; as a number of seconds beyond the year 9999.
impl fmt::Display for UnixTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match DateTime::from_unix_duration(Duration::from_secs(self.seconds())) {
            Ok(time) => write!(f, "{time}"),
            Err(_) => write!(f, "{} s after 1970", self.seconds()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_reads_as_rfc_3339() {
        assert_eq!(UnixTime::from_millis(1_786_579_200_999).to_string(), "2026-08-13T00:00:00Z");
        assert_eq!("2026-08-13T00:00:00Z".parse(), Ok(UnixTime::from_seconds(1_786_579_200)));
        for wrong in ["2026-08-13", "2026-08-13T00:00:00", "2026-13-13T00:00:00Z", "now", ""] {
            assert_eq!(wrong.parse::<UnixTime>(), Err(TimeError), "{wrong}");
        }
        assert!(UnixTime::from_millis(u64::MAX).to_string().ends_with("s after 1970"));
    }
}
