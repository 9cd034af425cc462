//! File systems that mkfs.xfs fills by itself, of many geometries.

use std::fs;
use std::path::Path;
use std::process::Command;

use amiforge_formats::plan::SourceId;
use amiforge_formats::tree::{NodeKind, Origin};
use amiforge_formats::xfs::check::check;
use amiforge_formats::xfs::read::open;

/// Options of mkfs.xfs and the length in MiB.
const GEOMETRIES: [(&[&str], u64); 10] = [
    (&[], 300),
    (&["-b", "size=1024", "-i", "size=512"], 64),
    (&["-b", "size=1024", "-d", "agcount=7"], 128),
    (&["-b", "size=2048", "-n", "size=65536"], 300),
    (&["-b", "size=8192", "-i", "size=2048"], 128),
    (&["-b", "size=16384", "-s", "size=4096"], 300),
    (&["-b", "size=32768", "-s", "size=32768", "-i", "maxpct=50"], 300),
    (&["-b", "size=65536", "-n", "size=65536"], 300),
    (&["-m", "rmapbt=1", "-d", "agcount=16"], 400),
    (&["-m", "finobt=0,reflink=0,bigtime=0,inobtcount=0", "-i", "sparse=0,nrext64=0"], 64),
];

/// Runs mkfs.xfs, which makes file systems of less than 300 MB in its own tests only.
fn mkfs(args: &[&str]) -> Option<()> {
    let made = ["TEST_DIR", "TEST_DEV", "QA_CHECK_FS"]
        .iter()
        .fold(&mut Command::new("mkfs.xfs"), |command, name| command.env(name, "1"))
        .args(args)
        .output();
    match made {
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{args:?}: {text}");
            Some(())
        }
        Err(error) => {
            assert!(std::env::var_os("REQUIRE_ORACLES").is_none(), "mkfs.xfs: {error}");
            println!("SKIP: mkfs.xfs: {error}");
            None
        }
    }
}

/// A prototype: what mkfs.xfs puts into the file system.
fn prototype(folder: &Path) -> String {
    let file = folder.join("file");
    fs::write(&file, vec![b'p'; 70_001]).unwrap();
    let file = file.to_str().unwrap();
    let many: Vec<_> = (0..400).map(|number| format!("a-longer-name-{number} ---600 0 0 {file}\n")).collect();
    let many = many.concat();
    format!(
        "/none\n0 0\nd--755 0 0\nfile -u-644 7 70000 {file}\nlink l--777 0 0 file\nnull c--666 0 0 1 3\n\
         pipe p--620 1 2\ndir d-g750 3 4\nbelow ---400 5 6 {file}\n$\nmany d--700 0 0\n{many}$\n$\n"
    )
}

#[test]
fn every_geometry_that_mkfs_makes_is_read_and_clean() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("prototype");
    fs::write(&path, prototype(folder.path())).unwrap();
    for (options, size) in GEOMETRIES {
        let image = folder.path().join("image");
        fs::File::create(&image).unwrap().set_len(size << 20).unwrap();
        let (path, at) = (path.to_str().unwrap(), image.to_str().unwrap());
        let Some(()) = mkfs(&[&["-q", "-f", "-p", path], options, &[at]].concat()) else { return };
        let bytes = fs::read(&image).unwrap();
        let report = check(&bytes).unwrap();
        assert!(report.is_clean(), "{options:?}: {:#?}", report.findings);
        let tree = open(&bytes).unwrap().tree(SourceId(0)).unwrap();
        let node = |path: &str| tree.node(tree.lookup(path.as_bytes()).unwrap());
        let owner = |path: &str| (node(path).meta.mode, node(path).meta.uid, node(path).meta.gid);
        assert_eq!(owner("file"), (0o4644, 7, 70_000));
        assert_eq!(owner("dir"), (0o2750, 3, 4));
        assert_eq!(owner("dir/below"), (0o400, 5, 6));
        assert_eq!(node("link").kind, NodeKind::Symlink(b"file"[..].into()));
        assert_eq!(node("null").kind, NodeKind::CharDevice { major: 1, minor: 3 });
        assert_eq!(node("pipe").kind, NodeKind::Fifo);
        assert_eq!(tree.entries(tree.lookup(b"many").unwrap()).unwrap().len(), 400);
        for path in ["file", "dir/below", "many/a-longer-name-399"] {
            let NodeKind::File(content) = &node(path).kind else { panic!("{path}") };
            assert_eq!(content.len(), 70_001);
            for segment in content.segments() {
                let Origin::Slice { at, .. } = segment.origin else { panic!("bytes of nowhere") };
                assert!(bytes[at as usize..(at + segment.len) as usize].iter().all(|byte| *byte == b'p'));
            }
        }
    }
}
