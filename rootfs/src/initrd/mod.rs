//! An initrd of our own, for kernels that need modules to reach their root: a first program of a few KiB (`init.c`, compiled
//! by `make.sh`) and just those modules, taken from the tree. The same for the same kernel, whoever builds it and when.

pub mod read;

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use amiforge_formats::cpio::write::{CpioWriter, NewEntry};
use amiforge_formats::plan::Sources;
use amiforge_formats::tree::{NodeKind, Tree};

use crate::sources::inflate::inflate;
use amiforge_formats::path;
use amiforge_formats::path::PathError;

/// Longest module that is read, unpacked.
const MODULE_MAX: u64 = 64 << 20;

/// What words of recipes stand for.
const GROUPS: [(&str, &[&str]); 4] = [
    ("nvme", &["nvme"]),
    ("virtio", &["virtio_pci", "virtio_blk"]),
    ("xen", &["xen_blkfront"]),
    // ext4 asks for a checksum by a name that no dependency tells.
    ("ext4", &["crc32c_generic", "ext4"]),
];

/// Modules of those that are nowhere in some kernels, because they are part of another or were never a module.
const OPTIONAL: [&str; 1] = ["crc32c_generic"];

/// Machines that there is a first program for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InitrdMachine {
    /// Intel and AMD, 64 bit.
    X86_64,
    /// Arm, 64 bit.
    Aarch64,
}

impl InitrdMachine {
    /// The first program, an executable without libraries.
    pub(crate) fn init(self) -> &'static [u8] {
        match self {
            Self::X86_64 => include_bytes!("init.x86_64"),
            Self::Aarch64 => include_bytes!("init.aarch64"),
        }
    }
}

/// Why there is no initrd.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InitrdError {
    /// The kernel's modules have no list.
    #[error("there is no `{path}`, which tells what the kernel's modules need")]
    NoList {
        /// The list.
        path: String,
    },
    /// A driver that the kernel does not have.
    #[error("the kernel `{release}` has no driver `{driver}`, neither built in nor as a module")]
    NoDriver {
        /// The release.
        release: String,
        /// The module.
        driver: String,
    },
    /// A path of the tree.
    #[error("looking for modules")]
    Path(#[from] PathError),
    /// A module cannot be unpacked.
    #[error("unpacking the module `{path}`")]
    Unpack {
        /// The module.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// The modules of a kernel.
#[derive(Debug)]
pub struct Modules {
    release: String,
    /// Path below the kernel's folder, and what has to be loaded before, by name.
    by_name: BTreeMap<String, (String, Vec<String>)>,
    built_in: BTreeSet<String>,
}

impl Modules {
    /// Reads `modules.dep` and `modules.builtin` (depmod(8), modules.dep(5)).
    ///
    /// # Errors
    /// [`InitrdError::NoList`] and [`InitrdError::Path`].
    pub fn read(tree: &Tree, sources: &dyn Sources, release: &str) -> Result<Self, InitrdError> {
        let path = format!("lib/modules/{release}/modules.dep");
        let list = |path: &str| path::read(tree, sources, path.as_bytes());
        let text = match list(&path)? {
            Some(text) => text,
            None => list(&format!("usr/{path}"))?.ok_or(InitrdError::NoList { path: format!("/{path}") })?,
        };
        let mut by_name = BTreeMap::new();
        for line in String::from_utf8_lossy(&text).lines() {
            let Some((module, needs)) = line.split_once(':') else { continue };
            // The list names what is needed first at the end.
            let needs = needs.split_whitespace().rev().map(name_of).collect();
            by_name.insert(name_of(module), (module.to_owned(), needs));
        }
        let folder = path.trim_end_matches("modules.dep").to_owned();
        let built_in = match list(&format!("{folder}modules.builtin"))? {
            Some(text) => text,
            None => list(&format!("usr/{folder}modules.builtin"))?.unwrap_or_default(),
        };
        let built_in = String::from_utf8_lossy(&built_in).lines().map(name_of).collect();
        Ok(Self { release: release.to_owned(), by_name, built_in })
    }

    /// What has to be loaded for some drivers, in order: words of recipes (`nvme`, `virtio`, `xen`, `ext4`) or names of
    /// modules. What is built in needs nothing.
    ///
    /// # Errors
    /// [`InitrdError::NoDriver`].
    pub fn needed(&self, drivers: &[String]) -> Result<Vec<String>, InitrdError> {
        let mut all = Vec::new();
        for driver in drivers {
            let group = GROUPS.iter().find(|(word, _)| word == driver);
            let names = match group {
                Some((_, names)) => names.iter().map(|&name| name.to_owned()).collect(),
                None => vec![driver.replace('-', "_")],
            };
            for name in names {
                let found = self.by_name.get(&name).filter(|_| !self.built_in.contains(&name));
                match found {
                    Some((_, needs)) => all.extend(needs.iter().cloned().chain([name])),
                    None if self.built_in.contains(&name) || OPTIONAL.contains(&name.as_str()) => {}
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

    /// The archive: the first program and those modules.
    ///
    /// # Errors
    /// [`InitrdError`].
    pub fn initrd(
        &self,
        tree: &Tree,
        sources: &dyn Sources,
        modules: &[String],
        machine: InitrdMachine,
    ) -> Result<Vec<u8>, InitrdError> {
        let mut archive = CpioWriter::new();
        for folder in ["dev", "modules", "proc", "root", "sys"] {
            archive.add(folder, 0o755, NewEntry::Folder);
        }
        // The kernel opens it for the first program before that can mount anything.
        archive.add("dev/console", 0o600, NewEntry::Device { major: 5, minor: 1 });
        archive.add("init", 0o755, NewEntry::File(machine.init()));
        let mut order = String::new();
        for name in modules {
            let Some((path, _)) = self.by_name.get(name) else { continue };
            let bytes = self.module(tree, sources, path)?;
            archive.add(&format!("modules/{name}.ko"), 0o644, NewEntry::File(&bytes));
            order.push_str(name);
            order.push_str(".ko\n");
        }
        archive.add("modules/order", 0o644, NewEntry::File(order.as_bytes()));
        Ok(archive.finish())
    }

    /// The bytes of a module, unpacked.
    fn module(&self, tree: &Tree, sources: &dyn Sources, path: &str) -> Result<Vec<u8>, InitrdError> {
        let release = &self.release;
        for folder in ["lib/modules", "usr/lib/modules"] {
            let full = format!("{folder}/{release}/{path}");
            let Some(id) = path::find(tree, full.as_bytes())? else { continue };
            let NodeKind::File(content) = &tree.node(id).kind else { continue };
            let unpack = |source| InitrdError::Unpack { path: format!("/{full}"), source };
            if content.len() > MODULE_MAX {
                return Err(unpack(io::Error::other(format!("it is longer than {MODULE_MAX} bytes"))));
            }
            let bytes = path::bytes_of(content, sources).map_err(unpack)?;
            return inflate(path, &bytes, MODULE_MAX).map_err(unpack);
        }
        Err(InitrdError::NoDriver { release: release.clone(), driver: path.to_owned() })
    }
}

/// The name of a module by its path: what stands before `.ko`, with `_` for `-`.
fn name_of(path: &str) -> String {
    let file = path.rsplit('/').next().unwrap_or(path);
    file.split(".ko").next().unwrap_or(file).replace('-', "_")
}

#[cfg(test)]
mod tests;
