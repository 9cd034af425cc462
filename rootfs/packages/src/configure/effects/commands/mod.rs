//! The effects of commands on a tree, one file per kind of them. Every command that is not here stays undone and is
//! reported; none is run.

pub(crate) mod accounts;
mod expression;
pub(crate) mod files;
pub(crate) mod inert;
pub(crate) mod outcome;
pub(crate) mod query;
pub(crate) mod texts;
pub(crate) mod units;

use self::outcome::{Done, KnownArgs};
use super::system::TargetSystem;
use crate::configure::script::{Append, CommandEffect, StopReason, Truth};

/// The name of a command that may be called by its path.
pub(crate) fn base_name(name: &[u8]) -> Option<&str> {
    let name = std::str::from_utf8(name).ok()?;
    Some(match name.rsplit_once('/') {
        Some((folder, base)) if folder.ends_with("bin") || folder.ends_with("-helper") => base,
        _ => name,
    })
}

/// Commands that print, or answer a question; `None` for others.
pub(crate) fn ask(
    system: &mut TargetSystem<'_>,
    name: &str,
    args: &KnownArgs<'_>,
    input: Option<&[u8]>,
) -> Option<Done> {
    texts::call(system, name, args, input).or_else(|| query::call(system, name, args, input))
}

/// Commands that change files, accounts or units; `None` for others.
pub(crate) fn change(system: &mut TargetSystem<'_>, name: &str, args: &KnownArgs<'_>) -> Option<Done> {
    files::call(system, name, args)
        .or_else(|| accounts::call(system, name, args))
        .or_else(|| units::call(system, name, args))
}

/// Writes what a command printed to a file, or adds it to the file.
pub(crate) fn redirect(
    system: &mut TargetSystem<'_>,
    path: &[u8],
    bytes: &[u8],
    append: Append,
) -> CommandEffect {
    let Ok(path) = std::str::from_utf8(path) else { return CommandEffect::skipped(StopReason::Argument) };
    let mut whole = match append {
        Append::Keep => system.read(path).unwrap_or_default(),
        Append::Replace => Vec::new(),
    };
    whole.extend_from_slice(bytes);
    CommandEffect::status(Truth::of(system.write(path, &whole)))
}
