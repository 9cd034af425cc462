//! The records of a journal and their bytes: a kind, the length of the payload (4 bytes, little-endian), the payload,
//! and the first 8 bytes of SHA-256 over all of these.

use amiforge_formats::digest::Digest;
use serde::{Deserialize, Serialize};

use crate::api::{Encryption, StartSnapshot};

/// Longest payload that is believed: an intent with fifty tags is far shorter.
const PAYLOAD_MAX: usize = 1 << 20;

/// Bytes of the checksum.
const CHECKSUM_LEN: usize = 8;

/// Something that happened, or is about to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// What is meant; the first record.
    Intent(Intent),
    /// The service has begun the snapshot.
    Started {
        /// Its id.
        snapshot: String,
        /// When, in seconds since 1970.
        at: i64,
    },
    /// The snapshot turned out to be encrypted: from now on blocks of zeros are sent too.
    WriteZeros,
    /// The service has a block.
    Block {
        /// Which.
        index: u64,
        /// Its digest.
        digest: Digest,
    },
    /// The snapshot is about to be sealed: no more blocks.
    Sealing,
    /// The service has confirmed the snapshot.
    Finished,
}

/// What an upload is to do: everything that the service is asked, so that it can be asked again in the same words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// The token of `StartSnapshot`.
    pub token: String,
    /// The region.
    pub region: String,
    /// Which image.
    pub identity: UploadIdentity,
    /// Length of the image in bytes.
    pub size: u64,
    /// Length of the volume in GiB.
    pub volume_gib: u32,
    /// The parent.
    pub parent: Option<String>,
    /// How the parent was asked for.
    pub parent_choice: Option<String>,
    /// What was asked of encryption.
    pub encryption: EncryptionText,
    /// Whether blocks of zeros are sent too.
    pub write_zeros: bool,
    /// Whether encrypted copies were announced.
    pub may_be_encrypted: bool,
    /// Description of the snapshot.
    pub description: Option<String>,
    /// Tags of the snapshot.
    pub tags: Vec<(String, String)>,
    /// Minutes after which the service may give the snapshot up.
    pub timeout_minutes: u16,
}

impl Intent {
    /// The request that begins the snapshot, the same every time.
    pub fn start(&self) -> StartSnapshot {
        StartSnapshot {
            volume_gib: self.volume_gib,
            parent: self.parent.clone(),
            description: self.description.clone(),
            tags: self.tags.clone(),
            token: self.token.clone(),
            encryption: self.encryption.clone().into(),
            timeout_minutes: self.timeout_minutes,
        }
    }
}

/// Which image an upload is of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UploadIdentity {
    /// A bundle, by the digest of its manifest's text.
    Bundle {
        /// In hexadecimal.
        manifest: String,
    },
    /// A raw file. What it holds is looked at anew each time.
    Raw {
        /// Its name, without its folder.
        name: String,
    },
}

/// [`Encryption`] in a journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EncryptionText {
    /// [`Encryption::AsAccount`].
    AsAccount,
    /// [`Encryption::DefaultKey`].
    DefaultKey,
    /// [`Encryption::Key`].
    Key(String),
}

impl From<Encryption> for EncryptionText {
    fn from(encryption: Encryption) -> Self {
        match encryption {
            Encryption::AsAccount => Self::AsAccount,
            Encryption::DefaultKey => Self::DefaultKey,
            Encryption::Key(arn) => Self::Key(arn),
        }
    }
}

impl From<EncryptionText> for Encryption {
    fn from(text: EncryptionText) -> Self {
        match text {
            EncryptionText::AsAccount => Self::AsAccount,
            EncryptionText::DefaultKey => Self::DefaultKey,
            EncryptionText::Key(arn) => Self::Key(arn),
        }
    }
}

/// [`Record::Started`] in a journal.
#[derive(Serialize, Deserialize)]
struct StartedText {
    snapshot: String,
    at: i64,
}

/// The bytes of a record.
pub(crate) fn encode(record: &Record) -> Vec<u8> {
    // Plain structures of strings and numbers cannot fail to become JSON.
    let (kind, payload) = match record {
        Record::Intent(intent) => (b'I', serde_json::to_vec(intent).unwrap_or_default()),
        Record::Started { snapshot, at } => {
            let text = StartedText { snapshot: snapshot.clone(), at: *at };
            (b'S', serde_json::to_vec(&text).unwrap_or_default())
        }
        Record::WriteZeros => (b'Z', Vec::new()),
        Record::Block { index, digest } => {
            let mut payload = index.to_le_bytes().to_vec();
            payload.extend(digest.0);
            (b'B', payload)
        }
        Record::Sealing => (b'C', Vec::new()),
        Record::Finished => (b'F', Vec::new()),
    };
    let mut bytes = vec![kind];
    bytes.extend((payload.len() as u32).to_le_bytes());
    bytes.extend(payload);
    let checksum = Digest::of(&bytes);
    bytes.extend(&checksum.0[..CHECKSUM_LEN]);
    bytes
}

/// The first record and what follows it; nothing when it is not whole.
pub(crate) fn decode(bytes: &[u8]) -> Option<(Record, &[u8])> {
    let len = u32::from_le_bytes(bytes.get(1..5)?.try_into().ok()?) as usize;
    if len > PAYLOAD_MAX {
        return None;
    }
    let (checksummed, rest) = bytes.split_at_checked(5 + len)?;
    let (checksum, rest) = rest.split_at_checked(CHECKSUM_LEN)?;
    if Digest::of(checksummed).0[..CHECKSUM_LEN] != *checksum {
        return None;
    }
    let payload = &checksummed[5..];
    let record = match checksummed[0] {
        b'I' => Record::Intent(serde_json::from_slice(payload).ok()?),
        b'S' => {
            let StartedText { snapshot, at } = serde_json::from_slice(payload).ok()?;
            Record::Started { snapshot, at }
        }
        b'Z' => Record::WriteZeros,
        b'B' => {
            let (index, digest) = payload.split_at_checked(8)?;
            let index = u64::from_le_bytes(index.try_into().ok()?);
            Record::Block { index, digest: Digest(digest.try_into().ok()?) }
        }
        b'C' => Record::Sealing,
        b'F' => Record::Finished,
        _ => return None,
    };
    Some((record, rest))
}
