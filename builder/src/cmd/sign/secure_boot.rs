//! Signing the requests of a bundle, and attaching the signatures, in one step.

use amiforge::signer::{self, KeyLocation};
use amiforge_image::secure_boot::{GivenSignature, OpenBundle};
use amiforge_trust::keys::PublicKeyKind;

use super::super::attach::{attach_to, open};
use super::super::signing_key::failure;
use super::Args;
use crate::outcome::{CommandResult, Failure};
use crate::ui::Ui;

/// Signs and attaches.
pub(super) fn run(args: &Args, ui: &Ui) -> CommandResult {
    let opened = open(&args.bundle)?;
    let certificates = args.certificates.read()?;
    let location = args.key.location(&args.cannot())?;
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
    let messages: Vec<&[u8]> = opened.requests().iter().map(|request| request.bytes.as_slice()).collect();
    match location {
        KeyLocation::File(path) => signer::sign_with_file(path, &messages),
        KeyLocation::Pkcs11(key) => signer::sign_with_token(key, &messages),
        KeyLocation::Kms(key) => return with_kms(args, key, &messages, args.cannot()),
        KeyLocation::Agent(_) | KeyLocation::PublicFile(_) => return with_agent(args, &messages),
    }
    .map_err(|error| failure(error, args.cannot()))
}

/// Signatures by a key of the ssh-agent.
fn with_agent(args: &Args, messages: &[&[u8]]) -> Result<Vec<Vec<u8>>, Failure> {
    let key = args.key.open(&args.cannot())?;
    let kind = key.public().kind();
    if kind != PublicKeyKind::Rsa {
        let fact = format!("firmware takes RSA, and the key is {}", kind.name());
        return Err(Failure::usage(anyhow::anyhow!(fact).context(args.cannot())));
    }
    let signed = messages.iter().map(|message| key.sign(message));
    signed.collect::<Result<_, _>>().map_err(|error| failure(error, args.cannot()))
}

/// Signatures by AWS KMS.
#[cfg(feature = "aws")]
fn with_kms(args: &Args, key: &str, messages: &[&[u8]], cannot: String) -> Result<Vec<Vec<u8>>, Failure> {
    use amiforge_publish::retry::{CallStep, NoObserver, RetryExhausted, retry};

    let cancel = crate::signals::interrupt_on_signals()?;
    let connected = args.key.aws.connect(&cancel)?;
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
