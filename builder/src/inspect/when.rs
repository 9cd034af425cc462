//! Times for people: UTC, whatever the machine's time zone. It knows no clock.

use std::fmt;

use amiforge_formats::time::Time;

/// Shows a time as `2026-11-21T03:40:00Z`, with the nanoseconds where there are any (RFC 3339; years past 9999 and
/// before 0 with their sign).
#[derive(Debug, Clone, Copy)]
pub struct Utc(pub Time);

impl fmt::Display for Utc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = date(self.0.secs.div_euclid(86_400));
        let second = self.0.secs.rem_euclid(86_400);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")?;
        if self.0.nanos > 0 {
            write!(f, ".{:09}", self.0.nanos)?;
        }
        f.write_str("Z")
    }
}

/// The Gregorian date of a day counted from 1970-01-01. Years are counted from March, so that the leap day is the
/// last of its year.
fn date(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
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
