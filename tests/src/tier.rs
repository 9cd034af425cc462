//! How long the suites may take. What runs before every merge takes samples; `RUN=all` (the night) runs all of it.

/// Whether everything shall run: the environment says `RUN=all`.
pub fn night() -> bool {
    std::env::var_os("RUN").is_some_and(|value| value == "all")
}

/// How often something is repeated: `merge` times, and `night` times where everything runs.
pub fn times(merge: u32, night: u32) -> u32 {
    if self::night() { night } else { merge }
}
