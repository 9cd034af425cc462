//! Why a key does not sign: the type of the crate that owns keys.

pub use amiforge_trust::signing::SignerError;
