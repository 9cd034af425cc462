//! UEFI variables: those that enrol Secure Boot, the signature lists that they hold, and the forms in which a store of them
//! is handed over.
//!
//! Owns [`Variable`], the strict reader and the writer of `EFI_SIGNATURE_LIST` (UEFI 2.10, section 32.4.1), and the form of
//! EC2's parameter `UefiData`. Knows no certificate: a signature list holds bytes. The readers share only constants with the
//! writers.

mod ec2;
pub mod edk2;
mod enrolment;
mod error;
mod signature_list;

pub use ec2::{EC2_BASE64_MAX, decode_ec2, encode_ec2};
pub use enrolment::{Enrolment, check_enrolment};
pub use error::UefiVarsError;
pub use signature_list::{SignatureKind, SignatureList, parse_signature_lists, write_signature_lists};

use crate::guid::Guid;

/// `EFI_GLOBAL_VARIABLE`: vendor of `PK`, `KEK` and the boot options (UEFI 2.10, section 3.3).
pub const GLOBAL_VARIABLE: Guid = Guid::from_u128(0x8be4_df61_93ca_11d2_aa0d_00e0_9803_2b8c);

/// `EFI_IMAGE_SECURITY_DATABASE_GUID`: vendor of `db` and `dbx` (UEFI 2.10, section 32.6.1).
pub const IMAGE_SECURITY_DATABASE: Guid = Guid::from_u128(0xd719_b2cb_3d3a_4596_a3bc_dad0_0e67_656f);

/// Attributes of the variables that enrol Secure Boot: non-volatile, visible to boot services and at run time, and writable
/// only with a signature and a time (UEFI 2.10, section 8.2.1).
pub const ENROLMENT_ATTRIBUTES: u32 = 0x27;

/// `EFI_VARIABLE_TIME_BASED_AUTHENTICATED_WRITE_ACCESS`.
const TIME_BASED_AUTHENTICATED: u32 = 0x20;

/// A variable of a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    /// Its name, such as `db`.
    pub name: String,
    /// Its vendor.
    pub guid: Guid,
    /// Attribute bits (UEFI 2.10, section 8.2.1).
    pub attributes: u32,
    /// Its value. Of `PK`, `KEK`, `db` and `dbx`: signature lists, which firmware measures as they are.
    pub data: Vec<u8>,
    /// `EFI_TIME` of its last authenticated write, all zero for none; only variables with the attribute 0x20 have one.
    pub timestamp: [u8; 16],
}

impl Variable {
    /// A variable that enrols Secure Boot; none for a name other than `PK`, `KEK`, `db` and `dbx`.
    pub fn enrolment(name: &str, lists: &[SignatureList]) -> Option<Self> {
        let guid = enrolment::vendor(name)?;
        let data = write_signature_lists(lists);
        Some(Self { name: name.to_owned(), guid, attributes: ENROLMENT_ATTRIBUTES, data, timestamp: [0; 16] })
    }

    /// Whether a store holds a time and a digest for it.
    fn is_time_based(&self) -> bool {
        self.attributes & TIME_BASED_AUTHENTICATED != 0
    }
}
