//! Trees, their plans, and the images that e2fsprogs checks.

use std::io;
use std::os::unix::fs::FileExt;
use std::process::Command;

use amiforge_formats::ext4::write::{Ext4Options, JournalSize, plan};
use amiforge_formats::guid::Guid;
use amiforge_formats::plan::{Data, Plan, SourceId, Sources};
use amiforge_formats::time::Time;
use amiforge_formats::tree::{Content, Meta, Name, Node, NodeId, NodeKind, Tree};

/// Sources whose bytes depend on the source and the offset.
struct Pattern;

impl Sources for Pattern {
    fn read_exact_at(&self, source: SourceId, at: u64, buf: &mut [u8]) -> io::Result<()> {
        for (i, byte) in buf.iter_mut().enumerate() {
            *byte = (at + i as u64)
                .to_le_bytes()
                .iter()
                .fold(source.0 as u8 | 1, |sum, b| sum.wrapping_mul(31) ^ b);
        }
        Ok(())
    }
}

pub(crate) fn options() -> Ext4Options {
    Ext4Options {
        uuid: Guid::from_u128(0x1111_1111_2222_3333_4444_5555_5555_5555),
        hash_seed: Guid::from_u128(0x9999_9999_2222_3333_4444_5555_5555_5555),
        label: "root".into(),
        time: Time::from_secs(1_700_000_000),
        journal: JournalSize::Auto,
        reserved: 500,
    }
}

pub(crate) fn empty() -> Tree {
    Tree::new(Meta::root_owned(0o755, Time::from_secs(1_600_000_000)))
}

pub(crate) fn node(kind: NodeKind) -> Node {
    Node { meta: Meta::root_owned(0o755, Time { secs: 1_650_000_000, nanos: 123_456_789 }), kind }
}

pub(crate) fn add(tree: &mut Tree, dir: NodeId, name: &[u8], kind: NodeKind) -> NodeId {
    tree.add(dir, Name::new(name).unwrap(), node(kind)).unwrap()
}

pub(crate) fn slice(at: u64, len: u64) -> NodeKind {
    NodeKind::File(if len == 0 { Content::empty() } else { Content::Slice { source: SourceId(1), at, len } })
}

/// Runs a tool and returns whether it succeeded, and its output; `None` and a printed `SKIP` when it is not installed.
pub(crate) fn run(program: &str, args: &[&str]) -> Option<(bool, String)> {
    match Command::new(program).args(args).output() {
        Ok(output) => {
            let text = [output.stdout, output.stderr].concat();
            Some((output.status.success(), String::from_utf8_lossy(&text).into_owned()))
        }
        Err(error) => {
            assert!(std::env::var_os("REQUIRE_ORACLES").is_none(), "{program}: {error}");
            println!("SKIP: {program}: {error}");
            None
        }
    }
}

fn write(plan: &Plan) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().set_len(plan.len()).unwrap();
    let mut buf = vec![0; 1 << 20];
    for extent in plan.extents().iter().filter(|e| !matches!(e.data, Data::Zero | Data::Free)) {
        let mut at = extent.offset;
        while at < extent.end() {
            let len = (extent.end() - at).min(1 << 20) as usize;
            plan.read_exact_at(&Pattern, at, &mut buf[..len]).unwrap();
            file.as_file().write_all_at(&buf[..len], at).unwrap();
            at += len as u64;
        }
    }
    file
}

/// Plans and writes a tree, and checks the image with e2fsck.
pub(crate) fn clean(tree: &Tree, options: &Ext4Options, len: u64) -> tempfile::NamedTempFile {
    let file = write(&plan(tree, options, len).unwrap());
    if let Some((ok, text)) = run("e2fsck", &["-fn", file.path().to_str().unwrap()]) {
        assert!(ok, "{len} bytes: {text}");
    }
    file
}

pub(crate) fn debugfs(file: &tempfile::NamedTempFile, command: &str) -> Option<String> {
    run("debugfs", &["-R", command, file.path().to_str().unwrap()]).map(|(_, text)| text)
}

pub(crate) const MIB: u64 = 1 << 20;

/// The number of blocks of 512 KiB in use, and of those that differ from `before`.
pub(crate) fn dirty(before: &Plan, after: &Plan) -> (usize, usize) {
    let parts = |plan: &Plan, block: u64| -> Vec<(u64, u64, Data)> {
        let bytes = |data: Data, len: u64| match data {
            Data::Bytes { bytes, at } => Data::Bytes { bytes: bytes[at..at + len as usize].into(), at: 0 },
            other => other,
        };
        let own = plan.range(block << 19, (block + 1) << 19).filter(|e| e.data != Data::Free);
        own.map(|e| (e.offset, e.len, bytes(e.data, e.len))).collect()
    };
    let blocks: Vec<_> =
        (0..after.len() >> 19).map(|block| (parts(before, block), parts(after, block))).collect();
    let used = blocks.iter().filter(|(_, after)| !after.is_empty()).count();
    (used, blocks.iter().filter(|(before, after)| !after.is_empty() && before != after).count())
}
