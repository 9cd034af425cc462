//! Which files packages have published: what anybody can read in an archive is no leak of the builder. The caller, who
//! knows package managers, says which files are whose; here their content is compared.

use std::collections::HashMap;
use std::io;

use amiforge_formats::digest::{Digest, StatedDigest};
use amiforge_formats::plan::Sources;
use amiforge_formats::tree::{Content, NodeKind, Tree};
use md5::{Digest as _, Md5};
use sha2::Sha256;

/// Bytes that are digested at a time.
const CHUNK: usize = 1 << 20;

/// A file that a package brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedFile {
    /// Its path, without the first `/`.
    pub path: Vec<u8>,
    /// The package.
    pub package: String,
    /// Digest of its content, as the database of the package manager has it; none where it has none.
    pub digest: Option<StatedDigest>,
}

/// The files of packages, by their paths.
#[derive(Debug, Clone, Default)]
pub struct Publications {
    by_path: HashMap<Vec<u8>, PublishedFile>,
}

impl Publications {
    /// Those of a tree. A path that leads through a merged folder (`/bin` → `usr/bin`) counts for what it leads to.
    pub fn new(tree: &Tree, files: Vec<PublishedFile>) -> Self {
        let mut by_path = HashMap::with_capacity(files.len());
        for mut file in files {
            file.path = merged(tree, &file.path);
            // Of two entries for a path, as after a conffile moved, the one with a digest counts.
            let known: Option<&PublishedFile> = by_path.get(&file.path);
            if known.is_none_or(|known| known.digest.is_none()) {
                by_path.insert(file.path.clone(), file);
            }
        }
        Self { by_path }
    }

    /// The package that a path belongs to.
    pub(crate) fn of(&self, path: &[u8]) -> Option<&PublishedFile> {
        self.by_path.get(path)
    }
}

impl PublishedFile {
    /// Whether a content is what the package brought.
    pub(crate) fn is_equal(&self, content: &Content, sources: &dyn Sources) -> io::Result<bool> {
        match self.digest {
            None => Ok(false),
            Some(StatedDigest::Md5(md5)) => {
                let mut digest = Md5::new();
                each_chunk(content, sources, |chunk| digest.update(chunk))?;
                Ok(<[u8; 16]>::from(digest.finalize()) == md5)
            }
            Some(StatedDigest::Sha256(sha256)) => {
                let mut digest = Sha256::new();
                each_chunk(content, sources, |chunk| digest.update(chunk))?;
                Ok(Digest(digest.finalize().into()) == sha256)
            }
        }
    }
}

/// Reads a content from its start to its end.
fn each_chunk(content: &Content, sources: &dyn Sources, mut take: impl FnMut(&[u8])) -> io::Result<()> {
    let mut buffer = vec![0; CHUNK.min(usize::try_from(content.len()).unwrap_or(CHUNK))];
    let mut at = 0;
    while at < content.len() {
        let count = usize::try_from(content.len() - at).unwrap_or(CHUNK).min(buffer.len());
        content.read_at(sources, at, &mut buffer[..count])?;
        take(&buffer[..count]);
        at += count as u64;
    }
    Ok(())
}

/// A path with a first name that is a link in the root replaced by what the link names.
fn merged(tree: &Tree, path: &[u8]) -> Vec<u8> {
    let path = path.strip_prefix(b"/").unwrap_or(path);
    let first = path.split(|byte| *byte == b'/').next().unwrap_or_default();
    let target = tree.child(tree.root(), first).and_then(|id| match &tree.node(id).kind {
        NodeKind::Symlink(target) => Some(target.clone()),
        _ => None,
    });
    match target {
        Some(target) => {
            let target = target.strip_prefix(b"/").unwrap_or(&target);
            [target, &path[first.len()..]].concat()
        }
        None => path.to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use amiforge_formats::plan::NoSources;
    use amiforge_formats::time::Time;
    use amiforge_formats::tree::{Meta, Name, Node};

    use super::*;

    #[test]
    fn a_file_is_published_where_its_content_is_the_packages_also_through_a_merged_folder() {
        let meta = Meta::root_owned(0o755, Time::EPOCH);
        let mut tree = Tree::new(meta.clone());
        let link = Node { meta, kind: NodeKind::Symlink(b"usr/bin".as_slice().into()) };
        tree.add(tree.root(), Name::new(b"bin").unwrap(), link).unwrap();
        let md5 = Some(StatedDigest::Md5(Md5::digest(b"content").into()));
        let sha256 = Some(StatedDigest::Sha256(Digest::of(b"content")));
        let file =
            |path: &[u8], digest| PublishedFile { path: path.to_vec(), package: "p".to_owned(), digest };
        let files = vec![file(b"/bin/tool", md5), file(b"bin/other", sha256), file(b"etc/p.conf", None)];
        let all = Publications::new(&tree, files);
        for path in [b"usr/bin/tool".as_slice(), b"usr/bin/other"] {
            let tool = all.of(path).unwrap();
            assert!(tool.is_equal(&Content::Inline(b"content".as_slice().into()), &NoSources).unwrap());
            assert!(!tool.is_equal(&Content::Inline(b"changed".as_slice().into()), &NoSources).unwrap());
        }
        // A package manager that keeps no digest says whose a file is, not that it is unchanged.
        let conf = all.of(b"etc/p.conf").unwrap();
        assert!(!conf.is_equal(&Content::empty(), &NoSources).unwrap());
        assert!(all.of(b"usr/bin/more").is_none());
    }
}
