//! Signatures of AWS (Signature Version 4) for requests that are prepared before the measurement.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

use amiforge_emulator::{ACCESS_KEY_ID, SECRET_ACCESS_KEY};

/// A signer with one time for all requests.
pub(crate) struct Signer {
    /// `20260101T000000Z`.
    pub(crate) date: String,
    key: Vec<u8>,
}

impl Signer {
    /// A signer for requests to EBS of the region `local`, at a time in seconds since 1970.
    pub(crate) fn new(seconds: u64) -> Self {
        let date = iso(seconds);
        let first = format!("AWS4{SECRET_ACCESS_KEY}").into_bytes();
        let key = [&date[..8], "local", "ebs", "aws4_request"];
        let key = key.into_iter().fold(first, |key, word| mac(&key, word.as_bytes()));
        Self { date, key }
    }

    /// The `Authorization` of a request whose headers, in order of their names, are all signed.
    pub(crate) fn authorization(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        payload: &str,
    ) -> String {
        let listed: Vec<_> = headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
        let listed = listed.concat();
        let names: Vec<_> = headers.iter().map(|(name, _)| *name).collect();
        let names = names.join(";");
        let canonical = format!("{method}\n{path}\n\n{listed}\n{names}\n{payload}");
        let scope = format!("{}/local/ebs/aws4_request", &self.date[..8]);
        let digest = hex(&Sha256::digest(canonical.as_bytes()));
        let text = format!("AWS4-HMAC-SHA256\n{}\n{scope}\n{digest}", self.date);
        let signature = hex(&mac(&self.key, text.as_bytes()));
        format!(
            "AWS4-HMAC-SHA256 Credential={ACCESS_KEY_ID}/{scope}, SignedHeaders={names}, Signature={signature}"
        )
    }
}

fn mac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any key");
    mac.update(text);
    mac.finalize().into_bytes().to_vec()
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Standard base64.
pub(crate) fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let word =
            chunk.iter().fold(0_u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for at in 0..4 {
            let letter = LETTERS[(word >> (18 - 6 * at) & 63) as usize] as char;
            text.push(if at <= chunk.len() { letter } else { '=' });
        }
    }
    text
}

/// A time in the format of signatures (days to a date by Hinnant's `civil_from_days`).
fn iso(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400 + 719_468, seconds % 86_400);
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let year = year + era * 400 + next;
    format!("{year:04}{month:02}{day:02}T{:02}{:02}{:02}Z", rest / 3600, rest / 60 % 60, rest % 60)
}
