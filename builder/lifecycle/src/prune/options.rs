//! What to clean up.

use std::time::Duration;

/// What to clean up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PruneOptions {
    /// Only images of this name.
    pub name: Option<String>,
    /// Number of the newest images of each name that are kept in every region; at least one.
    pub keep: usize,
    /// Minimum age in seconds.
    pub older_than: i64,
    /// Seconds without a launch.
    pub unused_for: i64,
    /// Seconds between two steps.
    pub grace: i64,
    /// Channels whose whole history is kept. What any channel holds, or held until its last change, is kept anyway.
    pub channels: Vec<String>,
    /// The path of the parameters that are channels.
    pub channels_below: String,
    /// Whether other accounts are asked by usage reports.
    pub other_accounts: bool,
    /// Maximum time to wait for usage reports in a run.
    pub report_wait: Duration,
    /// The time, in seconds since 1970.
    pub now: i64,
}

/// Seconds of a duration such as `30d`, `12h`, `90m` or `0s`.
///
/// # Errors
/// A sentence for the user.
pub fn span(text: &str) -> Result<i64, String> {
    let wrong = || format!("`{text}` is not a duration such as `30d`, `12h` or `90m`");
    let digits = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
    let (number, unit) = text.split_at(digits);
    let number: i64 = number.parse().map_err(|_| wrong())?;
    let factor = match unit {
        "d" => 86_400,
        "h" => 3_600,
        "m" | "min" => 60,
        "s" => 1,
        _ => return Err(wrong()),
    };
    // A century, so that no sum of times overflows.
    number.checked_mul(factor).filter(|&seconds| seconds <= 100 * 366 * 86_400).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_number_and_a_unit() {
        for (text, seconds) in [("30d", 2_592_000), ("12h", 43_200), ("90m", 5_400), ("0s", 0), ("5min", 300)]
        {
            assert_eq!(span(text), Ok(seconds), "{text}");
        }
        for text in ["", "d", "30", "-1d", "1.5d", "1w", "99999999999999999999d", "999999d"] {
            assert!(span(text).is_err(), "{text}");
        }
    }
}
