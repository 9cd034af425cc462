//! The time of a base image: a disk that holds 2 GB, from `import` to the bundle, compared with a copy of what it holds, as files
//! and as a sparse file.
//!
//!     cargo build --release -p amiforge && cargo bench -p amiforge-tests --bench base -- --rounds 3
//!
//! Everything is in memory, and nothing of the image is known before: each import begins with an empty store. Then the recipe is
//! built: with the disk kept as it is, with a kept disk in which a file changes, and with a new disk. Every case runs once a
//! round, in turn; medians and ratios are printed, nothing is asserted. Needs mke2fs and sgdisk.

#[path = "../build/clock.rs"]
#[expect(dead_code, reason = "shared with other benchmarks, which use more of it")]
mod clock;

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use amiforge_tests::{program, scratch};
use clock::Sample;

/// Files of the base image: number, and bytes of each.
const FILES: [(usize, usize); 3] = [(20_000, 20 << 10), (1000, 1 << 20), (10, 60 << 20)];

/// Length of the disk in MiB, and of the file system, which begins at the first.
const DISK: (u64, u64) = (2402, 2400);

type Case<'a> = (&'static str, Box<dyn Fn() -> Sample + 'a>);

fn main() {
    let words: Vec<String> = std::env::args().collect();
    let rounds =
        words.iter().position(|word| word == "--rounds").and_then(|at| words.get(at + 1)?.parse().ok());
    let folder = scratch::folder();
    let base = BaseDisk::new(folder.path());
    let cases: Vec<Case<'_>> = vec![
        ("cp of its files", Box::new(|| base.copied("tree", &["-r"]))),
        ("cp of the disk", Box::new(|| base.copied("base.raw", &["--sparse=always"]))),
        ("import, build of the kept disk", Box::new(|| base.built(&[], ""))),
        ("the same with a file changed", Box::new(|| base.built(&[], CHANGE))),
        ("import, build of a new disk", Box::new(|| base.built(&["--new-disk"], ""))),
    ];
    let mut samples = vec![Vec::new(); cases.len()];
    for round in 1..=rounds.unwrap_or(3) {
        for ((name, run), samples) in cases.iter().zip(&mut samples) {
            println!("round {round}: {name}");
            samples.push(run());
        }
    }
    report(&cases, &samples);
}

/// A change of the recipe.
const CHANGE: &str = "\n[[file]]\npath = \"/etc/motd\"\ncontent = \"changed\"\n";

fn report(cases: &[Case<'_>], samples: &[Vec<Sample>]) {
    println!("{:<32} {:>9} {:>9} {:>9} {:>9}", "", "median s", "CPU s", "x cp -r", "x cp disk");
    let medians: Vec<f64> = samples.iter().map(|samples| clock::median(samples)).collect();
    for (((name, _), samples), median) in cases.iter().zip(samples).zip(&medians) {
        let cpu = clock::median_of(samples.iter().map(|sample| sample.cpu));
        let (files, disk) = (median / medians[0], median / medians[1]);
        println!("{name:<32} {median:>9.2} {cpu:>9.2} {files:>9.2} {disk:>9.2}");
    }
    println!(
        "from import to the bundle: {:.2} x cp of what the base holds (at most 2.5)",
        medians[2] / medians[0]
    );
}

/// A disk with a GPT, and one ext4 file system; and its files.
struct BaseDisk {
    folder: PathBuf,
}

impl BaseDisk {
    fn new(folder: &Path) -> Self {
        let tree = folder.join("tree");
        for name in ["etc", "usr/share"] {
            fs::create_dir_all(tree.join(name)).expect("a folder");
        }
        fs::write(tree.join("etc/os-release"), "ID=debian\nVERSION_ID=\"12\"\n").expect("a file");
        let mut state = 1_u64;
        for (number, bytes) in FILES {
            for at in 0..number {
                let part = tree.join(format!("usr/share/{bytes}-{}", at / 500));
                fs::create_dir_all(&part).expect("a folder");
                fs::write(part.join(at.to_string()), noise(&mut state, bytes)).expect("a file");
            }
        }
        let disk = folder.join("base.raw");
        let file = File::create(&disk).expect("a disk");
        file.set_len(DISK.0 << 20).expect("a disk");
        // What a BIOS would start, so that the disk can be kept.
        file.write_all_at(&[0xeb, 0xfe], 0).expect("a loader");
        must(Command::new("sgdisk").args(["-n", "1:2048:+2400M", "-t", "1:8304"]).arg(&disk));
        let mut command = Command::new("mke2fs");
        command.args(["-q", "-F", "-t", "ext4", "-E", "offset=1048576,root_owner=0:0", "-d"]);
        must(command.arg(tree).arg(&disk).arg(format!("{}M", DISK.1)));
        Self { folder: folder.to_owned() }
    }

    fn copied(&self, name: &str, options: &[&str]) -> Sample {
        let to = self.folder.join("copied");
        let sample = clock::run(Command::new("cp").args(options).arg(self.folder.join(name)).arg(&to));
        let removed = if to.is_dir() { fs::remove_dir_all(to) } else { fs::remove_file(to) };
        removed.expect("the copy");
        sample
    }

    /// Import into an empty store, and a build of the recipe with what is appended to it.
    fn built(&self, options: &[&str], appended: &str) -> Sample {
        let [recipe, store, out] = ["recipe", "store", "out"].map(|name| self.folder.join(name));
        for folder in [&recipe, &store] {
            let _ = fs::remove_dir_all(folder);
        }
        let mut command = Command::new(program::path());
        command.arg("import").arg(self.folder.join("base.raw")).arg("-o").arg(&recipe);
        let import = clock::run(command.arg("--store").arg(&store).args(options));
        let recipe = recipe.join("recipe.toml");
        let text = fs::read_to_string(&recipe).expect("a recipe");
        assert_eq!(text.contains("boot = \"keep\""), options.is_empty(), "{text}");
        fs::write(&recipe, text + appended).expect("a recipe");
        let mut command = Command::new(program::path());
        command.arg("build").arg(recipe).arg("-o").arg(&out);
        let built = clock::run(command.arg("--store").arg(&store));
        fs::remove_dir_all(out).expect("the bundle");
        Sample { seconds: import.seconds + built.seconds, cpu: import.cpu + built.cpu, anon: built.anon }
    }
}

fn must(command: &mut Command) {
    let output = command.output().expect("the tool starts");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Bytes without a pattern.
fn noise(state: &mut u64, len: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}
