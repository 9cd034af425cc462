//! Times for people: UTC, whatever the machine's time zone. It knows no clock.

use std::fmt;

use amiforge_formats::time::Time;

/// Shows a time as `2026-11-21T03:40:00Z`, with the nanoseconds where there are any (RFC 3339; years past 9999 and
/// before 0 with their sign).
#[derive(Debug, Clone, Copy)]
pub struct Utc(pub Time);

impl fmt::Display for Utc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let second = self.0.utc().to_string();
        match self.0.nanos {
            0 => f.write_str(&second),
            nanos => write!(f, "{}.{nanos:09}Z", second.trim_end_matches('Z')),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_shown_in_utc() {
        let shown = |secs, nanos| Utc(Time { secs, nanos }).to_string();
        assert_eq!(shown(0, 0), "1970-01-01T00:00:00Z");
        assert_eq!(shown(951_782_400, 0), "2000-02-29T00:00:00Z");
        assert_eq!(shown(-1, 5), "1969-12-31T23:59:59.000000005Z");
        assert_eq!(shown(4_107_542_399, 0), "2100-02-28T23:59:59Z");
        assert_eq!(shown(15_032_385_535, 0), "2446-05-10T22:38:55Z");
        // The farthest times that a 64-bit field can hold must not overflow.
        assert!(shown(i64::MAX, 0).ends_with('Z') && shown(i64::MIN, 0).ends_with('Z'));
    }
}
