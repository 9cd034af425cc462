//! The moment from which an AMI counts as deprecated: listed no more to those who do not ask for it by its id.

use std::fmt;

use amiforge_formats::time::Time;
use amiforge_image::inspect::Utc;
use amiforge_image::values;
use serde::{Deserialize, Serialize};

use super::{Audience, RequestMistake};

/// Seconds of a day.
const DAY: i64 = 86_400;
/// Days of ten years, the most that the service takes.
const MAX_DAYS: i64 = 3_650;
/// Days of two years, the most for a public image.
const MAX_DAYS_PUBLIC: i64 = 730;

/// A moment in whole minutes, in seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deprecation(i64);

impl fmt::Display for Deprecation {
    /// As the service takes it: `2027-11-21T00:00:00Z`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Utc(Time::from_secs(self.0)).fmt(f)
    }
}

impl Deprecation {
    /// From `2027-11-21`, `2027-11-21T12:00:00Z` or `365d`; `now` is in seconds since 1970.
    pub(super) fn parse(text: &str, now: i64, audience: Audience) -> Result<Self, RequestMistake> {
        let mistake =
            |problem: String, remedy: String| Err(RequestMistake::new("--deprecate", problem, remedy));
        let Some(at) = parse_moment(text, now) else {
            let problem = format!("`{text}` is neither a day, nor a moment, nor a number of days");
            return mistake(problem, "write it as `2027-11-21`, `2027-11-21T12:00:00Z` or `365d`".to_owned());
        };
        // The service rounds to the minute; ours is the one after, so that it is never sooner than was asked for.
        let at = at.div_euclid(60) * 60 + if at.rem_euclid(60) > 0 { 60 } else { 0 };
        let max_days = if audience == Audience::Public { MAX_DAYS_PUBLIC } else { MAX_DAYS };
        if at <= now {
            return mistake(format!("{} is past", Self(at)), "choose a later moment".to_owned());
        }
        if at > now + max_days * DAY {
            let last = Self(now + max_days * DAY);
            let whose = if audience == Audience::Public { " for a public AMI" } else { "" };
            let problem = format!("{} is more than {} years ahead", Self(at), max_days / 365);
            return mistake(problem, format!("the last that EC2 takes{whose} is {last}"));
        }
        Ok(Self(at))
    }

    /// Whether the service's `reported` is this moment; it may tell seconds and fractions.
    pub fn is(self, reported: &str) -> bool {
        values::epoch(&whole_second(reported))
            .is_ok_and(|seconds| seconds.div_euclid(60) == self.0.div_euclid(60))
    }
}

fn parse_moment(text: &str, now: i64) -> Option<i64> {
    if let Some(days) = text.strip_suffix('d') {
        let days: i64 = days.parse().ok().filter(|days| (0..100_000).contains(days))?;
        // Midnight, so that a command that is run again on the same day asks for the same moment.
        return Some((now.div_euclid(DAY) + days) * DAY);
    }
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    values::epoch(text).or_else(|_| values::epoch(&format!("{text}T00:00:00Z"))).ok()
}

/// Without a fraction of a second.
fn whole_second(time: &str) -> String {
    match time.split_once('.') {
        Some((before, _)) => format!("{before}Z"),
        None => time.to_owned(),
    }
}
