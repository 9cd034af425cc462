//! The rules of both profiles. Each violation says what to write in the recipe.

use amiforge_formats::path;
use amiforge_formats::plan::Sources;
use amiforge_formats::tree::Tree;

use super::{Medium, Profile, VerifiedRootError, VerifiedRootSpec, Violation};
use super::{entrances, passwords};

/// Mount points of the EFI system partition (Discoverable Partitions Specification, and Debian's).
const ESP_POINTS: [&str; 4] = ["/boot/efi", "/efi", "/boot", "/boot/EFI"];

/// Arguments that `seal` writes for a verified root, and only it.
const SEALED: [&str; 4] = ["roothash=", "amiforge.writable=", "systemd.verity_root_options=", "root="];

/// Arguments by which a machine gives a shell, or starts something else than its system.
const WAYS_IN: [&str; 14] = [
    "1",
    "S",
    "emergency",
    "init=",
    "rd.break",
    "rd.emergency",
    "rd.shell",
    "rescue",
    "s",
    "single",
    "systemd.debug_shell",
    "systemd.run=",
    "systemd.setenv=SYSTEMD_SULOGIN_FORCE",
    "systemd.unit=",
];

/// Everything that the profile forbids and the tree has, sorted.
pub(super) fn violations(
    tree: &Tree,
    sources: &dyn Sources,
    spec: &VerifiedRootSpec<'_>,
) -> Result<Vec<Violation>, VerifiedRootError> {
    let mut found = Vec::new();
    let fstab = path::read(tree, sources, b"/etc/fstab")?.unwrap_or_default();
    let fstab = String::from_utf8_lossy(&fstab);
    root_is_not_remounted(&fstab, &mut found);
    command_line(spec, &mut found);
    if spec.profile == Profile::Attestable {
        if spec.etc == Medium::Data {
            found.push(Violation::new(
                "`/etc` on the data partition decides what the machine does, and no measurement shows it",
                "write `writable = { etc = \"tmpfs\" }` under `[trust]`",
            ));
        }
        esp_is_not_mounted(&fstab, &mut found);
        entrances::violations(tree, sources, &mut found)?;
        passwords::violations(tree, sources, &mut found)?;
    }
    found.sort();
    found.dedup();
    Ok(found)
}

/// Fields of the entries of fstab: device, mount point, type, options.
fn entries(fstab: &str) -> impl Iterator<Item = [&str; 4]> {
    let lines = fstab.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| {
        let mut fields = line.split_whitespace();
        Some([fields.next()?, fields.next()?, fields.next()?, fields.next().unwrap_or("defaults")])
    })
}

/// systemd-remount-fs fails where fstab has the root writable.
fn root_is_not_remounted(fstab: &str, found: &mut Vec<Violation>) {
    for [_, point, _, options] in entries(fstab) {
        if point == "/" && !options.split(',').any(|option| option == "ro") {
            found.push(Violation::new(
                "`/etc/fstab` mounts `/` writable, and dm-verity has it read-only",
                "leave the line out, or give it the option `ro`",
            ));
        }
    }
}

fn esp_is_not_mounted(fstab: &str, found: &mut Vec<Violation>) {
    for [device, point, kind, _] in entries(fstab) {
        if ["vfat", "msdos"].contains(&kind) || ESP_POINTS.contains(&point) {
            found.push(Violation::new(
                format!("`/etc/fstab` mounts `{device}` on `{point}`, by which the machine could change what it boots"),
                "leave the line out, or write `mount = \"none\"` in its `[[partition]]`",
            ));
        }
    }
}

fn command_line(spec: &VerifiedRootSpec<'_>, found: &mut Vec<Violation>) {
    let is = |word: &str, name: &str| match name.strip_suffix('=') {
        Some(_) => word.starts_with(name),
        None => word == name || word.strip_prefix(name).is_some_and(|rest| rest.starts_with('=')),
    };
    for word in spec.cmdline.split_whitespace() {
        if SEALED.iter().any(|name| is(word, name)) {
            found.push(Violation::new(
                format!("the kernel's argument `{word}` is the build's to write, which knows the root hash"),
                "remove it from `cmdline` under `[boot]`",
            ));
        } else if spec.profile == Profile::Attestable && WAYS_IN.iter().any(|name| is(word, name)) {
            found.push(Violation::new(
                format!("the kernel's argument `{word}` gives a shell or starts another system"),
                "remove it from `cmdline` under `[boot]`",
            ));
        } else if spec.profile == Profile::Attestable
            && is(word, "systemd.gpt_auto")
            && word != "systemd.gpt_auto=0"
        {
            found.push(Violation::new(
                format!("the kernel's argument `{word}` lets systemd mount the EFI system partition"),
                "remove it from `cmdline` under `[boot]`",
            ));
        }
    }
}
