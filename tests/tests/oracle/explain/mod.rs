//! What bytes of an image are said to be, judged by e2fsprogs and mtools; and where paths of a small image come from.

mod built;
mod commands;
mod foreign;

use std::path::Path;

use amiforge_tests::{explained, oracle, python};
use serde_json::Value;

/// Compares random bytes of an image with what tools of others find; gives the numbers of comparisons by kind.
fn judged(image: &Path, folder: &Path, count: usize, seed: u64) -> Option<Value> {
    if !oracle::ready(&["debugfs", "dumpe2fs", "mshowfat", "mtype"], false) {
        return None;
    }
    let python = python::with(&["json"])?;
    let samples = folder.join("samples.json");
    std::fs::write(&samples, serde_json::to_vec(&explained::sample(image, count, seed)).unwrap()).unwrap();
    let counts = python::must(&python, "explained.py", &[image, samples.as_path()]);
    println!("{counts}");
    Some(serde_json::from_str(&counts).unwrap())
}
