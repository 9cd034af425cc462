//! Percentages as arguments.

/// Parses a percentage above 0, up to 100.
pub(super) fn percent(text: &str) -> Result<f64, String> {
    let percent = text.trim_end_matches('%').parse::<f64>().ok();
    percent
        .filter(|percent| *percent > 0.0 && *percent <= 100.0)
        .ok_or_else(|| "not between 0 and 100".to_owned())
}
