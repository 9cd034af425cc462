//! How packages come into a tree in which its own package manager installs them.

use std::fs;
use std::io;

use amiforge_formats::time::Time;
use amiforge_formats::tree::{Content, Meta, Name, Node, NodeKind, Tree};
use amiforge_store::blobs::{Blobs, FileStamp};

use crate::backend::PackageFile;

/// Puts packages into a folder of a tree, `00000.EXTENSION` and on; gives their absolute paths, in the order of the call.
///
/// # Errors
/// A file of the store that is gone.
pub(crate) fn place(
    tree: &mut Tree,
    (folder, extension): (&str, &str),
    files: &[PackageFile<'_>],
    at: Time,
    blobs: &mut Blobs,
) -> io::Result<Vec<String>> {
    let mut inside = tree.root();
    for name in folder.split('/') {
        let made = Node { meta: Meta::root_owned(0o755, at), kind: NodeKind::dir() };
        inside = match tree.child(inside, name.as_bytes()) {
            Some(there) => there,
            None => tree
                .add(inside, Name::new(name.as_bytes()).map_err(io::Error::other)?, made)
                .map_err(io::Error::other)?,
        };
    }
    let mut paths = Vec::with_capacity(files.len());
    for (number, file) in files.iter().enumerate() {
        let found = fs::metadata(&file.path)?;
        let source = blobs.add_closed(file.path.clone(), FileStamp::of_entry(&found));
        let content = Content::Slice { source, at: 0, len: found.len() };
        let node = Node { meta: Meta::root_owned(0o644, at), kind: NodeKind::File(content) };
        let name = format!("{number:05}.{extension}");
        tree.add(inside, Name::new(name.as_bytes()).map_err(io::Error::other)?, node)
            .map_err(io::Error::other)?;
        paths.push(format!("/{folder}/{name}"));
    }
    Ok(paths)
}
