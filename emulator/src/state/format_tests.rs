//! The format of a region's folder: `tests/region_folder` contains one file of every kind. A folder of an
//! older version can be opened, and every record is written back byte for byte.

use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::table::Table;
use crate::state::State;
use crate::state::config::RegionConfig;

/// The files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { all.extend(files(&path)) } else { all.push(path) }
    }
    all
}

/// Writes every record of a table again and returns their number.
fn rewrite<T: Clone + Serialize + DeserializeOwned>(table: &Table<T>) -> usize {
    let all = table.all();
    for (name, record) in &all {
        table.put(name, T::clone(record)).unwrap();
    }
    all.len()
}

#[test]
fn every_record_of_an_older_folder_is_written_back_unchanged() {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/region_folder");
    let folder = tempfile::tempdir().unwrap();
    for source in files(&fixture) {
        let copy = folder.path().join(source.strip_prefix(&fixture).unwrap());
        std::fs::create_dir_all(copy.parent().unwrap()).unwrap();
        std::fs::copy(&source, copy).unwrap();
    }
    let state = State::open(RegionConfig::new(folder.path())).unwrap();
    assert!(state.accounts.key("OTHER").is_some());
    let region = state.region("local").unwrap();
    assert_eq!(rewrite(&region.settings), 1);
    assert_eq!(rewrite(&region.images), 3);
    assert_eq!(rewrite(&region.templates), 1);
    assert_eq!(rewrite(&region.instances), 1);
    assert_eq!(rewrite(&region.groups), 1);
    assert_eq!(rewrite(&region.sharing), 1);
    assert_eq!(rewrite(&region.store_tasks), 1);
    assert_eq!(rewrite(&region.allowed_images), 1);
    assert_eq!(rewrite(&region.tiers), 1);
    assert_eq!(rewrite(&region.locks), 1);
    assert_eq!(rewrite(&region.fast_restores), 1);
    assert_eq!(rewrite(&region.parameters), 1);
    assert_eq!(rewrite(&region.keys), 1);
    assert_eq!(rewrite(&region.aliases), 1);
    assert_eq!(rewrite(&region.object_store.buckets), 1);
    assert_eq!(rewrite(&region.object_store.objects), 1);
    assert_eq!(rewrite(&region.object_store.uploads), 1);
    let id = "snap-0123456789abcdef0";
    let map = region.snapshots.map(id).unwrap();
    assert_eq!(crate::sync::lock(&map).len(), 1);
    region.snapshots.edit(id, |_| Ok::<_, crate::error::Error>(())).unwrap().unwrap();
    let used_tokens = region.snapshots.find_start("123456789012", "spent").unwrap();
    assert_eq!(format!("{used_tokens:?}").matches("volume_size").count(), 1);
    drop(state);
    let mut compared = 0;
    for source in files(&fixture) {
        let copy = folder.path().join(source.strip_prefix(&fixture).unwrap());
        assert_eq!(std::fs::read(&copy).unwrap(), std::fs::read(&source).unwrap(), "{}", copy.display());
        compared += 1;
    }
    assert_eq!(compared, 26);
}
