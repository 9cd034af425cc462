//! What an image boots with, found in its own tree: the kernel, its initrd, the loaders that the distribution brings, and
//! what the system calls itself. Must not know how any of it is put on a disk.
//!
//! Kernels are looked for where Debian and its kin put them (`/boot/vmlinuz-RELEASE`) and where Fedora and systemd's
//! kernel-install look (`/usr/lib/modules/RELEASE/vmlinuz`).

use std::collections::BTreeMap;
use std::io;

use amiforge_formats::path::PathError;
use amiforge_formats::path::{self, Last};
use amiforge_formats::plan::Sources;
use amiforge_formats::tree::{Content, NodeKind, Tree};

use crate::version;

/// Longest head of a kernel that is read: setup header and the headers of the PE file.
const HEAD: u64 = 4096;

/// Longest loader that is read.
const LOADER_MAX: u64 = 32 << 20;

/// Longest `os-release`.
const OS_RELEASE_MAX: u64 = 64 << 10;

/// The names of an initrd by the release of its kernel, in the order in which they are looked for.
const INITRDS: [(&str, &str); 3] =
    [("boot/initrd.img-", ""), ("boot/initramfs-", ".img"), ("boot/initrd-", "")];

/// Why there is nothing to boot.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BootFilesError {
    /// No kernel.
    #[error("the image has no kernel: there is neither `/boot/vmlinuz-…` nor `/usr/lib/modules/…/vmlinuz`")]
    NoKernel,
    /// Not that kernel.
    #[error("the image has no kernel `{wanted}` but {there}")]
    NotThere {
        /// The release asked for.
        wanted: String,
        /// The releases that there are.
        there: String,
    },
    /// No initrd for the kernel.
    #[error("the image has no initrd for its kernel `{release}`: there is no `/boot/initrd.img-{release}`")]
    NoInitrd {
        /// Release of the kernel.
        release: String,
    },
    /// A path of the tree.
    #[error("looking for what the image boots with")]
    Path(#[from] PathError),
    /// The kernel cannot be read.
    #[error("reading the kernel `{release}`")]
    Read {
        /// Its release.
        release: String,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// A kernel with what belongs to it.
#[derive(Debug, Clone)]
pub struct KernelFiles {
    /// Its release, such as `6.1.0-56-cloud-amd64`.
    pub release: String,
    /// Absolute path of the file.
    pub path: String,
    /// The file.
    pub content: Content,
    /// Its first bytes, at most 4096.
    pub head: Vec<u8>,
    /// Its initrd, if there is one, with its absolute path.
    pub initrd: Option<(String, Content)>,
}

/// The kernel that boots: that of the release asked for, else the newest, as dpkg compares versions.
///
/// # Errors
/// [`BootFilesError`].
pub fn kernel(
    tree: &Tree,
    sources: &dyn Sources,
    wanted: Option<&str>,
) -> Result<KernelFiles, BootFilesError> {
    let mut all = releases(tree)?;
    let newest = all.keys().max_by(|a, b| version::compare(a, b)).cloned().ok_or(BootFilesError::NoKernel)?;
    let release = wanted.map_or(newest, str::to_owned);
    let Some((path, content)) = all.remove(&release) else {
        let there: Vec<_> = all.keys().map(|release| format!("`{release}`")).collect();
        return Err(BootFilesError::NotThere { wanted: release, there: there.join(", ") });
    };
    let head = path::bytes_of(&start(&content, HEAD), sources)
        .map_err(|source| BootFilesError::Read { release: release.clone(), source })?;
    let mut initrd = None;
    for (before, after) in INITRDS {
        let path = format!("{before}{release}{after}");
        if let Some(content) = file(tree, path.as_bytes())? {
            initrd = Some((format!("/{path}"), content));
            break;
        }
    }
    Ok(KernelFiles { release, path, content, head, initrd })
}

/// Every kernel by its release.
fn releases(tree: &Tree) -> Result<BTreeMap<String, (String, Content)>, BootFilesError> {
    let mut all = BTreeMap::new();
    for name in names(tree, b"usr/lib/modules")? {
        let path = format!("usr/lib/modules/{name}/vmlinuz");
        if let Some(content) = file(tree, path.as_bytes())? {
            all.insert(name, (format!("/{path}"), content));
        }
    }
    for name in names(tree, b"boot")? {
        let Some(release) = name.strip_prefix("vmlinuz-").filter(|release| !release.is_empty()) else {
            continue;
        };
        let path = format!("boot/{name}");
        if let Some(content) = file(tree, path.as_bytes())? {
            all.insert(release.to_owned(), (format!("/{path}"), content));
        }
    }
    Ok(all)
}

/// A file of the tree that the distribution brings, such as the stub of systemd-boot; links are followed.
///
/// # Errors
/// [`BootFilesError::Path`] when it is longer than 32 MiB, no file, or cannot be read.
pub fn loader(tree: &Tree, sources: &dyn Sources, path: &str) -> Result<Option<Vec<u8>>, BootFilesError> {
    small(tree, sources, path, LOADER_MAX)
}

/// What the system calls itself (os-release(5)).
///
/// # Errors
/// As [`loader`].
pub fn os_release(tree: &Tree, sources: &dyn Sources) -> Result<Option<Vec<u8>>, BootFilesError> {
    match small(tree, sources, "etc/os-release", OS_RELEASE_MAX)? {
        Some(text) => Ok(Some(text)),
        None => small(tree, sources, "usr/lib/os-release", OS_RELEASE_MAX),
    }
}

fn small(
    tree: &Tree,
    sources: &dyn Sources,
    path: &str,
    limit: u64,
) -> Result<Option<Vec<u8>>, BootFilesError> {
    match path::place(tree, path.trim_start_matches('/').as_bytes(), Last::Follow)? {
        Some(place) => Ok(path::contents(tree, sources, &place, limit)?),
        None => Ok(None),
    }
}

/// The names in a folder that are text, in order.
fn names(tree: &Tree, path: &[u8]) -> Result<Vec<String>, BootFilesError> {
    let found = path::find(tree, path)?.and_then(|id| tree.entries(id));
    let text = |name: &[u8]| String::from_utf8(name.to_vec()).ok();
    Ok(found.into_iter().flatten().filter_map(|(name, _)| text(name.as_bytes())).collect())
}

/// The content of a regular file, links followed.
fn file(tree: &Tree, path: &[u8]) -> Result<Option<Content>, BootFilesError> {
    Ok(path::find(tree, path)?.and_then(|id| match &tree.node(id).kind {
        NodeKind::File(content) => Some(content.clone()),
        _ => None,
    }))
}

/// The first bytes of a file.
fn start(content: &Content, limit: u64) -> Content {
    match content {
        Content::Inline(bytes) => Content::Inline(bytes.iter().take(limit as usize).copied().collect()),
        Content::Slice { source, at, len } => {
            Content::Slice { source: *source, at: *at, len: limit.min(*len) }
        }
        // A kernel is not kept with holes; whoever keeps one so has its bytes read as a whole.
        Content::Sparse { .. } => content.clone(),
    }
}

#[cfg(test)]
mod tests {
    use amiforge_formats::time::Time;
    use amiforge_formats::tree::Meta;

    use super::*;
    use amiforge_store::blobs::Blobs;

    fn tree(files: &[&str]) -> Tree {
        let time = Time { secs: 0, nanos: 0 };
        let mut tree = Tree::new(Meta::root_owned(0o755, time));
        for path in files {
            path::write(&mut tree, path.as_bytes(), path.as_bytes(), 0o644, time).unwrap();
        }
        tree
    }

    #[test]
    fn the_newest_kernel_boots_unless_another_is_asked_for() {
        let tree = tree(&[
            "boot/vmlinuz-6.1.0-9-cloud-amd64",
            "boot/vmlinuz-6.1.0-56-cloud-amd64",
            "boot/initrd.img-6.1.0-56-cloud-amd64",
            "boot/vmlinuz-",
            "usr/lib/modules/5.10.0/vmlinuz",
            "usr/lib/modules/6.1.0-9-cloud-amd64/modules.dep",
        ]);
        let blobs = Blobs::new();
        let newest = kernel(&tree, &blobs, None).unwrap();
        assert_eq!((newest.release.as_str(), newest.head.len()), ("6.1.0-56-cloud-amd64", 33));
        assert_eq!(newest.initrd.unwrap().0, "/boot/initrd.img-6.1.0-56-cloud-amd64");
        let old = kernel(&tree, &blobs, Some("5.10.0")).unwrap();
        assert_eq!((old.path.as_str(), old.initrd.is_none()), ("/usr/lib/modules/5.10.0/vmlinuz", true));
        let none = kernel(&tree, &blobs, Some("7")).unwrap_err().to_string();
        assert!(none.ends_with("but `5.10.0`, `6.1.0-56-cloud-amd64`, `6.1.0-9-cloud-amd64`"), "{none}");
    }

    #[test]
    fn a_tree_without_kernel_is_told() {
        let found = kernel(&tree(&["boot/grub/grub.cfg"]), &Blobs::new(), None);
        assert!(matches!(found, Err(BootFilesError::NoKernel)));
    }
}
