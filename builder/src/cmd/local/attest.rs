//! `amiforge local attest`: an attestation document for an instance of the local region.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use amiforge_attest::{Sha384Pcr, public_key_der};
use amiforge_emulator::{
    AttestationIssuer, AttestationRequest, AttestedInstance, SnapshotVolume, Timestamp, UnwrittenView,
};
use anyhow::Context as _;
use serde::Serialize;

use super::{StateFolder, booted, failure, measured};
use crate::cmd::attest::{ByteValue, PcrValue, pcr_value, read_file};
use crate::outcome::{CommandResult, Failure, Outcome};
use crate::ui::Ui;

/// The largest file with a public key.
const MAX_KEY: u64 = 64 << 10;
/// The number of PCRs in a document.
const PCR_LIMIT: u8 = amiforge_emulator::PCR_COUNT;

/// Make an attestation document for an instance, as NitroTPM does in a machine of AWS
///
/// The local region runs no machine. So the PCRs are those that follow from the unified kernel image in the snapshot of the
/// instance; with `--booted` those that the TPM of a machine of a bundle measured in `amiforge boot --tpm`. `--pcr` changes
/// one, to see what a verifier says to a machine on which something else ran.
///
/// The document is signed under a root of this region's folder, which `--root` of `amiforge attest verify` takes; a verifier
/// that trusts AWS refuses it.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  amiforge local attest i-0123456789abcdef0 --nonce hex:00ff -o document.bin"
)]
pub(super) struct AttestArgs {
    /// The instance: it has to run, by UEFI, with a TPM; with `--booted` any id
    #[arg(value_parser = instance_id)]
    instance: String,

    /// Show what the TPM measured when this bundle was booted here, by the receipt of `amiforge boot --tpm`
    #[arg(long, value_name = "BUNDLE")]
    booted: Option<PathBuf>,

    /// The file; it must not exist
    #[arg(short, long, value_name = "FILE")]
    out: PathBuf,

    /// The nonce: a text, `hex:` and digits, or `@` and the name of a file
    #[arg(long, value_name = "NONCE")]
    nonce: Option<ByteValue>,

    /// The user data, in the same forms
    #[arg(long, value_name = "DATA")]
    user_data: Option<ByteValue>,

    /// The public key: PEM or DER
    #[arg(long, value_name = "FILE")]
    public_key: Option<PathBuf>,

    /// Show this value in a PCR instead of the one that follows from the image
    #[arg(long = "pcr", value_name = "N=HEX", value_parser = pcr_value)]
    pcrs: Vec<PcrValue>,

    /// Which local region the instance is in
    #[arg(long, value_name = "NAME", default_value = "local")]
    region: String,

    #[command(flatten)]
    state: StateFolder,
}

/// The result as JSON.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AttestJson<'a> {
    instance_id: &'a str,
    image_id: &'a str,
    document: &'a Path,
    root: &'a Path,
}

/// Runs the command.
pub(super) fn attest(args: &AttestArgs, ui: &Ui) -> CommandResult {
    let cannot = format!("cannot attest `{}`", args.instance);
    let folder = args.state.folder();
    let made = now();
    let issuer = AttestationIssuer::open(&folder).map_err(|error| failure(error, &cannot))?;
    let instance = match &args.booted {
        Some(_) => Ok(AttestedInstance::of_a_guest(&args.instance)),
        None => issuer.instance(&args.region, &args.instance, made),
    };
    let instance = instance.map_err(|error| failure(error, &cannot))?;
    let request = request(args, &folder, &instance, &cannot)?;
    let document = issuer.issue(&instance, made, &request);
    let root = issuer.write_root().map_err(|error| failure(error, &cannot))?;
    write_new(&args.out, &document).with_context(|| cannot.clone())?;
    if ui.json() {
        let (instance_id, image_id) = (args.instance.as_str(), instance.image.as_str());
        ui.object(&AttestJson { instance_id, image_id, document: &args.out, root: &root })?;
    } else {
        let of = match &args.booted {
            Some(bundle) => format!("a machine of `{}` that was booted here", bundle.display()),
            None => format!("an instance of {}", instance.image),
        };
        ui.line(format!(
            "{}: document of `{}`, {of}; its root is {}",
            args.out.display(),
            args.instance,
            root.display()
        ))?;
    }
    Ok(Outcome::Success)
}

fn request(
    args: &AttestArgs,
    folder: &Path,
    instance: &AttestedInstance,
    cannot: &str,
) -> Result<AttestationRequest, Failure> {
    let value = |value: &Option<ByteValue>, name| value.as_ref().map(|value| value.read(name)).transpose();
    let key = |path: &PathBuf| {
        let reading = || format!("reading the public key `{}`", path.display());
        let bytes = read_file(path, MAX_KEY).with_context(reading)?;
        public_key_der(&bytes).with_context(reading)
    };
    let mut pcrs = match &args.booted {
        Some(bundle) => booted::registers(bundle).with_context(|| cannot.to_owned()).map_err(|error| {
            Failure::from(error)
                .hint(format!("boot it with a TPM: `amiforge boot {} --tpm`", bundle.display()))
        })?,
        None => registers(folder, instance, cannot)?,
    };
    pcrs.extend(args.pcrs.iter().map(|one| (one.index, one.value)));
    if let Some(index) = pcrs.keys().find(|&&index| index >= PCR_LIMIT) {
        let error = anyhow::anyhow!("PCR {index} is none of the {PCR_LIMIT} of a document");
        return Err(Failure::usage(error.context(cannot.to_owned())));
    }
    let public_key = args.public_key.as_ref().map(key).transpose();
    Ok(AttestationRequest {
        pcrs,
        nonce: value(&args.nonce, "nonce")?,
        user_data: value(&args.user_data, "user data")?,
        public_key: public_key.with_context(|| cannot.to_owned())?,
    })
}

/// The PCRs that follow from the snapshot of the instance's root device.
fn registers(
    folder: &Path,
    instance: &AttestedInstance,
    cannot: &str,
) -> Result<BTreeMap<u8, Sha384Pcr>, Failure> {
    let failed = |error| failure(error, cannot);
    let Some(snapshot) = &instance.root_snapshot else {
        let error = anyhow::anyhow!("the root device of `{}` has no snapshot", instance.image);
        return Err(error.context(cannot.to_owned()).into());
    };
    let volume = SnapshotVolume::open(folder, &instance.region, snapshot, UnwrittenView::AsStored);
    let volume = volume.map_err(failed)?;
    let scratch = tempfile::tempdir().with_context(|| cannot.to_owned())?;
    let disk = scratch.path().join("disk.raw");
    volume.export(&disk).map_err(failed)?;
    let measured = measured::registers(&disk, instance.uefi_data.as_deref());
    Ok(measured
        .with_context(|| format!("measuring the snapshot `{snapshot}`"))
        .with_context(|| cannot.to_owned())?)
}

/// Parses the id of an instance: it becomes a part of names.
fn instance_id(text: &str) -> Result<String, String> {
    let digits = text.strip_prefix("i-").filter(|digits| matches!(digits.len(), 8 | 17));
    let sound = digits.is_some_and(|digits| digits.bytes().all(|one| one.is_ascii_hexdigit()));
    if sound {
        Ok(text.to_owned())
    } else {
        Err("it is no id of an instance, as in i-0123456789abcdef0".to_owned())
    }
}

/// Writes a file that must not exist.
fn write_new(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    File::options().write(true).create_new(true).open(path)?.write_all(bytes)
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
