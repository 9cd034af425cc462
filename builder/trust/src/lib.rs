//! Trust in what leaves the builder: public keys, signatures by them, and policies that say whose signatures are needed.
//!
//! Owns formats and decisions, and the keys that sign. Knows no bundle, no image and no terminal. Everything that is read may
//! come from an attacker: readers are bounded, refuse what they do not know, and never panic.

pub mod agent;
pub mod detached;
pub mod dsse;
pub mod in_toto;
pub mod keys;
pub mod policy;
pub mod private;
pub mod signing;
pub mod sigstore;
pub mod sshsig;
pub mod statement;
#[cfg(test)]
mod test_keys;
mod wire;
