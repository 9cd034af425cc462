//! How long a large file system takes, against `cp`: for an image that the environment variable `XFS_IMAGE` names.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::Instant;

use amiforge_formats::plan::SourceId;
use amiforge_formats::read_at::ReadAt;
use amiforge_formats::tree::{NodeKind, Origin};
use amiforge_formats::xfs::check::check;
use amiforge_formats::xfs::read::open;

struct Medium(File, u64);

impl ReadAt for Medium {
    fn size(&self) -> u64 {
        self.1
    }

    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> std::io::Result<()> {
        self.0.read_exact_at(buf, offset)
    }
}

#[test]
#[ignore = "needs an image of one's own"]
fn a_large_file_system_takes_as_long_as_its_bytes() {
    let Some(path) = std::env::var_os("XFS_IMAGE") else { return };
    let file = File::open(path).unwrap();
    let len = file.metadata().unwrap().len();
    let medium = Medium(file, len);
    let start = Instant::now();
    let tree = open(&medium).unwrap().tree(SourceId(0)).unwrap();
    println!("{} nodes: tree in {:?}", tree.capacity(), start.elapsed());
    let start = Instant::now();
    let mut buf = vec![0; 1 << 20];
    let mut bytes = 0;
    for node in tree.nodes() {
        let NodeKind::File(content) = &node.kind else { continue };
        for segment in content.segments() {
            let Origin::Slice { at, .. } = segment.origin else { panic!("bytes of nowhere") };
            let mut done = 0;
            while done < segment.len {
                let part = (segment.len - done).min(buf.len() as u64);
                medium.read_exact_at(at + done, &mut buf[..part as usize]).unwrap();
                done += part;
            }
            bytes += segment.len;
        }
    }
    println!("{bytes} bytes of content in {:?}", start.elapsed());
    let start = Instant::now();
    let report = check(&medium).unwrap();
    println!("check in {:?}: {} findings", start.elapsed(), report.findings.len());
    assert!(report.is_clean(), "{:#?}", report.findings);
}
