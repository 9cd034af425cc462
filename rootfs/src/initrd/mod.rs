//! Builds an initrd for kernels that need modules to reach their root file system: an init program of a few KiB (`init.c`, or
//! `verity.c` for a verified root, compiled by `make.sh`) and only the modules that it loads, taken from the tree. The same kernel
//! gives the same bytes.
//!
//! Follows modules.dep(5) and depmod(8); the format of the archive is in [`amiforge_formats::cpio`].

pub mod read;

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use amiforge_formats::arch::Arch;
use amiforge_formats::cpio::write::{CpioWriter, NewEntry};
use amiforge_formats::plan::Sources;
use amiforge_formats::tree::{NodeKind, Tree};
use amiforge_formats::volume::FsKind;
use amiforge_formats::volume::format::VolumeFormat;

use crate::sources::inflate::inflate;
use amiforge_formats::path;
use amiforge_formats::path::PathError;

/// Longest module that is read, in bytes after decompression.
const MODULE_MAX: u64 = 64 << 20;

/// Driver names of recipes, and the modules of each; those of file systems are in their registry.
const DRIVER_GROUPS: [(&str, &[&str]); 4] = [
    ("nvme", &["nvme"]),
    ("virtio", &["virtio_pci", "virtio_blk"]),
    ("xen", &["xen_blkfront"]),
    // dm-verity takes the best sha256 that is loaded before the root is set up, also by the name of an algorithm.
    ("verity", &["sha256_generic", "sha256_ssse3", "sha256_arm64", "sha2_ce", "dm_verity"]),
];

/// Modules that some kernels do not have, because they are part of another one or can only be built in.
const OPTIONAL_MODULES: [&str; 5] =
    ["crc32c_generic", "sha256_generic", "sha256_ssse3", "sha256_arm64", "sha2_ce"];

/// The modules of a driver that stands for several, or of a file system; none for a name that is a module itself.
fn modules_of(driver: &str) -> &'static [&'static str] {
    let group = DRIVER_GROUPS.iter().find(|(name, _)| *name == driver).map(|(_, names)| *names);
    let format = FsKind::ALL.into_iter().map(FsKind::format).find(|format| format.name() == driver);
    group.or(format.map(VolumeFormat::kernel_modules)).unwrap_or_default()
}

/// The first program of an initrd.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InitProgram {
    /// Mounts the root that the kernel's arguments name.
    Plain,
    /// Mounts a root that dm-verity checks, and no other.
    Verified,
}

impl InitProgram {
    /// The program, a static executable without libraries.
    fn bytes(self, arch: Arch) -> &'static [u8] {
        match (self, arch) {
            (Self::Plain, arch) => init(arch),
            (Self::Verified, Arch::X86_64) => include_bytes!("verity.x86_64"),
            (Self::Verified, Arch::Aarch64) => include_bytes!("verity.aarch64"),
        }
    }
}

/// The plain init program of an architecture.
pub(crate) fn init(arch: Arch) -> &'static [u8] {
    match arch {
        Arch::X86_64 => include_bytes!("init.x86_64"),
        Arch::Aarch64 => include_bytes!("init.aarch64"),
    }
}

/// Why an initrd cannot be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InitrdError {
    /// The tree has no list of the dependencies of the modules.
    #[error("there is no `{path}`, which lists the dependencies of the kernel's modules")]
    NoModuleList {
        /// Path of the list.
        path: String,
    },
    /// The kernel does not have a driver.
    #[error("the kernel `{release}` has no driver `{driver}`, neither built in nor as a module")]
    NoDriver {
        /// Release of the kernel.
        release: String,
        /// Name of the module.
        driver: String,
    },
    /// A path of the tree cannot be resolved or read.
    #[error("looking for modules")]
    Path(#[from] PathError),
    /// A module cannot be read or decompressed.
    #[error("unpacking the module `{path}`")]
    Unpack {
        /// Path of the module.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// The modules of a kernel.
#[derive(Debug)]
pub struct KernelModules {
    release: String,
    /// By module name: the path below the folder of the kernel, and the modules to load before it, in order.
    by_name: BTreeMap<String, (String, Vec<String>)>,
    built_in: BTreeSet<String>,
}

impl KernelModules {
    /// Reads `modules.dep` and `modules.builtin` (depmod(8), modules.dep(5)).
    ///
    /// # Errors
    /// [`InitrdError::NoModuleList`] and [`InitrdError::Path`].
    pub fn read(tree: &Tree, sources: &dyn Sources, release: &str) -> Result<Self, InitrdError> {
        let path = format!("lib/modules/{release}/modules.dep");
        let list = |path: &str| path::read(tree, sources, path.as_bytes());
        let text = match list(&path)? {
            Some(text) => text,
            None => {
                list(&format!("usr/{path}"))?.ok_or(InitrdError::NoModuleList { path: format!("/{path}") })?
            }
        };
        let mut by_name = BTreeMap::new();
        for line in String::from_utf8_lossy(&text).lines() {
            let Some((module, dependencies)) = line.split_once(':') else { continue };
            // In modules.dep the module to load first comes last.
            let dependencies = dependencies.split_whitespace().rev().map(module_name).collect();
            by_name.insert(module_name(module), (module.to_owned(), dependencies));
        }
        let folder = path.trim_end_matches("modules.dep").to_owned();
        let built_in = match list(&format!("{folder}modules.builtin"))? {
            Some(text) => text,
            None => list(&format!("usr/{folder}modules.builtin"))?.unwrap_or_default(),
        };
        let built_in = String::from_utf8_lossy(&built_in).lines().map(module_name).collect();
        Ok(Self { release: release.to_owned(), by_name, built_in })
    }

    /// The modules to load for some drivers, in order. A driver is a group (`nvme`, `virtio`, `xen`, `ext4`,
    /// `verity`) or the name of
    /// a module; one that is built into the kernel adds nothing.
    ///
    /// # Errors
    /// [`InitrdError::NoDriver`].
    pub fn load_order(&self, drivers: &[String]) -> Result<Vec<String>, InitrdError> {
        let mut all = Vec::new();
        for driver in drivers {
            let names = match modules_of(driver) {
                [] => vec![driver.replace('-', "_")],
                names => names.iter().map(|&name| name.to_owned()).collect(),
            };
            for name in names {
                let module = self.by_name.get(&name).filter(|_| !self.built_in.contains(&name));
                match module {
                    Some((_, dependencies)) => all.extend(dependencies.iter().cloned().chain([name])),
                    None if self.built_in.contains(&name) || OPTIONAL_MODULES.contains(&name.as_str()) => {}
                    None => {
                        let release = self.release.clone();
                        return Err(InitrdError::NoDriver { release, driver: name });
                    }
                }
            }
        }
        let mut seen = BTreeSet::new();
        all.retain(|name| seen.insert(name.clone()));
        Ok(all)
    }

    /// The cpio archive of the init program and the modules, which are in `modules/` with their order in `modules/order`.
    ///
    /// # Errors
    /// [`InitrdError`].
    pub fn build_initrd(
        &self,
        tree: &Tree,
        sources: &dyn Sources,
        modules: &[String],
        (arch, program): (Arch, InitProgram),
    ) -> Result<Vec<u8>, InitrdError> {
        let mut archive = CpioWriter::new();
        for folder in ["dev", "modules", "proc", "root", "sys"] {
            archive.add(folder, 0o755, NewEntry::Folder);
        }
        // The kernel opens it for the init program before that can mount anything.
        archive.add("dev/console", 0o600, NewEntry::Device { major: 5, minor: 1 });
        archive.add("init", 0o755, NewEntry::File(program.bytes(arch)));
        let mut order = String::new();
        for name in modules {
            let Some((path, _)) = self.by_name.get(name) else { continue };
            let bytes = self.read_module(tree, sources, path)?;
            archive.add(&format!("modules/{name}.ko"), 0o644, NewEntry::File(&bytes));
            order.push_str(name);
            order.push_str(".ko\n");
        }
        archive.add("modules/order", 0o644, NewEntry::File(order.as_bytes()));
        Ok(archive.finish())
    }

    /// The bytes of a module, decompressed.
    fn read_module(&self, tree: &Tree, sources: &dyn Sources, path: &str) -> Result<Vec<u8>, InitrdError> {
        let release = &self.release;
        for folder in ["lib/modules", "usr/lib/modules"] {
            let full = format!("{folder}/{release}/{path}");
            let Some(id) = path::find(tree, full.as_bytes())? else { continue };
            let NodeKind::File(content) = &tree.node(id).kind else { continue };
            let failed = |source| InitrdError::Unpack { path: format!("/{full}"), source };
            if content.len() > MODULE_MAX {
                return Err(failed(io::Error::other(format!("it is longer than {MODULE_MAX} bytes"))));
            }
            let bytes = path::bytes_of(content, sources).map_err(failed)?;
            return inflate(path, &bytes, MODULE_MAX).map_err(failed);
        }
        Err(InitrdError::NoDriver { release: release.clone(), driver: path.to_owned() })
    }
}

/// The name of a module from its path: the file name before `.ko`, with `_` for `-`.
fn module_name(path: &str) -> String {
    let file = path.rsplit('/').next().unwrap_or(path);
    file.split(".ko").next().unwrap_or(file).replace('-', "_")
}

#[cfg(test)]
mod tests;
