//! The checks of all inputs and layers of a build, and the names of its new layers: joined once, before the bundle gets
//! its name.

use amiforge_store::deferred::{Deferred, DeferredError, InputDigests};

use super::workshop::Workshop;

/// Deferred work of the build. A build that fails still joins it when layers wait for their names: what packages made is
/// good, and the next build loads it.
#[derive(Default)]
pub(super) struct KeptLayers {
    deferred: Deferred,
}

impl KeptLayers {
    /// Takes over the deferred work of a workshop.
    pub(super) fn take(&mut self, workshop: &mut Workshop<'_>) {
        self.append(std::mem::take(&mut workshop.deferred));
    }

    /// Takes over other deferred work.
    pub(super) fn append(&mut self, deferred: Deferred) {
        self.deferred.append(deferred);
    }

    /// Starts on the checks of loaded layers.
    pub(super) fn start(&mut self) {
        self.deferred.start();
    }

    /// Whether loaded layers need no check when the digest of every byte of the image is known: not when another layer
    /// was made from them.
    pub(super) fn may_be_discarded(&self) -> bool {
        !self.deferred.has_layers()
    }

    /// Drops the checks of loaded layers: the digest of every byte of the image is known.
    pub(super) fn discard(&mut self) {
        self.deferred.discard();
    }

    /// Waits for the checks, then gives the layers their names.
    pub(super) fn join(&mut self) -> Result<InputDigests, DeferredError> {
        std::mem::take(&mut self.deferred).join()
    }
}

impl Drop for KeptLayers {
    fn drop(&mut self) {
        if self.deferred.has_layers() {
            // The build has failed already; the next one reports the same error again.
            let _ = self.join();
        }
    }
}
