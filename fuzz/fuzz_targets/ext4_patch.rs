//! Fuzzes amending ext4 volumes in place: a base may be refused, it may not panic, hang or take unbounded memory; what is
//! amended passes the checker.
//!
//! The first byte chooses how checksums are got past, as for the target `ext4`, and the second which changes are made.
#![no_main]

use std::sync::Arc;

use amiforge_formats::ext4::check::check;
use amiforge_formats::ext4::patch::{Ext4PatchOptions, patch};
use amiforge_formats::ext4::read::open;
use amiforge_formats::plan::{PlanReader, SourceId, Sources};
use amiforge_formats::read_at::ReadAt;
use amiforge_formats::time::Time;
use amiforge_formats::tree::{Content, Meta, Name, Node, NodeKind, Tree};
use libfuzzer_sys::fuzz_target;

const SUPERBLOCK: usize = 1024;
const CHECKSUM: usize = SUPERBLOCK + 0x3fc;
const RO_COMPAT: usize = SUPERBLOCK + 0x64;

fn repair(image: &mut [u8], mode: u8) {
    if image.len() < 2048 {
        return;
    }
    if mode % 3 == 2 {
        // metadata_csum is bit 10, uninit_bg bit 4.
        image[RO_COMPAT + 1] &= !4;
        image[RO_COMPAT] &= !0x10;
    }
    if mode % 3 != 0 {
        let sum = !crc32c::crc32c(&image[SUPERBLOCK..CHECKSUM]);
        image[CHECKSUM..2048].copy_from_slice(&sum.to_le_bytes());
    }
}

struct Image<'a>(&'a Vec<u8>);

impl Sources for Image<'_> {
    fn read_exact_at(&self, _: SourceId, at: u64, buf: &mut [u8]) -> std::io::Result<()> {
        ReadAt::read_exact_at(self.0, at, buf)
    }
}

fn change(tree: &mut Tree, how: u8) {
    let entries: Vec<_> = tree.walk().take(2000).collect();
    let meta = Meta::root_owned(0o644, Time::from_secs(1_700_000_000));
    for (at, entry) in entries.iter().enumerate().skip(1) {
        let split = entry.path.iter().rposition(|byte| *byte == b'/');
        let (above, own) = split.map_or((&b""[..], &entry.path[..]), |at| (&entry.path[..at], &entry.path[at + 1..]));
        let Some(parent) = tree.lookup(above) else { continue };
        match (at as u8).wrapping_mul(how | 1) % 7 {
            0 => drop(tree.unlink(parent, own)),
            1 => tree.node_mut(entry.id).meta.mtime = Time::from_secs(1_700_000_001),
            2 => {
                if let NodeKind::File(content) = &mut tree.node_mut(entry.id).kind {
                    *content = Content::Inline(Arc::from(vec![how; 5000]));
                }
            }
            3 => {
                let node = Node { meta: meta.clone(), kind: NodeKind::File(Content::Inline(Arc::from(vec![1; 3000]))) };
                if let Ok(name) = Name::new(format!("new-{at}").as_bytes()) {
                    let _ = tree.add(parent, name, node);
                }
            }
            _ => {}
        }
    }
}

fuzz_target!(|bytes: &[u8]| {
    let [mode, how, image @ ..] = bytes else { return };
    let mut image = image.to_vec();
    repair(&mut image, *mode);
    let Ok(file_system) = open(&image) else { return };
    let Ok(mut tree) = file_system.tree(SourceId(0)) else { return };
    change(&mut tree, *how);
    let options = Ext4PatchOptions { time: Time::from_secs(1_760_000_000), seed: 1, erase: *how & 1 == 1 };
    if let Ok(patched) = patch(&image, SourceId(0), 0, &tree, &Image(&image), &options) {
        let reader = PlanReader { plan: &patched.plan, sources: &Image(&image) };
        let report = check(&reader).expect("an amended volume can be checked");
        assert!(!report.has_errors(), "{:?}", report.findings.first());
    }
});
