//! Times of the service: RFC 3339 with or without a fraction of a second.

use amiforge_formats::time::Time;
use amiforge_image::inspect::Utc;
use amiforge_image::values;

/// Seconds per day.
pub(crate) const DAY: i64 = 86_400;

/// Seconds since 1970 of a time; a fraction of a second is dropped.
pub(crate) fn parse(text: &str) -> Option<i64> {
    let whole = match text.split_once('.') {
        Some((before, _)) => format!("{before}Z"),
        None => text.to_owned(),
    };
    values::epoch(&whole).ok()
}

/// A time such as `2026-11-21T03:40:00Z`.
pub(crate) fn show(seconds: i64) -> String {
    Utc(Time::from_secs(seconds)).to_string()
}

/// The first whole minute that is at least a minute after a time. The service takes only times ahead, and rounds to
/// minutes.
pub(crate) fn next_minute(seconds: i64) -> i64 {
    (seconds + 60 + 59).div_euclid(60) * 60
}

/// A duration in words: `41 d`, `5 h`, `3 min`, `20 s`.
pub(crate) fn span(seconds: i64) -> String {
    match seconds.max(0) {
        s if s >= 2 * DAY => format!("{} d", s / DAY),
        s if s >= 2 * 3600 => format!("{} h", s / 3600),
        s if s >= 120 => format!("{} min", s / 60),
        s => format!("{s} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_the_service_are_read_with_and_without_a_fraction() {
        assert_eq!(parse("2026-11-21T03:40:00.123Z"), parse("2026-11-21T03:40:00Z"));
        assert_eq!(parse("2026-11-21T03:40:00Z").map(show).as_deref(), Some("2026-11-21T03:40:00Z"));
        assert_eq!(parse("soon"), None);
    }

    #[test]
    fn the_next_minute_is_ahead_by_one_to_two_minutes() {
        for seconds in [0, 1, 59, 60, 61] {
            let ahead = next_minute(seconds) - seconds;
            assert!((60..120).contains(&ahead) && next_minute(seconds) % 60 == 0, "{seconds}: {ahead}");
        }
    }
}
