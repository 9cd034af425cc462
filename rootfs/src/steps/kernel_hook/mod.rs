//! Installs what makes a kernel upgrade take effect: a script in the image that rewrites the boot files that firmware reads,
//! the hooks that run it after a kernel or an initrd has changed, and its configuration.
//!
//! The script (`image/update-boot`) writes the same bytes as the build, which a test verifies. Does not know partitions or
//! recipes: [`KernelHookSpec`] has the values of the configuration. Follows the *Debian Kernel Handbook* (chapter 8, kernel
//! hooks) and initramfs-tools(7) where dpkg installs kernels, and kernel-install(8) where rpm does. Modules: `spec` (the
//! values), `configuration` (the texts made of them).

mod configuration;
mod spec;

use amiforge_formats::path::{self, PathError};
use amiforge_formats::tree::{Content, Tree};

use self::configuration::{configuration, install_conf};
use super::error::StepError;
use super::probe::has_entry;
use super::write::replace_file;
use crate::package_databases::{has_dpkg, has_rpm};

pub use self::spec::{InitrdSource, KernelHookSpec, Uefi, UefiLoader};

/// Path and text of the script.
const SCRIPT: (&str, &str) = ("/usr/lib/amiforge/update-boot", include_str!("image/update-boot"));

/// Text and paths of the hooks that run it after the installation of a kernel or an initrd by dpkg.
const HOOK: &str = include_str!("image/zz-amiforge");
const HOOKS: [&str; 3] = [
    "/etc/initramfs/post-update.d/zz-amiforge",
    "/etc/kernel/postinst.d/zz-amiforge",
    "/etc/kernel/postrm.d/zz-amiforge",
];

/// Path and text of the plug-in of kernel-install(8), which the scripts of kernel packages of rpm call. Its name puts it
/// behind those that run depmod and make an initrd.
const PLUGIN: (&str, &str) =
    ("/usr/lib/kernel/install.d/99-amiforge.install", include_str!("image/99-amiforge.install"));

/// Path of the configuration of kernel-install(8).
const INSTALL_CONF: &str = "/etc/kernel/install.conf";

/// Path of the init program of an initrd of amiforge.
const INITRD_INIT: &str = "/usr/lib/amiforge/initrd-init";

/// Path of the configuration of the script.
const CONFIGURATION: &str = "/etc/default/amiforge-boot";

/// A path that a system has where it can run the script.
const SHELL: &str = "/bin/sh";

/// Installs script, hooks and configuration in a tree; returns `false` where no kernel can be installed later, because the
/// tree has neither dpkg nor a database of rpm, or no shell. An existing configuration is kept.
///
/// # Errors
/// [`StepError::KernelHook`] when a path of the tree cannot be resolved.
pub fn install(tree: &mut Tree, spec: &KernelHookSpec) -> Result<bool, StepError> {
    write_files(tree, spec).map_err(StepError::KernelHook)
}

fn write_files(tree: &mut Tree, spec: &KernelHookSpec) -> Result<bool, PathError> {
    let has_shell = path::find(tree, SHELL.as_bytes())?.is_some();
    let (dpkg, rpm) = (has_dpkg(tree)?, has_rpm(tree)?);
    if !has_shell || !dpkg && !rpm {
        return Ok(false);
    }
    let mut put = |path: &str, bytes: &[u8], mode: u16| {
        replace_file(tree, path, Content::Inline(bytes.into()), mode, spec.time)
    };
    put(SCRIPT.0, SCRIPT.1.as_bytes(), 0o755)?;
    for path in HOOKS.into_iter().filter(|_| dpkg) {
        put(path, HOOK.as_bytes(), 0o755)?;
    }
    if rpm {
        put(PLUGIN.0, PLUGIN.1.as_bytes(), 0o755)?;
    }
    if matches!(spec.initrd, InitrdSource::Auto | InitrdSource::Own) {
        put(INITRD_INIT, crate::initrd::init(spec.machine), 0o755)?;
    }
    let texts = [(CONFIGURATION, true, configuration(spec)), (INSTALL_CONF, rpm, install_conf(spec))];
    for (path, needed, text) in texts {
        if needed && !has_entry(tree, path)? {
            replace_file(tree, path, Content::Inline(text.as_bytes().into()), 0o644, spec.time)?;
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use amiforge_formats::arch::Arch;
    use amiforge_formats::plan::NoSources;
    use amiforge_formats::time::Time;
    use amiforge_formats::tree::Meta;

    use super::*;
    use crate::package_databases::{RPM_FILES, RPM_FOLDERS};

    fn spec() -> KernelHookSpec {
        KernelHookSpec {
            release: Some("6.1.0-56-cloud-amd64".to_owned()),
            cmdline: "root=LABEL=it's ro".to_owned(),
            initrd: InitrdSource::Auto,
            has_initrd: false,
            drivers: vec!["nvme".to_owned(), "ext4".to_owned()],
            machine: Arch::X86_64,
            uefi: Some(Uefi {
                loader: UefiLoader::Uki,
                mount: Some("/boot/efi".to_owned()),
                partition: "0f".to_owned(),
                kernels_on: String::new(),
            }),
            bios: true,
            time: Time::EPOCH,
        }
    }

    fn tree(files: &[&str]) -> Tree {
        let mut tree = Tree::new(Meta::root_owned(0o755, Time::EPOCH));
        for path in files {
            path::write(&mut tree, path.as_bytes(), b"mine", 0o644, Time::EPOCH).unwrap();
        }
        tree
    }

    fn text(tree: &Tree, path: &str) -> String {
        String::from_utf8(path::read(tree, &NoSources, path.as_bytes()).unwrap().unwrap()).unwrap()
    }

    #[test]
    fn a_system_with_dpkg_gets_script_hooks_and_configuration() {
        let mut system = tree(&["bin/sh", "var/lib/dpkg/status"]);
        assert!(install(&mut system, &spec()).unwrap());
        let configuration = text(&system, CONFIGURATION);
        for line in
            ["KERNEL='*-cloud-amd64'", r"CMDLINE='root=LABEL=it'\''s ro'", "LOADER='uki'", "BIOS='yes'"]
        {
            assert!(configuration.lines().any(|own| own == line), "{line} in {configuration}");
        }
        for path in HOOKS {
            let id = system.lookup(path.trim_start_matches('/').as_bytes()).unwrap();
            assert_eq!(system.node(id).meta.mode & 0o7777, 0o755, "{path}");
        }
        let mut without = tree(&["bin/sh"]);
        assert!(!install(&mut without, &spec()).unwrap());
        assert!(without.lookup(b"usr").is_none(), "nothing is installed where no kernel is ever installed");
    }

    #[test]
    fn a_configuration_of_the_recipe_is_kept() {
        let mut system = tree(&["bin/sh", "var/lib/dpkg/status", "etc/default/amiforge-boot"]);
        assert!(install(&mut system, &spec()).unwrap());
        assert_eq!(text(&system, CONFIGURATION), "mine");
    }

    #[test]
    fn a_system_with_rpm_gets_a_plugin_of_kernel_install() {
        let places = RPM_FOLDERS.iter().flat_map(|folder| RPM_FILES.map(|file| format!("/{folder}/{file}")));
        for database in places {
            let database = database.as_str();
            let mut system = tree(&["bin/sh", database.trim_start_matches('/')]);
            assert!(install(&mut system, &spec()).unwrap());
            let id = system.lookup(PLUGIN.0.trim_start_matches('/').as_bytes()).unwrap();
            assert_eq!(system.node(id).meta.mode & 0o7777, 0o755);
            assert!(text(&system, INSTALL_CONF).ends_with("layout=other\ninitrd_generator=none\n"));
            assert!(system.lookup(b"etc/kernel/postinst.d").is_none(), "nothing would run it");
        }
        let mut system = tree(&["bin/sh", "var/lib/rpm/rpmdb.sqlite", "etc/kernel/install.conf"]);
        assert!(install(&mut system, &spec()).unwrap());
        assert_eq!(text(&system, INSTALL_CONF), "mine");
        let mut system = tree(&["bin/sh", "var/lib/rpm/rpmdb.sqlite"]);
        install(&mut system, &KernelHookSpec { has_initrd: true, ..spec() }).unwrap();
        assert!(text(&system, INSTALL_CONF).ends_with("layout=other\n"), "dracut goes on making initrds");
        assert!(!install(&mut tree(&["bin/sh", "var/lib/rpm/.rpm.lock"]), &spec()).unwrap());
        let mut debian = tree(&["bin/sh", "var/lib/dpkg/status"]);
        install(&mut debian, &spec()).unwrap();
        assert!(
            debian.lookup(b"usr/lib/kernel").is_none() && debian.lookup(b"etc/kernel/install.conf").is_none()
        );
    }
}
