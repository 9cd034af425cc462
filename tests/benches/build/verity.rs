//! The hash tree of dm-verity: ours and veritysetup's over the same GiB, and a build with and without a verified root.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::Command;

use amiforge_formats::plan::{Claims, Data, SourceId, Sources};
use amiforge_formats::verity::write::VerityIds;
use amiforge_image::image::{self, EmitOptions};
use amiforge_progress::Monitor;
use amiforge_tests::{archive, oracle, program};

use super::cases::{Case, bundle};
use super::clock::{self, Sample};

/// Bytes that are hashed.
const LEN: u64 = 1 << 30;

/// Pairs of cases whose ratio is printed: the first against the second, and what it should be at most.
pub(crate) const RATIOS: [(&str, &str, f64); 2] = [(OURS, VERITYSETUP, 1.0), (WITH, WITHOUT, 1.5)];

const OURS: &str = "hash tree of a GiB";
const VERITYSETUP: &str = "veritysetup format of the same";
const WITHOUT: &str = "amiforge build, UEFI";
const WITH: &str = "amiforge build, UEFI, verified root";

/// A file as the only source.
struct OneFile(File);

impl Sources for OneFile {
    fn read_exact_at(&self, _: SourceId, at: u64, buf: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(buf, at)
    }
}

/// Hashes a file: a mode of this benchmark program.
pub(crate) fn hash(path: &Path) {
    let file = File::open(path).expect("the file");
    let len = file.metadata().expect("its length").len();
    let mut claims = Claims::new(len);
    claims.claim(0, len, Data::Slice { source: SourceId(0), at: 0 });
    let plan = claims.finish(&Data::Zero).expect("one claim");
    let ids = VerityIds::derive("bench", "root-verity");
    let tree = image::hash_tree(&plan, 0, ids, &OneFile(file), &EmitOptions::default(), Monitor::none())
        .expect("a tree");
    let plan = tree.plan(tree.len()).expect("a plan");
    let to = path.with_extension("tree");
    image::write(&plan, &amiforge_store::blobs::Blobs::new(), &to, &EmitOptions::default(), Monitor::none())
        .expect("the tree is written");
    std::fs::remove_file(to).expect("it can be removed");
}

/// The cases.
pub(crate) fn all(tar: &Path, memory: &Path) -> Vec<Case> {
    let data = memory.join("device");
    let block = archive::noise(1 << 20, 7);
    let file = File::create(&data).expect("a file of a GiB");
    for at in (0..LEN).step_by(block.len()) {
        let mut block = block.clone();
        block[..8].copy_from_slice(&at.to_le_bytes());
        file.write_all_at(&block, at).expect("a GiB of memory");
    }
    let mut cases = Vec::new();
    let ours = data.clone();
    let run = move || {
        let own = std::env::current_exe().expect("the benchmark's own path");
        clock::run(Command::new(own).arg("--hash").arg(&ours).arg("tree"))
    };
    cases.push(Case { name: OURS, run: Box::new(run) });
    if oracle::ready(&["veritysetup"], false) {
        let run = move || -> Sample {
            let tree = data.with_extension("theirs");
            std::fs::write(&tree, b"").expect("an empty file");
            let sample = clock::run(Command::new("veritysetup").arg("format").args([&data, &tree]));
            std::fs::remove_file(tree).expect("it can be removed");
            sample
        };
        cases.push(Case { name: VERITYSETUP, run: Box::new(run) });
    }
    cases.extend(builds(tar, memory));
    cases
}

/// Builds of a tar that boots, with and without a verified root; none where it has no kernel.
fn builds(tar: &Path, memory: &Path) -> Vec<Case> {
    let recipe = |name: &str, trust: &str| {
        let text = format!(
            "[image]\nname = \"bench\"\narch = \"x86_64\"\nepoch = \"2030-01-01T00:00:00Z\"\n\n\
             [disk]\nsize = \"minimal\"\n[boot]\nmode = \"uefi\"\ninitrd = \"own\"\nfirst-boot = \"none\"\n{trust}\n\
             [[source]]\nkind = \"tar\"\npath = \"{}\"\n",
            tar.display()
        );
        let path = tar.with_extension(name);
        std::fs::write(&path, text).expect("the recipe can be written");
        path
    };
    let plain = recipe("uefi.toml", "");
    let verified = recipe("verity.toml", "[trust]\nprofile = \"verity\"\n");
    let out = memory.join("out");
    let tried = program::run(&["build", &verified.to_string_lossy(), "-o", &out.to_string_lossy()]);
    if !tried.status.success() {
        oracle::skip(&format!("the tar does not boot: {}", String::from_utf8_lossy(&tried.stderr)));
        return Vec::new();
    }
    std::fs::remove_dir_all(&out).expect("it can be removed");
    vec![bundle(WITHOUT, &plain, &out), bundle(WITH, &verified, &out)]
}
