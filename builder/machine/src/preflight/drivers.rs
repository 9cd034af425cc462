//! What the kernel needs on a Nitro machine: NVMe and the root's file system before there is a root, ENA and a console
//! after that (EC2 User Guide, "Nitro-based instances").

use std::collections::BTreeSet;

use amiforge_rootfs::initrd::read as initrd;

use super::Findings;
use super::chain::{BootChain, InitrdState};
use super::files::{Mounted, SystemFiles};

/// Most bytes that an initrd may unpack to.
const UNPACKED_MAX: u64 = 2 << 30;

/// The drivers of a kernel, by name with `_` for `-`.
struct KernelDrivers {
    release: String,
    built_in: BTreeSet<String>,
    /// As files below the root.
    modules: BTreeSet<String>,
}

/// Checks drivers, console and first program, and gives the kernel's release if it was found in the image.
pub(super) fn check(
    files: &SystemFiles<'_>,
    root: &Mounted,
    chain: &BootChain,
    found: &mut Findings,
) -> Option<String> {
    console(chain, found);
    if !["/sbin/init", "/etc/init", "/bin/init", "/bin/sh"].iter().any(|path| files.is_program(path)) {
        let what = "the root has no first program: `/sbin/init` is not there";
        found.failure("init", what, "add the package systemd-sysv, or another init");
    }
    let kernel = kernel(files, chain, found)?;
    let early = early(chain, found);
    let release = &kernel.release;
    for (driver, why) in
        [("nvme", "its root is on an NVMe disk"), (root.facts.kind.as_str(), "its root is of that kind")]
    {
        let has =
            kernel.built_in.contains(driver) || early.as_ref().is_none_or(|early| early.contains(driver));
        if !has {
            let what = format!(
                "the kernel {release} needs the driver `{driver}` to start, for {why}, and has it neither \
                 built in nor in an initrd"
            );
            found.failure(
                if driver == "nvme" { "nvme" } else { "file-system" },
                what,
                "set `initrd = \"auto\"` under `[boot]`",
            );
        }
    }
    if !kernel.built_in.contains("ena") && !kernel.modules.contains("ena") {
        let what = format!("the kernel {release} has no driver `ena`: it has no network on Nitro instances");
        found.failure("ena", what, "choose a kernel with it, such as linux-image-cloud-amd64");
    }
    Some(kernel.release)
}

/// Looks for the serial console, which is all that EC2 shows of a machine.
fn console(chain: &BootChain, found: &mut Findings) {
    let Some(cmdline) = &chain.cmdline else { return };
    let is = |word: &str| word == "console=ttyS0" || word.starts_with("console=ttyS0,");
    if !cmdline.split_whitespace().any(is) {
        let what = "the kernel's command line has no `console=ttyS0`: EC2 shows nothing of it";
        found.warning("console", what, "add `console=ttyS0,115200n8` to `cmdline` under `[boot]`");
    }
}

/// The drivers of the kernel that boots.
fn kernel(files: &SystemFiles<'_>, chain: &BootChain, found: &mut Findings) -> Option<KernelDrivers> {
    let folder = "/usr/lib/modules";
    let folder = if files.names(folder).is_empty() { "/lib/modules" } else { folder };
    let there = files.names(folder);
    let release = match &chain.release {
        Some(release) if there.contains(release) => release.clone(),
        Some(release) => {
            let what =
                format!("the kernel {release} has no modules in the image: there is no `{folder}/{release}`");
            found.warning(
                "modules",
                what,
                "install the package of the kernel whole, or pin another under `[boot]`",
            );
            return None;
        }
        None => match there.as_slice() {
            [] => {
                found.warning(
                    "modules",
                    "the image has no kernel modules",
                    "install the package of a kernel",
                );
                return None;
            }
            all => all.iter().max_by(|a, b| amiforge_rootfs::version::compare(a, b))?.clone(),
        },
    };
    let listed = |name: &str, sign: char| -> BTreeSet<String> {
        let text = files.text(&format!("{folder}/{release}/{name}")).unwrap_or_default();
        text.lines().map(|line| module_name(line.split(sign).next().unwrap_or(line))).collect()
    };
    let built_in = listed("modules.builtin", '\n');
    if built_in.is_empty() {
        let what =
            format!("there is no `{folder}/{release}/modules.builtin`, which tells what the kernel has");
        found.warning("modules", what, "install the package of the kernel whole");
        return None;
    }
    let modules = listed("modules.dep", ':');
    Some(KernelDrivers { release, built_in, modules })
}

/// The modules of the initrd; nothing where they are not known.
fn early(chain: &BootChain, found: &mut Findings) -> Option<BTreeSet<String>> {
    match &chain.initrd {
        InitrdState::Unknown => None,
        InitrdState::None => Some(BTreeSet::new()),
        InitrdState::Bytes(bytes) => match initrd::read(bytes, UNPACKED_MAX) {
            Ok(initrd) => {
                let paths = initrd.names.keys().map(|path| String::from_utf8_lossy(path).into_owned());
                Some(paths.filter(|path| path.contains(".ko")).map(|path| module_name(&path)).collect())
            }
            Err(error) => {
                found.warning("initrd", format!("the initrd cannot be looked into: {error}"), "make it anew");
                None
            }
        },
    }
}

/// The name of a module by its path.
fn module_name(path: &str) -> String {
    let file = path.rsplit('/').next().unwrap_or(path);
    file.split(".ko").next().unwrap_or(file).replace('-', "_")
}
