//! `[trust]`: from keys to what is protected, and what that means for the other tables of the recipe.

use std::collections::BTreeSet;

use amiforge_formats::ext4::write::JournalSize;
use amiforge_formats::gpt::{NAME_UNITS, attributes, types};
use amiforge_formats::volume::VolumeOptions;
use amiforge_image::disk::PartitionSize;
use amiforge_image::seal::{Writable, WritableFolders};
use amiforge_rootfs::steps::kernel_hook::{InitrdSource, UefiLoader};
use amiforge_rootfs::steps::verified_root;

use super::checker::Checker;
use super::diagnostic::KeyPath;
use super::keys::{
    BootKeys, BootModeKey, PartitionKeys, RecipeKeys, RoleKey, TrustProfile, WritableKey, WritableKeys,
};
use super::spec::TrustRecipe;
use super::{Arch, RecipeContent, RecipePartition, pcr_policy, secure_boot};

/// The partition of a verified root.
const ROOT: &str = "root";

/// The partition with the hash tree of the root.
const HASH_TREE: &str = "root-verity";

/// The partition that keeps what is written.
pub(super) const DATA: &str = "data";

/// Default length of the data partition of a recipe that lists no partitions; it grows with the volume.
const DATA_SIZE: &str = "512 MiB";

/// Folders with programs and settings, which belong on the verified root.
const SYSTEM: [&str; 9] = ["/bin", "/boot", "/etc", "/lib", "/lib32", "/lib64", "/opt", "/sbin", "/usr"];

/// Arguments for the kernel that decide how a verified root is set up.
const OF_VERITY: [&str; 7] =
    ["root", "roothash", "rw", "amiforge.writable", "systemd.verity", "systemd.gpt_auto", "usrhash"];

/// Arguments for the kernel that give a way into the machine.
const WAYS_IN: [&str; 14] = [
    "init",
    "rdinit",
    "single",
    "s",
    "1",
    "rescue",
    "emergency",
    "systemd.run",
    "systemd.setenv",
    "systemd.unit",
    "systemd.wants",
    "systemd.debug_shell",
    "systemd.debug-shell",
    "rd.break",
];

/// Checks the table.
pub(super) fn check(keys: &RecipeKeys, at: &KeyPath, checker: &mut Checker<'_>) -> TrustRecipe {
    let secure_boot = secure_boot::check(keys, at, checker);
    let pcr_policy = pcr_policy::check(keys, at, checker);
    let (trust, at) = (&keys.trust, at.key("trust"));
    let writable_keys = trust.writable.clone().unwrap_or_default();
    let Some(profile) = trust.profile else {
        if trust.writable.is_some() {
            let message = "`writable` is for a read-only root: give a `profile` too";
            checker.reject_key(at.key("writable"), message);
        }
        return TrustRecipe { profile: None, writable: WritableFolders::default(), secure_boot, pcr_policy };
    };
    if keys.boot_table().is_none() {
        let message = "a verified root is started by what `[boot]` makes, and the recipe has none";
        checker.reject(at.key("profile"), message);
    }
    let at = at.key("writable");
    let mounted: BTreeSet<_> = keys.partition.iter().filter_map(|keys| keys.mount.as_deref()).collect();
    let writable = writable(&writable_keys, &mounted, &at, checker);
    if profile == TrustProfile::Attestable && writable.etc == Writable::Data {
        let message = "with `attestable` nothing in `/etc` outlasts a start: a file that is kept there changes what the machine \
                       does, and no measurement shows it";
        checker.reject(at.key("etc"), message);
    }
    TrustRecipe { profile: Some(profile), writable, secure_boot, pcr_policy }
}

/// Where writes go.
fn writable(
    keys: &WritableKeys,
    mounted: &BTreeSet<&str>,
    at: &KeyPath,
    checker: &mut Checker<'_>,
) -> WritableFolders {
    let mut folder = |name: &str, key: Option<WritableKey>| {
        let path = format!("/{name}");
        let is_mounted = mounted.contains(path.as_str());
        if is_mounted && key.is_some_and(|key| key != WritableKey::None) {
            checker.reject(at.key(name), format!("a partition is mounted at `{path}` already"));
        }
        match key {
            None if is_mounted => Writable::None,
            Some(WritableKey::Tmpfs) | None => Writable::Tmpfs,
            Some(WritableKey::Data) => Writable::Data,
            Some(WritableKey::None) => Writable::None,
        }
    };
    WritableFolders { etc: folder("etc", keys.etc), var: folder("var", keys.var) }
}

/// Checks `[boot]` for a verified root, and sets the keys that one decides.
pub(super) fn boot(keys: &mut BootKeys, profile: TrustProfile, at: &KeyPath, checker: &mut Checker<'_>) {
    if keys.mode.is_some_and(|mode| mode != BootModeKey::Uefi) {
        let message = "a verified root is started by UEFI alone: a legacy BIOS neither checks nor measures what it starts, so \
                       that nothing vouches for the root hash; write `uefi`";
        checker.reject(at.key("mode"), message);
    }
    match keys.loader {
        Some(UefiLoader::Grub) => {
            let message = "GRUB reads the command line from a file that nothing vouches for, and the root hash is on it; write \
                           `uki`";
            checker.reject(at.key("loader"), message);
        }
        Some(UefiLoader::SystemdBoot) if profile == TrustProfile::Attestable => {
            let message = "systemd-boot is measured itself and passes options on that are measured too, so the measurements do \
                           not follow from the image alone; write `uki`";
            checker.reject(at.key("loader"), message);
        }
        Some(UefiLoader::SystemdBoot | UefiLoader::Uki) | None => {}
    }
    if keys.kernel_hook == Some(true) {
        checker.reject(at.key("kernel-hook"), "no kernel is installed later on a root that is read-only");
    }
    if keys.initrd == Some(InitrdSource::None) {
        checker.reject(at.key("initrd"), "a verified root is set up in an initrd: write `own`");
    }
    if keys.initrd == Some(InitrdSource::Distribution) {
        let message = "that of the distribution gives a shell where something fails, runs programs that a boot loader adds, and \
                       with initramfs-tools knows no hash trees; write `own`";
        checker.reject(at.key("initrd"), message);
    }
    arguments(keys.cmdline.as_deref().unwrap_or_default(), profile, at, checker);
    keys.mode = Some(BootModeKey::Uefi);
    keys.initrd = Some(InitrdSource::Own);
    keys.kernel_hook = Some(false);
}

/// Rejects arguments for the kernel that contradict the profile.
fn arguments(cmdline: &str, profile: TrustProfile, at: &KeyPath, checker: &mut Checker<'_>) {
    let name = |word: &str| word.split('=').next().unwrap_or_default().replace('-', "_");
    let is = |word: &str, names: &[&str]| names.iter().any(|known| name(word) == known.replace('-', "_"));
    for word in cmdline.split_ascii_whitespace() {
        let of_verity = is(word, &OF_VERITY) || word.starts_with("systemd.verity_");
        let way_in = profile == TrustProfile::Attestable
            && (is(word, &WAYS_IN) || word.starts_with("rd.break") || word.starts_with("systemd.debug"));
        if of_verity {
            let message = format!("`{word}` is for the build to decide where the root is verified");
            checker.reject(at.key("cmdline"), message);
        } else if way_in {
            let message =
                format!("`{word}` gives a way into the machine, and an `attestable` image has none");
            checker.reject(at.key("cmdline"), message);
        }
    }
}

/// Checks the keys of a partition beside a verified root, and gives them with the defaults of one.
pub(super) fn partition(
    keys: &PartitionKeys,
    trust: &TrustRecipe,
    at: &KeyPath,
    checker: &mut Checker<'_>,
) -> PartitionKeys {
    let Some(profile) = trust.profile else { return keys.clone() };
    let mut keys = keys.clone();
    match keys.role {
        RoleKey::Root => root(&mut keys, at, checker),
        RoleKey::Esp => {
            let mounted = keys.mount.as_deref().is_some_and(|mount| mount != "none");
            if mounted && profile == TrustProfile::Attestable {
                let message = "an EFI system partition that is mounted can be changed, and the next start with it; an \
                               `attestable` image leaves it unmounted";
                checker.reject(at.key("mount"), message);
            }
            keys.mount.get_or_insert_with(|| "none".to_owned());
        }
        RoleKey::Swap if profile == TrustProfile::Attestable => {
            let message = "swap space holds memory in the clear, and nothing checks what comes back from it";
            checker.reject(at.key("role"), message);
        }
        RoleKey::BiosBoot => {
            let message = "a verified root is started by UEFI alone, so nothing uses this partition";
            checker.reject(at.key("role"), message);
        }
        RoleKey::Data | RoleKey::Swap | RoleKey::Raw => {}
    }
    for (key, path) in [("mount", &keys.mount), ("tree", &keys.tree)] {
        let path = path.as_deref().unwrap_or_default().trim_end_matches('/');
        let below = |folder: &str| {
            path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        if keys.role == RoleKey::Data && SYSTEM.iter().any(|folder| below(folder)) {
            let message = "nothing verifies this partition: programs and settings belong on `root`";
            checker.reject(at.key(key), message);
            break;
        }
    }
    keys
}

/// Checks the keys of a verified root.
fn root(keys: &mut PartitionKeys, at: &KeyPath, checker: &mut Checker<'_>) {
    if keys.guid.is_some() {
        let message = "the GUID of a verified root is the first half of its root hash";
        checker.reject_key(at.key("guid"), message);
    }
    if keys.r#type.is_some() {
        let message = "the type of a verified root follows from the architecture";
        checker.reject_key(at.key("type"), message);
    }
    if keys.mount_options.is_some() {
        let message = "a verified root is mounted in its initrd, read-only, and not by `/etc/fstab`";
        checker.reject_key(at.key("mount-options"), message);
    }
    if keys.journal.as_deref().is_some_and(|journal| journal != "none") {
        checker.reject(at.key("journal"), "a root that is read-only has no use for a journal: write `none`");
    }
    keys.guid = None;
    keys.r#type = None;
    keys.mount_options = None;
}

/// Makes the root a verified one, and puts the partition with its hash tree behind it.
pub(super) fn verify_root(
    partitions: &mut Vec<RecipePartition>,
    all: &[PartitionKeys],
    trust: &TrustRecipe,
    arch: Arch,
    at: &KeyPath,
    checker: &mut Checker<'_>,
) {
    let Some(index) = partitions.iter().position(|partition| partition.id == ROOT) else { return };
    if trust.profile.is_none() {
        return;
    }
    if let Some(same) = partitions.iter().position(|partition| partition.id == HASH_TREE) {
        let message =
            format!("`{HASH_TREE}` is the partition with the hash tree; give this one another `label`");
        checker.reject(at.index(same).key("label"), message);
    }
    if trust.writable.any(Writable::Data) {
        leave_data_to_the_machine(partitions, at, checker);
    }
    let given = all.get(index).is_some_and(|keys| keys.attributes.is_some());
    let root = &mut partitions[index];
    if given && root.attributes & attributes::GROW_FILE_SYSTEM != 0 {
        let message = "a root that is verified does not grow";
        checker.reject(at.index(index).key("attributes"), message);
    }
    if !given {
        root.attributes = attributes::READ_ONLY;
    }
    if let RecipeContent::Volume(VolumeOptions::Ext4 { journal, reserved, .. }) = &mut root.holds {
        *journal = JournalSize::None;
        // Space for root to write to is of no use either.
        *reserved = 0;
    }
    let label = Some(format!("{}-verity", root.label));
    let label = label.filter(|label| label.encode_utf16().count() <= NAME_UNITS);
    let tree = RecipePartition {
        id: HASH_TREE.to_owned(),
        number: None,
        label: label.unwrap_or_else(|| HASH_TREE.to_owned()),
        type_guid: arch.root_verity_type(),
        guid: None,
        attributes: attributes::READ_ONLY,
        size: PartitionSize::Minimal { slack: 0 },
        holds: RecipeContent::HashTree { of: ROOT.to_owned() },
        mount: None,
        mount_options: None,
        tree: None,
    };
    partitions.insert(index + 1, tree);
}

/// Makes the data partition one that the machine formats at its first boot, by which time the volume has its length.
fn leave_data_to_the_machine(partitions: &mut [RecipePartition], at: &KeyPath, checker: &mut Checker<'_>) {
    let Some(index) = partitions.iter().position(|partition| partition.id == DATA) else { return };
    let at = at.index(index);
    if index + 1 < partitions.len() {
        let message = "the data partition grows with the volume, so it is the last on the disk";
        checker.reject(at.clone(), message);
    }
    let data = &mut partitions[index];
    if data.mount.is_some() || data.tree.is_some() {
        let message = "the data partition is mounted in the initrd, and the machine makes all that is on it";
        checker.reject(at.clone(), message);
    }
    if matches!(data.size, PartitionSize::Minimal { .. }) {
        checker.reject(at.key("size"), "nothing is on the data partition yet, so it has no smallest size");
    }
    verified_root::DATA_PARTITION.clone_into(&mut data.label);
    data.type_guid = types::LINUX_GENERIC;
    data.attributes |= verified_root::DATA_TO_FORMAT;
    data.holds = RecipeContent::Nothing;
}

/// The data partition of a recipe that lists no partitions.
pub(super) fn usual_data(trust: &TrustRecipe) -> Option<PartitionKeys> {
    let keys = || PartitionKeys {
        role: RoleKey::Data,
        size: Some(DATA_SIZE.to_owned()),
        ..PartitionKeys::default()
    };
    trust.writable.any(Writable::Data).then(keys)
}
