//! What EC2 and SSM keep in a region: a shelf for each kind of thing.

use std::path::Path;

use crate::error::Error;

/// What EC2 and SSM keep in a region.
#[derive(Debug)]
pub(crate) struct Ec2Shelves {}

impl Ec2Shelves {
    /// Opens the shelves; `region` is the region's folder.
    #[expect(clippy::unnecessary_wraps, reason = "the shelves are still to come")]
    pub(crate) fn open(_region: &Path) -> Result<Self, Error> {
        Ok(Self {})
    }
}
