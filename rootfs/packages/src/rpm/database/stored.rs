//! A header of the database.

use super::error::RpmDatabaseError;
use crate::rpm::header::RpmHeader;

/// A header with its number in the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredHeader {
    /// Its number, from 1; those of removed packages are not used again.
    pub number: u32,
    /// The header, with what its signatures say and when it was installed.
    pub header: RpmHeader,
}

impl StoredHeader {
    /// Reads a header of the database.
    pub(super) fn read(number: u32, blob: &[u8]) -> Result<Self, RpmDatabaseError> {
        let header =
            RpmHeader::from_blob(blob).map_err(|source| RpmDatabaseError::Header { number, source })?;
        Ok(Self { number, header })
    }

    /// Its bytes in the database.
    pub(super) fn blob(&self) -> &[u8] {
        self.header.blob()
    }
}
