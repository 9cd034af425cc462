//! The rules of both profiles. Each violation says what to write in the recipe.

use amiforge_formats::path;
use amiforge_formats::plan::Sources;
use amiforge_formats::tree::Tree;

use super::{Profile, VerifiedRootError, VerifiedRootSpec, Violation};
use super::{entrances, passwords};

/// Mount points of the EFI system partition (Discoverable Partitions Specification, and Debian's).
const ESP_POINTS: [&str; 4] = ["/boot/efi", "/efi", "/boot", "/boot/EFI"];

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
    if spec.profile == Profile::Attestable {
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
