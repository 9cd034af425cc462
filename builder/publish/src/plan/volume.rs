//! What is uploaded: volumes, and whether there is a parent; and the snapshots that are read before.

/// A volume to upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// The bundle or raw file as the user named it.
    pub path: String,
    /// Name of its image, which its tags have; a raw file has none.
    pub image: Option<String>,
    /// Blocks with data.
    pub data: u64,
    /// Blocks that must read as zeros.
    pub zero: u64,
    /// Precision of these numbers.
    pub known: Precision,
}

/// Precision of a number of blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// A manifest lists every block.
    Exact,
    /// The real number may be smaller: blocks are classified when they are read, or the parent holds some of them.
    UpperBound,
}

/// Whether the upload has a parent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parent {
    /// There is none.
    None,
    /// Only changed blocks are sent and read back.
    Some,
}

/// A snapshot whose disk is a source of the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceRead {
    /// Its region.
    pub region: String,
    /// What names it.
    pub named_by: SourceName,
}

/// What names a snapshot whose disk is a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceName {
    /// Its own id.
    Snapshot,
    /// An image, by its id or its name, whose root volume it is.
    Image,
    /// The parameter that holds the id of such an image.
    Parameter(String),
}
