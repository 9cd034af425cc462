//! Two XFS file systems, made by mkfs.xfs from a list of files: they are compared by file.

use std::fs;
use std::path::Path;

use amiforge_tests::{oracle, program, scratch};

/// Makes a file system of the files of a folder: `a`, of two owners, and `big`.
fn make(folder: &Path, name: &str, owner: u32) -> String {
    let image = folder.join(name);
    fs::File::create(&image).unwrap().set_len(320 << 20).unwrap();
    let tree = folder.display();
    let list = format!(
        "/none\n0 0\nd--755 0 0\n etc d--755 0 0\n  a ---644 {owner} 0 {tree}/a\n  big ---644 0 0 {tree}/big\n $\n$\n"
    );
    let proto = folder.join("proto");
    fs::write(&proto, list).unwrap();
    let (image, proto) = (image.display().to_string(), proto.display().to_string());
    let args = ["-q", "-m", "uuid=00000000-0000-4000-8000-000000000001", "-p", &proto, &image];
    oracle::must("mkfs.xfs", &args);
    image
}

#[test]
fn xfs_file_systems_are_compared_by_file() {
    if !oracle::ready(&["mkfs.xfs"], false) {
        return;
    }
    let folder = scratch::folder();
    let lines = |count: u32| {
        let all: Vec<String> = (0..count).map(|number| number.to_string()).collect();
        all.join("\n") + "\n"
    };
    fs::write(folder.path().join("a"), "one\n").unwrap();
    fs::write(folder.path().join("big"), lines(3000)).unwrap();
    let one = make(folder.path(), "one.raw", 0);
    fs::write(folder.path().join("a"), "two\n").unwrap();
    fs::write(folder.path().join("big"), lines(4000)).unwrap();
    let other = make(folder.path(), "other.raw", 7);
    let output = program::run(&["diff", &one, &other]);
    let report = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(3), "{report}");
    for line in ["/etc/a", "content: 3 bytes differ at 0: 6f6e65 → 74776f", "/etc/big", "size: "] {
        assert!(report.contains(line), "no `{line}` in {report}");
    }
    assert!(report.contains("owner") || report.contains("uid"), "{report}");
    assert!(report.contains("and what follows from that"), "other bytes follow: {report}");
    let listed = program::must(&["inspect", &format!("{other}:/etc/a"), "--cat"]);
    assert_eq!(listed, "two\n");
}
