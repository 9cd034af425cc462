//! What does not fit is refused with what is missing, and a damaged base before anything is done.

use amiforge_formats::ext4::patch::{Ext4PatchError, patch};
use amiforge_formats::tree::NodeKind;
use amiforge_formats::volume::FsKind;

use super::fixture::{BASE, Medium, TestSources, options, scratch};
use super::fixtures::{MIB, add, run, slice};

fn base(args: &[&str], len: u64) -> Option<tempfile::NamedTempFile> {
    let image = tempfile::NamedTempFile::new_in(scratch()).unwrap();
    image.as_file().set_len(len).unwrap();
    let all = [&["-q", "-F"], args, &[image.path().to_str().unwrap()]].concat();
    let (ok, text) = run("mke2fs", &all)?;
    assert!(ok, "{text}");
    Some(image)
}

fn refused(
    image: &tempfile::NamedTempFile,
    change: impl Fn(&mut amiforge_formats::tree::Tree),
) -> Ext4PatchError {
    let medium = Medium::open(image.path());
    let mut tree = FsKind::Ext4.format().read(&medium, BASE).unwrap().tree.unwrap();
    change(&mut tree);
    patch(&medium, BASE, 0, &tree, &TestSources(&medium), &options()).unwrap_err()
}

#[test]
fn missing_space_and_inodes_are_counted() {
    let Some(image) = base(&["-t", "ext4", "-N", "64"], 24 * MIB) else { return };
    let error = refused(&image, |tree| {
        add(tree, tree.root(), b"large", slice(0, 40 * MIB));
    });
    assert!(matches!(error, Ext4PatchError::NoSpace { missing } if missing > 10 * MIB), "{error}");
    let error = refused(&image, |tree| {
        for at in 0..200 {
            add(tree, tree.root(), format!("f{at}").as_bytes(), NodeKind::Fifo);
        }
    });
    assert!(matches!(error, Ext4PatchError::NoInodes { missing } if missing > 100), "{error}");
}

#[test]
fn a_damaged_base_is_refused() {
    let Some(image) = base(&["-t", "ext4"], 24 * MIB) else { return };
    run("debugfs", &["-w", "-R", "set_super_value free_blocks_count 7", image.path().to_str().unwrap()]);
    let error = refused(&image, |_| {});
    assert!(matches!(error, Ext4PatchError::Damaged { .. }), "{error}");
    run("debugfs", &["-w", "-R", "set_super_value state 2", image.path().to_str().unwrap()]);
    assert!(matches!(refused(&image, |_| {}), Ext4PatchError::State { state: 2 }));
}
