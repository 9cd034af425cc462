//! `[[partition]]`: from keys to partitions, with the defaults that follow from the role, the mount point and the
//! architecture (Discoverable Partitions Specification).

use std::collections::{BTreeMap, BTreeSet};

use amiforge_formats::ext4::write::JournalSize;
use amiforge_formats::gpt::{NAME_UNITS, attributes, types};
use amiforge_formats::guid::Guid;
use amiforge_formats::volume::VolumeOptions;
use amiforge_image::disk::PartitionSize;

use super::checker::Checker;
use super::diagnostic::KeyPath;
use super::keys::{FsKey, NumberOrText, PartitionKeys, PercentKey, RoleKey};
use super::suggest::suggestion;
use super::{Arch, BootMode, RecipeContent, RecipePartition, TrustRecipe, parse, trust};

/// Default length of an EFI system partition: FAT32 needs over 32 MiB, a kernel image 20 to 60.
const ESP_SIZE: u64 = 128 << 20;

/// Default length of a BIOS boot partition, as GRUB advises.
const BIOS_BOOT_SIZE: u64 = 1 << 20;

/// Default length of a BIOS boot partition with amiforge's own loader, kernel and initrd: with room for their next
/// versions.
const LOADER_SIZE: u64 = 96 << 20;

/// Checks every partition. Without any, the defaults are those that the boot mode needs, else an ESP and a root.
pub(super) fn check(
    all: &[PartitionKeys],
    arch: Arch,
    (mode, trust): (Option<BootMode>, &TrustRecipe),
    at: &KeyPath,
    checker: &mut Checker<'_>,
) -> Vec<RecipePartition> {
    let roles = super::boot::roles(mode.unwrap_or(BootMode::Uefi));
    let usual = roles.iter().map(|&role| PartitionKeys { role, ..PartitionKeys::default() });
    let usual: Vec<_> = usual.chain(trust::usual_data(trust)).collect();
    let all = if all.is_empty() { &usual[..] } else { all };
    let mut keys_of = |(index, keys)| trust::partition(keys, trust, &at.index(index), checker);
    let all: Vec<_> = all.iter().enumerate().map(&mut keys_of).collect();
    let mut partition_of = |(index, keys)| partition(keys, arch, &at.index(index), checker);
    let mut partitions: Vec<_> = all.iter().enumerate().map(&mut partition_of).collect();
    if mode.is_some_and(BootMode::bios) {
        for (partition, keys) in partitions.iter_mut().zip(&all) {
            hold_loader(partition, keys);
        }
    }
    each_once(&partitions, at, checker);
    trust::verify_root(&mut partitions, &all, trust, arch, at, checker);
    partitions
}

/// Puts amiforge's own loader into a BIOS boot partition without other content.
fn hold_loader(partition: &mut RecipePartition, keys: &PartitionKeys) {
    if keys.role == RoleKey::BiosBoot && partition.holds == RecipeContent::Nothing {
        partition.holds = RecipeContent::Loader;
        if keys.size.is_none() {
            partition.size = PartitionSize::Exact(LOADER_SIZE);
        }
    }
}

/// Rejects values that two partitions must not share.
fn each_once(partitions: &[RecipePartition], at: &KeyPath, checker: &mut Checker<'_>) {
    let (mut ids, mut mounts, mut numbers) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    let (mut trees, mut guids) = (BTreeSet::new(), BTreeMap::new());
    let mut fills = 0;
    for (index, partition) in partitions.iter().enumerate() {
        let at = at.index(index);
        if !ids.insert(&partition.id) {
            let message = match partition.id.as_str() {
                once @ ("esp" | "bios-boot" | "root") => format!("a disk has one `{once}`"),
                id => format!("two partitions are called `{id}`; give this one another `label`"),
            };
            checker.reject(at, message);
            continue;
        }
        if let Some(mount) = partition.mount.as_ref().filter(|&mount| !mounts.insert(mount)) {
            checker.reject(at.key("mount"), format!("an earlier partition is mounted at `{mount}` already"));
        } else if let Some(tree) = partition.tree.as_ref().filter(|&tree| !trees.insert(tree)) {
            checker.reject(at.key("tree"), format!("`{tree}` goes on an earlier partition already"));
        }
        if let Some(number) = partition.number.filter(|&number| !numbers.insert(number)) {
            checker.reject(at.key("number"), format!("an earlier partition has the number {number} already"));
        }
        if let Some(guid) = partition.guid.filter(|&guid| guids.insert(guid, index).is_some()) {
            checker.reject(at.key("guid"), format!("an earlier partition has the GUID {guid} already"));
        }
        fills += u32::from(partition.size == PartitionSize::Fill);
        if partition.size == PartitionSize::Fill && fills > 1 {
            checker.reject(at.key("size"), "an earlier partition fills the disk already");
        }
    }
}

/// GPT counts UTF-16 code units, which users do not see.
fn name_too_long(label: &str) -> String {
    let (characters, units) = (label.chars().count(), label.encode_utf16().count());
    if characters == units {
        return format!("`{label}` has {characters} characters, and GPT has room for {NAME_UNITS}");
    }
    format!(
        "`{label}` has {characters} characters, and GPT has room for {NAME_UNITS}, of which characters such as emoji take \
         two: it needs {units}"
    )
}

fn partition(keys: &PartitionKeys, arch: Arch, at: &KeyPath, checker: &mut Checker<'_>) -> RecipePartition {
    let fs = file_system(keys, at, checker);
    let mount = mount(keys, fs, at, checker);
    let id = id(keys, mount.as_deref());
    let label = keys.label.clone().unwrap_or_else(|| id.clone());
    if label.contains('\0') {
        checker.reject(at.key("label"), "a partition's name has no NUL in it");
    } else if label.encode_utf16().count() > NAME_UNITS {
        checker.reject(at.key("label"), name_too_long(&label));
    }
    let tree = checker.accept_optional(at.key("tree"), keys.tree.as_ref(), parse::image_path);
    if tree.is_some() && !fs.holds_files() {
        checker.reject_key(at.key("tree"), format!("a tree needs a file system: {}", with_files()));
    }
    if keys.role == RoleKey::Root && tree.as_deref().is_some_and(|tree| tree != "/") {
        checker.reject(at.key("tree"), "`root` holds what no other partition takes: `/`");
    }
    if keys.mount_options.is_some() && mount.is_none() {
        checker.reject_key(at.key("mount-options"), "a partition that is not mounted has no options for it");
    }
    let number = keys.number.and_then(|number| u32::try_from(number).ok());
    let type_guid = checker.accept_optional(at.key("type"), keys.r#type.as_ref(), partition_type);
    RecipePartition {
        number,
        type_guid: type_guid.unwrap_or_else(|| usual_type(keys.role, fs, mount.as_deref(), arch)),
        guid: checker.accept_optional(at.key("guid"), keys.guid.as_ref(), guid),
        attributes: attribute_bits(keys, fs, at, checker),
        size: size(keys, fs, at, checker),
        holds: holds(keys, fs, &label, at, checker),
        mount_options: keys.mount_options.clone(),
        tree: tree.or_else(|| mount.clone()),
        mount,
        id,
        label,
    }
}

/// The id of a partition: its role; for a role of several partitions, the label or the mount point.
fn id(keys: &PartitionKeys, mount: Option<&str>) -> String {
    let role = match keys.role {
        RoleKey::Esp => return "esp".to_owned(),
        RoleKey::BiosBoot => return "bios-boot".to_owned(),
        RoleKey::Root => return "root".to_owned(),
        RoleKey::Data => "data",
        RoleKey::Swap => "swap",
        RoleKey::Raw => "raw",
    };
    let by_mount =
        mount.map(|mount| mount.trim_matches('/').replace('/', "-")).filter(|name| !name.is_empty());
    keys.label.clone().or(by_mount).unwrap_or_else(|| role.to_owned())
}

fn file_system(keys: &PartitionKeys, at: &KeyPath, checker: &mut Checker<'_>) -> FsKey {
    let (usual, is_other): (_, fn(FsKey) -> bool) = match keys.role {
        RoleKey::Esp => (FsKey::Fat32, |_| false),
        RoleKey::Root => (FsKey::Ext4, FsKey::holds_all_metadata),
        RoleKey::Data => (FsKey::Ext4, FsKey::holds_files),
        RoleKey::Swap => (FsKey::Swap, |_| false),
        RoleKey::BiosBoot | RoleKey::Raw => (FsKey::None, |_| false),
    };
    match keys.fs {
        Some(fs) if fs != usual && !is_other(fs) => {
            let others = FsKey::ALL.into_iter().filter(|fs| *fs != usual && is_other(*fs));
            let options = super::suggest::any_of(std::iter::once(usual).chain(others).map(FsKey::name));
            checker
                .reject(at.key("fs"), format!("a partition of this role has {options}, not `{}`", fs.name()));
            usual
        }
        Some(fs) => fs,
        None => usual,
    }
}

/// The file systems that files can be put on, for messages.
fn with_files() -> String {
    super::suggest::any_of(FsKey::ALL.into_iter().filter(|fs| fs.holds_files()).map(FsKey::name))
}

fn mount(keys: &PartitionKeys, fs: FsKey, at: &KeyPath, checker: &mut Checker<'_>) -> Option<String> {
    let usual = match keys.role {
        RoleKey::Esp => Some("/boot/efi"),
        RoleKey::Root => Some("/"),
        _ => None,
    };
    let point = match keys.mount.as_deref() {
        Some("none") => return None,
        Some(point) => checker.accept(at.key("mount"), parse::image_path(point))?,
        None => usual?.to_owned(),
    };
    if !fs.holds_files() {
        checker.reject_key(at.key("mount"), format!("only a file system can be mounted: {}", with_files()));
    }
    if (keys.role == RoleKey::Root) != (point == "/") {
        checker.reject(at.key("mount"), "`/` is where `root` is mounted, and nothing else");
    }
    Some(point)
}

/// What the specification gives to a partition of that role that is mounted there.
fn usual_type(role: RoleKey, fs: FsKey, mount: Option<&str>, arch: Arch) -> Guid {
    if let Some(of_format) = fs.kind().and_then(|kind| kind.format().partition_type()) {
        return of_format;
    }
    match (role, mount) {
        (RoleKey::Esp, _) => types::ESP,
        (RoleKey::BiosBoot, _) => types::BIOS_BOOT,
        (RoleKey::Root, _) => arch.root_type(),
        (RoleKey::Data, Some("/boot")) => types::XBOOTLDR,
        (RoleKey::Data, Some("/home")) => types::HOME,
        (RoleKey::Data, Some("/srv")) => types::SRV,
        (RoleKey::Data, Some("/var")) => types::VAR,
        (RoleKey::Data, Some("/var/tmp")) => types::TMP,
        (RoleKey::Data, Some("/usr")) => arch.usr_type(),
        (RoleKey::Data | RoleKey::Raw | RoleKey::Swap, _) => types::LINUX_GENERIC,
    }
}

fn partition_type(text: &str) -> Result<Guid, String> {
    types::by_name(text).or_else(|| text.parse().ok()).ok_or_else(|| {
        let near = suggestion(text, types::NAMES.iter().map(|(name, _)| *name));
        format!("`{text}` is neither a partition type of the Discoverable Partitions Specification nor a GUID{near}")
    })
}

fn guid(text: &str) -> Result<Guid, String> {
    text.parse().map_err(|wrong| format!("{wrong}"))
}

fn attribute_bits(keys: &PartitionKeys, fs: FsKey, at: &KeyPath, checker: &mut Checker<'_>) -> u64 {
    let Some(all) = &keys.attributes else {
        let grows = keys.role == RoleKey::Root && !fs.is_read_only();
        return if grows { attributes::GROW_FILE_SYSTEM } else { 0 };
    };
    let mut bits = 0;
    for (index, attribute) in all.iter().enumerate() {
        let bit = match attribute {
            NumberOrText::Number(bit @ 0..64) => Ok(1 << bit),
            NumberOrText::Number(bit) => Err(format!("`{bit}` is not a bit: 0 to 63")),
            NumberOrText::Text(name) => attributes::by_name(name).ok_or_else(|| {
                let near = suggestion(name, attributes::NAMES.iter().map(|(name, _)| *name));
                format!("`{name}` is not an attribute{near}")
            }),
        };
        bits |= checker.accept(at.key("attributes").index(index), bit).unwrap_or(0);
    }
    bits
}

fn size(keys: &PartitionKeys, fs: FsKey, at: &KeyPath, checker: &mut Checker<'_>) -> PartitionSize {
    let Some(text) = &keys.size else {
        return match (keys.role, fs) {
            (RoleKey::Esp, _) => PartitionSize::Exact(ESP_SIZE),
            (RoleKey::BiosBoot, _) => PartitionSize::Exact(BIOS_BOOT_SIZE),
            (RoleKey::Root, _) => PartitionSize::Fill,
            (RoleKey::Raw, _) if keys.source.is_some() => PartitionSize::Minimal { slack: 0 },
            _ => {
                checker.reject(at.key("size"), "a partition of this role needs a `size`");
                PartitionSize::Fill
            }
        };
    };
    let minimal = text.strip_prefix("minimal").map(str::trim);
    let parsed = match minimal {
        Some("") => Ok(PartitionSize::Minimal { slack: 0 }),
        Some(slack) => match slack.strip_prefix('+') {
            Some(slack) => parse::size(slack.trim()).map(|slack| PartitionSize::Minimal { slack }),
            None => Err(format!("`{text}` is not as `minimal + 256 MiB` is")),
        },
        None if text == "fill" => Ok(PartitionSize::Fill),
        None => parse::size(text).map(PartitionSize::Exact),
    };
    if minimal.is_some() && !fs.holds_files() && keys.source.is_none() {
        checker.reject(at.key("size"), "without files in it, a partition has no smallest size");
    }
    checker.accept(at.key("size"), parsed).unwrap_or(PartitionSize::Minimal { slack: 0 })
}

fn holds(
    keys: &PartitionKeys,
    fs: FsKey,
    label: &str,
    at: &KeyPath,
    checker: &mut Checker<'_>,
) -> RecipeContent {
    let foreign = [
        ("journal", keys.journal.is_some(), fs == FsKey::Ext4, "is for `ext4`"),
        ("reserved", keys.reserved.is_some(), fs == FsKey::Ext4, "is for `ext4`"),
        ("source", keys.source.is_some(), fs == FsKey::None, "is for partitions without a file system"),
        ("uuid", keys.uuid.is_some(), fs != FsKey::None, "is for partitions with a file system"),
        ("fs-label", keys.fs_label.is_some(), fs != FsKey::None, "is for partitions with a file system"),
    ];
    for (key, given, right, purpose) in foreign {
        if given && !right {
            checker.reject_key(at.key(key), format!("`{key}` {purpose}"));
        }
    }
    let options = match fs {
        FsKey::Fat32 => VolumeOptions::Fat32 {
            label: fat_label(keys, label, at, checker),
            volume_id: checker.accept_optional(at.key("uuid"), keys.uuid.as_ref(), parse::volume_id),
        },
        FsKey::Ext4 => VolumeOptions::Ext4 {
            label: short_label(keys, label, at, checker),
            uuid: checker.accept_optional(at.key("uuid"), keys.uuid.as_ref(), guid),
            journal: checker
                .accept_optional(at.key("journal"), keys.journal.as_ref(), journal)
                .unwrap_or(JournalSize::Auto),
            reserved: reserved(keys, at, checker),
        },
        other => {
            let Some(kind) = other.kind() else { return without_file_system(keys, at, checker) };
            let label = short_label(keys, label, at, checker);
            let uuid = checker.accept_optional(at.key("uuid"), keys.uuid.as_ref(), guid);
            let options = VolumeOptions::labelled(kind, label, uuid);
            return options.map_or(RecipeContent::Nothing, RecipeContent::Volume);
        }
    };
    RecipeContent::Volume(options)
}

fn without_file_system(keys: &PartitionKeys, at: &KeyPath, checker: &mut Checker<'_>) -> RecipeContent {
    match &keys.source {
        Some(name) => {
            RecipeContent::Raw { path: checker.host_path(at.key("source"), name), name: name.clone() }
        }
        None => RecipeContent::Nothing,
    }
}

/// A label of at most 16 bytes.
fn short_label(keys: &PartitionKeys, label: &str, at: &KeyPath, checker: &mut Checker<'_>) -> String {
    let fits = |label: &str| label.len() <= 16 && !label.contains('\0');
    match &keys.fs_label {
        Some(given) if fits(given) => given.clone(),
        Some(given) => {
            checker.reject(
                at.key("fs-label"),
                format!("`{given}` has {} bytes, and 16 are allowed", given.len()),
            );
            String::new()
        }
        None if fits(label) => label.to_owned(),
        None => String::new(),
    }
}

/// A label of at most 11 characters that every FAT implementation accepts.
fn fat_label(keys: &PartitionKeys, label: &str, at: &KeyPath, checker: &mut Checker<'_>) -> String {
    let known = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || " !#$%&'()-@^_`{}~".contains(c);
    let fits = |label: &str| label.len() <= 11 && label.chars().all(known) && !label.starts_with(' ');
    match &keys.fs_label {
        Some(given) if fits(given) => given.clone(),
        Some(given) => {
            let message =
                format!("`{given}` is not a FAT label: at most 11 of A-Z 0-9 space - _ and the like");
            checker.reject(at.key("fs-label"), message);
            String::new()
        }
        None => Some(label.to_ascii_uppercase()).filter(|label| fits(label)).unwrap_or_default(),
    }
}

fn journal(text: &str) -> Result<JournalSize, String> {
    match text {
        "auto" => Ok(JournalSize::Auto),
        "none" => Ok(JournalSize::None),
        // The kernel requires 1024 blocks of 4 KiB at least.
        _ => match parse::size(text)? {
            bytes if bytes < 4 << 20 => Err(format!("`{text}` is too short: a journal has 4 MiB at least")),
            bytes if bytes > 40 << 30 => Err(format!("`{text}` is too long: a journal has 40 GiB at most")),
            bytes => Ok(JournalSize::Bytes(bytes)),
        },
    }
}

fn reserved(keys: &PartitionKeys, at: &KeyPath, checker: &mut Checker<'_>) -> u16 {
    let percent = match keys.reserved {
        None => return if keys.role == RoleKey::Root { 500 } else { 0 },
        Some(PercentKey::Whole(percent)) => percent as f64,
        Some(PercentKey::Decimal(percent)) => percent,
    };
    if !(0.0..=50.0).contains(&percent) {
        checker.reject(at.key("reserved"), format!("`{percent}` per cent is not between 0 and 50"));
        return 0;
    }
    (percent * 100.0).round() as u16
}
