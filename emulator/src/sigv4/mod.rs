//! Signature Version 4 on the side of the service: the signer of a request, its region and service, and
//! whether the signature is valid. Implemented from AWS's specification of the signing process. Knows no
//! service but S3, whose paths are encoded once instead of twice.

mod canonical;
mod claim;
mod query_string;

use std::time::Duration;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

pub(crate) use self::claim::SignatureClaim;
use crate::clock::Timestamp;
use crate::digest::Sha256Digest;

/// The payload hash of a request whose body is not signed.
pub(crate) const UNSIGNED: &str = "UNSIGNED-PAYLOAD";

/// The maximum difference between the clocks of client and service.
const SKEW: Duration = Duration::from_mins(5);

/// A reason why a request cannot be authenticated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum AuthError {
    /// The request is not signed.
    Missing,
    /// The signature parameters cannot be parsed, with the reason.
    Malformed(String),
    /// No account has this access key.
    UnknownKey,
    /// The signature differs from the one that the key produces.
    SignatureMismatch,
    /// The request was signed too long ago, or the lifetime of its presigned URL is over.
    Expired {
        /// The date of the signature as sent.
        signed: String,
        /// The service's time in the same form.
        now: String,
    },
    /// The date of the signature is in the future.
    NotYetValid {
        /// The date of the signature as sent.
        signed: String,
        /// The service's time in the same form.
        now: String,
    },
    /// The body differs from the signed one.
    BodyMismatch,
}

/// The seed signature of a request and its key, from which the signatures of a chunked body continue.
#[derive(Debug, Clone)]
pub(crate) struct SignatureSeed {
    /// The signing key of this day, region and service.
    pub(crate) key: [u8; 32],
    /// `20261121/us-east-1/s3/aws4_request`
    pub(crate) scope: String,
    /// `20261121T014727Z`
    pub(crate) date: String,
    /// The signature of the request head or of the previous chunk.
    pub(crate) signature: String,
}

impl SignatureClaim {
    /// Verifies the signature with the secret key at the time `now`. `payload` is the payload hash of the
    /// request: a digest in hexadecimal or a fixed value such as [`UNSIGNED`].
    pub(crate) fn check(
        &self,
        parts: &http::request::Parts,
        payload: &str,
        secret: &str,
        now: Timestamp,
    ) -> Result<SignatureSeed, AuthError> {
        let canonical = canonical::request(self, parts, payload);
        let digest = Sha256Digest::of(canonical.as_bytes()).hex();
        let text = format!("AWS4-HMAC-SHA256\n{}\n{}\n{digest}", self.date, self.scope());
        let key = self.key(secret);
        let mut mac = keyed(&key);
        mac.update(text.as_bytes());
        let signature = from_hex(&self.signature).ok_or(AuthError::SignatureMismatch)?;
        // Compares in constant time.
        mac.verify_slice(&signature).map_err(|_| AuthError::SignatureMismatch)?;
        self.check_time(now)?;
        Ok(SignatureSeed {
            key,
            scope: self.scope(),
            date: self.date.clone(),
            signature: self.signature.clone(),
        })
    }

    fn check_time(&self, now: Timestamp) -> Result<(), AuthError> {
        let Some(signed) = Timestamp::parse(&self.date) else {
            return Err(AuthError::Malformed("the date is not of the form YYYYMMDDTHHMMSSZ".to_owned()));
        };
        let (latest, now_text) = (signed.after(self.expires.unwrap_or(SKEW)), basic_iso(now));
        if now > latest {
            return Err(AuthError::Expired { signed: self.date.clone(), now: now_text });
        }
        if signed > now.after(SKEW) {
            return Err(AuthError::NotYetValid { signed: self.date.clone(), now: now_text });
        }
        Ok(())
    }

    /// The signing key of this day, region and service.
    fn key(&self, secret: &str) -> [u8; 32] {
        let day = hmac_sha256(format!("AWS4{secret}").as_bytes(), self.day.as_bytes());
        let region = hmac_sha256(&day, self.region.as_bytes());
        hmac_sha256(&hmac_sha256(&region, self.service.as_bytes()), b"aws4_request")
    }

    fn scope(&self) -> String {
        format!("{}/{}/{}/aws4_request", self.day, self.region, self.service)
    }
}

/// `20261121T014727Z`
fn basic_iso(moment: Timestamp) -> String {
    let iso = moment.iso();
    let seconds = iso.split('.').next().unwrap_or_default();
    seconds.replace(['-', ':'], "") + "Z"
}

/// Computes the HMAC-SHA-256 of a message.
pub(crate) fn hmac_sha256(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut mac = keyed(key);
    mac.update(message);
    mac.finalize().into_bytes().into()
}

/// Decodes `%XX` in a part of a path.
pub(crate) fn percent_decoded(part: &str) -> String {
    String::from_utf8_lossy(&query_string::decode(part)).into_owned()
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    #[expect(clippy::expect_used, reason = "HMAC takes keys of every length")]
    Hmac::new_from_slice(key).expect("a key of any length")
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    Sha256Digest::from_hex(text).map(|digest| digest.0)
}

#[cfg(test)]
mod tests;
