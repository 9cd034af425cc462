//! What long work needs from its caller: a receiver of its progress and a token that cancels it. Also opens the files
//! that users name without blocking. Knows no terminal and no signal.

mod cancel;
pub mod regular;

use std::sync::LazyLock;

pub use cancel::CancelToken;

/// Receives the progress of long work; called from many threads. The program draws it on the terminal, tests count.
pub trait Progress: Sync {
    /// A step begins and ends the one before it. `step` is a gerund and its object, `total` the length of the step in
    /// bytes, where known.
    fn begin(&self, step: &str, total: Option<u64>);
    /// `bytes` more of the step are done.
    fn advance(&self, bytes: u64);
    /// The step is over, and the terminal is free.
    fn end(&self);
    /// An event that the user should know of and that stops nothing: text of one or more lines.
    fn message(&self, _text: &str) {}
}

/// Discards all progress.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn begin(&self, _step: &str, _total: Option<u64>) {}
    fn advance(&self, _bytes: u64) {}
    fn end(&self) {}
}

/// Both ends of long work: where it reports progress and what cancels it. Nearly all long functions need both, so they
/// take this pair.
#[derive(Clone, Copy)]
pub struct Monitor<'a> {
    /// Receives the progress.
    pub progress: &'a dyn Progress,
    /// Cancels the work.
    pub cancel: &'a CancelToken,
}

impl<'a> Monitor<'a> {
    /// Reports to `progress` until `cancel` is cancelled.
    pub fn new(progress: &'a dyn Progress, cancel: &'a CancelToken) -> Self {
        Self { progress, cancel }
    }

    /// Discards all progress; cancelled by `cancel`.
    pub fn silent(cancel: &'a CancelToken) -> Self {
        Self { progress: &Silent, cancel }
    }
}

impl Monitor<'static> {
    /// Discards all progress and is never cancelled.
    pub fn none() -> Self {
        static NEVER: LazyLock<CancelToken> = LazyLock::new(CancelToken::new);
        Self::silent(&NEVER)
    }
}

impl std::fmt::Debug for Monitor<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Monitor").field("cancel", self.cancel).finish_non_exhaustive()
    }
}
