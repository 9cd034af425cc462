//! It boots: the loaders by themselves, each in seconds, and what is built with them.

mod command;
mod loaders;
mod parts;
