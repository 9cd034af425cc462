//! Who finds what: gitleaks and trufflehog over the files of the corpus, extracted, and over the image itself.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use amiforge_formats::residue;
use amiforge_image::inspect::Medium;
use serde_json::Value;

use super::found::{is_dug_up, is_found, report};
use super::secrets::{MAKERS, Secret};
use super::tool::{find, ready, text};
use super::{below, image, secrets};

/// The tools, by their commands.
const PEERS: [&str; 2] = ["gitleaks", "trufflehog"];

/// The files in which a tool finds something, as paths below `folder`.
fn files(peer: &str, folder: &Path, scratch: &Path) -> BTreeSet<String> {
    let path = scratch.join("report.json");
    let mut command = Command::new(find(peer).unwrap());
    match peer {
        "gitleaks" => command
            .args(["dir", "--no-banner", "--exit-code=0", "--report-format=json", "--report-path"])
            .arg(&path),
        _ => command.args(["filesystem", "--json", "--no-verification", "--no-update"]),
    };
    let output = command.arg(folder).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    // trufflehog's status is now and then 1 although it scanned everything and says so.
    let finished = output.status.success() || peer == "trufflehog" && error.contains("finished scanning");
    assert!(finished, "{peer}: {}\n{error}", output.status);
    let found: Vec<Value> = match peer {
        "gitleaks" => serde_json::from_slice(&fs::read(&path).unwrap()).unwrap(),
        _ => String::from_utf8(output.stdout)
            .unwrap()
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect(),
    };
    let file = |finding: &Value| {
        let of = finding.get("File").or_else(|| finding.pointer("/SourceMetadata/Data/Filesystem/file"));
        let path = of.and_then(Value::as_str)?;
        Some(Path::new(path).strip_prefix(folder).ok()?.to_str()?.to_owned())
    };
    found.iter().filter_map(file).collect()
}

/// Writes the files of the corpus into a folder.
fn extract(folder: &Path, secrets: &[Secret]) {
    let planted = secrets.iter().map(|secret| (secret.path, &secret.bytes));
    for (path, bytes) in secrets::harmless().iter().map(|(path, bytes)| (*path, bytes)).chain(planted) {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
}

/// A row of the table.
fn row(kind: &str, found: [bool; 3]) {
    let [ours, gitleaks, trufflehog] = found.map(|found| if found { "yes" } else { "no" });
    println!("| {kind} | {ours} | {gitleaks} | {trufflehog} |");
}

#[test]
#[ignore = "a table for people, made at night"]
fn the_table_of_who_finds_what() {
    if !ready(&[&MAKERS[..], &below::PLANTERS[..], &PEERS[..]].concat()) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let [root, disks] = ["root", "disks"].map(|name| folder.path().join(name));
    fs::create_dir(&disks).unwrap();
    let disk = disks.join("disk.raw");
    let secrets = secrets::all();
    extract(&root, &secrets);
    let planted = secrets.iter().map(|secret| (secret.path, secret.bytes.clone()));
    image::write_disk(&disk, secrets::harmless().into_iter().chain(planted));
    let buried = below::plant(&disk);
    let report = report(&disk);
    let surveyed = residue::disk(&Medium::open(&disk).unwrap()).unwrap();
    let peers = PEERS.map(|peer| files(peer, &root, folder.path()));
    println!("| planted | amiforge | gitleaks | trufflehog |\n|---|---|---|---|");
    let mut counts = [0; 3];
    let mut count = |found: [bool; 3]| {
        counts.iter_mut().zip(found).for_each(|(count, found)| *count += u32::from(found));
        found
    };
    for secret in &secrets {
        let [gitleaks, trufflehog] = [0, 1].map(|peer| peers[peer].contains(secret.path));
        row(secret.kind, count([is_found(&report, secret), gitleaks, trufflehog]));
    }
    // What is below the files has no path: whether a tool finds anything in the image says nothing of a place, so each
    // is given an image with nothing but that secret.
    for (number, one) in buried.iter().enumerate() {
        let single = disks.join(format!("{number}"));
        fs::create_dir(&single).unwrap();
        alone(&disk, one.at, &single.join("disk.raw"));
        let found = PEERS.map(|peer| !files(peer, &single, folder.path()).is_empty());
        row(one.kind, count([is_dug_up(&report, &surveyed, one), found[0], found[1]]));
        fs::remove_dir_all(&single).unwrap();
    }
    println!(
        "| **of {}** | **{}** | **{}** | **{}** |",
        secrets.len() + buried.len(),
        counts[0],
        counts[1],
        counts[2]
    );
    assert_eq!(counts[0] as usize, secrets.len() + buried.len());
    assert!(counts[1] > 0 && counts[2] > 0, "the others ran over nothing: {}", text(&root));
}

/// An image without secrets but for 4 KiB around one place.
fn alone(disk: &Path, at: u64, to: &Path) {
    use std::os::unix::fs::FileExt as _;
    image::write_disk(to, secrets::harmless());
    let from = at / 512 * 512;
    let mut bytes = vec![0; 1024];
    fs::File::open(disk).unwrap().read_exact_at(&mut bytes, from).unwrap();
    fs::OpenOptions::new().write(true).open(to).unwrap().write_all_at(&bytes, from).unwrap();
}
