//! `amiforge sign`: signs the requests of a bundle and attaches the signatures, in one step.

use std::path::PathBuf;

use amiforge::signer::{self, KeyLocation, SignerError};
use amiforge_image::secure_boot::{GivenSignature, OpenBundle};

use super::attach::{OutputArgs, attach_to, open};
use super::signatures::CertificateArgs;
use crate::outcome::{CommandResult, Failure};
use crate::ui::Ui;

/// Sign what firmware starts, with a key in a file, a token or AWS KMS
///
/// Signs the requests of a bundle and attaches the signatures, as `amiforge attach` does with signatures that were made
/// elsewhere. The key is used for this command alone and never copied.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  amiforge sign out/web --key db.key\n  \
    AMIFORGE_PKCS11_PIN=… amiforge sign out/web \\\n    \
    --key 'pkcs11:token=build;object=db?module-path=/usr/lib/softhsm/libsofthsm2.so'\n  \
    amiforge sign out/web --key awskms:alias/secure-boot --region eu-west-1")]
pub(crate) struct Args {
    /// The bundle
    bundle: PathBuf,

    /// The key: a file (RSA in PEM or DER, not encrypted); `pkcs11:` with token, object or id, and module-path (RFC 7512),
    /// whose PIN is in `AMIFORGE_PKCS11_PIN` or the file of pin-source; or `awskms:` with an id, an ARN or `alias/…`
    #[arg(long, value_name = "KEY")]
    key: String,

    #[command(flatten)]
    certificates: CertificateArgs,

    #[command(flatten)]
    output: OutputArgs,

    #[cfg(feature = "aws")]
    #[command(flatten)]
    aws: super::region::Args,
}

/// Runs the command.
pub(crate) fn run(args: &Args, ui: &Ui) -> CommandResult {
    let cannot = || format!("cannot sign `{}`", args.bundle.display());
    let opened = open(&args.bundle)?;
    let certificates = args.certificates.read()?;
    let location = KeyLocation::parse(&args.key).map_err(|error| failure(error, cannot()))?;
    let signatures = signatures(args, &location, &opened)?;
    let requests = opened.requests().iter().zip(signatures);
    let given: Vec<_> = requests
        .map(|(request, bytes)| GivenSignature {
            id: request.id.clone(),
            bytes,
            certificates: certificates.clone(),
        })
        .collect();
    attach_to(&opened, &args.bundle, &given, &args.output, ui)
}

/// The signatures of all requests, in their order.
fn signatures(args: &Args, location: &KeyLocation, opened: &OpenBundle) -> Result<Vec<Vec<u8>>, Failure> {
    let cannot = || format!("cannot sign `{}`", args.bundle.display());
    let messages: Vec<&[u8]> = opened.requests().iter().map(|request| request.bytes.as_slice()).collect();
    match location {
        KeyLocation::File(path) => signer::sign_with_file(path, &messages),
        KeyLocation::Pkcs11(key) => signer::sign_with_token(key, &messages),
        KeyLocation::Kms(key) => return with_kms(args, key, &messages, cannot()),
    }
    .map_err(|error| failure(error, cannot()))
}

/// Signatures by AWS KMS.
#[cfg(feature = "aws")]
fn with_kms(args: &Args, key: &str, messages: &[&[u8]], cannot: String) -> Result<Vec<Vec<u8>>, Failure> {
    use amiforge_publish::retry::{CallStep, NoObserver, RetryExhausted, retry};

    let cancel = crate::signals::interrupt_on_signals()?;
    let connected = args.aws.connect(&cancel)?;
    let client = connected.config().kms();
    let timer = amiforge_publish::timer::Timer::default().with_cancel(&cancel);
    let sign = async {
        let mut signatures = Vec::new();
        for message in messages {
            signatures.push(
                retry(&timer, CallStep::Idempotent, &NoObserver, || client.sign_rsa_sha256(key, message))
                    .await?,
            );
        }
        Ok::<_, RetryExhausted>(signatures)
    };
    let signed = connected.block_on(sign);
    signed.map_err(|error| {
        let hint = "the caller needs `kms:Sign` on the key, which is RSA with the usage SIGN_VERIFY";
        Failure::from(
            anyhow::Error::from(error)
                .context(format!("asking AWS KMS for a signature by {key}"))
                .context(cannot),
        )
        .hint(hint)
    })
}

#[cfg(not(feature = "aws"))]
fn with_kms(_args: &Args, _key: &str, _messages: &[&[u8]], cannot: String) -> Result<Vec<Vec<u8>>, Failure> {
    Err(Failure::usage(anyhow::anyhow!("this build of amiforge has no client of AWS in it").context(cannot)))
}

fn failure(error: SignerError, cannot: String) -> Failure {
    let hint = match &error {
        SignerError::Encrypted { .. } => {
            "sign with the tool that decrypts it, such as `openssl dgst -sha256 -sign KEY -out uki.sig signing/uki.tbs`, and \
             run `amiforge attach`"
        }
        SignerError::NoPin => "set AMIFORGE_PKCS11_PIN, or add `pin-source=file:PATH` to the URI",
        SignerError::NoTool { .. } => "install the package `opensc`",
        _ => "",
    };
    let usage = matches!(error, SignerError::Uri { .. });
    let error = anyhow::Error::from(error).context(cannot);
    let failure = if usage { Failure::usage(error) } else { Failure::from(error) };
    if hint.is_empty() { failure } else { failure.hint(hint) }
}
