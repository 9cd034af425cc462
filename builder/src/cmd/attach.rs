//! `amiforge attach`: puts signatures that were made elsewhere into a bundle.

use std::path::{Path, PathBuf};

use amiforge_image::attestations::AttestationKind;
use amiforge_image::bundle::ExistingBundle;
use amiforge_image::image::EmitOptions;
use amiforge_image::secure_boot::{
    AttachOptions, Attached, GivenSignature, OpenBundle, SecureBootError, SigningError, attach,
};
use amiforge_image::signatures::count_signatures;
use amiforge_progress::Monitor;
use serde::Serialize;

use super::signatures;
use crate::outcome::{CommandResult, Failure, Outcome};
use crate::signals::interrupt_on_signals;
use crate::ui::Ui;

/// Put signatures into a bundle that were made elsewhere
///
/// Of the bundle itself: `ssh-keygen -Y sign -n amiforge-bundle` signs its SHA256SUMS, and `--signature bundle=FILE` stores the
/// signature once it has been checked. For Secure Boot: a build with `secure-boot` under `[trust]` writes the bytes to be signed into the bundle: `signing/ID.tbs` for each
/// request in `signing/requests.json`. Whoever has the key signs them (RSA, PKCS#1 v1.5, SHA-256) with any tool. Each
/// signature is checked as firmware will check it before anything is written, and nothing but the places for the
/// signatures changes in the image. The bundle is replaced, or a new one is made with `--out`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  openssl dgst -sha256 -sign db.key -out uki.sig out/web/signing/uki.tbs\n  \
    amiforge attach out/web --signature uki=uki.sig\n\n  \
    pkcs11-tool --sign --mechanism SHA256-RSA-PKCS --label db -i out/web/signing/uki.tbs -o uki.sig\n  \
    aws kms sign --key-id alias/db --message-type RAW --signing-algorithm RSASSA_PKCS1_V1_5_SHA_256 \\\n    \
    --message fileb://out/web/signing/uki.tbs --query Signature --output text > uki.sig\n\n  \
    ssh-keygen -Y sign -n amiforge-bundle -f ~/.ssh/id_ed25519 SHA256SUMS\n  \
    amiforge attach out/web --signature bundle=SHA256SUMS.sig\n\n  \
    amiforge sign out/web --for provenance --request provenance.pae\n  \
    amiforge attach out/web --signature provenance=provenance.sig --public-key release.pub.pem"
)]
pub(crate) struct Args {
    /// The bundle
    bundle: PathBuf,

    #[command(flatten)]
    signatures: signatures::Args,

    /// The public key of a signature of a statement (PEM, or `.pub` of OpenSSH)
    #[arg(long, value_name = "FILE")]
    public_key: Option<PathBuf>,

    #[command(flatten)]
    output: OutputArgs,
}

/// Where the signed bundle goes.
#[derive(Debug, Clone, clap::Args)]
#[group(skip)]
pub(crate) struct OutputArgs {
    /// Folder to make for the signed bundle [default: the bundle is replaced]
    #[arg(short, long, value_name = "DIR")]
    out: Option<PathBuf>,

    /// Replace an existing bundle, once the new one is complete
    #[arg(long, requires = "out")]
    force: bool,
}

impl OutputArgs {
    /// Whether any was given.
    pub(super) fn is_given(&self) -> bool {
        self.out.is_some() || self.force
    }
}

/// What `--json` shows.
#[derive(Serialize)]
struct AttachJson<'a> {
    bundle: String,
    sha256: String,
    merkle_root: String,
    programs: Vec<ProgramJson<'a>>,
    changed_blocks: &'a [u64],
}

#[derive(Serialize)]
struct ProgramJson<'a> {
    id: &'a str,
    path: &'a str,
    signer: &'a str,
}

/// Runs the command.
pub(crate) fn run(args: &Args, ui: &Ui) -> CommandResult {
    let cannot = cannot(&args.bundle);
    if let Some(given) = args.signatures.read_of_bundle(&cannot)? {
        if args.output.is_given() {
            let fact = "`--out` and `--force` are for signatures of Secure Boot alone";
            return Err(Failure::usage(anyhow::anyhow!(fact).context(cannot)));
        }
        return super::sign::attach_to_bundle(&args.bundle, &given, ui);
    }
    if let Some(given) = args.signatures.read_of_statements(&cannot)? {
        return attach_statements(args, &given, &cannot, ui);
    }
    let opened = open(&args.bundle)?;
    let given = args.signatures.read()?;
    attach_to(&opened, &args.bundle, &given, &args.output, ui)
}

/// Attaches signatures of statements, such as that of how the image was built.
fn attach_statements(
    args: &Args,
    given: &[(AttestationKind, Vec<u8>)],
    cannot: &str,
    ui: &Ui,
) -> CommandResult {
    let usage = |fact: &str| Failure::usage(anyhow::anyhow!(fact.to_owned()).context(cannot.to_owned()));
    if args.output.is_given() {
        return Err(usage("`--out` and `--force` are for signatures of Secure Boot alone"));
    }
    let Some(path) = &args.public_key else {
        let failure = usage("the key of the signature is not named, and a statement does not hold it");
        return Err(failure.hint("add `--public-key KEY.pub.pem`"));
    };
    let key = amiforge::signer::read_public(path);
    let key = key.map_err(|error| super::signing_key::failure(error, cannot.to_owned()))?;
    super::attestations::attach(&args.bundle, given, &key, ui)
}

/// Opens a bundle with its requests.
pub(super) fn open(bundle: &Path) -> Result<OpenBundle, Failure> {
    OpenBundle::open(bundle).map_err(|error| failure(error, bundle))
}

/// Attaches signatures, and shows the result.
pub(super) fn attach_to(
    opened: &OpenBundle,
    bundle: &Path,
    given: &[GivenSignature],
    output: &OutputArgs,
    ui: &Ui,
) -> CommandResult {
    let cancel = interrupt_on_signals()?;
    let options = AttachOptions {
        out: output.out.as_deref(),
        existing: if output.force { ExistingBundle::Replace } else { ExistingBundle::Refuse },
        emit: EmitOptions::default(),
    };
    let before = count_signatures(bundle);
    let attached = attach(opened, given, &options, Monitor::new(ui, &cancel));
    let attached = attached.map_err(|error| failure(error, bundle))?;
    if before > 0 {
        let out = output.out.as_deref().unwrap_or(bundle).display();
        ui.warn(format_args!(
            "{before} signatures were of the bundle without these; `{out}` has none of them: sign it by `amiforge sign {out} \
             --for bundle`"
        ));
    }
    show(&attached, output.out.as_deref().unwrap_or(bundle), ui)?;
    Ok(Outcome::Success)
}

fn show(attached: &Attached, bundle: &Path, ui: &Ui) -> Result<(), Failure> {
    let Attached { manifest, programs, changed } = attached;
    if ui.json() {
        let programs =
            programs.iter().map(|one| ProgramJson { id: &one.id, path: &one.path, signer: &one.signer });
        return ui.object(&AttachJson {
            bundle: bundle.display().to_string(),
            sha256: manifest.plain.to_string(),
            merkle_root: manifest.merkle_root.to_string(),
            programs: programs.collect(),
            changed_blocks: changed,
        });
    }
    for program in programs {
        ui.line(format_args!("{} is signed by `{}`", program.path, program.signer))?;
    }
    let (all, count) = (manifest.blocks.len(), changed.len());
    ui.line(format_args!("{}: {count} of {all} blocks changed; sha256 {}", bundle.display(), manifest.plain))
}

/// The failure with its hint.
pub(super) fn failure(error: SecureBootError, bundle: &Path) -> Failure {
    let shown = bundle.display();
    let hint = match &error {
        SecureBootError::NotABundle { .. } => "name the folder that `amiforge build -o` wrote".to_owned(),
        SecureBootError::NotPrepared { .. } => {
            "add `secure-boot = { db = \"db.crt\", kek = \"kek.crt\", pk = \"pk.crt\" }` under `[trust]`, and build again"
                .to_owned()
        }
        SecureBootError::Signing(SigningError::Missing { ids }) => {
            let more: Vec<_> = ids.iter().map(|id| format!("--signature {id}=FILE")).collect();
            format!("sign `{shown}/signing/{}.tbs`, and add `{}`", ids.join(".tbs`, `"), more.join(" "))
        }
        SecureBootError::Signing(SigningError::NoSigner { .. }) => {
            "add `--certificate` with the signer's certificate, or sign with a key of db".to_owned()
        }
        SecureBootError::Signing(SigningError::Refused { .. }) => {
            format!("sign the files of `{shown}/signing` as they are now: RSA, PKCS#1 v1.5, SHA-256 over the file")
        }
        SecureBootError::Unbound { .. }
        | SecureBootError::ProgramDiffers { .. }
        | SecureBootError::OtherChange { .. }
        | SecureBootError::Inconsistent { .. }
        | SecureBootError::Request { .. } => {
            format!("the bundle was changed after its build; `amiforge verify {shown}` says where")
        }
        SecureBootError::Bundle(amiforge_image::bundle::BundleError::Exists { .. }) => {
            "`--force` replaces it once the new one is whole".to_owned()
        }
        _ => return Failure::from(anyhow::Error::from(error).context(cannot(bundle))),
    };
    let failure = anyhow::Error::from(error).context(cannot(bundle));
    Failure::from(failure).hint(hint)
}

fn cannot(bundle: &Path) -> String {
    format!("cannot attach signatures to `{}`", bundle.display())
}
