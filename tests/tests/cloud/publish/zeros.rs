//! The policy about blocks of zeros: what is left out is never missed, encrypted or not.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use amiforge_emulator::{
    ACCESS_KEY_ID, FaultScript, InjectedFault, SECRET_ACCESS_KEY, SnapshotVolume, UnwrittenView,
};
use amiforge_publish::api::Encryption;
use amiforge_publish::error::PublishError;
use amiforge_publish::upload::{LaterEncryption, ParentChoice, UploadOptions};
use amiforge_tests::oracle::Mounted;
use amiforge_tests::program::Bundle;
use amiforge_tests::region::Region;
use amiforge_tests::{oracle, python, scratch};

use super::bundles::{assert_holds, build, options, send, send_as};

/// Blocks of a kind that a manifest counts.
fn count(bundle: &Bundle, kind: &str) -> u64 {
    let blocks = bundle.manifest["blocks"].as_array().unwrap();
    let runs = blocks.iter().filter_map(|block| block.as_str().unwrap().strip_prefix(kind));
    runs.map(|run| run.parse::<u64>().unwrap()).sum()
}

#[test]
fn zeros_are_written_where_encryption_is_or_may_become_involved_and_free_blocks_never() {
    let folder = scratch::folder();
    let bundle = build(folder.path(), 1, 6);
    let opened = Bundle::open(&bundle);
    let (zeros, free) = (count(&opened, "zero*"), count(&opened, "free*"));
    assert!(zeros > 0 && free > 0, "the image has both kinds");
    let without = opened.manifest["ebs"]["without_zero"]["blocks"].as_u64().unwrap();
    let region = Region::start(&folder.path().join("region"));
    let plain = send(&region, &bundle).unwrap();
    assert_eq!((plain.written, plain.snapshot.encrypted), (without, false));
    for (options, encrypted) in [
        (UploadOptions { encryption: Encryption::DefaultKey, ..options(&bundle) }, true),
        (UploadOptions { later: LaterEncryption::MayBeEncrypted, ..options(&bundle) }, false),
    ] {
        std::fs::remove_dir_all(folder.path().join("web-1.publish")).unwrap();
        let safe = send_as(&region, &bundle, &options).unwrap();
        assert_eq!((safe.written, safe.snapshot.encrypted), (without + zeros, encrypted));
        assert_holds(&region, &safe.snapshot.id, &bundle, folder.path());
    }
}

#[test]
fn a_child_of_an_encrypted_snapshot_is_encrypted_and_gets_its_zeros() {
    let folder = scratch::folder();
    let old = build(folder.path(), 1, 6);
    let new = build(folder.path(), 2, 6);
    let region = Region::start(&folder.path().join("region"));
    let encrypted = UploadOptions { encryption: Encryption::DefaultKey, ..options(&old) };
    let parent = send_as(&region, &old, &encrypted).unwrap();
    let onto = UploadOptions { parent: Some(ParentChoice::Id(parent.snapshot.id)), ..options(&new) };
    let child = send_as(&region, &new, &onto).unwrap();
    assert!(child.snapshot.encrypted);
    assert!(child.sent <= 16, "{}", child.sent);
    assert_holds(&region, &child.snapshot.id, &new, folder.path());
}

/// The ext4 partition of a snapshot as a guest sees it on an encrypted volume: what was never written is garbage.
fn encrypted_root(folder: &Path, snapshot: &str, bundle: &Bundle) -> PathBuf {
    let volume =
        SnapshotVolume::open(&folder.join("region"), "local", snapshot, UnwrittenView::Encrypted).unwrap();
    let root = bundle.partition("ext4");
    let out = folder.join(format!("{snapshot}.ext4"));
    let file = File::create(&out).unwrap();
    for index in root.start >> 19..(root.start + root.len).div_ceil(1 << 19) {
        let block = volume.read(index as u32).unwrap();
        let start = index << 19;
        let from = root.start.saturating_sub(start) as usize;
        let to = (root.start + root.len - start).min(1 << 19) as usize;
        file.write_all_at(&block[from..to], start + from as u64 - root.start).unwrap();
    }
    out
}

/// Whether e2fsck finds nothing to mend.
fn clean(image: &Path) -> bool {
    oracle::run("e2fsck", &["-f", "-n", &image.to_string_lossy()]).status.success()
}

/// The content of a file, by debugfs.
fn content(image: &Path, path: &str) -> Vec<u8> {
    oracle::run("debugfs", &["-R", &format!("cat {path}"), &image.to_string_lossy()]).stdout
}

/// Holds the files of a volume that the kernel mounts against those of its tree.
fn mounts(root: &Path, tree: &Path, at: &Path) {
    if !oracle::ready(&["mount", "umount", "diff"], true) {
        return;
    }
    let mounted = Mounted::new(root, 0, fs::metadata(root).unwrap().len(), at);
    let (tree, at) = (tree.to_string_lossy(), at.to_string_lossy());
    oracle::must("diff", &["-r", "--no-dereference", "-x", "lost+found", "-x", "fstab", &tree, &at]);
    drop(mounted);
}

#[test]
fn an_encrypted_volume_is_whole_with_the_zero_policy_and_is_not_without() {
    if !oracle::ready(&["e2fsck", "debugfs"], false) {
        return;
    }
    let folder = scratch::folder();
    let path = build(folder.path(), 1, 6);
    let bundle = Bundle::open(&path);
    let region = Region::start(&folder.path().join("region"));
    for encryption in [Encryption::DefaultKey, Encryption::AsAccount] {
        let later = LaterEncryption::MayBeEncrypted;
        let safe = send_as(&region, &path, &UploadOptions { encryption, later, ..options(&path) }).unwrap();
        let root = encrypted_root(folder.path(), &safe.snapshot.id, &bundle);
        assert!(clean(&root));
        for file in ["etc/motd", "opt/zeros", "opt/noise"] {
            let expected = fs::read(folder.path().join("tree-1").join(file)).unwrap();
            assert!(content(&root, &format!("/{file}")) == expected, "{file} reads otherwise");
        }
        mounts(&root, &folder.path().join("tree-1"), &folder.path().join("mounted"));
        fs::remove_dir_all(folder.path().join("web-1.publish")).unwrap();
    }
    // That the check can fail: the same without the zeros.
    let bare = send(&region, &path).unwrap();
    let root = encrypted_root(folder.path(), &bare.snapshot.id, &bundle);
    let zeros = fs::read(folder.path().join("tree-1/opt/zeros")).unwrap();
    assert!(!clean(&root) || content(&root, "/opt/zeros") != zeros, "nothing was left out");
}

/// Makes the account encrypt whatever nobody says anything of.
fn encrypt_by_default(region: &Region, python: &Path) {
    let script = "import sys, boto3; \
                  boto3.client('ec2', region_name='local', endpoint_url=sys.argv[1]).enable_ebs_encryption_by_default()";
    let mut command = Command::new(python);
    command.args(["-c", script, &region.running.endpoint()]);
    command.env("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID).env("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY);
    assert!(command.status().unwrap().success());
}

#[test]
fn a_snapshot_that_turns_out_encrypted_after_its_start_gets_its_zeros_too() {
    let Some(python) = python::with(&["boto3"]) else { return };
    let folder = scratch::folder();
    let bundle = build(folder.path(), 1, 6);
    let region = Region::start(&folder.path().join("region"));
    encrypt_by_default(&region, &python);
    // Who may not ask what the account does by default learns it from the snapshot only.
    region.inject(FaultScript::times(u64::MAX, "GetEbsEncryptionByDefault", InjectedFault::NotFound));
    let sent = send(&region, &bundle).unwrap();
    assert!(sent.snapshot.encrypted);
    let manifest = Bundle::open(&bundle).manifest;
    assert_eq!(Some(sent.written), manifest["ebs"]["without_free"]["blocks"].as_u64());
    assert_holds(&region, &sent.snapshot.id, &bundle, folder.path());
}

#[test]
fn an_account_that_encrypts_by_default_gets_its_zeros_and_no_plain_parent() {
    let Some(python) = python::with(&["boto3"]) else { return };
    let folder = scratch::folder();
    let (old, new) = (build(folder.path(), 1, 4), build(folder.path(), 2, 4));
    let region = Region::start(&folder.path().join("region"));
    let plain = send(&region, &old).unwrap();
    encrypt_by_default(&region, &python);
    let named = ParentChoice::Id(plain.snapshot.id.clone());
    let refused =
        send_as(&region, &new, &UploadOptions { parent: Some(named), ..options(&new) }).unwrap_err();
    assert!(
        matches!(&refused, PublishError::Parent { parent, .. } if *parent == plain.snapshot.id),
        "{refused}"
    );
    let newest = UploadOptions { parent: Some(ParentChoice::Newest), ..options(&new) };
    let sent = send_as(&region, &new, &newest).unwrap();
    assert!(sent.snapshot.encrypted && sent.parent.is_none());
    let manifest = Bundle::open(&new).manifest;
    assert_eq!(Some(sent.written), manifest["ebs"]["without_free"]["blocks"].as_u64());
}
