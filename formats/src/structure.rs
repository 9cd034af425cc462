//! Structures on disk as tables of named fields, so that a tool can show and compare a structure without knowing its format.
//!
//! Each format keeps the tables of its own structures in its folder. Nothing here reads or writes a volume.

/// A structure at a fixed offset of a volume.
#[derive(Debug, Clone, Copy)]
pub struct Structure {
    /// Its name in the specification.
    pub name: &'static str,
    /// First byte in the volume.
    pub at: u64,
    /// Length in bytes.
    pub len: u64,
    /// Its fields.
    pub fields: &'static [StructField],
}

/// A field of a structure.
#[derive(Debug, Clone, Copy)]
pub struct StructField {
    /// Its name in the specification.
    pub name: &'static str,
    /// First byte in the structure.
    pub at: usize,
    /// Length in bytes.
    pub len: usize,
    /// How it is shown.
    pub display: FieldDisplay,
    /// How a difference in it counts.
    pub role: FieldRole,
}

/// How a field is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldDisplay {
    /// A little-endian number.
    Number,
    /// A little-endian number in hexadecimal.
    Hex,
    /// A big-endian number.
    BigNumber,
    /// A big-endian number in hexadecimal.
    BigHex,
    /// Bytes in hexadecimal.
    Bytes,
    /// Text, padded with NULs or spaces.
    Text,
    /// A UUID in text order.
    Uuid,
    /// A GUID as GPT stores it.
    GuidLe,
    /// Seconds since 1970.
    Seconds,
}

/// How a difference in a field counts when two structures are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldRole {
    /// A difference of its own.
    Own,
    /// A count of other structures, which differs as a consequence when those differ.
    Count,
    /// A checksum, which differs as a consequence when anything that it covers differs.
    Checksum,
    /// Not compared here: another comparison covers it.
    Skip,
}

impl StructField {
    /// A field whose difference counts by itself.
    pub const fn own(name: &'static str, at: usize, len: usize, display: FieldDisplay) -> Self {
        Self { name, at, len, display, role: FieldRole::Own }
    }

    /// A little-endian number whose difference counts by itself.
    pub const fn number(name: &'static str, at: usize, len: usize) -> Self {
        Self::own(name, at, len, FieldDisplay::Number)
    }

    /// A big-endian number whose difference counts by itself.
    pub const fn big_number(name: &'static str, at: usize, len: usize) -> Self {
        Self::own(name, at, len, FieldDisplay::BigNumber)
    }

    /// The same field in another role.
    #[must_use]
    pub const fn role(self, role: FieldRole) -> Self {
        Self { role, ..self }
    }

    /// The field's bytes in the structure `raw`; fewer where the structure is shorter.
    pub fn bytes<'a>(&self, raw: &'a [u8]) -> &'a [u8] {
        raw.get(self.at..raw.len().min(self.at + self.len)).unwrap_or(&[])
    }
}
