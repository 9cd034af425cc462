//! The time of a bundle's build, compared with the usual tools and with a plain copy of the same bytes.
//!
//!     cargo build --release && cargo bench -p amiforge-tests     # target/inputs/big.tar, made when absent
//!     cargo bench -p amiforge-tests -- --tar root.tar --rounds 7 --disk /var/tmp
//!
//! Every case runs once a round, in turn, so that a busy machine slows all of them alike; medians and their ratios are
//! printed, nothing is asserted. A case whose tools are missing is skipped with a message.

mod cases;
mod clock;
mod ext4;
mod leaks;
mod verity;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use amiforge_tests::scratch;
use cases::Case;
use clock::Sample;

/// The options of the benchmark.
struct BenchOptions {
    tar: PathBuf,
    rounds: usize,
    /// A folder on a disk.
    disk: PathBuf,
    /// Only cases whose name contains this text.
    only: String,
}

fn main() {
    let words: Vec<_> = std::env::args_os().collect();
    if let [_, mode, tar, to] = words.as_slice()
        && mode == "--ext4"
    {
        return ext4::make(Path::new(tar), Path::new(to));
    }
    if let [_, mode, data, _] = words.as_slice()
        && mode == "--hash"
    {
        return verity::hash(Path::new(data));
    }
    let options = parse_options();
    let folder = scratch::folder();
    let on_disk = tempfile::tempdir_in(&options.disk).expect("a folder on the disk");
    let tar = folder.path().join("root.tar");
    std::fs::copy(&options.tar, &tar).expect("the tar fits in memory");
    let cases = cases::all(&tar, folder.path(), on_disk.path());
    let cases = cases.into_iter().chain(verity::all(&tar, folder.path()));
    let cases = cases.chain(leaks::all(&tar, folder.path()));
    let cases: Vec<Case> = cases.filter(|case| case.name.contains(&options.only)).collect();
    let mut samples: Vec<Vec<Sample>> = cases.iter().map(|_| Vec::new()).collect();
    for round in 0..options.rounds {
        for (case, samples) in cases.iter().zip(&mut samples) {
            say(&format!("round {} of {}: {}", round + 1, options.rounds, case.name));
            samples.push(case.run());
        }
    }
    report(&options, &cases, &samples);
}

fn parse_options() -> BenchOptions {
    let repository = scratch::repository();
    let mut options = BenchOptions {
        tar: std::env::var_os("AMIFORGE_BENCH_TAR").map(PathBuf::from).unwrap_or_default(),
        rounds: 5,
        disk: repository.join("target"),
        only: String::new(),
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().unwrap_or_else(|| panic!("{word} wants a value"));
        match word.as_str() {
            "--tar" => options.tar = value().into(),
            "--rounds" => options.rounds = value().parse().expect("a number of rounds"),
            "--disk" => options.disk = value().into(),
            "--only" => options.only = value(),
            // An argument that cargo adds.
            _ => {}
        }
    }
    if options.tar.as_os_str().is_empty() {
        options.tar = repository.join("target/inputs/big.tar");
    }
    if !options.tar.is_file() {
        let made = Command::new(repository.join("tests/inputs/make.sh")).status();
        assert!(
            made.is_ok_and(|status| status.success()),
            "tests/inputs/make.sh made no tar; give one: --tar"
        );
    }
    options
}

/// Median, smallest and largest time of each case, and the ratio to the copy.
fn report(options: &BenchOptions, cases: &[Case], samples: &[Vec<Sample>]) {
    let len = std::fs::metadata(&options.tar).map_or(0, |file| file.len());
    let name = options.tar.file_name().map_or(options.tar.as_path(), Path::new);
    say(&format!("\n{}, {len} bytes, {} rounds, medians in seconds", name.display(), options.rounds));
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
    for (one, other, most) in verity::RATIOS.into_iter().chain(leaks::RATIOS) {
        let median = |name| {
            let case = cases.iter().zip(samples).find(|(case, _)| case.name == name);
            case.map(|(_, samples)| clock::median(samples))
        };
        if let (Some(ours), Some(theirs)) = (median(one), median(other)) {
            say(&format!("{one}: {:.2} of {other} (at most {most})", ours / theirs));
        }
    }
}

fn say(line: &str) {
    // A closed standard output ends the report.
    let _ = writeln!(std::io::stdout(), "{line}");
}
