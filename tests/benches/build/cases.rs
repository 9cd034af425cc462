//! The cases: our build, the usual tools, and the floor.

use std::path::{Path, PathBuf};
use std::process::Command;

use amiforge_tests::{oracle, program};

use super::clock::{self, Sample};

/// The case that the others are compared with.
pub(crate) const FLOOR: &str = "cp of the tar";

/// A case that is measured.
pub(crate) struct Case {
    /// Its name in the table.
    pub(crate) name: &'static str,
    pub(super) run: Box<dyn Fn() -> Sample>,
}

impl Case {
    /// Runs it once and removes its output, which is not timed.
    pub(crate) fn run(&self) -> Sample {
        (self.run)()
    }
}

/// Every case whose tools are installed. `memory` and `disk` are work folders.
pub(crate) fn all(tar: &Path, memory: &Path, disk: &Path) -> Vec<Case> {
    let mut cases = vec![
        copy(tar, memory),
        bundle("amiforge build, memory to memory", &recipe(tar, Pinned::No), &memory.join("out")),
        bundle("amiforge build, memory to disk", &recipe(tar, Pinned::No), &disk.join("out")),
        bundle("amiforge build, the tar's sha256 given", &recipe(tar, Pinned::Yes), &memory.join("out")),
        ext4_alone(tar, memory),
        bundle("amiforge build, the root as erofs", &erofs_recipe(tar), &memory.join("out")),
    ];
    cases.extend(verify(tar, memory));
    if oracle::ready(&["tar", "mke2fs", "sgdisk", "mkfs.vfat", "mcopy"], true) {
        cases.push(by_hand(tar, memory));
    }
    if oracle::ready(&["mke2fs", "sgdisk", "mkfs.vfat", "mcopy"], false) && mke2fs_reads_tars(memory) {
        cases.push(mke2fs_from_tar(tar, memory));
    }
    if oracle::ready(&["tar", "mkfs.erofs"], true) {
        cases.push(mkfs_erofs(tar, memory));
    }
    cases
}

fn copy(tar: &Path, memory: &Path) -> Case {
    let (tar, to) = (tar.to_owned(), memory.join("copy"));
    let run = move || {
        let sample = clock::run(Command::new("cp").args([&tar, &to]));
        remove(&to);
        sample
    };
    Case { name: FLOOR, run: Box::new(run) }
}

/// Whether the recipe pins the digest of the tar, so that the build has to check it.
#[derive(Clone, Copy)]
pub(super) enum Pinned {
    No,
    Yes,
}

pub(super) fn recipe(tar: &Path, pinned: Pinned) -> PathBuf {
    let (name, pin) = match pinned {
        Pinned::No => ("toml", String::new()),
        Pinned::Yes => ("pinned.toml", format!("sha256 = \"{}\"\n", sha256(tar))),
    };
    let text = format!(
        "[image]\nname = \"bench\"\narch = \"x86_64\"\nepoch = \"2030-01-01T00:00:00Z\"\n\n\
         [disk]\nsize = \"minimal\"\n\n[[source]]\nkind = \"tar\"\npath = \"{}\"\n{pin}",
        tar.display()
    );
    let path = tar.with_extension(name);
    std::fs::write(&path, text).expect("the recipe can be written");
    path
}

/// The recipe with EROFS in place of ext4, and without an ESP.
fn erofs_recipe(tar: &Path) -> PathBuf {
    let text = std::fs::read_to_string(recipe(tar, Pinned::No)).expect("the recipe is there");
    let path = tar.with_extension("erofs.toml");
    let root = "\n[[partition]]\nrole = \"root\"\nfs = \"erofs\"\nsize = \"minimal\"\n";
    std::fs::write(&path, text + root).expect("the recipe can be written");
    path
}

fn sha256(file: &Path) -> String {
    let output = oracle::must("sha256sum", &[file]);
    output.split_whitespace().next().unwrap_or_default().to_owned()
}

pub(super) fn bundle(name: &'static str, recipe: &Path, out: &Path) -> Case {
    let (recipe, out) = (recipe.to_owned(), out.to_owned());
    let run = move || {
        let sample = clock::run(Command::new(program::path()).arg("build").arg(&recipe).arg("-o").arg(&out));
        remove(&out);
        sample
    };
    Case { name, run: Box::new(run) }
}

/// Tar to ext4 without partition table, digests and manifest: a mode of this benchmark program.
fn ext4_alone(tar: &Path, memory: &Path) -> Case {
    let (tar, to) = (tar.to_owned(), memory.join("root.ext4"));
    let run = move || {
        let own = std::env::current_exe().expect("the benchmark's own path");
        let sample = clock::run(Command::new(own).arg("--ext4").args([&tar, &to]));
        remove(&to);
        sample
    };
    Case { name: "the ext4 part alone, no digests", run: Box::new(run) }
}

/// Verification of a bundle, compared with the digest of its image alone.
fn verify(tar: &Path, memory: &Path) -> [Case; 2] {
    let out = memory.join("verified");
    let built =
        program::run(&["build", &recipe(tar, Pinned::No).to_string_lossy(), "-o", &out.to_string_lossy()]);
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let image = out.join("disk.raw");
    let ours = move || clock::run(Command::new(program::path()).arg("verify").arg(&out));
    let sum = move || clock::run(Command::new("sha256sum").arg(&image));
    [
        Case { name: "amiforge verify", run: Box::new(ours) },
        Case { name: "sha256sum of the image", run: Box::new(sum) },
    ]
}

/// The part of a script that joins an ESP and a root into a disk.
const JOIN: &str = "truncate -s 64M esp; mkfs.vfat -F 32 esp >/dev/null; mmd -i esp ::/EFI; \
    size=$(stat -c %s root); truncate -s $((size + 68157440)) disk; \
    sgdisk -n 1:2048:+64M -t 1:ef00 -n 2:0:0 -t 2:8304 disk >/dev/null; \
    dd if=esp of=disk bs=1M seek=1 conv=notrunc,sparse status=none; \
    dd if=root of=disk bs=1M seek=65 conv=notrunc,sparse status=none";

fn scripted(name: &'static str, script: String, memory: &Path) -> Case {
    let folder = memory.join("scripted");
    let run = move || {
        std::fs::create_dir(&folder).expect("a folder to work in");
        let sample = clock::script(&script, &folder);
        remove(&folder);
        sample
    };
    Case { name, run: Box::new(run) }
}

/// Size of a file system for the contents of a tar, with its tables and a journal, in MiB.
fn room(tar: &Path) -> u64 {
    let len = std::fs::metadata(tar).map_or(0, |file| file.len());
    (len >> 20) * 5 / 4 + 256
}

fn by_hand(tar: &Path, memory: &Path) -> Case {
    let (tar, room) = (tar.display(), room(tar));
    let script = format!(
        "mkdir tree; tar -xpf '{tar}' -C tree --numeric-owner --xattrs --xattrs-include='*'; \
         truncate -s {room}M root; mke2fs -q -t ext4 -F -d tree root; {JOIN}"
    );
    scripted("tar -x, mke2fs -d, sgdisk, mtools", script, memory)
}

fn mke2fs_from_tar(tar: &Path, memory: &Path) -> Case {
    let (tar, room) = (tar.display(), room(tar));
    let script = format!("truncate -s {room}M root; mke2fs -q -t ext4 -F -d '{tar}' root; {JOIN}");
    scripted("mke2fs -d of the tar, sgdisk, mtools", script, memory)
}

/// What other builders do for a read-only root, the file system alone.
fn mkfs_erofs(tar: &Path, memory: &Path) -> Case {
    let tar = tar.display();
    let script = format!(
        "mkdir tree; tar -xpf '{tar}' -C tree --numeric-owner --xattrs --xattrs-include='*'; \
         mkfs.erofs --quiet -T1700000000 root tree"
    );
    scripted("tar -x, mkfs.erofs", script, memory)
}

/// Whether mke2fs accepts a tar (since 1.47.1, when built with libarchive).
fn mke2fs_reads_tars(memory: &Path) -> bool {
    let script = "tar -cf empty.tar -T /dev/null; truncate -s 8M fs; mke2fs -q -F -d empty.tar fs";
    let folder = tempfile::tempdir_in(memory).expect("a folder to try in");
    let tried = Command::new("sh").args(["-ec", script]).current_dir(folder.path()).output();
    let reads = tried.is_ok_and(|output| output.status.success());
    if !reads {
        oracle::skip("this mke2fs reads no tar");
    }
    reads
}

fn remove(path: &Path) {
    let removed = if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
    removed.expect("what a case made can be removed");
}
