//! `amiforge attest show`: what a document says, without verifying it.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;

use amiforge_attest::{AttestationDocument, CertificateSummary, Sha384Pcr, encode_hex, inspect, meaning};
use serde::Serialize;

use super::input;
use crate::outcome::{CommandResult, Failure, Outcome};
use crate::ui::{Ui, written};

/// Show what a document says, without verifying it
///
/// Anybody can make a document that says anything: what is shown is worth something only after `amiforge attest verify`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  amiforge attest show document.bin")]
pub(crate) struct Args {
    /// The document: what `nitro-tpm-attest` wrote, or its Base64; `-` is standard input
    #[arg(value_name = "DOC")]
    document: PathBuf,
}

/// What a document says, as `--json` shows it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DocumentJson {
    module_id: String,
    /// RFC 3339.
    made: String,
    timestamp_millis: u64,
    pcrs: BTreeMap<u8, String>,
    nonce: Option<String>,
    user_data: Option<String>,
    public_key: Option<String>,
    certificates: Vec<Option<CertificateJson>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CertificateJson {
    subject: String,
    issuer: String,
    not_before: String,
    not_after: String,
}

/// The result of `show` as JSON.
#[derive(Serialize)]
struct ShowJson {
    verified: bool,
    #[serde(flatten)]
    document: DocumentJson,
}

impl DocumentJson {
    pub(super) fn new(document: &AttestationDocument) -> Self {
        let hex = |value: &Option<Vec<u8>>| value.as_deref().map(encode_hex);
        let certificates = document.certificates().into_iter();
        Self {
            module_id: document.module_id.clone(),
            made: document.timestamp.to_string(),
            timestamp_millis: document.timestamp.millis(),
            pcrs: document.pcrs.iter().map(|(&index, value)| (index, encode_hex(value))).collect(),
            nonce: hex(&document.nonce),
            user_data: hex(&document.user_data),
            public_key: hex(&document.public_key),
            certificates: certificates.map(|one| one.map(CertificateJson::from)).collect(),
        }
    }
}

impl From<CertificateSummary> for CertificateJson {
    fn from(summary: CertificateSummary) -> Self {
        Self {
            not_before: summary.not_before.to_string(),
            not_after: summary.not_after.to_string(),
            subject: summary.subject,
            issuer: summary.issuer,
        }
    }
}

/// Runs the command.
pub(super) fn run(args: &Args, ui: &Ui) -> CommandResult {
    let bytes = input::read_document(&args.document)?;
    let cannot = || format!("cannot show `{}`", args.document.display());
    let document = inspect(&bytes).map_err(|error| input::refused(error, cannot()))?;
    if ui.json() {
        ui.object(&ShowJson { verified: false, document: DocumentJson::new(&document) })?;
    } else {
        show(&document, ui)?;
    }
    Ok(Outcome::Success)
}

fn show(document: &AttestationDocument, ui: &Ui) -> Result<(), Failure> {
    let mut lines =
        vec![format!("module      {}", document.module_id), format!("made        {}", document.timestamp)];
    let values = [
        ("nonce", &document.nonce),
        ("user data", &document.user_data),
        ("public key", &document.public_key),
    ];
    lines.extend(values.map(|(name, value)| format!("{name:<12}{}", value_text(value.as_deref()))));
    lines.extend(document.pcrs.iter().map(|(&index, value)| pcr_line(index, value)));
    for (position, certificate) in document.certificates().iter().enumerate() {
        let text = match certificate {
            Some(one) => format!("{}, {} to {}", one.subject, one.not_before, one.not_after),
            None => "cannot be parsed".to_owned(),
        };
        lines.push(format!("certificate {} {text}", position + 1));
    }
    lines.push("Nothing of this is verified: `amiforge attest verify` does that.".to_owned());
    let mut out = ui.out();
    lines.iter().try_for_each(|line| written(writeln!(out, "{line}")))?;
    written(out.flush())
}

fn pcr_line(index: u8, value: &Sha384Pcr) -> String {
    let text = match value {
        [first, rest @ ..] if rest.iter().all(|byte| byte == first) => format!("{first:02x} 48 times"),
        _ => encode_hex(value),
    };
    format!("PCR {index:<8}{text}  ({})", meaning(index).measures)
}

/// A value with its length, and as text where it is one.
fn value_text(value: Option<&[u8]>) -> String {
    let Some(bytes) = value else { return "none".to_owned() };
    let printable = !bytes.is_empty() && bytes.iter().all(|byte| byte.is_ascii_graphic() || *byte == b' ');
    match std::str::from_utf8(bytes) {
        Ok(text) if printable => format!("{} bytes, {text:?}", bytes.len()),
        _ => format!("{} bytes, {}", bytes.len(), encode_hex(bytes)),
    }
}
