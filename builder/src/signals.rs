//! Handlers for Ctrl-C, SIGTERM and SIGHUP: they set a flag, so that work can stop and clean up.

use amiforge_progress::Interrupt;
use anyhow::Context as _;

/// Installs the handlers. The first signal sets the flag; a second one ends the program at once.
pub(crate) fn interrupt_on_signals() -> anyhow::Result<Interrupt> {
    let interrupt = Interrupt::new();
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM, signal_hook::consts::SIGHUP] {
        // Registered first: at the first signal the flag is not raised yet.
        signal_hook::flag::register_conditional_default(signal, interrupt.flag())
            .context("cannot listen for Ctrl-C")?;
        signal_hook::flag::register(signal, interrupt.flag()).context("cannot listen for Ctrl-C")?;
    }
    Ok(interrupt)
}
