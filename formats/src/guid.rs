//! GUIDs: derived from names, never drawn; their mixed-endian form on disk (UEFI 2.10, appendix A).

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

/// The namespace of every id that this project derives (RFC 9562, section 5.5).
const NAMESPACE: Uuid = Uuid::from_u128(0x7d1c_5a53_6f0e_5f0d_9a5b_616d_6966_6f72);

/// A 128-bit identifier of a disk, a partition or a file system.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Guid(Uuid);

impl Guid {
    /// A GUID from its 128 bits in the order of its text.
    pub const fn from_u128(bits: u128) -> Self {
        Self(Uuid::from_u128(bits))
    }

    /// The `UUIDv5` of an image's name and a role in it, such as `("web", "disk")`. Names are joined by a NUL, so
    /// no two pairs meet.
    pub fn derive(image: &str, role: &str) -> Self {
        Self(Uuid::new_v5(&NAMESPACE, format!("{image}\0{role}").as_bytes()))
    }

    /// The 16 bytes in text order, as ext4 and swap store them.
    pub const fn to_bytes(self) -> [u8; 16] {
        *self.0.as_bytes()
    }

    /// The 16 bytes as GPT stores them: the first three fields little-endian.
    pub const fn to_bytes_le(self) -> [u8; 16] {
        self.0.to_bytes_le()
    }

    /// The reverse of [`Guid::to_bytes`].
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }

    /// The reverse of [`Guid::to_bytes_le`].
    pub const fn from_bytes_le(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes_le(bytes))
    }
}

impl fmt::Display for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl fmt::Debug for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Guid({self})")
    }
}

/// Why a text is not a GUID.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a GUID such as 0fc63daf-8483-4772-8e79-3d69d8477de4")]
pub struct NotAGuid(String);

impl FromStr for Guid {
    type Err = NotAGuid;

    fn from_str(text: &str) -> Result<Self, NotAGuid> {
        Uuid::try_parse(text).map(Self).map_err(|_| NotAGuid(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derived_ids_are_fixed_and_distinct() {
        let disk = Guid::derive("web", "disk");
        assert_eq!(disk, Guid::derive("web", "disk"));
        assert_ne!(disk, Guid::derive("web", "root"));
        assert_ne!(Guid::derive("a", "b"), Guid::derive("a\0", "b"));
        assert_eq!(disk.to_bytes()[6] >> 4, 5);
        assert_eq!(Guid::from_bytes_le(disk.to_bytes_le()), disk);
    }
}
