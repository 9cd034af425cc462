//! Why packages could not be unpacked.

/// Why packages could not be unpacked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UnpackError {
    /// The user asked to stop.
    #[error("interrupted")]
    Interrupted,
}
