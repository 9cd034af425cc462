//! What an authentic document has to say.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::authenticate::Authentic;
use crate::encoding::encode_hex;
use crate::pcr::{PCR_LEN, Sha384Pcr, meaning};
use crate::time::UnixTime;

/// How far a document may be from the future, for clocks that differ.
pub const FUTURE_TOLERANCE: Duration = Duration::from_mins(5);
/// The PCR of the programs that firmware started: on every machine that booted it differs from its initial value.
const BOOT_PCR: u8 = 4;

/// What an authentic document has to say. What is `None` or empty is not compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expectations {
    /// The time of the verification.
    pub at: UnixTime,
    /// The greatest age of the document; it is never accepted after its certificates expired.
    pub max_age: Option<Duration>,
    /// What proves that the document was made for this request.
    pub nonce: Option<Vec<u8>>,
    /// The user data.
    pub user_data: Option<Vec<u8>>,
    /// The public key, as in the document.
    pub public_key: Option<Vec<u8>>,
    /// The PCRs by their number.
    pub pcrs: BTreeMap<u8, Sha384Pcr>,
}

/// A difference between a document and what it has to say.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DocumentDifference {
    /// It was made later than it is now.
    Future {
        /// When it was made.
        timestamp: UnixTime,
        /// The time of the verification.
        at: UnixTime,
    },
    /// A certificate of its chain has expired.
    Expired {
        /// The owner of the certificate.
        subject: String,
        /// The last moment at which it was valid.
        not_after: UnixTime,
        /// The time of the verification.
        at: UnixTime,
    },
    /// It is too old.
    TooOld {
        /// Its age.
        age: Duration,
        /// The greatest age.
        max_age: Duration,
    },
    /// A value that the requester passed differs.
    Value {
        /// `nonce`, `user_data` or `public_key`.
        name: &'static str,
        /// What it should be.
        expected: Vec<u8>,
        /// What the document has.
        actual: Option<Vec<u8>>,
    },
    /// The machine measured no program: PCR 4 has its initial value.
    NotMeasured,
    /// A PCR differs.
    Pcr {
        /// Its number.
        index: u8,
        /// The value that it should have.
        expected: Sha384Pcr,
        /// The value that the document has.
        actual: Option<Sha384Pcr>,
    },
}

impl Expectations {
    /// Every difference between an authentic document and what it has to say; none if it is as it should be.
    pub fn differences(&self, authentic: &Authentic) -> Vec<DocumentDifference> {
        let document = &authentic.document;
        let mut differences = self.freshness(authentic);
        let values = [
            ("nonce", &self.nonce, &document.nonce),
            ("user_data", &self.user_data, &document.user_data),
            ("public_key", &self.public_key, &document.public_key),
        ];
        for (name, expected, actual) in values {
            if let Some(expected) = expected
                && Some(expected) != actual.as_ref()
            {
                let (expected, actual) = (expected.clone(), actual.clone());
                differences.push(DocumentDifference::Value { name, expected, actual });
            }
        }
        if document.pcrs.get(&BOOT_PCR).is_none_or(|value| *value == [0; PCR_LEN]) {
            differences.push(DocumentDifference::NotMeasured);
        }
        for (&index, expected) in &self.pcrs {
            let actual = document.pcrs.get(&index);
            if actual != Some(expected) {
                let (expected, actual) = (*expected, actual.copied());
                differences.push(DocumentDifference::Pcr { index, expected, actual });
            }
        }
        differences
    }

    fn freshness(&self, authentic: &Authentic) -> Vec<DocumentDifference> {
        let (at, timestamp) = (self.at, authentic.document.timestamp);
        let mut differences = Vec::new();
        if timestamp.since(at) > FUTURE_TOLERANCE {
            differences.push(DocumentDifference::Future { timestamp, at });
        }
        // The first to expire says most: that of the document lives three hours.
        let expired = authentic.chain.iter().filter(|one| at.seconds() > one.not_after.seconds());
        if let Some(first) = expired.min_by_key(|one| one.not_after) {
            let (subject, not_after) = (first.subject.clone(), first.not_after);
            differences.push(DocumentDifference::Expired { subject, not_after, at });
        }
        let age = at.since(timestamp);
        if let Some(max_age) = self.max_age.filter(|&max_age| age > max_age) {
            differences.push(DocumentDifference::TooOld { age, max_age });
        }
        differences
    }
}

impl DocumentDifference {
    /// A word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Future { .. } => "future",
            Self::Expired { .. } => "expired",
            Self::TooOld { .. } => "too-old",
            Self::Value { name: "nonce", .. } => "nonce",
            Self::Value { name: "user_data", .. } => "user-data",
            Self::Value { .. } => "public-key",
            Self::NotMeasured => "not-measured",
            Self::Pcr { .. } => "pcr",
        }
    }

    /// What it means, and what to do next.
    pub fn explanation(&self) -> &'static str {
        match self {
            Self::Future { .. } => "check this machine's clock, or pass the time with `--at`",
            Self::Expired { .. } | Self::TooOld { .. } => {
                "ask the machine for a new document; to look at an old one, pass a time with `--at`"
            }
            Self::Value { name: "nonce", .. } => {
                "the document was made for another request, perhaps an earlier one that is replayed: send a new nonce, and \
                 compare the answer to that"
            }
            Self::Value { name: "user_data", .. } => "the machine signed other user data than this",
            Self::Value { .. } => {
                "another key was attested: do not encrypt anything to the expected one for this machine"
            }
            Self::NotMeasured => {
                "the machine measured nothing before it made the document: its firmware starts no program by UEFI, or its \
                 TPM was reset"
            }
            Self::Pcr { index, .. } => meaning(*index).difference,
        }
    }
}

/// One line with both values.
impl fmt::Display for DocumentDifference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |bytes: &Option<Vec<u8>>| match bytes {
            Some(bytes) if bytes.is_empty() => "empty".to_owned(),
            Some(bytes) => encode_hex(bytes),
            None => "none".to_owned(),
        };
        match self {
            Self::Future { timestamp, at } => write!(f, "it was made at {timestamp}, and it is {at}"),
            Self::Expired { subject, not_after, at } => {
                write!(f, "the certificate of `{subject}` expired at {not_after}, and it is {at}")
            }
            Self::TooOld { age, max_age } => {
                write!(f, "it is {} s old, and at most {} s are allowed", age.as_secs(), max_age.as_secs())
            }
            Self::Value { name, expected, actual } => {
                write!(f, "{name} is {} instead of {}", shown(actual), shown(&Some(expected.clone())))
            }
            Self::NotMeasured => write!(f, "PCR {BOOT_PCR} is zero or missing"),
            Self::Pcr { index, expected, actual: Some(actual) } => {
                write!(f, "PCR {index} is {} instead of {}", encode_hex(actual), encode_hex(expected))
            }
            Self::Pcr { index, expected, actual: None } => {
                write!(f, "PCR {index} is not in the document; it should be {}", encode_hex(expected))
            }
        }
    }
}
