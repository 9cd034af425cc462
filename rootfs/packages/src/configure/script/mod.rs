//! Reads maintainer scripts and follows what they certainly do, without running anything: [`parse`] knows the grammar,
//! [`interpreter`] the flow of control, [`expand`] the expansion of words. What cannot be known remains unknown and is reported.

mod branch;
mod compound;
mod expand;
mod flow;
mod host;
mod interpreter;
mod output;
mod parse;
mod syntax;
#[cfg(test)]
mod tests;
mod words;

pub(crate) use self::host::{Append, CommandEffect, Host, StopReason, Truth, Value};
pub(crate) use self::interpreter::{UnresolvedCommand, interpret};
