//! Checks of what layers are made from, and the names that new layers get when those are done.

use amiforge_store::checks::{CheckError, Outstanding, Settling};

use super::workshop::Workshop;

/// Checks of layers that were started or are held back, and names that wait for them. A build that fails after them
/// still settles them: what packages made is good and has its name for the next one.
#[derive(Default)]
pub(super) struct KeptLayers {
    checks: Vec<Settling>,
    /// Of layers that were taken from the store.
    held: Outstanding,
    names: Outstanding,
}

impl KeptLayers {
    /// Takes over what a workshop has outstanding.
    pub(super) fn take(&mut self, workshop: &mut Workshop<'_>) {
        self.checks.append(&mut workshop.checks);
        self.held.append(std::mem::take(&mut workshop.loaded));
        self.names.append(std::mem::take(&mut workshop.names));
    }

    /// Starts on the checks that are held back.
    pub(super) fn start(&mut self) {
        self.checks.push(std::mem::take(&mut self.held).start());
    }

    /// Whether the layers that were taken may be left unchecked once something else vouches for every byte of the image:
    /// not when another layer was made from them.
    pub(super) fn may_be_left(&self) -> bool {
        self.names.is_empty()
    }

    /// Lets go of the checks that are held back: something else vouches for every byte.
    pub(super) fn leave(&mut self) {
        drop(std::mem::take(&mut self.held));
    }

    /// Waits for the checks, then gives the names.
    pub(super) fn settle(&mut self) -> Result<(), CheckError> {
        self.start();
        self.checks.drain(..).try_for_each(Settling::wait)?;
        std::mem::take(&mut self.names).start().wait()
    }
}

impl Drop for KeptLayers {
    fn drop(&mut self) {
        if self.may_be_left() {
            return;
        }
        // The build has failed already; what this finds is found again by the next one.
        let _ = self.settle();
    }
}
