use amiforge_formats::digest::Digest;
use amiforge_image::bundle::BundleError;

use super::*;

/// Files with their contents below a folder, sorted, without the lock file of the update.
fn files(folder: &Path) -> Vec<(String, String)> {
    let mut all = Vec::new();
    let mut stack = vec![folder.to_owned()];
    while let Some(folder) = stack.pop() {
        for name in names(&folder).unwrap() {
            let path = folder.join(&name);
            if path.is_dir() {
                stack.push(path);
            } else if name != "lock" {
                all.push((path.display().to_string(), fs::read_to_string(&path).unwrap()));
            }
        }
    }
    let prefix = format!("{}/", folder.display());
    let mut all: Vec<_> = all.into_iter().map(|(path, text)| (path.replace(&prefix, ""), text)).collect();
    all.sort();
    all
}

fn write(path: &Path, text: &str) {
    fs::create_dir_all(parent(path)).unwrap();
    fs::write(path, text).unwrap();
}

/// An old version and a staged one.
fn staged(folder: &Path) -> StagedUpdate {
    write(&folder.join("recipe.lock"), "old");
    write(&folder.join("web/manifest.json"), "old");
    write(&folder.join("web/disk.raw"), "old");
    write(&folder.join("web.boot.json"), "old");
    write(&folder.join("web.publish/local/snap-1.manifest.json"), "old");
    write(&folder.join("web.publish/local-2/journal"), "");
    let staged = StagedUpdate::open(&folder.join("recipe.toml"), &folder.join("web")).unwrap();
    staged.copy_parent_manifests("local").unwrap();
    write(&staged.next_lock(), "new");
    write(&staged.bundle().join("manifest.json"), "new");
    write(&staged.bundle().join("disk.raw"), "new");
    write(&with_suffix(&staged.bundle(), ".boot.json"), "new");
    write(&with_suffix(&staged.bundle(), ".publish").join("local/snap-2.manifest.json"), "new");
    write(&with_suffix(&staged.bundle(), ".publish").join("local/ami/notes.json"), "{}");
    staged
}

fn committed() -> Vec<(String, String)> {
    let all = [
        ("recipe.lock", "new"),
        ("web.boot.json", "new"),
        ("web.publish/local-2/journal", ""),
        ("web.publish/local/ami/notes.json", "{}"),
        ("web.publish/local/snap-1.manifest.json", "old"),
        ("web.publish/local/snap-2.manifest.json", "new"),
        ("web/disk.raw", "new"),
        ("web/manifest.json", "new"),
    ];
    all.map(|(path, text)| (path.to_owned(), text.to_owned())).to_vec()
}

#[test]
fn a_commit_replaces_lock_bundle_receipt_and_ledger_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    staged(folder.path()).commit().unwrap();
    assert_eq!(files(folder.path()), committed());
    assert!(!folder.path().join("web.update").exists());
}

#[test]
fn a_commit_that_was_cut_off_anywhere_is_completed_by_the_next_update() {
    // Each step is prepared by hand as a kill would leave it.
    type Step = fn(&StagedUpdate);
    let steps: [Step; 5] = [
        |staged| staged.move_publishes().unwrap(),
        |staged| staged.exchange_bundles(&Digest::of(b"new").to_string()).unwrap(),
        |staged| staged.move_receipt(true).unwrap(),
        |staged| move_file(&staged.next_lock(), &staged.lock).unwrap(),
        |staged| remove_tree(&staged.bundle()).unwrap(),
    ];
    for done in 0..=steps.len() {
        let folder = tempfile::tempdir().unwrap();
        let staged = staged(folder.path());
        let commit = Commit { schema: SCHEMA, manifest: Digest::of(b"new").to_string(), receipt: true };
        write(&staged.folder().join(COMMIT), &serde_json::to_string(&commit).unwrap());
        for step in &steps[..done] {
            step(&staged);
        }
        drop(staged);
        let next =
            StagedUpdate::open(&folder.path().join("recipe.toml"), &folder.path().join("web")).unwrap();
        assert!(next.resumed_commit());
        next.discard().unwrap();
        assert_eq!(files(folder.path()), committed(), "{done} steps");
    }
}

#[test]
fn a_discarded_update_leaves_the_old_version() {
    let folder = tempfile::tempdir().unwrap();
    let staged = staged(folder.path());
    let before: Vec<_> =
        files(folder.path()).into_iter().filter(|(_, text)| text == "old" || text.is_empty()).collect();
    staged.discard().unwrap();
    let after = files(folder.path());
    assert_eq!(
        after,
        before.into_iter().filter(|(path, _)| !path.starts_with("web.update")).collect::<Vec<_>>()
    );
    assert!(!folder.path().join("web.update").exists());
}

#[test]
fn two_updates_of_one_bundle_exclude_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let _first = staged(folder.path());
    let second = StagedUpdate::open(&folder.path().join("recipe.toml"), &folder.path().join("web"));
    assert!(matches!(second, Err(StagedError::Folder(FolderError::Busy { .. }))), "{second:?}");
}

#[test]
fn the_first_version_needs_no_old_one_and_a_foreign_folder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (recipe, out) = (folder.path().join("recipe.toml"), folder.path().join("out/web"));
    let staged = StagedUpdate::open(&recipe, &out).unwrap();
    write(&staged.next_lock(), "new");
    write(&staged.bundle().join("manifest.json"), "new");
    staged.commit().unwrap();
    let all = [("out/web/manifest.json", "new"), ("recipe.lock", "new")];
    assert_eq!(files(folder.path()), all.map(|(path, text)| (path.to_owned(), text.to_owned())));
    write(&out.join("notes"), "mine");
    let refused = StagedUpdate::open(&recipe, &out);
    assert!(matches!(refused, Err(StagedError::Bundle(BundleError::NotABundle { .. }))), "{refused:?}");
}
