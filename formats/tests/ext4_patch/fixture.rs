//! Bases made by mke2fs and by the kernel, patches written to files, and their judges.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use amiforge_formats::dump;
use amiforge_formats::ext4::patch::{Ext4Patch, Ext4PatchOptions, patch};
use amiforge_formats::plan::{Data, SourceId, Sources};
use amiforge_formats::read_at::ReadAt;
use amiforge_formats::time::Time;
use amiforge_formats::tree::{NodeKind, Tree};
use amiforge_formats::volume::FsKind;

use super::fixtures::{Pattern, run};
use super::folder;

/// The source of the base's bytes.
pub(crate) const BASE: SourceId = SourceId(7);

pub(crate) fn options() -> Ext4PatchOptions {
    Ext4PatchOptions { time: Time::from_secs(1_760_000_000), seed: 42, erase: false }
}

/// A file as a medium, with its holes.
pub(crate) struct Medium(pub(crate) File, pub(crate) u64);

impl Medium {
    pub(crate) fn open(path: &Path) -> Self {
        let file = File::open(path).unwrap();
        let len = file.metadata().unwrap().len();
        Self(file, len)
    }
}

impl ReadAt for Medium {
    fn size(&self) -> u64 {
        self.1
    }

    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(buf, offset)
    }

    fn data_from(&self, from: u64, to: u64) -> io::Result<Option<std::ops::Range<u64>>> {
        let seek = |at| rustix::fs::seek(&self.0, at);
        match seek(rustix::fs::SeekFrom::Data(from)) {
            Ok(start) if start < to => Ok(Some(start..seek(rustix::fs::SeekFrom::Hole(start))?.min(to))),
            Ok(_) | Err(rustix::io::Errno::NXIO) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// The base, and patterns for everything else.
pub(crate) struct TestSources<'a>(pub(crate) &'a Medium);

impl Sources for TestSources<'_> {
    fn read_exact_at(&self, source: SourceId, at: u64, buf: &mut [u8]) -> io::Result<()> {
        if source == BASE { self.0.read_exact_at(at, buf) } else { Pattern.read_exact_at(source, at, buf) }
    }
}

/// Writes a patch to a file, and checks that it differs from the base only where it says so.
pub(crate) fn write(base: &Medium, patch: &Ext4Patch) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new_in(scratch()).unwrap();
    file.as_file().set_len(patch.plan.len()).unwrap();
    let mut buf = vec![0; 1 << 20];
    for extent in patch.plan.extents().iter().filter(|e| !matches!(e.data, Data::Zero | Data::Free)) {
        let mut at = extent.offset;
        while at < extent.end() {
            let len = (extent.end() - at).min(1 << 20) as usize;
            patch.plan.read_exact_at(&TestSources(base), at, &mut buf[..len]).unwrap();
            file.as_file().write_all_at(&buf[..len], at).unwrap();
            at += len as u64;
        }
    }
    let mut at = 0;
    for range in patch.changed.iter().cloned().chain(std::iter::once(patch.plan.len()..patch.plan.len())) {
        for part in (at..range.start).step_by(1 << 20) {
            let len = (range.start - part).min(1 << 20) as usize;
            let (mut old, mut new) = (vec![0; len], vec![0; len]);
            base.read_exact_at(part, &mut old).unwrap();
            file.as_file().read_exact_at(&mut new, part).unwrap();
            assert!(old == new, "bytes {part}.. differ and are not among the changes");
        }
        at = range.end;
    }
    file
}

/// Where images are made: memory, where there is some.
pub(crate) fn scratch() -> &'static Path {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { memory } else { Path::new("/tmp") }
}

/// Whether this user may mount and make devices.
pub(crate) fn may_mount() -> bool {
    let root = rustix::process::geteuid().is_root();
    assert!(root || std::env::var_os("REQUIRE_ORACLES").is_none(), "the kernel's mount needs root");
    if !root {
        println!("SKIP: the kernel's mount needs root");
    }
    root
}

/// Mounts an image, gives the folder to `then`, and unmounts it.
pub(crate) fn mounted<T>(image: &Path, options: &str, then: impl FnOnce(&Path) -> T) -> T {
    let at = tempfile::tempdir().unwrap();
    let (image, folder) = (image.to_str().unwrap(), at.path().to_str().unwrap());
    let (ok, text) = run("mount", &["-t", "ext4", "-o", options, image, folder]).unwrap();
    assert!(ok, "{text}");
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| then(at.path())));
    // Others that look at new mounts may have it open for a moment.
    let gone = (0..50).any(|_| {
        let (ok, _) = run("umount", &[folder]).unwrap();
        if !ok {
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        ok
    });
    assert!(gone, "{folder} cannot be unmounted");
    result.unwrap_or_else(|error| std::panic::resume_unwind(error))
}

/// An image of `len` bytes by mke2fs with these arguments, holding a tree.
pub(crate) fn made(tree: &Tree, args: &[&str], len: u64) -> Option<tempfile::NamedTempFile> {
    let folder = tempfile::tempdir_in(scratch()).unwrap();
    folder::write(tree, &Pattern, folder.path());
    let image = tempfile::NamedTempFile::new_in(scratch()).unwrap();
    image.as_file().set_len(len).unwrap();
    let (from, to) = (folder.path().to_str().unwrap(), image.path().to_str().unwrap());
    let all = [&["-q", "-F", "-d", from], args, &[to]].concat();
    let (ok, text) = run("mke2fs", &all)?;
    assert!(ok, "mke2fs {args:?}: {text}");
    Some(image)
}

/// Runs e2fsck, which may not find a word to say.
pub(crate) fn judge(image: &Path) {
    let Some((ok, text)) = run("e2fsck", &["-fn", image.to_str().unwrap()]) else { return };
    let passes = ["e2fsck ", "Pass "];
    let summary = |line: &str| line.contains(" files (") && line.contains(" blocks");
    let odd: Vec<&str> = text
        .lines()
        .filter(|line| {
            !line.is_empty() && !summary(line) && !passes.iter().any(|word| line.starts_with(word))
        })
        .collect();
    assert!(ok && odd.is_empty(), "{text}");
}

/// Patches, and has e2fsck, the kernel and our reader judge the outcome.
pub(crate) fn amended(base: &Path, tree: &Tree) -> (Ext4Patch, tempfile::NamedTempFile) {
    let medium = Medium::open(base);
    let sources = TestSources(&medium);
    let patched = patch(&medium, BASE, 0, tree, &sources, &options()).unwrap_or_else(|error| {
        let source = std::error::Error::source(&error).map(ToString::to_string);
        panic!("{error}: {source:?}")
    });
    let again = patch(&medium, BASE, 0, tree, &sources, &options()).unwrap();
    assert!(patched.plan == again.plan, "two patches differ");
    let image = write(&medium, &patched);
    judge(image.path());
    let read = FsKind::Ext4.format().read(&Medium::open(image.path()), SourceId(0)).unwrap();
    assert_same(&read.tree.unwrap(), &Medium::open(image.path()), tree, &sources, "our reader");
    if may_mount() {
        let seen = mounted(image.path(), "loop,ro", folder::read);
        assert_same(&seen, &Medium::open(image.path()), tree, &sources, "the kernel");
    }
    (patched, image)
}

/// Patches with erasure: e2fsck judges, and nothing is below the files that was not there before. What was there may be
/// less, because new files take its blocks.
pub(crate) fn erased(base: &Path, tree: &Tree) {
    let medium = Medium::open(base);
    let options = Ext4PatchOptions { erase: true, ..options() };
    let patched = patch(&medium, BASE, 0, tree, &TestSources(&medium), &options).unwrap();
    let image = write(&medium, &patched);
    judge(image.path());
    let survey = |medium: &Medium| FsKind::Ext4.format().residue(medium).unwrap();
    let before: Vec<_> = survey(&medium).iter().map(|one| one.offset..one.offset + one.len).collect();
    let after = Medium::open(image.path());
    for one in survey(&after) {
        // Zeros between two remains make one of them, so single bytes are compared.
        let bytes = one.sample(&after, usize::MAX).unwrap();
        let is_new = |at: &u64| !before.iter().any(|old| old.contains(at));
        let new = (one.offset..).zip(&bytes).filter(|(_, byte)| **byte != 0).map(|(at, _)| at).find(is_new);
        assert_eq!(new, None, "left by the amendment: {one:?}");
    }
}

/// Compares two trees with their contents.
fn assert_same(seen: &Tree, image: &Medium, wanted: &Tree, sources: &dyn Sources, who: &str) {
    struct Image<'a>(&'a Medium);
    impl Sources for Image<'_> {
        fn read_exact_at(&self, _: SourceId, at: u64, buf: &mut [u8]) -> io::Result<()> {
            self.0.read_exact_at(at, buf)
        }
    }
    let text = |tree: &Tree| {
        let mut text = String::new();
        dump::write(tree, &mut text).unwrap();
        text
    };
    let (found, expected) = (text(seen), text(wanted));
    let differs = found.lines().zip(expected.lines()).find(|(a, b)| a != b);
    assert!(
        found == expected,
        "{who}: {differs:?}, {} for {} lines",
        found.lines().count(),
        expected.lines().count()
    );
    for entry in wanted.walk() {
        let NodeKind::File(content) = &wanted.node(entry.id).kind else { continue };
        let Some(NodeKind::File(own)) = seen.lookup(&entry.path).map(|id| &seen.node(id).kind) else {
            panic!()
        };
        let (mut a, mut b) = (vec![0; content.len() as usize], vec![0; content.len() as usize]);
        content.read_at(sources, 0, &mut a).unwrap();
        own.read_at(&Image(image), 0, &mut b).unwrap();
        assert!(a == b, "{who}: the content of {}", String::from_utf8_lossy(&entry.path));
    }
}

/// How the writer lays a tree out, for comparison.
pub(crate) fn layout_options() -> amiforge_formats::ext4::write::Ext4Options {
    amiforge_formats::ext4::write::Ext4Options {
        uuid: amiforge_formats::guid::Guid::from_u128(0x1111_1111_2222_3333_4444_5555_5555_5555),
        hash_seed: amiforge_formats::guid::Guid::from_u128(0x9999_9999_2222_3333_4444_5555_5555_5555),
        label: "root".into(),
        time: Time::from_secs(1_700_000_000),
        journal: amiforge_formats::ext4::write::JournalSize::Auto,
        reserved: 500,
    }
}
