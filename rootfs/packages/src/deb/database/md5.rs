//! MD5, as dpkg uses it: to notice that a file was changed, never to trust one (RFC 1321).

use std::fmt::Write as _;

use amiforge_formats::plan::Sources;
use amiforge_formats::tree::{Content, NodeKind, Origin, Tree};
use md5::{Digest as _, Md5};

use crate::deb::unpack::UnpackedPackage;
use amiforge_formats::path::{self, PathError};

/// Bytes read at a time.
const PIECE: u64 = 256 << 10;

/// The sum of a regular file, in hexadecimal; `None` where there is none.
pub(super) fn of(tree: &Tree, path: &[u8], sources: &dyn Sources) -> Result<Option<String>, PathError> {
    let Some(id) = path::find(tree, path)? else { return Ok(None) };
    let NodeKind::File(content) = &tree.node(id).kind else { return Ok(None) };
    let sum = sum(content, sources).map_err(|source| PathError::Read { path: path.to_vec(), source })?;
    let mut hex = String::with_capacity(32);
    for byte in sum {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
    }
    Ok(Some(hex))
}

/// The list that dpkg makes for a package that brings none: every regular file, conffiles too.
pub(super) fn missing(
    tree: &Tree,
    package: &UnpackedPackage,
    sources: &dyn Sources,
) -> Result<Option<Vec<u8>>, PathError> {
    if package.members.contains_key("md5sums") {
        return Ok(None);
    }
    let mut list = Vec::new();
    for path in &package.files {
        let regular = path::resolve(tree, path, path::Last::Keep)?.and_then(|location| location.node);
        let regular = regular.is_some_and(|id| matches!(tree.node(id).kind, NodeKind::File(_)));
        if !regular {
            continue;
        }
        if let Some(sum) = of(tree, path, sources)? {
            list.extend_from_slice(sum.as_bytes());
            list.extend_from_slice(b"  ");
            list.extend_from_slice(path.strip_prefix(b"/").unwrap_or(path));
            list.push(b'\n');
        }
    }
    Ok(Some(list))
}

fn sum(content: &Content, sources: &dyn Sources) -> std::io::Result<[u8; 16]> {
    let mut hasher = Md5::new();
    let mut at = 0;
    let mut buf = vec![0; usize::try_from(PIECE.min(content.len())).unwrap_or(0)];
    for segment in content.segments() {
        zeros(&mut hasher, segment.offset - at);
        at = segment.offset + segment.len;
        match segment.origin {
            Origin::Inline { bytes, at } => {
                let end = at.saturating_add(usize::try_from(segment.len).unwrap_or(usize::MAX));
                hasher.update(bytes.get(at..end).ok_or(std::io::ErrorKind::InvalidData)?);
            }
            Origin::Slice { source, at } => {
                let mut done = 0;
                while done < segment.len {
                    let len = (segment.len - done).min(buf.len() as u64);
                    let piece = &mut buf[..len as usize];
                    sources.read_exact_at(source, at + done, piece)?;
                    hasher.update(&*piece);
                    done += len;
                }
            }
        }
    }
    zeros(&mut hasher, content.len() - at);
    Ok(hasher.finalize().into())
}

fn zeros(hasher: &mut Md5, mut len: u64) {
    let zeros = [0; 4096];
    while len > 0 {
        let piece = len.min(zeros.len() as u64);
        hasher.update(&zeros[..piece as usize]);
        len -= piece;
    }
}
