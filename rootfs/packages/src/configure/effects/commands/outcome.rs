//! What a command gets, and what becomes of it.

use crate::configure::script::{CommandEffect, StopReason, Truth};

/// Arguments that are all known and text.
pub(crate) type KnownArgs<'a> = [&'a str];

/// A command that was understood, or why not.
pub(crate) type Done = Result<CommandEffect, StopReason>;

/// The command succeeded or failed.
pub(crate) fn ended(well: bool) -> Done {
    Ok(CommandEffect::status(Truth::of(well)))
}
