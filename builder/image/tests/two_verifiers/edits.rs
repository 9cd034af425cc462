//! Whole bundles that are changed, and what binds the change made anew: nothing, `SHA256SUMS`, or also the manifest's
//! digests, as somebody would who can write to all files of a bundle.

use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use amiforge_verify::Choices;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::fixture::{Unpacked, amiforge, independent};
use crate::tally::Tally;

const BLOCK: usize = 512 * 1024;

/// What is made anew behind a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Remake {
    Nothing,
    Sums,
    Manifest,
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

fn sha256(bytes: &[u8]) -> Vec<u8> {
    Sha256::digest(bytes).to_vec()
}

/// A bundle that is changed and restored.
pub(crate) struct Edited {
    bundle: Unpacked,
    pristine: Vec<(String, Vec<u8>)>,
    pub(crate) disk: Vec<u8>,
}

impl Edited {
    pub(crate) fn new(name: &str) -> Self {
        let bundle = Unpacked::new(name);
        let names = ["SHA256SUMS", "manifest.json", "tree.txt"];
        let pristine = names.iter().map(|name| ((*name).to_owned(), bundle.read(name))).collect();
        let disk = bundle.read("disk.raw");
        Self { bundle, pristine, disk }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.bundle.folder()
    }

    pub(crate) fn text(&self, name: &str) -> String {
        String::from_utf8(self.bundle.read(name)).unwrap()
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        fs::write(self.bundle.path(name), text).unwrap();
    }

    pub(crate) fn manifest(&self) -> Value {
        self.bundle.manifest()
    }

    pub(crate) fn write_manifest(&self, manifest: &Value) {
        self.write("manifest.json", format!("{manifest:#}\n"));
    }

    /// Writes to the image, in place.
    pub(crate) fn poke(&self, at: usize, bytes: &[u8]) {
        let file = fs::OpenOptions::new().write(true).open(self.bundle.path("disk.raw")).unwrap();
        file.write_all_at(bytes, at as u64).unwrap();
    }

    /// Everything as it was.
    pub(crate) fn restore(&self, disk: bool) {
        for entry in fs::read_dir(self.folder()).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            let own = name == "disk.raw" || self.pristine.iter().any(|file| file.0 == name);
            if entry.file_type().unwrap().is_dir() {
                fs::remove_dir_all(entry.path()).unwrap();
            } else if !own || entry.file_type().unwrap().is_symlink() {
                fs::remove_file(entry.path()).unwrap();
            }
        }
        for (name, bytes) in &self.pristine {
            self.write(name, bytes);
        }
        if disk {
            self.write("disk.raw", &self.disk);
        }
    }

    /// Makes digests good again.
    pub(crate) fn remake(&self, what: Remake) {
        if what == Remake::Nothing {
            return;
        }
        if what == Remake::Manifest {
            let mut manifest = self.manifest();
            self.remake_blocks(&mut manifest);
            let tree = hex(&sha256(&self.bundle.read("tree.txt")));
            manifest["documents"]["tree.txt"] = json!(tree);
            self.write_manifest(&manifest);
        }
        let mut sums = String::new();
        for name in ["disk.raw", "manifest.json", "tree.txt"] {
            if let Ok(bytes) = fs::read(self.bundle.path(name)) {
                sums += &format!("{}  {name}\n", hex(&sha256(&bytes)));
            }
        }
        self.write("SHA256SUMS", sums);
    }

    /// The list of blocks with what follows from it; a free block that is still zeros stays free.
    fn remake_blocks(&self, manifest: &mut Value) {
        let disk = self.bundle.read("disk.raw");
        let before: Vec<String> = manifest["blocks"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|entry| {
                let entry = entry.as_str().unwrap();
                let (kind, count) = entry.split_once('*').unwrap_or((entry, "1"));
                vec![kind.to_owned(); count.parse().unwrap()]
            })
            .collect();
        let mut entries: Vec<(String, usize)> = Vec::new();
        let (mut leaves, mut all, mut full) = (Vec::new(), Vec::new(), Vec::new());
        for (index, block) in disk.chunks(BLOCK).enumerate() {
            let digest = sha256(&[block, &vec![0; BLOCK - block.len()]].concat());
            let zeros = block.iter().all(|byte| *byte == 0);
            let free = zeros && before.get(index).is_some_and(|kind| kind == "free");
            let entry = match (zeros, free) {
                (true, true) => "free".to_owned(),
                (true, false) => "zero".to_owned(),
                (false, _) => hex(&digest),
            };
            if !free {
                all.extend(&digest);
            }
            if !zeros {
                full.extend(&digest);
            }
            leaves.push(sha256(&[&[0], digest.as_slice()].concat()));
            match entries.last_mut() {
                Some((last, count)) if *last == entry && zeros => *count += 1,
                _ => entries.push((entry, 1)),
            }
        }
        let text = |(entry, count): &(String, usize)| {
            if entry.len() == 64 { entry.clone() } else { format!("{entry}*{count}") }
        };
        manifest["blocks"] = entries.iter().map(text).collect();
        manifest["ebs"] = json!({
            "without_free": { "blocks": all.len() / 32, "sha256": hex(&sha256(&all)) },
            "without_zero": { "blocks": full.len() / 32, "sha256": hex(&sha256(&full)) },
        });
        manifest["merkle_root"] = json!(hex(&merkle(&leaves)));
        manifest["sha256"] = json!(hex(&sha256(&disk)));
        manifest["disk"]["size"] = json!(disk.len());
    }

    /// Makes a change and asks both.
    pub(crate) fn ask(&self, name: &str, remake: Remake, tally: &mut Tally) {
        self.remake(remake);
        let both = (amiforge(self.folder()), independent(self.folder(), &Choices::default()));
        tally.add(&format!("{name} ({remake:?})"), &both.0, &both.1);
    }
}

fn merkle(nodes: &[Vec<u8>]) -> Vec<u8> {
    match nodes {
        [] => sha256(&[]),
        [node] => node.clone(),
        _ => {
            let (left, right) = nodes.split_at(nodes.len().next_power_of_two() / 2);
            sha256(&[&[1], merkle(left).as_slice(), merkle(right).as_slice()].concat())
        }
    }
}
