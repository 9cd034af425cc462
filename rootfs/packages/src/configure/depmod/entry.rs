//! A module of a kernel with its names.

use super::module::Module;

/// A module of a kernel.
#[derive(Debug)]
pub(super) struct Entry {
    /// Path below the kernel's folder, without a suffix of compression: as `modules.order` has it.
    pub(super) path: Vec<u8>,
    /// Path below the kernel's folder.
    pub(super) file: Vec<u8>,
    /// Name, dashes turned into underscores.
    pub(super) name: Vec<u8>,
    pub(super) module: Module,
    /// Modules that it needs directly, by position, in the order of their discovery.
    pub(super) needs: Vec<usize>,
    /// Position when sorted so that users come before what they use.
    pub(super) rank: usize,
}

/// The path without compression and the name of a module file; `None` for other files.
pub(super) fn module_name(file: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let plain =
        [&b".gz"[..], b".xz", b".zst"].iter().find_map(|suffix| file.strip_suffix(*suffix)).unwrap_or(file);
    let stem = plain.strip_suffix(b".ko")?;
    let base = stem.rsplit(|&byte| byte == b'/').next()?;
    Some((plain.to_vec(), base.iter().map(|&byte| if byte == b'-' { b'_' } else { byte }).collect()))
}
