//! Figures for a real root, which stands in the image that `EROFS_FIGURES` names: lengths, and the blocks that a change of the
//! tree dirties, of EROFS and of ext4. The groups are those of the lists of dpkg.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use amiforge_formats::erofs::read::open;
use amiforge_formats::erofs::write::ErofsDraft;
use amiforge_formats::ext4::write::{Ext4Draft, Ext4Options, JournalSize};
use amiforge_formats::plan::{Plan, SourceId};
use amiforge_formats::read_at::ReadAt;
use amiforge_formats::time::Time;
use amiforge_formats::tree::{ChangeGroups, Content, Name, NodeId, NodeKind, Origin, Segment, Tree};

use super::fixture::{MIB, dirty, node, options};

/// The file system behind the first MiB of a disk.
struct Partition(File, u64);

impl ReadAt for Partition {
    fn size(&self) -> u64 {
        self.1 - MIB
    }

    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(buf, offset + MIB)
    }
}

/// The packages' nodes by the lists in the package database.
fn groups(tree: &Tree, image: &Partition) -> BTreeMap<Box<[u8]>, Vec<NodeId>> {
    let info = tree.lookup(b"var/lib/dpkg/info").unwrap();
    let mut groups = BTreeMap::new();
    for (name, id) in tree.entries(info).unwrap() {
        let (Some(package), NodeKind::File(content)) =
            (name.as_bytes().strip_suffix(b".list"), &tree.node(*id).kind)
        else {
            continue;
        };
        let mut text = vec![0; content.len() as usize];
        for segment in content.segments() {
            let Origin::Slice { at, .. } = segment.origin else { continue };
            image.read_exact_at(at, &mut text[segment.offset as usize..][..segment.len as usize]).unwrap();
        }
        let of = text.split(|byte| *byte == b'\n').filter_map(|path| tree.lookup(path));
        let files = of.filter(|id| !matches!(tree.node(*id).kind, NodeKind::Dir(_)));
        let own = ["list", "md5sums", "postinst"].into_iter();
        let own = own.filter_map(|kind| tree.child(info, &[package, b".", kind.as_bytes()].concat()));
        groups.insert(package.into(), files.chain(own).collect());
    }
    groups
}

/// Another content of nearly the same length, as the next version of a file has one.
fn renew(tree: &mut Tree, id: NodeId, grown: u64) {
    if let NodeKind::File(content) = &tree.node(id).kind {
        let len = content.len() + content.len() * grown / 100;
        if len > 0 {
            tree.node_mut(id).kind = NodeKind::File(Content::Slice { source: SourceId(9), at: 0, len });
        }
        tree.node_mut(id).meta.mtime = Time::from_secs(1_800_000_000);
    }
}

/// A file grown by a tenth, and ten small files added and ten removed, each in a directory of its own.
fn some_changed(tree: &Tree) -> Tree {
    let mut changed = tree.clone();
    let mut files = Vec::new();
    for entry in tree.walk() {
        let NodeKind::File(content) = &tree.node(entry.id).kind else { continue };
        let at = entry.path.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
        let (dir, name) = (tree.lookup(&entry.path[..at]).unwrap(), entry.path[at..].to_vec());
        files.push((content.len(), dir, name[usize::from(at > 0)..].to_vec(), entry.id));
    }
    let (len, _, _, large) = files.iter().find(|file| (10 * MIB..20 * MIB).contains(&file.0)).unwrap();
    let NodeKind::File(Content::Sparse { .. } | Content::Slice { .. }) = &tree.node(*large).kind else {
        panic!()
    };
    let NodeKind::File(content) = &tree.node(*large).kind else { panic!() };
    let new = Segment { offset: *len, len: len / 10, origin: Origin::Slice { source: SourceId(9), at: 0 } };
    let segments = content.segments().into_iter().chain([new]).collect();
    changed.node_mut(*large).kind = NodeKind::File(Content::Sparse { len: len + len / 10, segments });
    let small: Vec<_> = files.iter().filter(|file| (100..20_000).contains(&file.0)).collect();
    for i in 0..10 {
        let (_, dir, ..) = small[small.len() * (2 * i) / 20];
        let kind =
            NodeKind::File(Content::Slice { source: SourceId(9), at: 1 << 40, len: 1000 + i as u64 * 700 });
        changed.add(*dir, Name::new(format!("added{i}").as_bytes()).unwrap(), node(kind)).unwrap();
        let (_, dir, name, _) = small[small.len() * (2 * i + 1) / 20];
        changed.unlink(*dir, name).unwrap();
    }
    changed
}

#[test]
#[ignore = "prints figures for the image that EROFS_FIGURES names"]
fn figures_for_a_real_root() {
    let Some(path) = std::env::var_os("EROFS_FIGURES") else { return };
    let file = File::open(path).unwrap();
    let len = file.metadata().unwrap().len();
    let image = Partition(file, len);
    let tree = open(&image).unwrap().tree(SourceId(0)).unwrap();
    let groups = groups(&tree, &image);
    let by_name = ChangeGroups::new(&groups);
    let ext4_options = Ext4Options {
        uuid: options().uuid,
        hash_seed: options().uuid,
        label: String::new(),
        time: options().time,
        journal: JournalSize::None,
        reserved: 0,
    };
    let erofs =
        |tree: &Tree, len| ErofsDraft::grouped(tree, &by_name, &options()).unwrap().plan(len).unwrap();
    let ext4 =
        |tree: &Tree, len| Ext4Draft::grouped(tree, &by_name, &ext4_options).unwrap().plan(len).unwrap();
    let least = ErofsDraft::grouped(&tree, &by_name, &options()).unwrap().minimal_len(0).unwrap();
    let of_ext4 = Ext4Draft::grouped(&tree, &by_name, &ext4_options).unwrap().minimal_len(0).unwrap();
    println!("least length: {} MiB, ext4 {} MiB", least / MIB, of_ext4 / MIB);
    for len in [least, 2048 * MIB] {
        let start = std::time::Instant::now();
        let before = erofs(&tree, len);
        println!("{} MiB, planned in {:?}", len / MIB, start.elapsed());
        let before_ext4 = ext4(&tree, len.max(of_ext4));
        let compare = |what: &str, changed: &Tree| {
            let both = |before: &Plan, after: &Plan| dirty(before, after);
            let (used, sent) = both(&before, &erofs(changed, len));
            let (used_ext4, sent_ext4) = both(&before_ext4, &ext4(changed, len.max(of_ext4)));
            println!("{what}: erofs {sent} of {used}, ext4 {sent_ext4} of {used_ext4}");
        };
        compare("a file grown by a tenth, ten added and ten removed", &some_changed(&tree));
        for package in ["libexpat1", "tzdata", "bash", "openssl", "libc6:amd64", "perl-base", "systemd"] {
            let Some((_, nodes)) = groups.iter().find(|(name, _)| name.starts_with(package.as_bytes()))
            else {
                continue;
            };
            let mut changed = tree.clone();
            for id in nodes {
                renew(&mut changed, *id, 1);
            }
            compare(&format!("{package}, {} nodes", nodes.len()), &changed);
        }
        let mut all = tree.clone();
        for (at, nodes) in groups.values().enumerate() {
            if at % 10 == 0 {
                for id in nodes {
                    renew(&mut all, *id, 1);
                }
            }
        }
        compare("every tenth package", &all);
    }
}
