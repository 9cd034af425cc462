//! What the commands for hand-overs and receipts share: where they are read from, keys and policies, failures.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use amiforge::signer::{KeyLocation, SigningKey};
use amiforge_formats::digest::Digest;
use amiforge_handover::HandoverError;
use amiforge_handover::contents::{HandoverContents, PUBLICATION, SIGNATURES};
use amiforge_handover::publication::{self, PlannedPublication};
use amiforge_handover::read::{Handover, Input, is_handover, present_files};
use amiforge_image::attestations::{StatedBundle, check_required};
use amiforge_image::bundle::MANIFEST;
use amiforge_image::inspect::Medium;
use amiforge_image::signatures::{BundleSignatureError, BundleStatement, CheckedSignatures, check_parts};
use amiforge_trust::keys::PublicKey;
use amiforge_trust::policy::SigningPolicy;
use amiforge_trust::sshsig::{self, SshSignature};
use anyhow::Context as _;

use super::signing_key::failure as key_failure;
use crate::outcome::Failure;

/// The folder of the plan and of the signatures over it.
const PUBLICATIONS: &str = "publication/";
/// The end of the names of signatures.
const SIGNATURE: &str = ".sig";

/// What a path stands for: the files of a hand-over as far as they are there, or standard input for `-`.
pub(super) fn input(path: &Path) -> Result<Input<'static>, HandoverError> {
    if path.as_os_str() == "-" {
        let name = "standard input".to_owned();
        return Ok(Input::Stream { name, reader: Box::new(io::stdin().lock()) });
    }
    present_files(path).map(Input::Files)
}

/// Opens an image to look into it: that of a hand-over, of a bundle, or a raw file.
pub(super) fn medium(path: &Path) -> anyhow::Result<Medium> {
    if is_handover(path) {
        return Ok(Medium::over(Box::new(Handover::open(path)?), path));
    }
    Ok(Medium::open(path)?)
}

/// The failure of work on a hand-over, with what to do next.
pub(super) fn failure(error: HandoverError, cannot: String) -> Failure {
    let hint = match &error {
        HandoverError::Damaged { at, .. } => Some(format!(
            "`amiforge verify --partial {}` says how much of it is good, and where to go on copying",
            at.file
        )),
        HandoverError::MissingPart { path, .. } => {
            Some(format!("copy `{}` beside the others", path.display()))
        }
        HandoverError::Exists { .. } => Some("remove it, or name another file".to_owned()),
        HandoverError::Busy { .. } => {
            Some("wait for the other command, or stop it: nothing is lost by that".to_owned())
        }
        HandoverError::BlockChanged { .. } | HandoverError::Bundle { .. } => {
            Some("`amiforge verify BUNDLE` lists all differences".to_owned())
        }
        HandoverError::TooManyParts { .. } => Some("give `--split` a larger size".to_owned()),
        HandoverError::Parent { .. } => Some("name the bundle that it continues with `--parent`".to_owned()),
        HandoverError::Ambiguous { .. } => Some("name a file instead of the folder".to_owned()),
        HandoverError::File { source, .. } if source.kind() == io::ErrorKind::InvalidInput => {
            Some("a pipe is read as `-`: `amiforge verify - < PIPE`".to_owned())
        }
        _ => None,
    };
    let failure = Failure::from(anyhow::Error::from(error).context(cannot));
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

/// Opens a key of a file, an ssh-agent or a token. `cannot` is the first line of a failure.
pub(super) fn open_key(location: &str, cannot: &str) -> Result<Box<dyn SigningKey>, Failure> {
    let failed = |error| key_failure(error, cannot.to_owned());
    let opened = KeyLocation::parse(location).and_then(|location| location.open(None)).map_err(failed)?;
    opened.ok_or_else(|| {
        let fact = "plans and receipts are signed by a file, an ssh-agent or a token, not by AWS KMS";
        Failure::usage(anyhow::anyhow!(fact).context(cannot.to_owned()))
    })
}

/// Signs a text, in the armour of OpenSSH.
pub(super) fn sign(
    key: &dyn SigningKey,
    namespace: &str,
    text: &[u8],
    cannot: &str,
) -> Result<Vec<u8>, Failure> {
    let signature = sshsig::sign(key, namespace, text).with_context(|| cannot.to_owned())?;
    Ok(signature.to_armour().into_bytes())
}

/// The keys that signed a text, and why other signatures are none of it.
pub(super) fn signers<'a>(
    signatures: impl Iterator<Item = (&'a str, &'a [u8])>,
    namespace: &str,
    text: &[u8],
) -> (Vec<PublicKey>, Vec<String>) {
    let (mut keys, mut refused) = (Vec::new(), Vec::new());
    for (name, armoured) in signatures {
        let verified = SshSignature::parse(armoured).and_then(|signature| {
            signature.verify(namespace, text)?;
            Ok(signature.key().clone())
        });
        match verified {
            Ok(key) => keys.push(key),
            Err(error) => refused.push(format!("`{name}`: {error}")),
        }
    }
    (keys, refused)
}

/// Asks a policy about an image of this name that these keys signed; the reason if it does not accept that.
pub(super) fn decide(
    policy: &SigningPolicy,
    name: &str,
    keys: &[PublicKey],
    refused: &[String],
) -> Result<Vec<String>, String> {
    let decision = policy.decide(name, keys);
    match decision.refusal() {
        None => Ok(decision.signed),
        Some(reason) if refused.is_empty() => Err(reason),
        Some(reason) => Err(format!("{reason}; no signatures of it are {}", refused.join("; "))),
    }
}

/// Asks a policy about the bundle of a hand-over, as it is asked about a folder.
pub(super) fn accepted(
    contents: &HandoverContents,
    policy: &SigningPolicy,
) -> Result<CheckedSignatures, BundleSignatureError> {
    let statement = BundleStatement::parse(contents.sums()).map_err(BundleSignatureError::Statement)?;
    let signatures = contents.signatures().filter(|(name, _)| name.ends_with(SIGNATURE));
    let signatures: Vec<_> =
        signatures.map(|(name, bytes)| (format!("{SIGNATURES}{name}"), bytes.to_vec())).collect();
    let manifest = contents.documents.get(MANIFEST).map(Vec::as_slice).unwrap_or_default();
    check_parts(statement, manifest, &signatures, policy)
}

/// Asks a policy about the attestations that it requires of the bundle of a hand-over; the reason if one is missing.
pub(super) fn attested(contents: &HandoverContents, policy: &SigningPolicy) -> Result<(), String> {
    let name = &contents.manifest.manifest.origin.name;
    if policy.rule_for(name).is_none_or(|rule| rule.require.is_empty()) {
        return Ok(());
    }
    let folder = documents_folder(contents).map_err(|error| format!("writing the documents: {error}"))?;
    let checked = StatedBundle::open(folder.path()).and_then(|stated| check_required(&stated, policy));
    checked.map(drop).map_err(|error| error_line(&error))
}

/// Who signed the bundle of a hand-over, if a policy accepts its signatures and attestations; else the reason.
pub(super) fn accepted_signers(
    contents: &HandoverContents,
    policy: &SigningPolicy,
) -> Result<Vec<String>, String> {
    let checked = accepted(contents, policy).map_err(|error| refusal(&error))?;
    attested(contents, policy)?;
    Ok(checked.decision.map(|decision| decision.signed).unwrap_or_default())
}

/// The documents of a hand-over in a folder, as its bundle has them.
fn documents_folder(contents: &HandoverContents) -> io::Result<tempfile::TempDir> {
    let folder = tempfile::tempdir()?;
    for (name, bytes) in contents.files() {
        let path = folder.path().join(name);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::write(path, bytes)?;
    }
    Ok(folder)
}

/// An error with its causes, as one line.
fn error_line(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// A hand-over; `None` for anything else.
pub(super) fn opened(path: &Path) -> Option<Handover> {
    is_handover(path).then(|| Handover::open(path).ok()).flatten()
}

/// Why a policy does not accept a bundle, as one line: the error with its causes, and the signatures that are none.
fn refusal(error: &BundleSignatureError) -> String {
    let text = error_line(error);
    match error {
        BundleSignatureError::NotMet { refused, .. } if !refused.is_empty() => {
            format!("{text}; no signatures of it are {}", refused.join("; "))
        }
        _ => text,
    }
}

/// The plan among the documents of a hand-over, if there is one, for the image with this name and manifest. With a policy,
/// its signers have to be accepted as those of the bundle are.
pub(super) fn plan(
    documents: &BTreeMap<String, Vec<u8>>,
    (name, manifest): (&str, Digest),
    policy: Option<&SigningPolicy>,
) -> Result<Option<PlannedPublication>, String> {
    let Some(text) = documents.get(PUBLICATION) else { return Ok(None) };
    let plan = PlannedPublication::parse(text, manifest)?;
    if let Some(policy) = policy {
        let own = |name: &str| name.starts_with(PUBLICATIONS) && name.ends_with(SIGNATURE);
        let signatures = documents.iter().filter(|(name, _)| own(name));
        let signatures = signatures.map(|(name, bytes)| (name.as_str(), bytes.as_slice()));
        let (keys, refused) = signers(signatures, publication::NAMESPACE, text);
        decide(policy, name, &keys, &refused)
            .map_err(|reason| format!("the plan of the publication is not accepted: {reason}"))?;
    }
    Ok(Some(plan))
}
