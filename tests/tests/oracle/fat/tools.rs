//! fsck.fat, mkfs.fat, mtools and the crate `fatfs` beside our writer and reader.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use amiforge_formats::fat::{check, read};
use amiforge_formats::plan::SourceId;
use amiforge_tests::{oracle, scratch, volume};

use super::fixture::{MIB, contents, esp, plan, tree_of};

pub(crate) fn fsck(path: &Path) {
    let output = oracle::must("fsck.fat", &["-n", "-v", &path.to_string_lossy()]);
    for word in ["differ", "ncorrect", "nvalid", "mismatch", "Dirty"] {
        assert!(!output.contains(word), "{output}");
    }
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
pub(crate) fn by_fatfs(path: &Path) -> BTreeMap<String, Option<Vec<u8>>> {
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
