//! Handlers for Ctrl-C, SIGTERM and SIGHUP: they set a flag, so that work can stop and clean up.

use amiforge_progress::CancelToken;
use anyhow::Context as _;

/// Installs the handlers. The first signal sets the flag; a second one ends the program at once.
pub(crate) fn interrupt_on_signals() -> anyhow::Result<CancelToken> {
    let cancel = CancelToken::new();
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM, signal_hook::consts::SIGHUP] {
        // Registered first: at the first signal the flag is not set yet.
        signal_hook::flag::register_conditional_default(signal, cancel.flag())
            .context("cannot listen for Ctrl-C")?;
        signal_hook::flag::register(signal, cancel.flag()).context("cannot listen for Ctrl-C")?;
    }
    Ok(cancel)
}
