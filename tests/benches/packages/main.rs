//! The speed of unpacking packages, compared with `dpkg-deb -x` of the same ones.
//!
//!     cargo bench -p amiforge-tests --bench packages -- --debs FOLDER --rounds 5
//!
//! Every case runs once a round, in turn; medians, their ratio to dpkg-deb and gigabytes of decompressed data per
//! second of processor time are printed, nothing is asserted. Without `--debs`, `target/inputs/debs` is taken, which
//! the tests of unpacking fill.

#[path = "../build/clock.rs"]
#[expect(dead_code, reason = "shared with other benchmarks, which use more of it")]
mod clock;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use amiforge_formats::digest::Digest;
use amiforge_formats::tree::NodeKind;
use amiforge_packages::PackageKind;
use amiforge_packages::backend::PackageFile;
use amiforge_packages::deb::unpack::{Unpacked, unpack};
use amiforge_packages::filters::Filters;
use amiforge_packages::locked::{LockReason, LockedPackage};
use amiforge_progress::Monitor;
use amiforge_store::Store;
use amiforge_store::blobs::Blobs;
use amiforge_store::layer::Layers;
use amiforge_tests::{oracle, scratch};
use clock::Sample;

/// The digest of the layer that the cases save and load.
const KEY: Digest = Digest([1; 32]);

fn main() {
    let args: Vec<String> = std::env::args().collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [_, "--unpack", debs, store] => {
            opened(Path::new(debs), Path::new(store));
        }
        [_, "--layer", store] => {
            let store = Store::at(Path::new(store));
            let layer = Layers::of(&store).load(KEY, &mut Blobs::new()).expect("a layer");
            assert!(layer.is_some_and(|layer| layer.tree.capacity() > 1), "the layer is gone");
        }
        _ => measure(&args),
    }
}

/// Unpacks every package of a folder.
fn opened(debs: &Path, store: &Path) -> (Unpacked, Blobs) {
    let packages: Vec<(LockedPackage, PathBuf)> = listed(debs).into_iter().map(locked).collect();
    let files: Vec<_> =
        packages.iter().map(|(package, path)| PackageFile { package, path: path.clone() }).collect();
    let mut blobs = Blobs::new();
    let unpacked = unpack(&files, &Filters::default(), &Store::at(store), &mut blobs, Monitor::none());
    (unpacked.unwrap_or_else(|error| panic!("{error:?}")), blobs)
}

/// The lock entry of a file; its digest is stored beside the file, so that hashing is not measured.
fn locked(path: PathBuf) -> (LockedPackage, PathBuf) {
    let sum = std::fs::read_to_string(path.with_extension("sha256")).expect("its digest");
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().replace("%3a", ":");
    let mut words = stem.split('_').map(str::to_owned);
    let mut word = || words.next().expect("name_version_arch.deb");
    let package = LockedPackage {
        kind: PackageKind::Deb,
        name: word(),
        version: word(),
        arch: word(),
        sha256: sum.trim().parse().expect("a digest"),
        size: std::fs::metadata(&path).expect("a file").len(),
        path: String::new(),
        archive: String::new(),
        header: None,
        reason: LockReason::Named,
    };
    (package, path)
}

fn listed(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut debs: Vec<_> = entries.filter(|path| path.extension().is_some_and(|end| end == "deb")).collect();
    debs.sort();
    debs
}

/// A case: its name, and the function that is measured.
type Case<'a> = (&'static str, Box<dyn Fn() -> Sample + 'a>);

fn measure(words: &[String]) {
    let value = |name: &str| words.iter().position(|word| word == name).and_then(|at| words.get(at + 1));
    let given =
        value("--debs").map_or_else(|| scratch::repository().join("target/inputs/debs"), PathBuf::from);
    let rounds = value("--rounds").map_or(3, |text| text.parse().expect("a number of rounds"));
    if listed(&given).is_empty() || !oracle::ready(&["dpkg-deb", "xargs"], false) {
        return say(&format!("no packages in `{}`, or no dpkg-deb: nothing to measure", given.display()));
    }
    let folder = scratch::folder();
    let debs = folder.path().join("debs");
    std::fs::create_dir(&debs).expect("a folder");
    for deb in listed(&given) {
        let to = debs.join(deb.file_name().expect("a name"));
        std::fs::copy(&deb, &to).expect("the packages fit in memory");
        let digest = Digest::of(&std::fs::read(&to).expect("a package"));
        std::fs::write(to.with_extension("sha256"), digest.to_string()).expect("room");
    }
    let warm = folder.path().join("warm");
    let (unpacked, mut blobs) = opened(&debs, &warm);
    let saved = Layers::of(&Store::at(&warm)).save(KEY, &unpacked.tree, &mut blobs, b"").expect("a layer");
    saved.deferred.join().expect("a saved layer");
    let nodes: Vec<_> = unpacked.tree.walk().map(|entry| entry.id).collect();
    let bytes: u64 = nodes
        .iter()
        .map(|id| if let NodeKind::File(content) = &unpacked.tree.node(*id).kind { content.len() } else { 0 })
        .sum();
    say(&format!(
        "{} packages, {} entries, {bytes} bytes of files, {rounds} rounds",
        unpacked.packages.len(),
        nodes.len()
    ));
    let cases = cases(folder.path(), &debs, &warm);
    let mut samples: Vec<Vec<Sample>> = cases.iter().map(|_| Vec::new()).collect();
    for _ in 0..rounds {
        for ((_, run), samples) in cases.iter().zip(&mut samples) {
            samples.push(run());
        }
    }
    report(&cases, &samples, bytes);
}

fn cases<'a>(folder: &'a Path, debs: &'a Path, warm: &'a Path) -> Vec<Case<'a>> {
    let theirs = |workers: u32| {
        move || {
            let to = folder.join("theirs");
            std::fs::create_dir(&to).expect("a folder");
            let each = "find \"$0\" -name '*.deb' | sort | xargs -P \"$2\" -I{} dpkg-deb -x {} \"$1\"";
            let workers = workers.to_string();
            let sample = clock::run(Command::new("sh").args(["-c", each]).args([debs, &to]).arg(workers));
            std::fs::remove_dir_all(&to).expect("a folder");
            Sample { anon: None, ..sample }
        }
    };
    let own = || Command::new(std::env::current_exe().expect("the benchmark's own path"));
    let cold = move || {
        let store = folder.join("cold");
        let sample = clock::run(own().arg("--unpack").args([debs, &store]));
        std::fs::remove_dir_all(&store).expect("a store");
        sample
    };
    vec![
        ("dpkg-deb -x, one after the other", Box::new(theirs(1))),
        ("dpkg-deb -x, two at a time", Box::new(theirs(2))),
        ("unpack, empty store", Box::new(cold)),
        (
            "unpack, the store has them",
            Box::new(move || clock::run(own().arg("--unpack").args([debs, warm]))),
        ),
        ("the layer loaded", Box::new(move || clock::run(own().arg("--layer").arg(warm)))),
    ]
}

fn report(cases: &[Case<'_>], samples: &[Vec<Sample>], bytes: u64) {
    let floor = samples.first().map_or(f64::NAN, |samples| clock::median(samples));
    say(&format!("{:<36} {:>8} {:>8} {:>10} {:>12}", "", "median s", "x dpkg", "CPU s", "GB/s of CPU"));
    for ((name, _), samples) in cases.iter().zip(samples) {
        let (median, cpu) =
            (clock::median(samples), clock::median_of(samples.iter().map(|sample| sample.cpu)));
        let speed = bytes as f64 / 1e9 / cpu.max(0.01);
        say(&format!("{name:<36} {median:>8.3} {:>8.3} {cpu:>10.2} {speed:>12.2}", median / floor));
    }
}

fn say(line: &str) {
    // A closed standard output ends the report.
    let _ = writeln!(std::io::stdout(), "{line}");
}
