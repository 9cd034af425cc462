//! The kernel that boots: its release, and the drivers that it has built in or as modules in the root.
//!
//! Reads `modules.builtin` and `modules.dep` as kmod writes them (modules.builtin(5), modules.dep(5)).

use std::collections::BTreeSet;

use super::boot_chain::BootChain;
use super::files::SystemFiles;

/// The drivers of a kernel, by module name with `_` for `-`.
pub(super) struct Kernel {
    pub(super) release: String,
    pub(super) built_in: BTreeSet<String>,
    /// Modules that are files below the root.
    pub(super) modules: BTreeSet<String>,
}

/// Why the drivers of the kernel are not known.
pub(super) struct MissingModules {
    pub(super) what: String,
    pub(super) remedy: &'static str,
}

impl Kernel {
    /// The kernel that the boot chain names, or else the newest one with modules in the root.
    pub(super) fn find(files: &SystemFiles<'_>, chain: &BootChain) -> Result<Self, MissingModules> {
        let missing = |what: String, remedy| Err(MissingModules { what, remedy });
        let folder = "/usr/lib/modules";
        let folder = if files.names(folder).is_empty() { "/lib/modules" } else { folder };
        let releases = files.names(folder);
        let newest = releases.iter().max_by(|a, b| amiforge_rootfs::version::compare(a, b));
        let release = match (&chain.release, newest) {
            (Some(release), _) if releases.contains(release) => release.clone(),
            (Some(release), _) => {
                return missing(
                    format!(
                        "the kernel {release} has no modules in the image: there is no `{folder}/{release}`"
                    ),
                    "install the package of the kernel whole, or pin another under `[boot]`",
                );
            }
            (None, Some(newest)) => newest.clone(),
            (None, None) => {
                return missing(
                    "the image has no kernel modules".to_owned(),
                    "install the package of a kernel",
                );
            }
        };
        let listed = |name: &str, separator: char| -> BTreeSet<String> {
            let text = files.text(&format!("{folder}/{release}/{name}")).unwrap_or_default();
            text.lines().map(|line| module_name(line.split(separator).next().unwrap_or(line))).collect()
        };
        let built_in = listed("modules.builtin", '\n');
        if built_in.is_empty() {
            return missing(
                format!("there is no `{folder}/{release}/modules.builtin`, the list of built-in drivers"),
                "install the package of the kernel whole",
            );
        }
        let modules = listed("modules.dep", ':');
        Ok(Self { release, built_in, modules })
    }
}

/// The name of a module from its path: `-` and `_` are the same character to the kernel.
pub(super) fn module_name(path: &str) -> String {
    let file = path.rsplit('/').next().unwrap_or(path);
    file.split(".ko").next().unwrap_or(file).replace('-', "_")
}
