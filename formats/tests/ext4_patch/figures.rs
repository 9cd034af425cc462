//! Figures for a real root, which is in the archive that `EXT4_PATCH_FIGURES` names: the blocks of 512 KiB that one small
//! package dirties when the volume is amended, and when it is laid out anew.

use std::sync::Arc;

use amiforge_formats::ext4::patch::patch;
use amiforge_formats::ext4::write::plan;
use amiforge_formats::plan::Data;
use amiforge_formats::tree::{Content, NodeKind, Tree};
use amiforge_formats::volume::FsKind;

use super::fixture::{BASE, Medium, TestSources, amended, options, scratch};
use super::fixtures::{MIB, add, dirty, run, slice};

/// Length of the volume.
const LEN: u64 = 8 << 30;

/// A package of four files, its entry in the database of dpkg after the first hundred, and its lists.
fn install(tree: &mut Tree, base: &Medium) {
    let dir = |tree: &Tree, path: &str| tree.lookup(path.as_bytes()).unwrap();
    let bin = dir(tree, "usr/bin");
    add(tree, bin, b"hello-world", slice(1 << 20, 54_000));
    let doc = dir(tree, "usr/share/doc");
    let doc = add(tree, doc, b"hello-world", NodeKind::dir());
    add(tree, doc, b"copyright", slice(2 << 20, 2_100));
    add(tree, doc, b"changelog.gz", slice(3 << 20, 4_500));
    let man = dir(tree, "usr/share/man/man1");
    add(tree, man, b"hello-world.1.gz", slice(4 << 20, 900));
    let info = dir(tree, "var/lib/dpkg/info");
    add(tree, info, b"hello-world.list", slice(5 << 20, 300));
    add(tree, info, b"hello-world.md5sums", slice(6 << 20, 250));
    let status = dir(tree, "var/lib/dpkg/status");
    let NodeKind::File(content) = tree.node(status).kind.clone() else { panic!() };
    let mut text = vec![0; content.len() as usize];
    content.read_at(&TestSources(base), 0, &mut text).unwrap();
    let middle = text.windows(2).enumerate().filter(|(_, pair)| *pair == b"\n\n").nth(60).unwrap().0 + 2;
    let stanza = b"Package: hello-world\nStatus: install ok installed\nVersion: 1.0\nDescription: greets\n\n";
    text.splice(middle..middle, stanza.iter().copied());
    let NodeKind::File(old) = &mut tree.node_mut(status).kind else { panic!() };
    *old = Content::Inline(Arc::from(text));
    let time = amiforge_formats::time::Time::from_secs(1_760_000_000);
    for path in [
        "usr/bin",
        "usr/share/doc",
        "usr/share/man/man1",
        "var/lib/dpkg/info",
        "var/lib/dpkg",
        "var/lib/dpkg/status",
    ] {
        let id = tree.lookup(path.as_bytes()).unwrap();
        tree.node_mut(id).meta.mtime = time;
    }
}

/// An image of the archive's files, by mke2fs or, mounted, by the kernel.
fn image(archive: &str, by_kernel: bool) -> tempfile::NamedTempFile {
    let image = tempfile::NamedTempFile::new_in(scratch()).unwrap();
    image.as_file().set_len(LEN).unwrap();
    let path = image.path().to_str().unwrap();
    let unpack = |folder: &str| {
        let (ok, text) = run("tar", &["-xf", archive, "--xattrs", "-C", folder]).unwrap();
        assert!(ok, "{text}");
    };
    let folder = tempfile::tempdir_in(scratch()).unwrap();
    let from = folder.path().to_str().unwrap();
    if by_kernel {
        assert!(run("mke2fs", &["-q", "-F", "-t", "ext4", path]).unwrap().0);
        super::fixture::mounted(image.path(), "loop", |folder| unpack(folder.to_str().unwrap()));
    } else {
        unpack(from);
        let (ok, text) = run("mke2fs", &["-q", "-F", "-t", "ext4", "-d", from, path]).unwrap();
        assert!(ok, "{text}");
    }
    image
}

#[test]
fn a_small_package_dirties_few_blocks() {
    let Ok(archive) = std::env::var("EXT4_PATCH_FIGURES") else {
        println!("SKIP: EXT4_PATCH_FIGURES names no archive of a root");
        return;
    };
    for by_kernel in [false, true] {
        let image = image(&archive, by_kernel);
        let base = Medium::open(image.path());
        let before = FsKind::Ext4.format().read(&base, BASE).unwrap().tree.unwrap();
        let mut after = before.clone();
        install(&mut after, &base);
        let begun = std::time::Instant::now();
        let patched = patch(&base, BASE, 0, &after, &TestSources(&base), &options()).unwrap();
        let took = begun.elapsed();
        let mut slots: Vec<u64> =
            patched.changed.iter().flat_map(|range| range.start >> 19..=(range.end - 1) >> 19).collect();
        slots.dedup();
        let held = patched.plan.extents().iter().filter(|e| !matches!(e.data, Data::Zero | Data::Free));
        let bytes: u64 = held.map(|extent| extent.len).sum();
        println!(
            "by the kernel {by_kernel}: {} slots of {} MiB, {:?}, {took:?}",
            slots.len(),
            bytes / MIB,
            patched.counts
        );
        let (_, written) = amended(image.path(), &after);
        drop(written);
        let anew = super::fixture::layout_options();
        let plans = [&before, &after].map(|tree| plan(tree, &anew, LEN).unwrap());
        println!("laid out anew: {:?} slots in use, and that differ", dirty(&plans[0], &plans[1]));
        assert!(slots.len() < 60, "{slots:?}");
    }
}
