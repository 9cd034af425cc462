//! `amiforge attest verify`: whether a document is authentic, fresh, and that of a machine of an image.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use amiforge_attest::{
    Authentic, DocumentDifference, Expectations, Root, UnixTime, authenticate, encode_hex, meaning,
    public_key_der,
};
use anyhow::Context as _;
use serde::Serialize;

use super::bytes::{ByteValue, read_file};
use super::expected::{self, PcrValue};
use super::input;
use super::show::DocumentJson;
use crate::outcome::{CommandResult, Failure, Outcome};
use crate::ui::{Ui, written};

/// The largest file with a root.
const MAX_ROOT: u64 = 64 << 10;

/// Verify a document against AWS's root, a nonce, and the PCRs of a bundle
///
/// Checks in this order: size and structure; that it is signed with ES384; its entries; the certificates, from the root on;
/// the signature; that it is neither from the future nor expired; the nonce; the PCRs; user data and public key. Needs no
/// network. Of a bundle the PCRs 2, 3, 4, 12 and 13 are compared, and 7 where the image has keys for Secure Boot.
///
/// Exits with 1 if it is no authentic document, and with 3 if it is one but says something else than it should: then
/// every difference is listed.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    amiforge attest verify document.bin --bundle out/web --nonce @nonce.bin\n  \
    ssh web nitro-tpm-attest | amiforge attest verify - --bundle out/web --no-nonce\n\n\
    NONCE and DATA are a text, `hex:` and digits, or `@` and the name of a file.")]
pub(crate) struct Args {
    /// The document: what `nitro-tpm-attest` wrote, or its Base64; `-` is standard input
    #[arg(value_name = "DOC")]
    document: PathBuf,

    /// The bundle of the image that the machine should run
    #[arg(long, value_name = "BUNDLE", required_unless_present = "pcrs")]
    bundle: Option<PathBuf>,

    /// A PCR that the document has to show, in SHA-384; takes the place of the one of the bundle
    #[arg(long = "pcr", value_name = "N=HEX", value_parser = expected::pcr_value)]
    pcrs: Vec<PcrValue>,

    /// The nonce that the document was asked for with
    #[arg(long, value_name = "NONCE", required_unless_present = "no_nonce")]
    nonce: Option<ByteValue>,

    /// Accept any nonce, or none: a document that was recorded before is accepted too, until it expires
    #[arg(long, conflicts_with = "nonce")]
    no_nonce: bool,

    /// The user data that the document has to show
    #[arg(long, value_name = "DATA")]
    user_data: Option<ByteValue>,

    /// The public key that the document has to show: PEM or DER
    #[arg(long, value_name = "FILE")]
    public_key: Option<PathBuf>,

    /// The time of the verification, in UTC, as in 2026-08-13T12:00:00Z [default: now]
    #[arg(long, value_name = "TIME")]
    at: Option<UnixTime>,

    /// Refuse a document that is older than this, also before it expires
    #[arg(long, value_name = "SECONDS")]
    max_age: Option<u64>,

    /// Trust this root (PEM) instead of AWS's: that of a local region, for trying
    #[arg(long, value_name = "FILE")]
    root: Option<PathBuf>,
}

/// What `--json` shows.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AttestVerifyJson {
    verified: bool,
    /// The time of the verification.
    at: String,
    root: RootJson,
    differences: Vec<DifferenceJson>,
    compared_pcrs: Vec<u8>,
    document: DocumentJson,
}

#[derive(Serialize)]
struct RootJson {
    aws: bool,
    sha256: String,
}

/// A difference as `--json` shows it.
#[derive(Serialize)]
struct DifferenceJson {
    code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pcr: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expected: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    actual: Option<String>,
    message: String,
    explanation: &'static str,
}

impl DifferenceJson {
    fn new(difference: &DocumentDifference) -> Self {
        let (pcr, expected, actual) = match difference {
            DocumentDifference::Pcr { index, expected, actual } => {
                (Some(*index), Some(encode_hex(expected)), actual.as_ref().map(|value| encode_hex(value)))
            }
            DocumentDifference::Value { expected, actual, .. } => {
                (None, Some(encode_hex(expected)), actual.as_deref().map(encode_hex))
            }
            _ => (None, None, None),
        };
        let (code, explanation) = (difference.code(), difference.explanation());
        Self { code, pcr, expected, actual, message: difference.to_string(), explanation }
    }
}

/// Runs the command.
pub(super) fn run(args: &Args, ui: &Ui) -> CommandResult {
    let cannot = || format!("cannot verify `{}`", args.document.display());
    let root = read_root(args.root.as_deref())?;
    let expectations = expectations(args)?;
    let bytes = input::read_document(&args.document)?;
    let authentic = authenticate(&bytes, &root).map_err(|error| input::refused(error, cannot()))?;
    let differences = expectations.differences(&authentic);
    if ui.json() {
        ui.object(&AttestVerifyJson {
            verified: differences.is_empty(),
            at: expectations.at.to_string(),
            root: RootJson { aws: root.is_aws(), sha256: root.fingerprint() },
            differences: differences.iter().map(DifferenceJson::new).collect(),
            compared_pcrs: expectations.pcrs.keys().copied().collect(),
            document: DocumentJson::new(&authentic.document),
        })?;
    } else {
        show(args, &root, &expectations, &authentic, &differences, ui)?;
    }
    Ok(if differences.is_empty() { Outcome::Success } else { Outcome::Difference })
}

fn read_root(path: Option<&Path>) -> Result<Root, Failure> {
    let Some(path) = path else { return Ok(Root::aws()) };
    let cannot = || format!("cannot read the root `{}`", path.display());
    let pem = read_file(path, MAX_ROOT).with_context(cannot)?;
    Root::from_pem(&pem).with_context(cannot).map_err(|error| {
        Failure::from(error).hint(
            "pass the root certificate as PEM; `amiforge local attest` writes that of a local region to \
             `attestation-root.pem` in its folder",
        )
    })
}

fn expectations(args: &Args) -> Result<Expectations, Failure> {
    let value = |value: &Option<ByteValue>, name| value.as_ref().map(|value| value.read(name)).transpose();
    let key = |path: &PathBuf| {
        let cannot = || format!("cannot read the public key `{}`", path.display());
        let bytes = read_file(path, MAX_ROOT).with_context(cannot)?;
        public_key_der(&bytes).with_context(cannot)
    };
    Ok(Expectations {
        at: args.at.unwrap_or_else(now),
        max_age: args.max_age.map(Duration::from_secs),
        nonce: value(&args.nonce, "nonce")?,
        user_data: value(&args.user_data, "user data")?,
        public_key: args.public_key.as_ref().map(key).transpose()?,
        pcrs: expected::registers(args.bundle.as_deref(), &args.pcrs)?,
    })
}

/// The time of this machine's clock.
pub(super) fn now() -> UnixTime {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    UnixTime::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

fn show(
    args: &Args,
    root: &Root,
    expectations: &Expectations,
    authentic: &Authentic,
    differences: &[DocumentDifference],
    ui: &Ui,
) -> Result<(), Failure> {
    let mut out = ui.out();
    for difference in differences {
        written(writeln!(out, "{difference}\n  {}", difference.explanation()))?;
        if let DocumentDifference::Pcr { index, .. } = difference {
            written(writeln!(out, "  PCR {index} stands for {}", meaning(*index).measures))?;
        }
    }
    let document = &authentic.document;
    let of = match authentic.chain.first() {
        Some(_) if root.is_aws() => "AWS".to_owned(),
        Some(root) => format!("`{}`, not AWS", root.subject),
        None => "no root".to_owned(),
    };
    let outcome = match differences.len() {
        0 => {
            let pcrs: Vec<_> = expectations.pcrs.keys().map(u8::to_string).collect();
            let nonce = if args.no_nonce { "any nonce accepted" } else { "the nonce" };
            format!("as it should be: {nonce}, PCR {}", pcrs.join(", "))
        }
        1 => "1 difference".to_owned(),
        count => format!("{count} differences"),
    };
    let line = format!(
        "{}: document of {of}, of {}, made at {}: {outcome}",
        args.document.display(),
        document.module_id,
        document.timestamp
    );
    written(writeln!(out, "{line}").and_then(|()| out.flush()))
}
