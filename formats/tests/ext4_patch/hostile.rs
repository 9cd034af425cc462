//! Bases with bytes changed at random, in a file system without checksums so that they get to where they matter: refused,
//! or amended to what the checker accepts; never a panic.

use std::io;

use amiforge_formats::ext4::check::check;
use amiforge_formats::ext4::patch::patch;
use amiforge_formats::ext4::read::open;
use amiforge_formats::plan::{PlanReader, SourceId, Sources};
use amiforge_formats::read_at::ReadAt;

use super::fixture::{BASE, made, may_mount, options};
use super::fixtures::{MIB, Pattern, empty};
use super::random::{PatchRng, amend, crowd, grow};

struct Bytes<'a>(&'a Vec<u8>);

impl Sources for Bytes<'_> {
    fn read_exact_at(&self, source: SourceId, at: u64, buf: &mut [u8]) -> io::Result<()> {
        if source == BASE {
            ReadAt::read_exact_at(self.0, at, buf)
        } else {
            Pattern.read_exact_at(source, at, buf)
        }
    }
}

#[test]
fn damaged_bases_are_refused_or_amended_soundly() {
    if !may_mount() {
        return;
    }
    let mut rng = PatchRng(0xdead_beef);
    let mut tree = empty();
    grow(&mut tree, &mut rng, 30, true);
    crowd(&mut tree, &mut rng, b"crowd", 60);
    for args in [
        &["-t", "ext4", "-O", "^metadata_csum,^uninit_bg,^has_journal", "-b", "1024", "-N", "256"][..],
        &["-t", "ext2", "-b", "1024", "-N", "256"],
    ] {
        let Some(base) = made(&tree, args, 2 * MIB) else { return };
        let whole = std::fs::read(base.path()).unwrap();
        let used: Vec<usize> = (1024..whole.len()).filter(|at| whole[*at] != 0).collect();
        let mut amended = 0;
        for _ in 0..400 {
            let mut image = whole.clone();
            for _ in 0..=rng.below(3) {
                let at = used[rng.below(used.len() as u64) as usize];
                image[at] = rng.below(256) as u8;
            }
            let Ok(mut wanted) = open(&image).and_then(|system| system.tree(BASE)) else { continue };
            amend(&mut wanted, &mut rng, 12, true);
            let sources = Bytes(&image);
            let Ok(patched) = patch(&image, BASE, 0, &wanted, &sources, &options()) else { continue };
            let report = check(&PlanReader { plan: &patched.plan, sources: &sources }).unwrap();
            assert!(!report.has_errors(), "{:?}", report.findings.first());
            amended += 1;
        }
        assert!(amended > 20, "{amended} of 400");
    }
}
