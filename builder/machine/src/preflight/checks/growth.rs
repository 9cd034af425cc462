//! Whether the root file system can grow to a volume that is larger than the image, and something grows it.

use amiforge_formats::volume::FsKind;

use super::{Findings, System};
use crate::preflight::verity;

pub(super) fn check(system: &System<'_>, findings: &mut Findings) {
    if verity::root_hash(system.chain).is_some() {
        // A verified root never changes.
        return;
    }
    let (root, files) = (system.root, &system.files);
    if root.slot.content.kind().is_some_and(|kind| kind.format().is_read_only()) {
        return;
    }
    let next = system.view.slots.iter().find(|slot| slot.start > root.slot.start);
    if let Some(next) = next {
        let what = format!("partition {} follows the root, which therefore cannot grow", next.title());
        findings.warning("growth", what, "make the root the last partition of the recipe");
        return;
    }
    // An option of fstab (`x-systemd.growfs`) grows a file system only, never its partition.
    let grows = files.is_program("/usr/bin/growpart") && files.is_program("/usr/bin/cloud-init")
        || files.is_file("/usr/lib/systemd/system/amiforge-grow-root.service")
        || !files.names("/usr/lib/repart.d").is_empty()
        || !files.names("/etc/repart.d").is_empty();
    if !grows && root.slot.content.kind() == Some(FsKind::Ext4) {
        let what = "nothing grows the root to a volume that is larger than the image";
        let remedy = "set `first-boot` under `[boot]`, or install cloud-init and growpart (package cloud-guest-utils, or cloud-utils-growpart)";
        findings.warning("growth", what, remedy);
    }
}
