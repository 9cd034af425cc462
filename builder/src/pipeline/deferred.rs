//! What is checked or renamed later: checks of what layers are made from, and the names that new layers get when those
//! are done.

use amiforge_store::checks::{CheckError, Outstanding, Settling};

/// Checks that were started or are held back, and names of layers that wait for them. A build that fails later still
/// finishes them, so that the next build finds the layers that were made.
#[derive(Default)]
pub(super) struct Deferred {
    started: Vec<Settling>,
    /// Checks of layers that were taken from the store.
    held: Outstanding,
    names: Outstanding,
}

impl Deferred {
    /// Adds a check that is under way.
    pub(super) fn add_started(&mut self, check: Settling) {
        self.started.push(check);
    }

    /// Adds checks that a digest of the whole image can make unnecessary.
    pub(super) fn hold(&mut self, checks: Outstanding) {
        self.held.append(checks);
    }

    /// Adds names of layers, which are given after the last check.
    pub(super) fn name_later(&mut self, names: Outstanding) {
        self.names.append(names);
    }

    /// Starts the checks that are held back.
    pub(super) fn start(&mut self) {
        self.started.push(std::mem::take(&mut self.held).start());
    }

    /// Whether the checks that are held back may be skipped once a digest covers every byte of the image: not when
    /// another layer was made from what they check.
    pub(super) fn may_skip(&self) -> bool {
        self.names.is_empty()
    }

    /// Drops the checks that are held back.
    pub(super) fn skip(&mut self) {
        drop(std::mem::take(&mut self.held));
    }

    /// Waits for the checks, then gives the names.
    pub(super) fn join(&mut self) -> Result<(), CheckError> {
        self.start();
        self.started.drain(..).try_for_each(Settling::wait)?;
        std::mem::take(&mut self.names).start().wait()
    }
}

impl Drop for Deferred {
    fn drop(&mut self) {
        if self.may_skip() {
            return;
        }
        // The build has failed already; what this finds is found again by the next one.
        let _ = self.join();
    }
}
