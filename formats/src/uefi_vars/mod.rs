//! UEFI variables and the stores that hold them.

pub mod edk2;

use crate::guid::Guid;

/// A variable of a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    /// Its name, such as `db`.
    pub name: String,
    /// Its vendor.
    pub guid: Guid,
    /// Attribute bits (UEFI 2.10, section 8.2.1).
    pub attributes: u32,
    /// Its value.
    pub data: Vec<u8>,
    /// `EFI_TIME` of its last authenticated write, all zero for none.
    pub timestamp: [u8; 16],
}
