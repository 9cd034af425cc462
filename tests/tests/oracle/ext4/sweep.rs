//! Every field of every structure, changed: what e2fsck finds, the checker finds.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use amiforge_formats::ext4::check::check;
use amiforge_formats::ext4::read::{FileSystem, INDEX_FL, open};
use amiforge_tests::{oracle, scratch};

use super::corpus;
use super::patch::{Guard, Image};

/// Bytes whose fields are changed one after the other.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    name: String,
    at: usize,
    len: usize,
    guard: Guard,
}

/// A small image with every structure: index, extent tree, attributes, backups, journal.
pub(crate) fn image(scratch: &Path) -> (std::path::PathBuf, Vec<u8>) {
    let root = scratch.join("root");
    fs::create_dir(&root).unwrap();
    corpus::fill(&root);
    let options =
        &["-t", "ext4", "-b", "1024", "-O", "orphan_file", "-E", "lazy_itable_init=0", "-N", "1536"];
    let path = corpus::make(&("sweep", options, "20M"), &root, scratch).unwrap();
    corpus::index_directories(&path);
    let bytes = fs::read(&path).unwrap();
    (path, bytes)
}

/// Whether the host could give the files attributes in inodes and blocks.
pub(crate) fn has_attributes(file_system: &FileSystem<'_, Vec<u8>>) -> bool {
    ["empty", "usr/bin/odd"].iter().all(|path| {
        let number = file_system.inode_of(path.as_bytes()).unwrap().unwrap();
        file_system.inode(number).unwrap().xattr_block != 0
    })
}

fn target(name: &str, at: u64, len: usize, guard: Guard) -> Target {
    Target { name: name.to_owned(), at: at as usize, len, guard }
}

/// The structures that hang on an inode.
fn of_inode(file_system: &FileSystem<'_, Vec<u8>>, path: &str, targets: &mut Vec<Target>) {
    // Only root makes devices.
    let Some(number) = file_system.inode_of(path.as_bytes()).unwrap() else { return };
    let inode = file_system.inode(number).unwrap();
    let superblock = file_system.superblock();
    targets.push(target(&format!("inode of {path}"), inode.offset, 256, Guard::Inode(number)));
    if inode.xattr_block != 0 {
        let at = superblock.offset_of(inode.xattr_block);
        targets.push(target(&format!("attributes of {path}"), at, 96, Guard::Attributes(at)));
    }
    let Ok(mapping) = file_system.mapping(&inode) else { return };
    if let Some(block) = mapping.nodes.first() {
        let at = superblock.offset_of(*block);
        targets.push(target(&format!("extents of {path}"), at, 48, Guard::Extents(number, at)));
    }
    if inode.mode >> 12 != 4 {
        return;
    }
    let at = superblock.offset_of(mapping.find(0).unwrap());
    if inode.is(INDEX_FL) {
        targets.push(target(&format!("index of {path}"), at, 56, Guard::Index(number, at, 0x20)));
        let leaf = superblock.offset_of(mapping.find(1).unwrap());
        targets.push(target(&format!("leaf of {path}"), leaf, 48, Guard::Leaf(number, leaf)));
    } else {
        targets.push(target(&format!("block of {path}"), at, 72, Guard::Leaf(number, at)));
    }
}

fn targets(bytes: &Vec<u8>) -> Vec<Target> {
    let file_system = open(bytes).unwrap();
    let superblock = file_system.superblock();
    let mut targets = vec![target("superblock", 1024, 0x290, Guard::Superblock(1024))];
    for (group, described) in file_system.groups().iter().enumerate().take(2) {
        let guard = Guard::Descriptor(group as u32, described.offset);
        targets.push(target(&format!("descriptor {group}"), described.offset, 64, guard));
    }
    let described = &file_system.groups()[0];
    let at = superblock.offset_of(described.block_bitmap);
    targets.push(target("block bitmap", at + 500, 24, Guard::BlockBitmap(0)));
    let at = superblock.offset_of(described.inode_bitmap);
    targets.push(target("inode bitmap", at, 8, Guard::InodeBitmap(0)));
    targets.push(target("inode bitmap's padding", at + 1000, 8, Guard::None));
    let paths = [
        "",
        "lost+found",
        "small",
        "sparse",
        "pieces",
        "short",
        "long",
        "null",
        "pipe",
        "many",
        "usr",
        "usr/bin",
        "usr/bin/odd",
        "empty",
    ];
    for path in paths {
        of_inode(&file_system, path, &mut targets);
    }
    for number in [1, 3, 7, 8, superblock.orphan_file_inode, superblock.inodes] {
        let at = file_system.inode_offset(number).unwrap();
        targets.push(target(&format!("inode {number}"), at, 160, Guard::Inode(number)));
    }
    let resize = file_system.inode_offset(7).unwrap() as usize;
    let double = u64::from(u32::from_le_bytes(bytes[resize + 92..resize + 96].try_into().unwrap()));
    targets.push(target("double-indirect block", superblock.offset_of(double), 24, Guard::None));
    let reserved = u64::from(superblock.first_data_block) + 1 + u64::from(superblock.descriptor_blocks());
    targets.push(target("reserved block", superblock.offset_of(reserved), 24, Guard::None));
    let journal = file_system.inode(8).unwrap();
    let journal = file_system.mapping(&journal).unwrap().find(0).unwrap();
    targets.push(target("journal", superblock.offset_of(journal), 0x50, Guard::None));
    let orphans = file_system.inode(superblock.orphan_file_inode).unwrap();
    let orphans = superblock.offset_of(file_system.mapping(&orphans).unwrap().find(0).unwrap());
    targets.push(target("orphan file", orphans, 8, Guard::None));
    targets.push(target("orphan file's tail", orphans + 1016, 8, Guard::None));
    targets
}

/// What both said of a change.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Agree,
    /// e2fsck found something, the checker nothing.
    Missed(String),
    /// The checker found something, e2fsck nothing.
    Stricter(String),
}

fn judge(image: &Image, path: &Path) -> Verdict {
    let (clean, text) = corpus::e2fsck(path);
    let ours = match check(&image.bytes) {
        Ok(report) => report
            .findings
            .iter()
            .find(|finding| finding.severity == amiforge_formats::ext4::check::CheckSeverity::Error)
            .map(ToString::to_string),
        Err(error) => Some(error.to_string()),
    };
    match (clean, ours) {
        (false, None) => {
            let lines =
                text.lines().filter(|line| !line.starts_with("Pass ") && !line.starts_with("e2fsck 1"));
            Verdict::Missed(lines.filter(|line| !line.is_empty()).take(2).collect::<Vec<_>>().join(" / "))
        }
        (true, Some(finding)) => Verdict::Stricter(finding),
        _ => Verdict::Agree,
    }
}

/// Changes one word and judges; the file is as before afterwards.
fn change(sound: &Image, path: &Path, target: &Target, at: usize, word: u16) -> Option<Verdict> {
    let mut image = sound.clone();
    image.put(at, &word.to_le_bytes());
    image.repair(target.guard);
    let block = 1024;
    let changed = (0..image.bytes.len() / block).map(|block_at| block_at * block..(block_at + 1) * block);
    let changed: Vec<_> =
        changed.filter(|range| image.bytes[range.clone()] != sound.bytes[range.clone()]).collect();
    if changed.is_empty() {
        return None;
    }
    let file = OpenOptions::new().write(true).open(path).unwrap();
    for range in &changed {
        file.write_all_at(&image.bytes[range.clone()], range.start as u64).unwrap();
    }
    let verdict = judge(&image, path);
    if let Ok(file_system) = open(&image.bytes) {
        let _ = file_system.tree(amiforge_formats::plan::SourceId(0));
    }
    for range in &changed {
        file.write_all_at(&sound.bytes[range.clone()], range.start as u64).unwrap();
    }
    Some(verdict)
}

/// Goes through all targets, on all cores, and gives the changes that only e2fsck found.
fn sweep(words: fn(u16) -> Vec<u16>) -> Vec<String> {
    let scratch = scratch::folder();
    let (path, bytes) = image(scratch.path());
    let targets = targets(&bytes);
    let sound = Image::new(&bytes);
    assert_eq!(judge(&sound, &path), Verdict::Agree);
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(8);
    let (next, missed) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let agreed = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let path = scratch.path().join(format!("copy-{thread}.img"));
            fs::write(&path, &sound.bytes).unwrap();
            let (next, missed, targets, sound, agreed) = (&next, &missed, &targets, &sound, &agreed);
            scope.spawn(move || {
                while let Some(target) = targets.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let found = one(sound, &path, target, words, agreed);
                    missed.lock().unwrap().extend(found);
                }
            });
        }
    });
    eprintln!("agreed on {} changes", agreed.into_inner());
    missed.into_inner().unwrap()
}

/// Changes every word of one target.
fn one(
    sound: &Image,
    path: &Path,
    target: &Target,
    words: fn(u16) -> Vec<u16>,
    agreed: &AtomicUsize,
) -> Vec<String> {
    let mut missed = Vec::new();
    for at in (target.at..target.at + target.len).step_by(2) {
        let before = sound.u16(at);
        for word in words(before).into_iter().filter(|word| *word != before) {
            let Some(verdict) = change(sound, path, target, at, word) else { continue };
            let place = format!("{} +{:#x}: {before:#06x} to {word:#06x}", target.name, at - target.at);
            match verdict {
                Verdict::Agree => {
                    agreed.fetch_add(1, Ordering::Relaxed);
                }
                Verdict::Missed(text) => missed.push(format!("{place}: {text}")),
                Verdict::Stricter(text) => eprintln!("stricter: {place}: {text}"),
            }
        }
    }
    missed
}

#[test]
fn what_e2fsck_finds_the_checker_finds() {
    if oracle::ready(&["mke2fs", "e2fsck"], false) {
        let missed = sweep(|word| vec![word ^ 1]);
        assert!(missed.is_empty(), "{missed:#?}");
    }
}

#[test]
#[ignore = "takes minutes; the same with more values for every field"]
fn what_e2fsck_finds_the_checker_finds_for_more_values() {
    if oracle::ready(&["mke2fs", "e2fsck"], false) {
        let missed =
            sweep(|word| vec![word ^ 2, word ^ 0x100, word ^ 0x8000, word.wrapping_add(3), 0, 0xffff]);
        assert!(missed.is_empty(), "{missed:#?}");
    }
}

#[test]
#[ignore = "writes into the repository: seeds for the fuzz target"]
fn seeds_for_the_fuzz_target_are_written() {
    if !oracle::ready(&["mke2fs"], false) {
        return;
    }
    let corpus = scratch::repository().join("fuzz/corpus/ext4");
    fs::create_dir_all(&corpus).unwrap();
    let scratch = scratch::folder();
    let root = scratch.path().join("root");
    fs::create_dir_all(root.join("a/b")).unwrap();
    fs::write(root.join("a/file"), vec![1; 3000]).unwrap();
    std::os::unix::fs::symlink("f".repeat(80), root.join("link")).unwrap();
    for number in 0..60 {
        fs::write(root.join(format!("a/b/{number}-{}", "n".repeat(20))), b"").unwrap();
    }
    let options: [&[&str]; 3] = [
        &["-t", "ext4", "-b", "1024", "-N", "96", "-O", "^has_journal,^resize_inode"],
        &["-t", "ext4", "-b", "1024", "-N", "96", "-O", "^has_journal,^metadata_csum"],
        &["-t", "ext2", "-b", "1024", "-N", "96", "-I", "128"],
    ];
    for (number, options) in options.iter().enumerate() {
        let path = corpus::make(&("seed", options, "320k"), &root, scratch.path()).unwrap();
        corpus::index_directories(&path);
        let mut seed = vec![number as u8];
        seed.extend(fs::read(path).unwrap());
        fs::write(corpus.join(format!("seed-{number}")), seed).unwrap();
    }
}
