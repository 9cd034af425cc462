//! The kinds of differences of a bundle, and their messages.

use serde::Serialize;

/// The consequence of a missing file, and the remedy.
fn without(name: &str) -> &'static str {
    match name {
        crate::bundle::DISK => {
            ": no block could be compared; copy the whole folder of the bundle, or build it again"
        }
        crate::bundle::MANIFEST => {
            ": nothing says what the image should be; copy the whole folder of the bundle, or build it again"
        }
        _ => "",
    }
}

/// A difference within a bundle. Digests are in hexadecimal, ranges in bytes of the image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum BundleDifference {
    /// A file of a bundle is not there.
    #[error("`{name}` is missing{}", without(name))]
    Missing {
        /// The file.
        name: String,
    },
    /// Something is there that is no part of a bundle.
    #[error("`{name}` does not belong to a bundle")]
    Extra {
        /// Its name.
        name: String,
    },
    /// A file of a bundle is a link, a directory or a device.
    #[error("`{name}` is not a regular file")]
    NotAFile {
        /// Its name.
        name: String,
    },
    /// A text is longer than any that a build writes.
    #[error("`{name}` is {len} bytes long, and no more than {limit} are read")]
    TooLong {
        /// The file.
        name: String,
        /// Its length.
        len: u64,
        /// What is read at most.
        limit: u64,
    },
    /// `SHA256SUMS` cannot be read as such.
    #[error("`SHA256SUMS`: {reason}")]
    Sums {
        /// Why.
        reason: String,
    },
    /// `SHA256SUMS` has no line for a file, or more than one.
    #[error("`SHA256SUMS` has {lines} lines for `{name}`, not one")]
    SumLines {
        /// The file.
        name: String,
        /// Lines for it.
        lines: usize,
    },
    /// A file has another digest.
    #[error("`{name}` has SHA-256 {found}, and `SHA256SUMS` says {expected}")]
    Sum {
        /// The file.
        name: String,
        /// The digest in `SHA256SUMS`.
        expected: String,
        /// The digest of the file.
        found: String,
    },
    /// A file among the signatures is no signature of the bundle.
    #[error("`{name}` is no signature of this bundle: {problem}")]
    Signature {
        /// The file.
        name: String,
        /// Why.
        problem: String,
    },
    /// A program or its signature is not what the manifest says, or firmware would not start it.
    #[error("Secure Boot: {problem}")]
    SecureBoot {
        /// What differs.
        problem: String,
    },
    /// A document is not the one that the manifest binds to the image.
    #[error("`{name}` has SHA-256 {found}, and the manifest says {expected}")]
    Document {
        /// The file.
        name: String,
        /// The value in the manifest.
        expected: String,
        /// The digest of the file.
        found: String,
    },
    /// A document is there that the manifest does not list.
    #[error("`{name}` is not one of the documents that the manifest lists")]
    Unbound {
        /// The file.
        name: String,
    },
    /// The manifest cannot be read.
    #[error("`manifest.json` cannot be read: {reason}")]
    Manifest {
        /// Why.
        reason: String,
    },
    /// The manifest's text is not the one that its contents have.
    #[error("`manifest.json` is not written as amiforge {tool} writes it")]
    ManifestText {
        /// The version that it names.
        tool: String,
    },
    /// A value of the manifest does not follow from its blocks.
    #[error("`manifest.json` has `{key}` {found}, and its blocks make it {expected}")]
    ManifestValue {
        /// The key.
        key: String,
        /// What follows from the blocks.
        expected: String,
        /// What the manifest has.
        found: String,
    },
    /// The image is shorter or longer.
    #[error("`disk.raw` is {found} bytes long, and the manifest says {expected}")]
    Length {
        /// The value in the manifest.
        expected: u64,
        /// Length of the file.
        found: u64,
    },
    /// A block has other bytes.
    #[error(
        "block {block} (bytes {start} to {end}) {}: SHA-256 {found}, and the manifest says {expected}",
        within(locations)
    )]
    Block {
        /// Index of the block.
        block: u64,
        /// Its first byte.
        start: u64,
        /// The first byte after it.
        end: u64,
        /// The partitions and files in it.
        #[serde(rename = "places")]
        locations: Vec<String>,
        /// The digest in the manifest; `free` and `zero` blocks have that of zeros.
        expected: String,
        /// The digest of the bytes.
        found: String,
    },
    /// A snapshot does not hold a block.
    #[error(
        "block {block} (bytes {start} to {end}) {} is missing: the manifest says SHA-256 {expected}",
        within(locations)
    )]
    Absent {
        /// Index of the block.
        block: u64,
        /// Its first byte.
        start: u64,
        /// The first byte after it.
        end: u64,
        /// The partitions and files in it.
        #[serde(rename = "places")]
        locations: Vec<String>,
        /// The value in the manifest.
        expected: String,
    },
    /// An encrypted snapshot does not hold a block of zeros, which will read as anything.
    #[error(
        "block {block} (bytes {start} to {end}) {} was never written: it should read as zeros, and on an encrypted \
         volume it reads as anything",
        within(locations)
    )]
    Unwritten {
        /// Index of the block.
        block: u64,
        /// Its first byte.
        start: u64,
        /// The first byte after it.
        end: u64,
        /// The partitions and files in it.
        #[serde(rename = "places")]
        locations: Vec<String>,
    },
    /// The service gives other bytes for a block than those whose checksum it gives.
    #[error("block {block} (bytes {start} to {end}) {}: {reason}", within(locations))]
    Unread {
        /// Index of the block.
        block: u64,
        /// Its first byte.
        start: u64,
        /// The first byte after it.
        end: u64,
        /// The partitions and files in it.
        #[serde(rename = "places")]
        locations: Vec<String>,
        /// What the bytes are, and what they should be.
        reason: String,
    },
    /// All blocks of a snapshot together are not those that it is tagged with.
    #[error("the blocks have the Merkle root {found}, and the snapshot's tag says {expected}")]
    MerkleRoot {
        /// The value of the tag.
        expected: String,
        /// The root over what was read.
        found: String,
    },
    /// The digest of the whole image is another one.
    #[error("the image has SHA-256 {found}, and the manifest says {expected}")]
    Image {
        /// The value in the manifest.
        expected: String,
        /// The digest of the file.
        found: String,
    },
    /// The partition table is not the one of the manifest.
    #[error("{location} has {key} {found}, and the manifest says {expected}")]
    Partition {
        /// Which partition, or the disk.
        #[serde(rename = "place")]
        location: String,
        /// What differs.
        key: String,
        /// The value in the manifest.
        expected: String,
        /// The value in the partition table.
        found: String,
    },
    /// A block of data is not what the hash tree over its partition says.
    #[error(
        "block {block} of {location} (bytes {start} to {end}){} is not what its hash tree says",
        holding(locations)
    )]
    Unverified {
        /// The partition.
        #[serde(rename = "place")]
        location: String,
        /// Index of the block of 4096 bytes in it.
        block: u64,
        /// First byte in the image.
        start: u64,
        /// The first byte after it in the image.
        end: u64,
        /// The files in it, each with the first byte of it that is there.
        #[serde(rename = "places")]
        locations: Vec<String>,
    },
    /// A register that the image makes is not the one of the manifest.
    #[error("PCR {register} ({bank}, Secure Boot {}) will be {found}, and the manifest says {expected}", on_or_off(*secure_boot))]
    Measurement {
        /// Its number.
        register: u8,
        /// `sha256` or `sha384`.
        bank: &'static str,
        /// Whether it is that of a machine with Secure Boot.
        secure_boot: bool,
        /// The value in the manifest.
        expected: String,
        /// The value that follows from the image.
        found: String,
    },
    /// The registers of the manifest do not follow from the image.
    #[error("the PCRs of the manifest cannot be compared: {reason}")]
    Unmeasured {
        /// Why.
        reason: String,
    },
    /// `measurements.json` does not say what the manifest says.
    #[error(
        "`measurements.json` does not hold the PCRs of the manifest: write it anew by `amiforge measure --format aws`, or build again"
    )]
    MeasurementsText,
    /// The policies for PCR 11 are not those of the manifest.
    #[error("PCR policies: {problem}")]
    PcrPolicy {
        /// What differs.
        problem: String,
    },
    /// The statement of how the image was built is not one of this bundle.
    #[error("`provenance.json`: {problem}")]
    Provenance {
        /// What differs.
        problem: String,
    },
    /// A format is damaged.
    #[error("{location}: {problem}")]
    Format {
        /// The format and its partition.
        #[serde(rename = "place")]
        location: String,
        /// What is wrong, and where in it.
        #[serde(rename = "fault")]
        problem: String,
    },
    /// `tree.txt` does not list the files of a file system.
    #[error("{location}: {}", listed(*line, text))]
    Listing {
        /// The format and its partition.
        #[serde(rename = "place")]
        location: String,
        /// Line of `tree.txt` that the image does not bear out; nothing for a line that is missing there.
        line: Option<u64>,
        /// The line of the listing.
        text: String,
    },
}

fn on_or_off(secure_boot: bool) -> &'static str {
    if secure_boot { "on" } else { "off" }
}

fn within(locations: &[String]) -> String {
    if locations.is_empty() {
        "outside every partition".to_owned()
    } else {
        format!("in {}", locations.join(", "))
    }
}

fn holding(locations: &[String]) -> String {
    if locations.is_empty() { String::new() } else { format!(", in {},", locations.join(", ")) }
}

fn listed(line: Option<u64>, text: &str) -> String {
    match line {
        Some(line) => format!("line {line} of `tree.txt` is not in the image: {text}"),
        None => format!("not in `tree.txt`: {text}"),
    }
}
