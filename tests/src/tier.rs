//! The two tiers of the suites: before every merge loops take samples; with `RUN=all` (the night) they run in full.

/// Whether loops run in full: the environment has `RUN=all`.
pub fn night() -> bool {
    std::env::var_os("RUN").is_some_and(|value| value == "all")
}

/// The number of repetitions: `merge`, or `night` when loops run in full.
pub fn times(merge: u32, night: u32) -> u32 {
    if self::night() { night } else { merge }
}
