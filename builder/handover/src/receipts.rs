//! Receipts of a publication (`.amr`): what became of a hand-over, for the host that wrote it.
//!
//! A file is a text in JSON and then any number of armoured SSH signatures over it, so that it can be read and checked
//! without this program:
//!
//! ```text
//! sed '/^-----BEGIN SSH SIGNATURE-----$/,$d' web.amr > receipts.json
//! sed -n '/^-----BEGIN SSH SIGNATURE-----$/,$p' web.amr > receipts.sig
//! ssh-keygen -Y verify -f allowed_signers -I bob -n amiforge-receipts -s receipts.sig < receipts.json
//! ```

use amiforge_formats::digest::Digest;
use serde::{Deserialize, Serialize};

use crate::contents::NamedManifest;

/// The namespace of SSH signatures over receipts.
pub const NAMESPACE: &str = "amiforge-receipts";
/// Version of the text.
const SCHEMA: u64 = 1;
/// Maximum length of a file in bytes.
pub const FILE_MAX: usize = 4 << 20;
/// Maximum number of signatures.
const SIGNATURES_MAX: usize = 64;
/// The first line of a signature.
const BEGIN: &str = "-----BEGIN SSH SIGNATURE-----";
/// Maximum length of an id or a name in bytes.
const NAME_MAX: usize = 256;

/// The receipts of one publication.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipts {
    /// Version of the text.
    pub schema: u64,
    /// What was published.
    pub bundle: PublishedBundle,
    /// Who published it, with which program.
    pub publisher: Publisher,
    /// When it was read back, in seconds since 1970, by the clock of the publishing host.
    pub time: i64,
    /// The AMIs, that of the first region first.
    pub images: Vec<PublishedImage>,
}

/// The bundle, by its digests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishedBundle {
    /// Name of the image.
    pub name: String,
    /// Its version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// SHA-256 of the image.
    pub image_sha256: String,
    /// Merkle root of its blocks.
    pub merkle_root: String,
    /// SHA-256 of its manifest.
    pub manifest_sha256: String,
}

impl From<&NamedManifest> for PublishedBundle {
    fn from(named: &NamedManifest) -> Self {
        let manifest = &named.manifest;
        Self {
            name: manifest.origin.name.clone(),
            version: manifest.origin.version.clone(),
            image_sha256: manifest.plain.to_string(),
            merkle_root: manifest.blocks.merkle_root().to_string(),
            manifest_sha256: named.sha256.to_string(),
        }
    }
}

/// Who published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Publisher {
    /// ARN of the caller, as STS reports it.
    pub arn: String,
    /// The account.
    pub account: String,
    /// Version of this program.
    pub tool: String,
}

/// An AMI.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishedImage {
    /// Its region.
    pub region: String,
    /// Its id.
    pub image_id: String,
    /// Its name.
    pub name: String,
    /// The AMI that it is a copy of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copy_of: Option<String>,
    /// Its snapshots, with the proof of each.
    pub snapshots: Vec<ReadBack>,
}

/// A snapshot that was read back and is as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReadBack {
    /// The device.
    pub device: String,
    /// The snapshot.
    pub snapshot_id: String,
    /// Blocks that it holds.
    pub held: u64,
    /// Blocks that were read and compared.
    pub read: u64,
    /// What they were compared with.
    pub against: String,
}

/// Why a file is no receipt, or not one of this image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReceiptsError {
    /// More bytes than receipts have.
    #[error("the file has more than {FILE_MAX} bytes")]
    TooLong,
    /// The text is no receipt.
    #[error("the file is no receipt of this version of amiforge: {reason}")]
    Unreadable {
        /// The reason.
        reason: String,
    },
    /// The receipt is of another image.
    #[error("the receipt is of `{name}` with the {what} {stored}, and the bundle has {expected}")]
    OtherImage {
        /// The name in the receipt.
        name: String,
        /// Which digest differs.
        what: &'static str,
        /// The digest in the receipt.
        stored: String,
        /// The digest of the bundle.
        expected: String,
    },
}

/// A file with receipts, split into what is signed and the signatures. Nothing of it is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiptsFile {
    /// The text that signatures are over.
    pub text: Vec<u8>,
    /// The armoured signatures.
    pub signatures: Vec<Vec<u8>>,
}

impl Receipts {
    /// The receipts of a publication.
    pub fn new(
        bundle: PublishedBundle,
        publisher: Publisher,
        time: i64,
        images: Vec<PublishedImage>,
    ) -> Self {
        Self { schema: SCHEMA, bundle, publisher, time, images }
    }

    /// The text that is signed, ending in a line break.
    pub fn to_text(&self) -> String {
        // Plain structures of strings and numbers cannot fail to become JSON.
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }

    /// Refuses receipts of another image.
    ///
    /// # Errors
    /// [`ReceiptsError::OtherImage`].
    pub fn require_of(&self, bundle: &NamedManifest) -> Result<(), ReceiptsError> {
        let (own, other) = (PublishedBundle::from(bundle), &self.bundle);
        let digests = [
            ("image digest", &other.image_sha256, own.image_sha256),
            ("Merkle root", &other.merkle_root, own.merkle_root),
            ("manifest digest", &other.manifest_sha256, own.manifest_sha256),
        ];
        let differs = digests.into_iter().find(|(_, stored, expected)| *stored != expected);
        differs.map_or(Ok(()), |(what, stored, expected)| {
            let (name, stored) = (other.name.clone(), stored.clone());
            Err(ReceiptsError::OtherImage { name, what, stored, expected })
        })
    }

    fn check(self) -> Result<Self, String> {
        if self.schema != SCHEMA {
            return Err(format!("its schema is {}, and this program reads {SCHEMA}", self.schema));
        }
        let id = |text: &str, prefix: &str| {
            text.strip_prefix(prefix).is_some_and(|digits| {
                (1..=64).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
            })
        };
        for image in &self.images {
            let region = !image.region.is_empty()
                && image.region.len() <= NAME_MAX
                && image.region.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
            if !region || !id(&image.image_id, "ami-") {
                return Err("an image has no region, or no id of an AMI".to_owned());
            }
            if image.snapshots.is_empty() || !image.snapshots.iter().all(|one| id(&one.snapshot_id, "snap-"))
            {
                return Err(format!("{} has no snapshot that was read back", image.image_id));
            }
        }
        if self.images.is_empty() {
            return Err("it has no image".to_owned());
        }
        Ok(self)
    }
}

impl ReceiptsFile {
    /// The bytes of the file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let signatures = self.signatures.iter().flatten();
        self.text.iter().chain(signatures).copied().collect()
    }

    /// Splits a file.
    ///
    /// # Errors
    /// [`ReceiptsError::TooLong`], [`ReceiptsError::Unreadable`].
    pub fn parse(bytes: &[u8]) -> Result<Self, ReceiptsError> {
        if bytes.len() > FILE_MAX {
            return Err(ReceiptsError::TooLong);
        }
        let unreadable = |reason: &str| ReceiptsError::Unreadable { reason: reason.to_owned() };
        let text = std::str::from_utf8(bytes).map_err(|_| unreadable("it is not text"))?;
        let mut pieces: Vec<String> = vec![String::new()];
        for line in text.split_inclusive('\n') {
            if line.trim_end() == BEGIN {
                pieces.push(String::new());
            }
            if let Some(piece) = pieces.last_mut() {
                piece.push_str(line);
            }
        }
        if pieces.len() > SIGNATURES_MAX + 1 {
            return Err(unreadable("it has too many signatures"));
        }
        let mut pieces = pieces.into_iter().map(String::into_bytes);
        Ok(Self { text: pieces.next().unwrap_or_default(), signatures: pieces.collect() })
    }

    /// Reads the text.
    ///
    /// # Errors
    /// [`ReceiptsError::Unreadable`].
    pub fn receipts(&self) -> Result<Receipts, ReceiptsError> {
        let read = serde_json::from_slice::<Receipts>(&self.text).map_err(|error| error.to_string());
        read.and_then(Receipts::check).map_err(|reason| ReceiptsError::Unreadable { reason })
    }

    /// The name under which it is kept: it follows from the bytes, so one that comes twice is kept once.
    pub fn name(&self) -> String {
        let digest = Digest::of(&self.to_bytes()).to_string();
        format!("{}.amr", digest.get(..16).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receipts() -> Receipts {
        let digest = |text: &str| Digest::of(text.as_bytes()).to_string();
        let bundle = PublishedBundle {
            name: "web".to_owned(),
            version: None,
            image_sha256: digest("image"),
            merkle_root: digest("root"),
            manifest_sha256: digest("manifest"),
        };
        let publisher = Publisher {
            arn: "arn:aws:iam::111122223333:user/bob".to_owned(),
            account: "111122223333".to_owned(),
            tool: "0.1.0".to_owned(),
        };
        let snapshots = vec![ReadBack {
            device: "/dev/xvda".to_owned(),
            snapshot_id: "snap-0a".to_owned(),
            held: 5,
            read: 5,
            against: "the manifest of `web`".to_owned(),
        }];
        let image = PublishedImage {
            region: "eu-west-1".to_owned(),
            image_id: "ami-0b".to_owned(),
            name: "web".to_owned(),
            copy_of: None,
            snapshots,
        };
        Receipts::new(bundle, publisher, 1_700_000_000, vec![image])
    }

    #[test]
    fn a_file_splits_into_its_text_and_its_signatures() {
        let text = receipts().to_text().into_bytes();
        let signature = |id: &str| format!("{BEGIN}\n{id}\n-----END SSH SIGNATURE-----\n").into_bytes();
        for signatures in [vec![], vec![signature("a")], vec![signature("a"), signature("b")]] {
            let file = ReceiptsFile { text: text.clone(), signatures };
            assert_eq!(ReceiptsFile::parse(&file.to_bytes()), Ok(file.clone()));
            assert_eq!(file.receipts(), Ok(receipts()));
        }
    }

    #[test]
    fn what_is_no_receipt_is_refused_and_nothing_panics() {
        let text = receipts().to_text();
        for (from, to) in [
            ("\"schema\": 1", "\"schema\": 9"),
            ("ami-0b", "ami-"),
            ("snap-0a", "snap-../x"),
            ("eu-west-1", "../eu"),
            ("\"time\"", "\"times\""),
        ] {
            let file = ReceiptsFile::parse(text.replace(from, to).as_bytes()).unwrap();
            assert!(matches!(file.receipts(), Err(ReceiptsError::Unreadable { .. })), "{from}");
        }
        for len in 0..text.len() - 1 {
            assert!(ReceiptsFile::parse(&text.as_bytes()[..len]).unwrap().receipts().is_err(), "{len}");
        }
        assert!(ReceiptsFile::parse(&[0xff]).is_err());
        assert_eq!(ReceiptsFile::parse(&vec![b' '; FILE_MAX + 1]), Err(ReceiptsError::TooLong));
    }
}
