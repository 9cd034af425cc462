//! What keeps long work from hanging or going on unseen: it tells of its progress without knowing who listens, can be
//! asked to stop, and opens what users name without waiting for it.

mod interrupt;
pub mod regular;

pub use interrupt::Interrupt;

/// Hears of progress; called from many threads. The terminal lives in `ui`, tests count.
pub trait Progress: Sync {
    /// A step begins; `total` is its length in bytes, where known.
    fn begin(&self, step: &str, total: Option<u64>);
    /// `bytes` more are done.
    fn advance(&self, bytes: u64);
    /// The step is over.
    fn end(&self);
    /// Something happened that should be known and stops nothing.
    fn tell(&self, _words: &str) {}
}

/// Nobody listens.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn begin(&self, _step: &str, _total: Option<u64>) {}
    fn advance(&self, _bytes: u64) {}
    fn end(&self) {}
}
