//! Whether a kernel that is upgraded in the machine is also started. Firmware that reads the kernel outside of the root
//! needs a hook that copies it there.

use amiforge_rootfs::package_databases::{DPKG_STATUS, RPM_FILES, RPM_FOLDERS};

use super::{Findings, System};
use crate::preflight::files::SystemFiles;
use crate::preflight::verity;

/// Names of the hooks in `postinst.d`, by the installers of boot loaders.
const KERNEL_HOOKS: [&str; 5] =
    ["zz-amiforge", "zz-update-grub", "zz-systemd-boot", "zz-flash-kernel", "zz-kernel-install"];

/// Where dpkg runs them.
const HOOK_FOLDERS: [&str; 2] = ["/etc/kernel/postinst.d", "/usr/share/kernel/postinst.d"];

/// Where kernel-install(8) runs its plug-ins, and this program's own.
const PLUGIN_FOLDERS: [&str; 2] = ["/usr/lib/kernel/install.d", "/etc/kernel/install.d"];
const PLUGIN: &str = "99-amiforge.install";

/// Ends of modules that are packed, and the programs that unpack them for an initrd of this program's own.
const UNPACKERS: [(&str, &str); 3] = [(".ko.xz", "xz"), (".ko.zst", "zstd"), (".ko.gz", "gzip")];

pub(super) fn check(system: &System<'_>, findings: &mut Findings) {
    // On a verified root no kernel is installed later; with Secure Boot it has no signature, so firmware would not start it.
    let chain = &system.chain;
    if !chain.beside_root || chain.for_secure_boot || verity::root_hash(chain).is_some() {
        return;
    }
    let files = &system.files;
    let hooked =
        HOOK_FOLDERS.iter().any(|folder| KERNEL_HOOKS.iter().any(|name| files.is_named(folder, name)));
    let plugged = PLUGIN_FOLDERS.iter().any(|folder| files.is_named(folder, PLUGIN));
    if is_of_dpkg(files) && !hooked || is_of_rpm(files) && !plugged {
        let what =
            "a kernel that is upgraded in the machine is not started: what firmware reads stays as it is";
        findings.warning("kernel-upgrade", what, "leave `kernel-hook` of `[boot]` on");
    } else if plugged && is_of_rpm(files) {
        check_programs(system, findings);
    }
}

fn is_of_dpkg(files: &SystemFiles<'_>) -> bool {
    let status = files.text(DPKG_STATUS).unwrap_or_default();
    status.lines().any(|line| line.starts_with("Package: linux-image-"))
}

/// Whether rpm installed a kernel: its database is there, and kernels are in the folders of their modules.
fn is_of_rpm(files: &SystemFiles<'_>) -> bool {
    let has_database = RPM_FOLDERS
        .iter()
        .any(|folder| RPM_FILES.iter().any(|file| files.is_named(&format!("/{folder}"), file)));
    let folder = "/usr/lib/modules";
    has_database
        && files.names(folder).iter().any(|release| files.is_file(&format!("{folder}/{release}/vmlinuz")))
}

/// Checks what the plug-in is run by, and what it runs.
fn check_programs(system: &System<'_>, findings: &mut Findings) {
    let files = &system.files;
    let has = |name: &str| {
        ["/usr/bin", "/usr/sbin", "/bin", "/sbin"]
            .iter()
            .any(|folder| files.is_program(&format!("{folder}/{name}")))
    };
    if !has("kernel-install") {
        let what = "a kernel that is upgraded in the machine is not started: its package has no kernel-install to run";
        findings.warning("kernel-upgrade", what, "add the package systemd-udev");
    }
    let settings = files.text("/etc/default/amiforge-boot").unwrap_or_default();
    let own = settings.lines().any(|line| line == "INITRD='own'") || is_without_initrd(files, &settings);
    let Some(kernel) = system.kernel.as_ref().ok().filter(|_| own) else { return };
    let listed = files.text(&format!("/usr/lib/modules/{}/modules.dep", kernel.release)).unwrap_or_default();
    let unpackers =
        UNPACKERS.iter().filter(|(end, _)| listed.contains(&format!("{end}:"))).map(|(_, program)| *program);
    for program in unpackers.chain(["modprobe"]) {
        if !has(program) {
            let what =
                format!("a kernel that is upgraded in the machine gets no initrd: there is no {program}");
            let package = if program == "modprobe" { "kmod" } else { program };
            findings.warning("kernel-upgrade", what, format!("add the package {package}"));
        }
    }
}

/// Whether the initrd is to be that of the distribution where there is one, and there is none.
fn is_without_initrd(files: &SystemFiles<'_>, settings: &str) -> bool {
    let has_initrd = files.names("/boot").iter().any(|name| name.starts_with("initramfs-"));
    settings.lines().any(|line| line == "INITRD='auto'") && !has_initrd
}

#[cfg(test)]
mod tests {
    use crate::preflight::testing::said;

    const RPM: [(&str, &str); 4] = [
        ("usr/lib/sysimage/rpm/rpmdb.sqlite", "x"),
        ("usr/lib/modules/6.1/vmlinuz", "x"),
        ("usr/lib/modules/6.1/modules.builtin", "kernel/fs/ext4/ext4.ko\n"),
        ("usr/lib/modules/6.1/modules.dep", "kernel/drivers/net/ena.ko.xz:\n"),
    ];
    const PLUGIN: (&str, &str) = ("usr/lib/kernel/install.d/99-amiforge.install", "x");

    fn with(files: &[(&str, &str)]) -> Vec<String> {
        said(&[&RPM[..], files].concat(), "kernel-upgrade")
    }

    #[test]
    fn an_upgrade_by_rpm_needs_the_plugin_and_what_runs_it() {
        let found = with(&[]);
        assert!(matches!(&found[..], [what] if what.contains("leave `kernel-hook`")), "{found:?}");
        let found = with(&[PLUGIN]);
        assert!(matches!(&found[..], [what] if what.contains("systemd-udev")), "{found:?}");
        assert_eq!(with(&[PLUGIN, ("usr/bin/kernel-install", "x")]), [""; 0]);
        let no_kernel = said(&[RPM[0]], "kernel-upgrade");
        assert_eq!(no_kernel, [""; 0]);
    }

    #[test]
    fn an_initrd_of_our_own_needs_what_unpacks_modules() {
        let installed = [PLUGIN, ("usr/bin/kernel-install", "x"), ("usr/sbin/modprobe", "x")];
        for (settings, more, expected) in [
            ("INITRD='own'\n", None, Some("there is no xz; add the package xz")),
            ("INITRD='auto'\n", None, Some("there is no xz")),
            ("INITRD='auto'\n", Some("boot/initramfs-6.1.img"), None),
            ("INITRD='own'\n", Some("usr/bin/xz"), None),
            ("INITRD='none'\n", None, None),
        ] {
            let settings = ("etc/default/amiforge-boot", settings);
            let more = more.map(|path| (path, "x"));
            let files: Vec<_> = installed.into_iter().chain([settings]).chain(more).collect();
            let found = with(&files);
            assert_eq!(found.len(), usize::from(expected.is_some()), "{settings:?} {more:?}: {found:?}");
            assert!(expected.is_none_or(|text| found[0].contains(text)), "{found:?}");
        }
    }
}
