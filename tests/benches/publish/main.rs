//! How fast an image goes into a snapshot: `amiforge upload` beside a plain boto3 uploader with 64 threads, and beside
//! the floor: an HTTP client that only sends buffers and headers that were prepared before.
//!
//!     cargo build --release -p amiforge && cargo bench -p amiforge-tests --bench publish
//!     cargo bench -p amiforge-tests --bench publish -- --mib 2048 --rounds 3
//!
//! Server and clients are processes of their own; everything is kept in memory (`/dev/shm`). Every client uploads the
//! same image to a region that was emptied before, in turn; medians and ratios are printed, nothing is asserted.
//! Processor seconds and memory are those of the client process alone.

#[path = "../build/clock.rs"]
#[expect(dead_code, reason = "this benchmark runs no scripts")]
mod clock;
mod floor;
mod sign;

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use amiforge_tests::{archive, program, python, scratch};
use clock::Sample;

const CLIENTS: [&str; 3] = ["amiforge", "boto3, 64 threads", "floor"];

/// What the command line asks for.
struct Asked {
    mib: usize,
    rounds: usize,
}

fn main() {
    let words: Vec<String> = std::env::args().collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [_, "--serve", folder] => serve(Path::new(folder)),
        [_, "--floor", endpoint, image] => floor::send(endpoint, Path::new(image)),
        _ => compare(&asked(&words)),
    }
}

fn asked(words: &[String]) -> Asked {
    let value = |name: &str| {
        let at = words.iter().position(|word| word == name)?;
        words.get(at + 1)?.parse().ok()
    };
    Asked { mib: value("--mib").unwrap_or(2048), rounds: value("--rounds").unwrap_or(3) }
}

/// Serves a local region until standard input ends; says where.
fn serve(folder: &Path) {
    let region = amiforge_emulator::RegionServer::start(amiforge_emulator::RegionConfig::new(folder))
        .expect("a region");
    println!("{}", region.endpoint());
    let _ = std::io::stdin().lines().next();
}

/// A server in a process of its own, with an empty region.
struct Server {
    child: Child,
    endpoint: String,
    folder: PathBuf,
}

impl Server {
    fn start(folder: &Path) -> Self {
        let folder = folder.join("region");
        let own = std::env::current_exe().expect("the benchmark's own path");
        let mut command = Command::new(own);
        command.arg("--serve").arg(&folder).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("the server starts");
        let mut line = String::new();
        let out = child.stdout.take().expect("its output");
        BufReader::new(out).read_line(&mut line).expect("its endpoint");
        Self { child, endpoint: line.trim().to_owned(), folder }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn compare(asked: &Asked) {
    let folder = scratch::folder();
    let bundle = bundle(folder.path(), asked.mib);
    let image = bundle.join("disk.raw");
    let blocks = written(&bundle);
    let gib = blocks as f64 * 512.0 / 1024.0 / 1024.0;
    let python = python::with(&["boto3"]);
    let mut samples: [Vec<Sample>; 3] = Default::default();
    for round in 0..asked.rounds {
        for (client, samples) in CLIENTS.iter().zip(&mut samples) {
            let server = Server::start(folder.path());
            let _ = std::fs::remove_dir_all(folder.path().join("web.publish"));
            let command = match *client {
                "amiforge" => ours(&server.endpoint, &bundle),
                "floor" => own_floor(&server.endpoint, &image),
                _ => match &python {
                    Some(python) => boto3(python, &server.endpoint, &image),
                    None => continue,
                },
            };
            eprintln!("round {} of {}: {client}", round + 1, asked.rounds);
            let sample =
                if *client == "floor" { floor::timed(command) } else { clock::run(&mut { command }) };
            samples.push(sample);
        }
    }
    report(blocks, gib, &samples);
}

/// A bundle whose root holds so many MiB that do not repeat.
fn bundle(folder: &Path, mib: usize) -> PathBuf {
    let tree = folder.join("tree");
    std::fs::create_dir_all(&tree).expect("a folder");
    let mut file = File::create(tree.join("noise")).expect("a file");
    for seed in 0..mib.div_ceil(64) {
        file.write_all(&archive::noise(64 << 20, seed as u32 + 1)).expect("room in memory");
    }
    drop(file);
    let recipe = folder.join("recipe.toml");
    let text = format!(
        "[image]\nname = \"web\"\narch = \"x86_64\"\nepoch = 1700000000\n\n[disk]\nsize = \"{} MiB\"\n\n\
         [[partition]]\nrole = \"root\"\n\n[[source]]\nkind = \"dir\"\npath = \"tree\"\n",
        mib + mib / 4 + 64
    );
    std::fs::write(&recipe, text).expect("a recipe");
    let out = folder.join("web");
    let built = Command::new(program::path()).arg("build").arg(&recipe).arg("-o").arg(&out).status();
    assert!(built.expect("amiforge starts").success(), "the bundle is built");
    std::fs::remove_dir_all(&tree).expect("the tree goes");
    out
}

/// Blocks that an upload without encryption writes.
fn written(bundle: &Path) -> u64 {
    let text = std::fs::read(bundle.join("manifest.json")).expect("a manifest");
    let manifest: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
    manifest["ebs"]["without_zero"]["blocks"].as_u64().expect("a number")
}

fn ours(endpoint: &str, bundle: &Path) -> Command {
    let mut command = Command::new(program::path());
    command.args(["upload", "--quiet", "--region", "local", "--endpoint-url", endpoint]).arg(bundle);
    command
}

fn own_floor(endpoint: &str, image: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("the benchmark's own path"));
    command.arg("--floor").arg(endpoint).arg(image);
    command
}

fn boto3(python: &Path, endpoint: &str, image: &Path) -> Command {
    let mut command = Command::new(python);
    let script = scratch::repository().join("tests/oracles/boto3_upload.py");
    command.arg(script).arg(endpoint).arg(image).env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

fn report(blocks: u64, gib: f64, samples: &[Vec<Sample>; 3]) {
    println!(
        "{blocks} blocks ({gib:.2} GiB) to a local region in memory, medians of {} rounds",
        samples[0].len()
    );
    println!("{:20} {:>9} {:>9} {:>13} {:>12}", "client", "seconds", "MiB/s", "CPU-s per GiB", "memory, MiB");
    for (client, samples) in CLIENTS.iter().zip(samples).filter(|(_, samples)| !samples.is_empty()) {
        let seconds = clock::median(samples);
        let cpu = clock::median_of(samples.iter().map(|sample| sample.cpu)) / gib;
        let memory = samples.iter().filter_map(|sample| sample.anon).max().unwrap_or(0) as f64 / 1_048_576.0;
        println!("{client:20} {seconds:9.2} {:9.0} {cpu:13.2} {memory:12.1}", gib * 1024.0 / seconds);
    }
    let [ours, boto3, floor] = [0, 1, 2].map(|at| clock::median(&samples[at]));
    println!(
        "amiforge is {:.1} times as fast as boto3 and has {:.0} % of the floor's rate",
        boto3 / ours,
        floor / ours * 100.0
    );
}
