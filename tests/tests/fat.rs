//! FAT32 volumes: fsck.fat, mtools and the crate `fatfs` agree with what we write, and we with what they write.
#![expect(clippy::unwrap_used, reason = "a test's own steps must not fail")]

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use amiforge_formats::fat::{check, read, write};
use amiforge_formats::plan::{Data, Plan, SourceId};
use amiforge_formats::read_at::ReadAt;
use amiforge_formats::time::Time;
use amiforge_formats::tree::{Content, NodeKind, Origin, Tree};
use amiforge_tests::{oracle, scratch, volume};
use proptest::prelude::*;

const MIB: u64 = 1 << 20;

fn options() -> write::FatOptions {
    write::FatOptions {
        volume_id: 0xa1b2_c3d4,
        label: "ESP".to_owned(),
        time: Time::from_secs(1_700_000_000),
        hidden_sectors: 2048,
    }
}

/// Names of every sort that FAT tells apart, a file over several clusters, an empty one, deep and long directories.
fn esp() -> Vec<(String, Vec<u8>)> {
    let long = format!("{}.txt", "long name ".repeat(24));
    let mut files: Vec<(String, Vec<u8>)> = [
        ("EFI/BOOT/BOOTX64.EFI", 300_000),
        ("EFI/Linux/amiforge-1.2.3+4.efi", 1_234_567),
        ("loader/loader.conf", 20),
        ("loader/entries/a.conf", 0),
        ("loader/entries/b.conf", 512),
        ("lower.txt", 513),
        ("UPPER.txt", 1),
        ("Übergröße.ini", 3),
        ("日本語/ファイル", 9),
        (".hidden", 4),
        ("no extension at all", 4096),
    ]
    .into_iter()
    .map(|(path, len)| (path.to_owned(), (0..len).map(|at| (at * 7 + len) as u8).collect()))
    .collect();
    files.push((long, vec![1; 10]));
    files.extend((0..40).map(|n| (format!("many/file number {n:03}.data"), vec![n as u8; n])));
    files.push(("d/".repeat(20) + "deep", vec![9; 2000]));
    files
}

fn tree_of(files: &[(String, Vec<u8>)]) -> Tree {
    let files: Vec<(&str, Vec<u8>)> =
        files.iter().map(|(path, bytes)| (path.as_str(), bytes.clone())).collect();
    volume::tree(&files, 1_700_000_000)
}

/// The bytes of every file of a tree whose slices lie in `image`, and every directory without.
fn contents(tree: &Tree, image: &dyn ReadAt) -> BTreeMap<String, Option<Vec<u8>>> {
    let of = |content: &Content| {
        let mut bytes = vec![0; content.len() as usize];
        for segment in content.segments() {
            let part = &mut bytes[segment.offset as usize..(segment.offset + segment.len) as usize];
            match segment.origin {
                Origin::Inline { bytes, at } => part.copy_from_slice(&bytes[at..at + part.len()]),
                Origin::Slice { at, .. } => image.read_exact_at(at, part).unwrap(),
            }
        }
        bytes
    };
    let entry = |entry: amiforge_formats::tree::WalkEntry| {
        let bytes = match &tree.node(entry.id).kind {
            NodeKind::File(content) => Some(of(content)),
            _ => None,
        };
        (String::from_utf8(entry.path).unwrap(), bytes)
    };
    tree.walk().map(entry).collect()
}

fn assert_same(tree: &Tree, image: &[u8]) {
    let (none, image) = (Vec::new(), &image);
    let read = read::read(image, SourceId(0), 0).unwrap();
    assert_eq!(contents(&read.tree, image), contents(tree, &none));
    for (a, b) in read.tree.walk().zip(tree.walk()).skip(1) {
        assert_eq!(read.tree.node(a.id).meta.mtime, tree.node(b.id).meta.mtime);
    }
    assert_eq!(check::check(image).unwrap(), []);
}

fn plan(tree: &Tree, len: u64) -> Plan {
    write::plan(tree, &options(), len).unwrap()
}

fn fsck(path: &Path) {
    let said = oracle::must("fsck.fat", &["-n", "-v", &path.to_string_lossy()]);
    for word in ["differ", "ncorrect", "nvalid", "mismatch", "Dirty"] {
        assert!(!said.contains(word), "{said}");
    }
}

#[test]
fn our_reader_gives_back_the_tree_over_garbage() {
    let tree = tree_of(&esp());
    for len in [40 * MIB, 64 * MIB + 512, 300 * MIB] {
        assert_same(&tree, &volume::bytes(&plan(&tree, len), 0xaa));
    }
    assert_same(&volume::tree(&[], 0), &volume::bytes(&plan(&volume::tree(&[], 0), 34 * MIB), 0xff));
}

#[test]
fn fsck_finds_nothing() {
    if !oracle::ready(&["fsck.fat"], false) {
        return;
    }
    let folder = scratch::folder();
    let path = folder.path().join("esp");
    let tree = tree_of(&esp());
    for len in [33 * MIB + 512 * 1024, 64 * MIB, 260 * MIB, 300 * MIB] {
        volume::write(&plan(&tree, len), &path, 0x5a);
        fsck(&path);
    }
    for len in [9000 * MIB, 17_000 * MIB, 40_000 * MIB] {
        volume::write(&plan(&tree, len), &path, 0);
        fsck(&path);
    }
}

#[test]
fn clusters_are_as_large_as_mkfs_makes_them() {
    if !oracle::ready(&["mkfs.fat"], false) {
        return;
    }
    let folder = scratch::folder();
    let path = folder.path().join("volume");
    let empty = volume::tree(&[], 0);
    for mib in [64, 260, 261, 8192, 8193, 16384, 16385, 32768, 32769] {
        std::fs::File::create(&path).unwrap().set_len(mib * MIB).unwrap();
        oracle::must("mkfs.fat", &["-F", "32", &path.to_string_lossy()]);
        let mut boot = [0; 512];
        std::fs::File::open(&path).unwrap().read_exact(&mut boot).unwrap();
        let mut ours = [0; 512];
        plan(&empty, mib * MIB).read_exact_at(&amiforge_formats::plan::NoSources, 0, &mut ours).unwrap();
        assert_eq!(ours[13], boot[13], "{mib} MiB");
    }
}

#[test]
fn mtools_read_every_byte() {
    if !oracle::ready(&["mcopy", "minfo", "mdir", "mlabel"], false) {
        return;
    }
    let folder = scratch::folder();
    let (path, out) = (folder.path().join("esp"), folder.path().join("out"));
    let files = esp();
    volume::write(&plan(&tree_of(&files), 64 * MIB), &path, 0x5a);
    std::fs::create_dir(&out).unwrap();
    let image = path.to_string_lossy().into_owned();
    // Names outside ASCII depend on the locale of mtools; they are judged by the crate `fatfs`.
    let ascii: Vec<_> = files.iter().filter(|(path, _)| path.is_ascii()).collect();
    for top in ["EFI", "loader", "many", "d", "lower.txt", "UPPER.txt", ".hidden", "no extension at all"] {
        oracle::must("mcopy", &["-s", "-m", "-i", &image, &format!("::{top}"), &out.to_string_lossy()]);
    }
    let copied = ascii.iter().filter(|(path, _)| !path.starts_with("long name"));
    for (path, bytes) in copied {
        assert_eq!(&std::fs::read(out.join(path)).unwrap(), bytes, "{path}");
    }
    let info = oracle::must("minfo", &["-i", &image]);
    for line in
        ["serial number: A1B2C3D4", "disk label=\"ESP", "big size: 131072 sectors", "backup boot sector=6"]
    {
        assert!(info.contains(line), "{line}: {info}");
    }
    let listing = oracle::must("mdir", &["-i", &image, "::"]);
    assert!(listing.contains("Volume in drive : is ESP"), "{listing}");
}

/// What the crate `fatfs` sees.
fn by_fatfs(path: &Path) -> BTreeMap<String, Option<Vec<u8>>> {
    type Dir<'a> = fatfs::Dir<'a, std::fs::File>;
    fn walk(dir: &Dir, path: &str, seen: &mut BTreeMap<String, Option<Vec<u8>>>) {
        for entry in dir.iter().map(Result::unwrap) {
            let name = entry.file_name();
            if name == "." || name == ".." {
                continue;
            }
            let path = if path.is_empty() { name } else { format!("{path}/{name}") };
            if entry.is_dir() {
                walk(&entry.to_dir(), &path, seen);
                seen.insert(path, None);
            } else {
                let mut bytes = Vec::new();
                entry.to_file().read_to_end(&mut bytes).unwrap();
                seen.insert(path, Some(bytes));
            }
        }
    }
    let file = std::fs::File::options().read(true).write(true).open(path).unwrap();
    let volume = fatfs::FileSystem::new(file, fatfs::FsOptions::new()).unwrap();
    assert_eq!(volume.fat_type(), fatfs::FatType::Fat32);
    let mut seen = BTreeMap::from([(String::new(), None)]);
    walk(&volume.root_dir(), "", &mut seen);
    seen
}

#[test]
fn the_crate_fatfs_reads_every_byte() {
    let folder = scratch::folder();
    let path = folder.path().join("esp");
    let tree = tree_of(&esp());
    volume::write(&plan(&tree, 40 * MIB), &path, 0x5a);
    assert_eq!(by_fatfs(&path), contents(&tree, &Vec::new()));
}

#[test]
fn volumes_that_mtools_fill_are_read() {
    if !oracle::ready(&["mkfs.fat", "mcopy", "mmd", "mdel"], false) {
        return;
    }
    let folder = scratch::folder();
    let path = folder.path().join("volume");
    let image = path.to_string_lossy().into_owned();
    let given = folder.path().join("given");
    // Large enough that files written after a deletion come out in pieces.
    let data = |seed: usize, len: usize| -> Vec<u8> { (0..len).map(|at| (at * seed / 3) as u8).collect() };
    for (bits, mib, width) in [
        ("12", 4, read::FatWidth::Fat12),
        ("16", 32, read::FatWidth::Fat16),
        ("32", 64, read::FatWidth::Fat32),
    ] {
        let _ = std::fs::remove_file(&path);
        std::fs::File::create(&path).unwrap().set_len(mib * MIB).unwrap();
        oracle::must("mkfs.fat", &["-F", bits, "-n", "FOREIGN", "-i", "12345678", &image]);
        let mut expected = BTreeMap::from([(String::new(), None)]);
        oracle::must("mmd", &["-i", &image, "::sub", "::sub/Inner Dir"]);
        expected.insert("sub".to_owned(), None);
        expected.insert("sub/Inner Dir".to_owned(), None);
        let mut put = |name: &str, bytes: Vec<u8>| {
            std::fs::write(&given, &bytes).unwrap();
            oracle::must("mcopy", &["-o", "-i", &image, &given.to_string_lossy(), &format!("::{name}")]);
            expected.insert(name.to_owned(), Some(bytes));
        };
        for n in 0..20 {
            put(&format!("hole{n}"), data(n, 50_000));
        }
        for n in (0..20).step_by(2) {
            oracle::must("mdel", &["-i", &image, &format!("::hole{n}")]);
        }
        put("sub/Inner Dir/a rather long name.txt", data(5, 300_000));
        put("README.TXT", data(3, 100));
        put("empty", Vec::new());
        expected
            .retain(|name, _| name.strip_prefix("hole").is_none_or(|n| n.parse::<u32>().unwrap() % 2 != 0));
        let bytes = std::fs::read(&path).unwrap();
        let read = read::read(&bytes, SourceId(0), 0).unwrap();
        assert_eq!(
            (read.shape.width, read.shape.volume_id, read.label.as_str()),
            (width, 0x1234_5678, "FOREIGN")
        );
        assert_eq!(contents(&read.tree, &bytes), expected, "FAT{bits}");
        assert_eq!(check::check(&bytes).unwrap(), [], "FAT{bits}");
    }
}

fn names() -> impl Strategy<Value = String> {
    prop_oneof![
        "[A-Z0-9]{1,8}(\\.[A-Z]{1,3})?",
        "[a-z0-9]{1,8}(\\.[a-z]{1,3})?",
        "[a-zA-Z +,;=\\[\\]._-]{0,40}[a-zA-Z]",
        "longname[0-9]{1,4}\\.tail",
        "[a-zäöüßéЖд日本🙂]{1,12}",
    ]
}

/// Random trees; names that are the same but for case, or `.` and `..`, drop out.
fn trees() -> impl Strategy<Value = Vec<(String, Vec<u8>)>> {
    let path = prop::collection::vec(names(), 1..5);
    let len = prop_oneof![Just(0_usize), 1..2000_usize, Just(4096), 30_000..40_000_usize];
    prop::collection::vec((path, len, any::<u8>()), 0..40).prop_map(|files| {
        let mut seen = std::collections::BTreeSet::new();
        let mut dirs = BTreeMap::new();
        let mut kept = Vec::new();
        for (path, len, seed) in files {
            let upper = |path: &[String]| path.iter().map(|name| name.to_uppercase()).collect::<Vec<_>>();
            // A directory is spelt as it was first.
            let clash = (1..path.len()).any(|to| {
                seen.contains(&upper(&path[..to]))
                    || dirs.get(&upper(&path[..to])).is_some_and(|known| *known != path[..to])
            });
            if clash || dirs.contains_key(&upper(&path)) || !seen.insert(upper(&path)) {
                continue;
            }
            for to in 1..path.len() {
                dirs.insert(upper(&path[..to]), path[..to].to_vec());
            }
            kept.push((path.join("/"), (0..len).map(|at| (at as u8).wrapping_add(seed)).collect()));
        }
        kept
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn random_trees_come_back(files in trees(), extra in 0_u64..8) {
        let tree = tree_of(&files);
        let len = write::minimal_len(&tree, &options(), extra * 100_000).unwrap();
        assert_same(&tree, &volume::bytes(&plan(&tree, len), 0x33));
        prop_assert_eq!(plan(&tree, len), plan(&tree, len));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    #[test]
    fn random_trees_satisfy_fsck_and_fatfs(files in trees()) {
        if oracle::ready(&["fsck.fat"], false) {
            let folder = scratch::folder();
            let path = folder.path().join("volume");
            let tree = tree_of(&files);
            volume::write(&plan(&tree, 36 * MIB), &path, 0x5a);
            fsck(&path);
            prop_assert_eq!(by_fatfs(&path), contents(&tree, &Vec::new()));
        }
    }
}

/// Blocks of 512 KiB that differ.
fn dirty(a: &[u8], b: &[u8]) -> usize {
    a.chunks(512 << 10).zip(b.chunks(512 << 10)).filter(|(a, b)| a != b).count()
}

#[test]
fn a_changed_kernel_dirties_little_else() {
    let files = |kernel: usize, conf: usize| {
        let mut files = esp();
        files.push(("EFI/Linux/a-kernel.efi".to_owned(), vec![1; kernel]));
        files.push(("EFI/Linux/b-kernel.efi".to_owned(), vec![2; 5 << 20]));
        files.push(("loader/extra.conf".to_owned(), vec![3; conf]));
        volume::bytes(&plan(&tree_of(&files), 64 * MIB), 0)
    };
    let before = files(6_000_000, 100);
    // The grown bytes, the tables, FSInfo and the directory.
    let grown = dirty(&before, &files(6_200_000, 100));
    let changed = dirty(&before, &files(6_000_000, 3000));
    println!("blocks of 512 KiB dirtied: kernel grown by 200 kB {grown}, a small file grown {changed}");
    assert!(grown <= 5, "{grown}");
    assert!(changed <= 4, "{changed}");
}

#[test]
fn directories_are_written_as_deep_as_they_are_read() {
    let tree = |depth: usize| tree_of(&[("d/".repeat(depth) + "file", vec![1])]);
    let deepest = tree(255);
    assert_same(&deepest, &volume::bytes(&plan(&deepest, 34 * MIB), 0));
    let said = write::plan(&tree(256), &options(), 34 * MIB).unwrap_err().to_string();
    assert!(said.ends_with("is more than 255 directories deep"), "{said}");
}

#[test]
fn trees_that_fat_cannot_hold_are_refused_with_the_path_and_the_reason() {
    let refused = |files: &[(&str, Vec<u8>)]| {
        let error = write::plan(&volume::tree(files, 0), &options(), 34 * MIB).unwrap_err();
        let source =
            std::error::Error::source(&error).map(|source| format!(": {source}")).unwrap_or_default();
        format!("{error}{source}")
    };
    let case = "`/EFI/BOOT` and `/EFI/Boot` are one name on FAT, which ignores case";
    assert_eq!(refused(&[("EFI/BOOT/a", vec![]), ("EFI/Boot/a", vec![])]), case);
    let colon = "FAT cannot hold the name of `/d/a:b`: no name has the character ':'";
    assert_eq!(refused(&[("d/a:b", vec![])]), colon);
    assert_eq!(
        refused(&[("end.", vec![])]),
        "FAT cannot hold the name of `/end.`: it ends in a dot or a space"
    );
    for label in ["lower", "TWELVE CHARS", " SPACE", "Ä"] {
        let options = write::FatOptions { label: label.to_owned(), ..options() };
        let error = write::plan(&volume::tree(&[], 0), &options, 34 * MIB).unwrap_err();
        assert_eq!(error, write::FatWriteError::Label { label: label.to_owned() });
    }
    let mut long = volume::tree(&[("long", vec![])], 0);
    let id = long.lookup(b"long").unwrap();
    long.node_mut(id).kind = NodeKind::File(Content::Slice { source: SourceId(1), at: 0, len: 1 << 32 });
    let error = write::plan(&long, &options(), 8 << 30).unwrap_err().to_string();
    assert_eq!(error, "`/long` has 4294967296 bytes, and a file on FAT at most 4294967295");
    let many: Vec<_> = (0..33_000).map(|n| (format!("a name of two entries {n}"), Vec::new())).collect();
    let error = write::plan(&tree_of(&many), &options(), 64 * MIB).unwrap_err().to_string();
    assert!(error.contains("on FAT one has at most 65536"), "{error}");
}

#[test]
fn contents_stay_references_and_the_least_length_is_the_least() {
    let mut tree = volume::tree(&[("kernel.efi", vec![])], 0);
    let id = tree.lookup(b"kernel.efi").unwrap();
    let len = 50 * MIB + 3;
    tree.node_mut(id).kind = NodeKind::File(Content::Slice { source: SourceId(7), at: 99, len });
    let least = write::minimal_len(&tree, &options(), 0).unwrap();
    assert_eq!(least % (512 * 1024), 0);
    let plan = plan(&tree, least);
    let slice = plan.extents().iter().find(|extent| matches!(extent.data, Data::Slice { .. })).unwrap();
    assert_eq!((slice.len, &slice.data), (len, &Data::Slice { source: SourceId(7), at: 99 }));
    assert_eq!(slice.offset % 4096, 0);
    let slack = write::minimal_len(&tree, &options(), 10 * MIB).unwrap();
    assert!((10 * MIB..11 * MIB).contains(&(slack - least)), "{least} {slack}");
    // Without the room between files it still fits a little less, and not much less.
    assert!(write::plan(&tree, &options(), 52 * MIB).is_ok());
    assert!(matches!(write::plan(&tree, &options(), 50 * MIB), Err(write::FatWriteError::NoSpace { .. })));
}
