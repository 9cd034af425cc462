//! Boots in QEMU: the loaders alone, in seconds each, and `amiforge boot`.

mod command;
mod loaders;
mod measured;
mod parts;
mod stores;
mod verified;
mod verified_parts;
