//! Passes progress and interruption on to the crate that reads the sources.

use amiforge_progress::Interrupt;
use amiforge_progress::Progress;
use amiforge_store::watch::Watch;

/// What the builder has, as the sources want it.
pub(super) struct SourceWatch<'a> {
    pub(super) progress: &'a dyn Progress,
    pub(super) interrupt: &'a Interrupt,
}

impl Watch for SourceWatch<'_> {
    fn begin(&self, step: &str, bytes: Option<u64>) {
        self.progress.begin(step, bytes);
    }

    fn advance(&self, bytes: u64) {
        self.progress.advance(bytes);
    }

    fn give_terminal(&self, why: &dyn std::fmt::Display) {
        self.progress.end();
        self.progress.tell(&format!(
            "{why}\nthis is a shell in the state that it left; `exit` ends it, and the build"
        ));
    }

    fn interrupted(&self) -> bool {
        self.interrupt.raised()
    }
}
