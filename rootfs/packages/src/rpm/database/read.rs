//! The database that a tree has, read.

use amiforge_formats::path::{self, Last, TreePath, bytes_of};
use amiforge_formats::plan::Sources;
use amiforge_formats::tree::{NodeKind, Printable, Tree};

use super::error::RpmDatabaseError;
use super::kind::RpmDatabaseKind;
use super::stored::StoredHeader;
use super::{ndb, place, sqlite};

/// Largest database that is read.
const LONGEST: u64 = 1 << 30;

/// A database that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RpmDatabase {
    /// Its file, absolute and not led through links.
    pub path: Vec<u8>,
    /// Its format.
    pub kind: RpmDatabaseKind,
    /// Its headers by rising numbers; keys that rpm knows are among them (`gpg-pubkey`).
    pub headers: Vec<StoredHeader>,
    /// The highest number that a header ever had in it.
    pub highest: u32,
}

/// Reads rpm's database of a tree; none where there is none.
///
/// # Errors
/// [`RpmDatabaseError`]: a format that is not read, or a file that is damaged.
pub fn read(tree: &Tree, sources: &dyn Sources) -> Result<Option<RpmDatabase>, RpmDatabaseError> {
    let Some((kind, at)) = place::find(tree, sources)? else { return Ok(None) };
    if kind == RpmDatabaseKind::BerkeleyDb {
        return Err(RpmDatabaseError::BerkeleyDb);
    }
    let Some(bytes) = bytes(tree, sources, &at)? else { return Ok(None) };
    let (headers, highest) = if kind == RpmDatabaseKind::Sqlite {
        let beside = |suffix: &[u8]| beside(tree, &[&at.path, suffix].concat());
        sqlite::read(&bytes, beside(b"-wal")?, beside(b"-journal")?)?
    } else {
        let headers = ndb::read(&bytes)?;
        let highest = headers.last().map_or(0, |stored| stored.number);
        (headers, highest)
    };
    Ok(Some(RpmDatabase { path: at.path, kind, headers, highest }))
}

fn bytes(tree: &Tree, sources: &dyn Sources, at: &TreePath) -> Result<Option<Vec<u8>>, RpmDatabaseError> {
    let Some(NodeKind::File(content)) = at.node.map(|id| &tree.node(id).kind) else { return Ok(None) };
    if content.len() > LONGEST {
        return Err(RpmDatabaseError::TooLarge(content.len()));
    }
    let unread = |source| path::PathError::Read { path: at.path.clone(), source };
    Ok(Some(bytes_of(content, sources).map_err(unread)?))
}

/// The length of a file; 0 where there is none.
fn beside(tree: &Tree, path: &[u8]) -> Result<u64, RpmDatabaseError> {
    let node = path::resolve(tree, path, Last::Follow)?.and_then(|at| at.node);
    Ok(match node.map(|id| &tree.node(id).kind) {
        Some(NodeKind::File(content)) => content.len(),
        _ => 0,
    })
}

impl RpmDatabase {
    /// Its file for messages.
    pub fn shown(&self) -> Printable<'_> {
        Printable(&self.path)
    }
}
