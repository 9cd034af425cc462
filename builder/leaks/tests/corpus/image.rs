//! A disk with an EFI system partition, a root and gaps, as our writers make it.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use amiforge_formats::ext4::write::{Ext4Options, JournalSize};
use amiforge_formats::fat::write::FatOptions;
use amiforge_formats::gpt::{Lba, Partition, PartitionTable, types, write};
use amiforge_formats::guid::Guid;
use amiforge_formats::plan::{Claims, Data, NoSources};
use amiforge_formats::time::Time;
use amiforge_formats::tree::{Content, Meta, Name, Node, NodeKind, Tree};
use amiforge_formats::{ext4, fat};

const MIB: u64 = 1 << 20;

/// Start and length of the EFI system partition.
pub(crate) const ESP: (u64, u64) = (MIB, 40 * MIB);

/// Start and length of the root; there is a gap before it.
pub(crate) const ROOT: (u64, u64) = (44 * MIB, 64 * MIB);

/// Length of the disk.
pub(crate) const LEN: u64 = 112 * MIB;

const TIME: Time = Time { secs: 1_700_000_000, nanos: 0 };

/// A file that is longer than a block and no multiple of one.
pub(crate) const LONG_FILE: &str = "usr/share/app/data";

/// The tree of files by their paths; later ones replace earlier ones.
fn tree<'a>(files: impl IntoIterator<Item = (&'a str, Vec<u8>)>) -> Tree {
    let meta = |mode| Meta::root_owned(mode, TIME);
    let mut tree = Tree::new(meta(0o755));
    let files: BTreeMap<&str, Vec<u8>> = files.into_iter().collect();
    for (path, bytes) in files {
        let mut dir = tree.root();
        let (folders, name) = path.rsplit_once('/').unwrap_or(("", path));
        for folder in folders.split('/').filter(|folder| !folder.is_empty()) {
            dir = if let Some(known) = tree.child(dir, folder.as_bytes()) {
                known
            } else {
                let node = Node { meta: meta(0o755), kind: NodeKind::dir() };
                tree.add(dir, Name::new(folder.as_bytes()).unwrap(), node).unwrap()
            };
        }
        let node = Node { meta: meta(0o600), kind: NodeKind::File(Content::Inline(bytes.into())) };
        tree.add(dir, Name::new(name.as_bytes()).unwrap(), node).unwrap();
    }
    tree
}

/// Writes a disk whose root has `files`.
pub(crate) fn write_disk<'a>(path: &Path, files: impl IntoIterator<Item = (&'a str, Vec<u8>)>) {
    let long = (LONG_FILE, vec![b'd'; 6000]);
    let root = tree(files.into_iter().chain([long]));
    let esp = tree([
        ("EFI/BOOT/BOOTX64.EFI", b"MZ a loader".repeat(1000)),
        ("loader/loader.conf", b"timeout 3\n".to_vec()),
    ]);
    let partition = |number: u32, name: &str, type_guid, (start, len): (u64, u64)| Partition {
        number,
        type_guid,
        guid: Guid::from_u128(0x1000 + u128::from(number)),
        first: Lba(start / 512),
        last: Lba((start + len) / 512 - 1),
        attributes: 0,
        name: name.to_owned(),
    };
    let partitions =
        vec![partition(1, "esp", types::ESP, ESP), partition(2, "root", types::LINUX_GENERIC, ROOT)];
    let table = PartitionTable { guid: Guid::from_u128(7), sectors: LEN / 512, partitions };
    let mut claims = Claims::new(LEN);
    write::claim(&table, &mut claims).unwrap();
    let options = FatOptions { volume_id: 1, label: "ESP".to_owned(), time: TIME, hidden_sectors: 2048 };
    claims.plan(ESP.0, fat::write::plan(&esp, &options, ESP.1).unwrap());
    let options = Ext4Options {
        uuid: Guid::from_u128(11),
        hash_seed: Guid::from_u128(12),
        label: "root".to_owned(),
        time: TIME,
        journal: JournalSize::Auto,
        reserved: 0,
    };
    claims.plan(ROOT.0, ext4::write::plan(&root, &options, ROOT.1).unwrap());
    let plan = claims.finish(&Data::Free).unwrap();
    let file = File::create(path).unwrap();
    file.set_len(LEN).unwrap();
    for extent in plan.extents().iter().filter(|extent| !matches!(extent.data, Data::Zero | Data::Free)) {
        let mut bytes = vec![0; extent.len as usize];
        plan.read_exact_at(&NoSources, extent.offset, &mut bytes).unwrap();
        file.write_all_at(&bytes, extent.offset).unwrap();
    }
}
