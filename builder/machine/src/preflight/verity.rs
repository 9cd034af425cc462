//! A root that dm-verity verifies: the partitions that `roothash=` of the kernel's command line names, and whether the hash
//! tree on the disk is the one that it vouches for.
//!
//! Data is not hashed here: `amiforge verify` does that.

use amiforge_formats::arch::Arch;
use amiforge_formats::digest::Digest;
use amiforge_formats::guid::Guid;
use amiforge_formats::verity::check;
use amiforge_image::disk::verity_guids;
use amiforge_image::inspect::{DiskView, Medium, PartitionSlot};

use super::Findings;
use super::boot_chain::BootChain;
use super::files::Mounted;
use super::root::{argument, check_root_type};

/// What to do about an image whose parts do not belong together.
const REMEDY: &str = "build the image again: nothing of a verified image is changed afterwards";

/// The root hash on the command line, if there is one.
pub(super) fn root_hash(chain: &BootChain) -> Option<&str> {
    argument(chain.cmdline.as_deref()?, "roothash")
}

/// Whether the image was built to have no way in: the profile `attestable` has this argument, `verity` has not.
pub(super) fn is_closed(chain: &BootChain) -> bool {
    let gpt_auto = chain.cmdline.as_deref().and_then(|line| argument(line, "systemd.gpt_auto"));
    root_hash(chain).is_some() && gpt_auto == Some("0")
}

/// The index of the partition in `volumes` that the root hash names, by its type and its GUID (Discoverable Partitions
/// Specification).
pub(super) fn find(
    medium: &Medium,
    view: &DiskView,
    volumes: &[Mounted],
    chain: &BootChain,
    root_hash: &str,
    findings: &mut Findings,
) -> Option<usize> {
    let Ok(root_hash) = root_hash.parse::<Digest>() else {
        let what = format!("`roothash={root_hash}` is not a SHA-256 in hexadecimal");
        findings.failure("verity", what, REMEDY);
        return None;
    };
    let [data, hash] = verity_guids(&root_hash);
    let arch = chain.arch.unwrap_or(Arch::X86_64);
    let Some(hash) = slot(view, hash, arch.root_verity_type()) else {
        let what = format!("no hash tree has the GUID {hash}, which the root hash on the command line names");
        findings.failure("verity", what, REMEDY);
        return None;
    };
    check_tree(medium, hash, &root_hash, findings);
    let root = volumes.iter().position(|volume| has_guid(&volume.slot, data));
    if let Some(root) = root.and_then(|root| volumes.get(root)) {
        check_root_type(&root.slot, chain, findings);
    } else {
        let what = format!("no root has the GUID {data}, which the root hash on the command line names");
        findings.failure("verity", what, REMEDY);
    }
    root
}

/// Compares the tree with the root hash.
fn check_tree(medium: &Medium, slot: &PartitionSlot, root_hash: &Digest, findings: &mut Findings) {
    let Some(window) = slot.window(medium) else { return };
    let title = slot.title();
    match check::tree(&window) {
        Err(error) => {
            findings.failure("verity", format!("the hash tree in partition {title}: {error}"), REMEDY);
        }
        Ok(tree) => {
            if let Some(found) = tree.root.filter(|found| found != root_hash) {
                let what = format!(
                    "the hash tree in partition {title} has the root hash {found}, and the kernel's command line says \
                     {root_hash}"
                );
                findings.failure("verity", what, REMEDY);
            }
            if let Some(first) = tree.differences.first() {
                let what = format!("the hash tree in partition {title} is damaged: {first}");
                findings.failure("verity", what, REMEDY);
            }
        }
    }
}

/// The partition of that type with that GUID.
fn slot(view: &DiskView, guid: Guid, type_guid: Guid) -> Option<&PartitionSlot> {
    let is_type = |slot: &&PartitionSlot| {
        slot.partition.as_ref().is_some_and(|partition| partition.type_guid == type_guid)
    };
    view.slots.iter().filter(is_type).find(|slot| has_guid(slot, guid))
}

fn has_guid(slot: &PartitionSlot, guid: Guid) -> bool {
    slot.partition.as_ref().is_some_and(|partition| partition.guid == guid)
}
