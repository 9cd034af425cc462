//! Watching long work: progress out, interruption in. Knows no terminal and no signal; the caller does.

/// Told of progress by the long steps of this crate, and asked whether to go on. Called from several threads.
pub trait Watch: Sync {
    /// A step begins: a gerund and its object, and how many bytes it will go through, where that is known.
    fn begin(&self, step: &str, bytes: Option<u64>) {
        let _ = (step, bytes);
    }

    /// So many more bytes of the step are done.
    fn advance(&self, bytes: u64) {
        let _ = bytes;
    }

    /// The terminal is about to be given to a shell, for this reason; the next step takes it back.
    fn give_terminal(&self, why: &dyn std::fmt::Display) {
        let _ = why;
    }

    /// Whether the user asked to stop; the step then ends with an error that says so and leaves nothing behind.
    fn interrupted(&self) -> bool {
        false
    }
}

/// Nobody watches.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unwatched;

impl Watch for Unwatched {}
