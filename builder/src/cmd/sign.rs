//! `amiforge sign`: signs a bundle, the requests of a bundle for Secure Boot, or a file with inputs.

mod bundle;
mod inputs;
mod secure_boot;

pub(super) use bundle::attach as attach_to_bundle;
pub(crate) use inputs::require as require_signed_inputs;

use std::path::PathBuf;

use amiforge_image::secure_boot::{OpenBundle, SecureBootError};
use clap::ValueEnum;

use super::attach::OutputArgs;
use super::attestations::{self, Requested};
use super::signatures::CertificateArgs;
use super::signing_key::KeyArgs;
use crate::outcome::{CommandResult, Failure};
use crate::ui::Ui;

/// Sign a bundle, what firmware starts in it, or inputs: by a file, an agent, a token or AWS KMS
///
/// For a bundle the signature is over SHA256SUMS, which has the digest of every other file; all files are compared with it
/// first. It is an SSH signature in the folder `signatures`, one file for each key, in any order, so several people can sign:
/// `amiforge verify --signed-by POLICY` and `verify.sh` check them. For Secure Boot the requests are signed and attached, as
/// `amiforge attach` does with signatures that were made elsewhere; that changes the image, so it comes first. The key is used
/// for this command alone and never copied.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  amiforge sign out/web --key agent\n  \
    amiforge sign out/web --key ~/.ssh/id_ed25519_sk.pub\n  \
    amiforge sign out/web --for secure-boot --key db.key\n  \
    AMIFORGE_PKCS11_PIN=… amiforge sign out/web \\\n    \
    --key 'pkcs11:token=build;object=db?module-path=/usr/lib/softhsm/libsofthsm2.so'\n  \
    amiforge sign out/web --key awskms:alias/release --region eu-west-1\n  \
    amiforge sign inputs.tar --for inputs --key agent\n  \
    amiforge sign out/web --for attestations --key release.pem\n\n\
    Where the key is on another machine:\n  \
    ssh-keygen -Y sign -n amiforge-bundle -f KEY SHA256SUMS\n  \
    amiforge attach out/web --signature bundle=SHA256SUMS.sig\n\n  \
    amiforge sign out/web --for provenance --request provenance.pae\n  \
    openssl dgst -sha256 -sign release.pem -out provenance.sig provenance.pae\n  \
    amiforge attach out/web --signature provenance=provenance.sig --public-key release.pub.pem")]
pub(crate) struct Args {
    /// The bundle, or the file with inputs
    #[arg(value_name = "BUNDLE")]
    bundle: PathBuf,

    /// What the signature is for [default: secure-boot where programs of the bundle have to be signed and are not yet; inputs
    /// for a file; else bundle]
    #[arg(long = "for", value_name = "PURPOSE", value_enum)]
    purpose: Option<Purpose>,

    /// Write the bytes that the signature of a statement is to be over into a file, instead of signing them; `amiforge attach`
    /// takes the signature
    #[arg(long, value_name = "FILE", conflicts_with = "key")]
    request: Option<PathBuf>,

    #[cfg(feature = "aws")]
    #[command(flatten)]
    plan: super::call_plan::DryRunArgs,

    #[command(flatten)]
    key: KeyArgs,

    #[command(flatten)]
    certificates: CertificateArgs,

    #[command(flatten)]
    output: OutputArgs,
}

/// What a signature is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Purpose {
    /// The bundle: every file of it, by SHA256SUMS
    Bundle,
    /// The programs that firmware starts
    SecureBoot,
    /// A file of `amiforge vendor`
    Inputs,
    /// The statement of how the image was built: an attestation that cosign and others verify
    Provenance,
    /// The bill of materials in SPDX, as an attestation
    SbomSpdx,
    /// The bill of materials in `CycloneDX`, as an attestation
    SbomCyclonedx,
    /// The PCRs that machines of the image show, as an attestation
    Measurements,
    /// The document about vulnerabilities, as an attestation
    Vex,
    /// Every attestation that the bundle has something for
    Attestations,
}

/// Runs the command.
pub(crate) fn run(args: &Args, ui: &Ui) -> CommandResult {
    #[cfg(feature = "aws")]
    if let Some(shown) = args.key.planned(&args.plan, &args.cannot(), ui) {
        return shown;
    }
    let purpose = match args.purpose {
        Some(purpose) => purpose,
        None => args.default_purpose(ui)?,
    };
    if purpose != Purpose::SecureBoot && (args.output.is_given() || args.certificates.are_given()) {
        let fact = "`--out`, `--force` and `--certificate` are for signatures of Secure Boot alone";
        return Err(Failure::usage(anyhow::anyhow!(fact).context(args.cannot())));
    }
    if let Some(requested) = purpose.attestations() {
        return match &args.request {
            Some(file) => attestations::request(&args.bundle, &requested, file, ui),
            None => attestations::sign(&args.bundle, &requested, &*args.key.open(&args.cannot())?, ui),
        };
    }
    if args.request.is_some() {
        let fact = "`--request` is for statements; what else is signed is a file of the bundle already";
        return Err(
            Failure::usage(anyhow::anyhow!(fact).context(args.cannot())).hint("add `--for provenance`")
        );
    }
    match purpose {
        Purpose::Bundle => bundle::run(args, ui),
        Purpose::SecureBoot => secure_boot::run(args, ui),
        _ => inputs::run(args, ui),
    }
}

impl Purpose {
    /// The attestations that are meant, if any.
    fn attestations(self) -> Option<Requested> {
        let value = self.to_possible_value()?;
        Requested::parse(value.get_name())
    }
}

impl Args {
    fn cannot(&self) -> String {
        format!("cannot sign `{}`", self.bundle.display())
    }

    /// What is signed without `--for`; the status says it.
    fn default_purpose(&self, ui: &Ui) -> Result<Purpose, Failure> {
        if self.bundle.is_file() {
            ui.status("signing a file with inputs");
            return Ok(Purpose::Inputs);
        }
        let unsigned = match OpenBundle::open(&self.bundle) {
            Ok(opened) => !opened.record().is_signed(),
            Err(SecureBootError::NotPrepared { .. }) => false,
            Err(error) => return Err(super::attach::failure(error, &self.bundle)),
        };
        if unsigned {
            ui.status("signing what firmware starts; `--for bundle` signs the bundle itself, afterwards");
            return Ok(Purpose::SecureBoot);
        }
        ui.status("signing the bundle");
        Ok(Purpose::Bundle)
    }
}
