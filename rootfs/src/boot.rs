//! Finds the boot files of an image in its tree: the kernel, its initrd, the boot loaders of the distribution, and
//! os-release. Must not know how any of them is written to a disk.
//!
//! Paths of kernels: `/boot/vmlinuz-RELEASE` as on Debian and its derivatives, and `vmlinuz` in the folder of the modules of
//! RELEASE, below `/usr/lib` or `/lib`, as on Fedora and its kin and for the kernel-install of systemd.

use std::collections::BTreeMap;
use std::io;

use amiforge_formats::arch::Arch;
use amiforge_formats::path::PathError;
use amiforge_formats::path::{self, Last};
use amiforge_formats::plan::Sources;
use amiforge_formats::tree::{Content, NodeKind, Tree};

use crate::version;

/// Bytes at the start of a kernel that are read: the setup header and the headers of the PE file.
const HEAD_LEN: u64 = 4096;

/// Longest boot loader that is read, in bytes.
const LOADER_MAX: u64 = 32 << 20;

/// Longest `os-release` that is read, in bytes.
const OS_RELEASE_MAX: u64 = 64 << 10;

/// Path of an initrd before and after the release of its kernel; the first that exists is taken. The last is that of
/// systems whose kernels are only in `/usr` (bootc).
const INITRDS: [(&str, &str); 4] = [
    ("boot/initrd.img-", ""),
    ("boot/initramfs-", ".img"),
    ("boot/initrd-", ""),
    ("usr/lib/modules/", "/initramfs.img"),
];

/// Folders of modules by release, which are one where `/lib` is a link.
const MODULE_FOLDERS: [&str; 2] = ["lib/modules", "usr/lib/modules"];

/// What the release of a rescue kernel of dracut starts with; its initrd is for the machine that it was made on.
const RESCUE: &str = "0-rescue-";

/// Why the boot files cannot be found or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BootFilesError {
    /// The tree has no kernel.
    #[error("the image has no kernel: there is neither `/boot/vmlinuz-…` nor `/usr/lib/modules/…/vmlinuz`")]
    NoKernel,
    /// The tree has no kernel of the requested release.
    #[error("the image has no kernel `{requested}` but {available}")]
    NoSuchKernel {
        /// The requested release.
        requested: String,
        /// The releases in the tree.
        available: String,
    },
    /// The tree has no initrd for the kernel.
    #[error(
        "the image has no initrd for its kernel `{release}`: there is neither `/boot/initrd.img-{release}` nor \
         `/boot/initramfs-{release}.img`"
    )]
    NoInitrd {
        /// Release of the kernel.
        release: String,
    },
    /// A path of the tree cannot be resolved or read.
    #[error("looking for the kernel and boot loader of the image")]
    Path(#[from] PathError),
    /// The kernel cannot be read.
    #[error("reading the kernel `{release}`")]
    Read {
        /// Release of the kernel.
        release: String,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// A kernel and its initrd.
#[derive(Debug, Clone)]
pub struct KernelFiles {
    /// Release, such as `6.1.0-56-cloud-amd64`.
    pub release: String,
    /// Absolute path.
    pub path: String,
    /// Content of the file.
    pub content: Content,
    /// First bytes of the file, at most 4096.
    pub head: Vec<u8>,
    /// Absolute path and content of the initrd, if there is one.
    pub initrd: Option<(String, Content)>,
}

/// What follows the version in a release of Fedora and its kin: the architecture, and behind a `+` the variant of the
/// kernel, such as `.x86_64+debug`; `None` for the releases of other distributions.
pub fn architecture_suffix(release: &str) -> Option<&str> {
    let at = Arch::ALL.into_iter().find_map(|arch| release.rfind(&format!(".{}", arch.name())))?;
    release.get(at..)
}

/// Finds the kernel to boot: the one of the requested release, else the newest in the version order of dpkg; a debug kernel
/// or another variant of Fedora only where there is no plain one.
///
/// # Errors
/// [`BootFilesError`].
pub fn find_kernel(
    tree: &Tree,
    sources: &dyn Sources,
    requested: Option<&str>,
) -> Result<KernelFiles, BootFilesError> {
    let mut all = kernels_by_release(tree)?;
    let plain = |release: &str| !architecture_suffix(release).is_some_and(|suffix| suffix.contains('+'));
    let newest = all.keys().max_by(|a, b| plain(a).cmp(&plain(b)).then_with(|| version::compare(a, b)));
    let newest = newest.cloned().ok_or(BootFilesError::NoKernel)?;
    let release = requested.map_or(newest, str::to_owned);
    let Some((path, content)) = all.remove(&release) else {
        let available: Vec<_> = all.keys().map(|release| format!("`{release}`")).collect();
        return Err(BootFilesError::NoSuchKernel { requested: release, available: available.join(", ") });
    };
    let head = path::bytes_of(&prefix(&content, HEAD_LEN), sources)
        .map_err(|source| BootFilesError::Read { release: release.clone(), source })?;
    let mut initrd = None;
    for (before, after) in INITRDS {
        let path = format!("{before}{release}{after}");
        if let Some(content) = file_content(tree, path.as_bytes())? {
            initrd = Some((format!("/{path}"), content));
            break;
        }
    }
    Ok(KernelFiles { release, path, content, head, initrd })
}

/// Path and content of every kernel, by release.
fn kernels_by_release(tree: &Tree) -> Result<BTreeMap<String, (String, Content)>, BootFilesError> {
    let mut all = BTreeMap::new();
    for folder in MODULE_FOLDERS {
        for name in entry_names(tree, folder.as_bytes())? {
            let path = format!("{folder}/{name}/vmlinuz");
            if let Some(content) = file_content(tree, path.as_bytes())? {
                all.insert(name, (format!("/{path}"), content));
            }
        }
    }
    for name in entry_names(tree, b"boot")? {
        let release = name.strip_prefix("vmlinuz-");
        let Some(release) = release.filter(|release| !release.is_empty() && !release.starts_with(RESCUE))
        else {
            continue;
        };
        let path = format!("boot/{name}");
        if let Some(content) = file_content(tree, path.as_bytes())? {
            all.insert(release.to_owned(), (format!("/{path}"), content));
        }
    }
    Ok(all)
}

/// Reads a boot loader that the distribution installs, such as the stub of systemd-boot; links are followed. `None` where
/// the path does not exist.
///
/// # Errors
/// [`BootFilesError::Path`] when it is longer than 32 MiB, not a regular file, or cannot be read.
pub fn read_loader(
    tree: &Tree,
    sources: &dyn Sources,
    path: &str,
) -> Result<Option<Vec<u8>>, BootFilesError> {
    read_up_to(tree, sources, path, LOADER_MAX)
}

/// Reads os-release(5) from `/etc`, else from `/usr/lib`.
///
/// # Errors
/// As [`read_loader`], with a limit of 64 KiB.
pub fn read_os_release(tree: &Tree, sources: &dyn Sources) -> Result<Option<Vec<u8>>, BootFilesError> {
    match read_up_to(tree, sources, "etc/os-release", OS_RELEASE_MAX)? {
        Some(text) => Ok(Some(text)),
        None => read_up_to(tree, sources, "usr/lib/os-release", OS_RELEASE_MAX),
    }
}

fn read_up_to(
    tree: &Tree,
    sources: &dyn Sources,
    path: &str,
    limit: u64,
) -> Result<Option<Vec<u8>>, BootFilesError> {
    match path::resolve(tree, path.trim_start_matches('/').as_bytes(), Last::Follow)? {
        Some(resolved) => Ok(path::contents(tree, sources, &resolved, limit)?),
        None => Ok(None),
    }
}

/// The names in a folder that are UTF-8, sorted; empty where the folder does not exist.
fn entry_names(tree: &Tree, path: &[u8]) -> Result<Vec<String>, BootFilesError> {
    let entries = path::find(tree, path)?.and_then(|id| tree.entries(id));
    let text = |name: &[u8]| String::from_utf8(name.to_vec()).ok();
    Ok(entries.into_iter().flatten().filter_map(|(name, _)| text(name.as_bytes())).collect())
}

/// The content of a regular file, links followed; `None` for anything else.
fn file_content(tree: &Tree, path: &[u8]) -> Result<Option<Content>, BootFilesError> {
    Ok(path::find(tree, path)?.and_then(|id| match &tree.node(id).kind {
        NodeKind::File(content) => Some(content.clone()),
        _ => None,
    }))
}

/// The first `limit` bytes of a file.
fn prefix(content: &Content, limit: u64) -> Content {
    match content {
        Content::Inline(bytes) => Content::Inline(bytes.iter().take(limit as usize).copied().collect()),
        Content::Slice { source, at, len } => {
            Content::Slice { source: *source, at: *at, len: limit.min(*len) }
        }
        // A kernel has no holes in practice; one that has is read as a whole.
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
    fn the_newest_kernel_boots_unless_another_is_requested() {
        let tree = tree(&[
            "boot/vmlinuz-6.1.0-9-cloud-amd64",
            "boot/vmlinuz-6.1.0-56-cloud-amd64",
            "boot/initrd.img-6.1.0-56-cloud-amd64",
            "boot/vmlinuz-",
            "usr/lib/modules/5.10.0/vmlinuz",
            "usr/lib/modules/6.1.0-9-cloud-amd64/modules.dep",
        ]);
        let blobs = Blobs::new();
        let newest = find_kernel(&tree, &blobs, None).unwrap();
        assert_eq!((newest.release.as_str(), newest.head.len()), ("6.1.0-56-cloud-amd64", 33));
        assert_eq!(newest.initrd.unwrap().0, "/boot/initrd.img-6.1.0-56-cloud-amd64");
        let old = find_kernel(&tree, &blobs, Some("5.10.0")).unwrap();
        assert_eq!((old.path.as_str(), old.initrd.is_none()), ("/usr/lib/modules/5.10.0/vmlinuz", true));
        let none = find_kernel(&tree, &blobs, Some("7")).unwrap_err().to_string();
        assert!(none.ends_with("but `5.10.0`, `6.1.0-56-cloud-amd64`, `6.1.0-9-cloud-amd64`"), "{none}");
    }

    #[test]
    fn kernels_of_fedora_and_its_kin_are_found() {
        let (old, new) = ("6.1.94-99.176.amzn2023.x86_64", "6.1.119-129.201.amzn2023.x86_64");
        let [old_path, new_path] = [old, new].map(|release| format!("usr/lib/modules/{release}/vmlinuz"));
        let debug = format!("boot/vmlinuz-{new}+debug");
        let initrd = format!("boot/initramfs-{new}.img");
        let mut tree = tree(&[&old_path, &new_path, &debug, &initrd, "boot/vmlinuz-0-rescue-0123"]);
        let found = find_kernel(&tree, &Blobs::new(), None).unwrap();
        assert_eq!((found.release.as_str(), found.path), (new, format!("/{new_path}")));
        assert_eq!(found.initrd.unwrap().0, format!("/{initrd}"));
        let debug = find_kernel(&tree, &Blobs::new(), Some(&format!("{new}+debug"))).unwrap();
        assert!(debug.path.starts_with("/boot/"), "{debug:?}");
        assert!(find_kernel(&tree, &Blobs::new(), Some("0-rescue-0123")).is_err());
        // A system whose `/lib` is no link.
        path::write(&mut tree, b"lib/modules/7.0/vmlinuz", b"x", 0o644, Time { secs: 0, nanos: 0 }).unwrap();
        assert_eq!(find_kernel(&tree, &Blobs::new(), None).unwrap().path, "/lib/modules/7.0/vmlinuz");
    }

    #[test]
    fn a_tree_without_kernel_is_refused() {
        let result = find_kernel(&tree(&["boot/grub/grub.cfg"]), &Blobs::new(), None);
        assert!(matches!(result, Err(BootFilesError::NoKernel)));
    }
}
