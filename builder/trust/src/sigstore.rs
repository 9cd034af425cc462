//! Sigstore bundles with a DSSE envelope and a key that both sides know, as cosign and npm read them.
//!
//! Follows `sigstore_bundle.proto` of the sigstore protobuf specifications, version 0.3, in its JSON form. No log and no
//! timestamp authority was asked, so there are no entries of one: readers check the key alone. A bundle with entries is
//! refused, because nothing here can check them.
#![warn(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use crate::dsse::{DsseEnvelope, EnvelopeError, EnvelopeText, LEN_MAX};

/// The type of a bundle.
pub const MEDIA_TYPE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

/// The most characters of the hint.
const HINT_MAX: usize = 1024;

/// A bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigstoreBundle {
    /// What says which key verifies it; not signed.
    pub hint: String,
    /// The envelope, with one signature.
    pub envelope: DsseEnvelope,
}

/// Why bytes are no bundle that is read here.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SigstoreError {
    /// Not JSON, or other keys.
    #[error("reading its JSON")]
    Json(#[source] serde_json::Error),
    /// More bytes than a bundle may have.
    #[error("it has {len} bytes, and bundles of at most {LEN_MAX} are read")]
    TooLong {
        /// Its length.
        len: usize,
    },
    /// Another version or format.
    #[error("its media type is not {MEDIA_TYPE}")]
    MediaType,
    /// `EntryCount` of a log or timestamps.
    #[error("it has {what}, which are not checked here")]
    Unchecked {
        /// What it has.
        what: &'static str,
    },
    /// A hint that is too long.
    #[error("its hint has {len} bytes, and at most {HINT_MAX} are read")]
    Hint {
        /// Its length.
        len: usize,
    },
    /// The envelope is none.
    #[error("reading its envelope")]
    Envelope(#[from] EnvelopeError),
}

// The fields are in the order of their names, which makes the keys of the text sorted.

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct BundleText {
    dsse_envelope: EnvelopeText,
    media_type: String,
    verification_material: MaterialText,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct MaterialText {
    public_key: KeyText,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    timestamp_verification_data: Option<TimestampsText>,
    #[serde(default)]
    tlog_entries: EntryCount,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyText {
    #[serde(default)]
    hint: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct TimestampsText {
    #[serde(default)]
    rfc3161_timestamps: EntryCount,
}

/// A list of which only the number of entries matters.
#[derive(Default)]
struct EntryCount(usize);

impl Serialize for EntryCount {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        <[u8; 0]>::default().as_slice().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for EntryCount {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::<IgnoredAny>::deserialize(deserializer).map(|entries| Self(entries.len()))
    }
}

impl SigstoreBundle {
    /// The bundle of an envelope with one signature; the hint is the id of its key.
    ///
    /// # Errors
    /// [`EnvelopeError::Signatures`] for an envelope with several.
    pub fn new(envelope: DsseEnvelope) -> Result<Self, EnvelopeError> {
        match envelope.signatures.as_slice() {
            [one] => Ok(Self { hint: one.key_id.clone(), envelope }),
            other => Err(EnvelopeError::Signatures { count: other.len(), most: 1 }),
        }
    }

    /// Reads a bundle.
    ///
    /// # Errors
    /// [`SigstoreError`].
    pub fn parse(text: &[u8]) -> Result<Self, SigstoreError> {
        if text.len() > LEN_MAX {
            return Err(SigstoreError::TooLong { len: text.len() });
        }
        let bundle: BundleText = serde_json::from_slice(text).map_err(SigstoreError::Json)?;
        if bundle.media_type != MEDIA_TYPE {
            return Err(SigstoreError::MediaType);
        }
        let MaterialText { public_key, timestamp_verification_data, tlog_entries } =
            bundle.verification_material;
        if tlog_entries.0 > 0 {
            return Err(SigstoreError::Unchecked { what: "entries of a transparency log" });
        }
        if timestamp_verification_data.is_some_and(|data| data.rfc3161_timestamps.0 > 0) {
            return Err(SigstoreError::Unchecked { what: "timestamps" });
        }
        if public_key.hint.len() > HINT_MAX {
            return Err(SigstoreError::Hint { len: public_key.hint.len() });
        }
        let envelope = DsseEnvelope::from_text(bundle.dsse_envelope)?;
        if envelope.signatures.len() != 1 {
            return Err(EnvelopeError::Signatures { count: envelope.signatures.len(), most: 1 }.into());
        }
        Ok(Self { hint: public_key.hint, envelope })
    }

    /// Its text: JSON on one line with sorted keys, and a newline.
    pub fn to_text(&self) -> String {
        let timestamps = TimestampsText { rfc3161_timestamps: EntryCount(0) };
        let bundle = BundleText {
            dsse_envelope: self.envelope.as_text(),
            media_type: MEDIA_TYPE.to_owned(),
            verification_material: MaterialText {
                public_key: KeyText { hint: self.hint.clone() },
                timestamp_verification_data: Some(timestamps),
                tlog_entries: EntryCount(0),
            },
        };
        // Plain structures of strings cannot fail to become JSON.
        let mut text = serde_json::to_string(&bundle).unwrap_or_default();
        text.push('\n');
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dsse::{EnvelopeSignature, IN_TOTO};

    fn bundle() -> SigstoreBundle {
        let signatures =
            vec![EnvelopeSignature { key_id: "0123456789abcdef".to_owned(), signature: vec![1, 2] }];
        let envelope = DsseEnvelope { payload_type: IN_TOTO.to_owned(), payload: b"{}".to_vec(), signatures };
        SigstoreBundle::new(envelope).unwrap()
    }

    #[test]
    fn a_bundle_has_the_text_that_cosign_reads_and_is_read_back() {
        let text = bundle().to_text();
        let expected = r#"{"dsseEnvelope":{"payload":"e30=","payloadType":"application/vnd.in-toto+json","signatures":[{"keyid":"0123456789abcdef","sig":"AQI="}]},"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":{"publicKey":{"hint":"0123456789abcdef"},"timestampVerificationData":{"rfc3161Timestamps":[]},"tlogEntries":[]}}"#;
        assert_eq!(text.trim_end(), expected);
        assert_eq!(SigstoreBundle::parse(text.as_bytes()).unwrap(), bundle());
    }

    #[test]
    fn what_cannot_be_checked_is_refused() {
        let text = bundle().to_text();
        let parse = |text: String| SigstoreBundle::parse(text.as_bytes());
        let unchecked = |changed| matches!(parse(changed), Err(SigstoreError::Unchecked { .. }));
        assert!(unchecked(text.replace("\"tlogEntries\":[]", "\"tlogEntries\":[{\"logIndex\":\"1\"}]")));
        assert!(unchecked(text.replace("Timestamps\":[]", "Timestamps\":[{\"signedTimestamp\":\"AA==\"}]")));
        assert!(matches!(parse(text.replace("v0.3", "v0.2")), Err(SigstoreError::MediaType)));
        let json = |changed| matches!(parse(changed), Err(SigstoreError::Json(_)));
        assert!(json(text.replace("publicKey", "certificate")));
        assert!(json(text.replace("\"tlogEntries\":[]", "\"tlogEntries\":[],\"tlogEntries\":[]")));
        let mut two = bundle();
        let again = two.envelope.signatures.clone();
        two.envelope.signatures.extend(again);
        assert!(matches!(parse(two.to_text()), Err(SigstoreError::Envelope(_))));
        assert!(SigstoreBundle::new(two.envelope).is_err());
    }
}
