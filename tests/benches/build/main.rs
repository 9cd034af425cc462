//! How long a bundle takes, beside what a user would do instead and the plain copy of the same bytes.
//!
//!     cargo build --release && cargo bench -p amiforge-tests     # target/inputs/big.tar, made when absent
//!     cargo bench -p amiforge-tests -- --tar root.tar --rounds 7 --disk /var/tmp
//!
//! Every case runs once a round, in turn, so that a busy machine burdens all of them alike; medians and their ratios
//! are printed, nothing is asserted. A case whose tools are missing is left out and named.

mod cases;
mod clock;
mod ext4;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use amiforge_tests::scratch;
use cases::Case;
use clock::Sample;

/// What the command line asks for.
struct Asked {
    tar: PathBuf,
    rounds: usize,
    /// A folder on a disk.
    disk: PathBuf,
    /// Only cases whose name contains this.
    only: String,
}

fn main() {
    let words: Vec<_> = std::env::args_os().collect();
    if let [_, mode, tar, to] = words.as_slice()
        && mode == "--ext4"
    {
        return ext4::make(Path::new(tar), Path::new(to));
    }
    let asked = asked();
    let folder = scratch::folder();
    let on_disk = tempfile::tempdir_in(&asked.disk).expect("a folder on the disk");
    let tar = folder.path().join("root.tar");
    std::fs::copy(&asked.tar, &tar).expect("the tar fits in memory");
    let cases = cases::all(&tar, folder.path(), on_disk.path());
    let cases: Vec<Case> = cases.into_iter().filter(|case| case.name.contains(&asked.only)).collect();
    let mut samples: Vec<Vec<Sample>> = cases.iter().map(|_| Vec::new()).collect();
    for round in 0..asked.rounds {
        for (case, samples) in cases.iter().zip(&mut samples) {
            say(&format!("round {} of {}: {}", round + 1, asked.rounds, case.name));
            samples.push(case.run());
        }
    }
    report(&asked, &cases, &samples);
}

fn asked() -> Asked {
    let repository = scratch::repository();
    let mut asked = Asked {
        tar: std::env::var_os("AMIFORGE_BENCH_TAR").map(PathBuf::from).unwrap_or_default(),
        rounds: 5,
        disk: repository.join("target"),
        only: String::new(),
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().unwrap_or_else(|| panic!("{word} wants a value"));
        match word.as_str() {
            "--tar" => asked.tar = value().into(),
            "--rounds" => asked.rounds = value().parse().expect("a number of rounds"),
            "--disk" => asked.disk = value().into(),
            "--only" => asked.only = value(),
            // What cargo itself adds.
            _ => {}
        }
    }
    if asked.tar.as_os_str().is_empty() {
        asked.tar = repository.join("target/inputs/big.tar");
    }
    if !asked.tar.is_file() {
        let made = Command::new(repository.join("tests/inputs/make.sh")).status();
        assert!(
            made.is_ok_and(|status| status.success()),
            "tests/inputs/make.sh made no tar; give one: --tar"
        );
    }
    asked
}

/// Median, smallest and largest time of each case, and the ratio to the copy.
fn report(asked: &Asked, cases: &[Case], samples: &[Vec<Sample>]) {
    let len = std::fs::metadata(&asked.tar).map_or(0, |file| file.len());
    let name = asked.tar.file_name().map_or(asked.tar.as_path(), Path::new);
    say(&format!("\n{}, {len} bytes, {} rounds, medians in seconds", name.display(), asked.rounds));
    say(&format!(
        "{:<44} {:>7} {:>7} {:>7} {:>6} {:>6} {:>9}",
        "", "median", "min", "max", "x cp", "CPU", "anon MiB"
    ));
    let floor = cases.iter().zip(samples).find(|(case, _)| case.name == cases::FLOOR);
    let floor = floor.map(|(_, samples)| clock::median(samples));
    for (case, samples) in cases.iter().zip(samples) {
        let median = clock::median(samples);
        let times = || samples.iter().map(|sample| sample.seconds);
        let (min, max) = (times().fold(f64::MAX, f64::min), times().fold(0.0, f64::max));
        let ratio = floor.map_or(String::new(), |floor| format!("{:.2}", median / floor));
        let anon = samples.iter().filter_map(|sample| sample.anon).max();
        let anon = anon.map_or(String::new(), |bytes| format!("{:.0}", bytes as f64 / f64::from(1 << 20)));
        let cpu = clock::median_of(samples.iter().map(|sample| sample.cpu));
        say(&format!(
            "{:<44} {median:>7.2} {min:>7.2} {max:>7.2} {ratio:>6} {cpu:>6.2} {anon:>9}",
            case.name
        ));
    }
}

fn say(line: &str) {
    // When nobody reads any more there is nothing left to do.
    let _ = writeln!(std::io::stdout(), "{line}");
}
