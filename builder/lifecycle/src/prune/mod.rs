//! Clean-up: deprecates, disables and deregisters images that nothing uses.
