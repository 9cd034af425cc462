//! Reads maintainer scripts and follows what they certainly do, without running anything: [`parse`] knows the grammar,
//! [`follow`] the flow of control, [`expand`] what words are worth. What cannot be known stays unknown and is told.

mod branch;
mod compound;
mod expand;
mod flow;
mod follow;
mod host;
mod parse;
mod speech;
mod syntax;
#[cfg(test)]
mod tests;
mod words;

pub(super) use self::follow::{UnfollowedCommand, follow};
pub(super) use self::host::{Append, CommandEffect, Host, StopReason, Truth, Value};
