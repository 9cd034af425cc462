//! Volumes in memory, tools of others, and surveys in short.

use std::path::Path;
use std::process::Command;

use amiforge_formats::ext4::write::{Ext4Options, JournalSize};
use amiforge_formats::guid::Guid;
use amiforge_formats::plan::{NoSources, Plan};
use amiforge_formats::residue::Residue;
use amiforge_formats::time::Time;
use amiforge_formats::tree::{Content, Meta, Name, Node, NodeId, NodeKind, Tree};
use amiforge_formats::volume::FsKind;

pub(crate) const MIB: usize = 1 << 20;

/// The time of everything.
pub(crate) const TIME: Time = Time { secs: 1_700_000_000, nanos: 0 };

/// Kind, offset and owner of every run.
pub(crate) type Found = Vec<(&'static str, u64, String)>;

/// Surveys a volume.
pub(crate) fn survey(kind: FsKind, volume: &[u8]) -> Found {
    let volume = volume.to_vec();
    short(kind.format().residue(&volume).unwrap())
}

pub(crate) fn short(found: Vec<Residue>) -> Found {
    found.into_iter().map(|one| (one.kind.name(), one.offset, one.owner)).collect()
}

/// The bytes of a plan without sources.
pub(crate) fn bytes(plan: &Plan) -> Vec<u8> {
    let mut bytes = vec![0; plan.len() as usize];
    plan.read_exact_at(&NoSources, 0, &mut bytes).unwrap();
    bytes
}

pub(crate) fn add(tree: &mut Tree, dir: NodeId, name: &str, kind: NodeKind) -> NodeId {
    let node = Node { meta: Meta::root_owned(0o755, TIME), kind };
    tree.add(dir, Name::new(name.as_bytes()).unwrap(), node).unwrap()
}

pub(crate) fn file(len: usize) -> NodeKind {
    NodeKind::File(Content::Inline(vec![b'x'; len].into()))
}

/// Folders, files of several lengths, links and an attribute.
pub(crate) fn tree() -> Tree {
    let mut tree = Tree::new(Meta::root_owned(0o755, TIME));
    let root = tree.root();
    let dir = add(&mut tree, root, "dir", NodeKind::dir());
    for len in [0, 1, 511, 512, 4095, 4096, 5000, 70_000] {
        add(&mut tree, dir, &format!("file-{len}"), file(len));
    }
    let many = add(&mut tree, root, "many", NodeKind::dir());
    for number in 0..300 {
        add(&mut tree, many, &format!("a name of many others {number}"), file(10));
    }
    tree
}

/// [`tree`] with what FAT cannot hold.
pub(crate) fn full_tree() -> Tree {
    let mut tree = tree();
    let root = tree.root();
    add(&mut tree, root, "link", NodeKind::Symlink(b"dir/file-1"[..].into()));
    add(&mut tree, root, "long link", NodeKind::Symlink(vec![b'l'; 300].into()));
    add(&mut tree, root, "null", NodeKind::CharDevice { major: 1, minor: 3 });
    let file = add(&mut tree, root, "attributes", file(20));
    let value = vec![b'v'; 700];
    tree.node_mut(file).meta.xattrs = Some(Box::new(
        [(b"user.long"[..].into(), value.into()), (b"user.short"[..].into(), b"1"[..].into())].into(),
    ));
    tree
}

pub(crate) fn ext4_options() -> Ext4Options {
    Ext4Options {
        uuid: Guid::from_u128(0x1111_1111_2222_3333_4444_5555_5555_5555),
        hash_seed: Guid::from_u128(0x9999_9999_2222_3333_4444_5555_5555_5555),
        label: "root".into(),
        time: TIME,
        journal: JournalSize::Auto,
        reserved: 500,
    }
}

/// Runs a tool; `None` and a printed `SKIP` when it is not installed.
pub(crate) fn run(program: &str, args: &[&str]) -> Option<String> {
    match Command::new(program).args(args).output() {
        Ok(output) => {
            let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
            assert!(output.status.success(), "{program} {args:?}: {text}");
            Some(text)
        }
        Err(error) => {
            assert!(std::env::var_os("REQUIRE_ORACLES").is_none(), "{program}: {error}");
            println!("SKIP: {program}: {error}");
            None
        }
    }
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
