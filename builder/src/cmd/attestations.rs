//! Attestations on the command line: signed in one step, or signed elsewhere over bytes that are written out.

use std::fs;
use std::path::Path;

use amiforge_image::attestations::{AttestationError, AttestationKind, StatedBundle, disk_differs, store};
use amiforge_image::image::EmitOptions;
use amiforge_progress::Monitor;
use amiforge_trust::detached;
use amiforge_trust::dsse::{DsseEnvelope, IN_TOTO, pae};
use amiforge_trust::keys::PublicKey;
use amiforge_trust::signing::SigningKey;
use anyhow::{Context as _, anyhow};
use serde::Serialize;

use crate::outcome::{CommandResult, Failure, Outcome};
use crate::signals::interrupt_on_signals;
use crate::ui::Ui;

/// The word for all attestations that a bundle has something for.
pub(super) const ALL: &str = "attestations";

/// What is signed, as `--for` names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Requested {
    /// One kind.
    One(AttestationKind),
    /// Every kind that the bundle has something for.
    All,
}

/// A signed attestation as `--json` shows it.
#[derive(Serialize)]
struct AttestationJson {
    kind: &'static str,
    predicate_type: &'static str,
    files: Vec<String>,
}

/// What `--json` shows.
#[derive(Serialize)]
struct AttestationsJson {
    bundle: String,
    key: String,
    attestations: Vec<AttestationJson>,
}

impl Requested {
    /// Parses a word of `--for`; none for a word of another meaning.
    pub(super) fn parse(word: &str) -> Option<Self> {
        if word == ALL { Some(Self::All) } else { AttestationKind::of_name(word).map(Self::One) }
    }
}

/// Signs statements of a bundle and stores them in it.
pub(super) fn sign(bundle: &Path, requested: &Requested, key: &dyn SigningKey, ui: &Ui) -> CommandResult {
    let stated = open(bundle, ui)?;
    let mut signed = Vec::new();
    for kind in kinds(&stated, requested) {
        let payload = stated.payload(kind).map_err(|error| failure(error, bundle))?;
        let envelope = DsseEnvelope::sign(IN_TOTO, payload, key);
        let envelope = envelope.with_context(|| cannot(bundle)).map_err(Failure::from)?;
        signed.push((kind, stored(bundle, kind, key.public(), &envelope)?));
    }
    show(bundle, key.public(), signed, ui)
}

/// Writes the bytes that a signature of a statement is to be over.
pub(super) fn request(bundle: &Path, requested: &Requested, file: &Path, ui: &Ui) -> CommandResult {
    let stated = open(bundle, ui)?;
    let [kind] = kinds(&stated, requested)[..] else {
        let fact = anyhow!("a file takes the bytes of one attestation");
        let hint = "write `--for provenance`, or another of the kinds, once for each file";
        return Err(Failure::usage(fact.context(cannot(bundle))).hint(hint));
    };
    let payload = stated.payload(kind).map_err(|error| failure(error, bundle))?;
    fs::write(file, pae(IN_TOTO, &payload))
        .with_context(|| format!("writing `{}`", file.display()))
        .with_context(|| cannot(bundle))?;
    let (name, file) = (kind.name(), file.display());
    ui.status(format_args!(
        "sign `{file}` as it is (`openssl dgst -sha256 -sign KEY -out {name}.sig {file}`), then run\n\
         `amiforge attach {} --signature {name}={name}.sig --public-key KEY.pub.pem`",
        bundle.display()
    ));
    Ok(Outcome::Success)
}

/// Stores statements with signatures that were made elsewhere: the kind and the bytes of each.
pub(super) fn attach(
    bundle: &Path,
    given: &[(AttestationKind, Vec<u8>)],
    key: &PublicKey,
    ui: &Ui,
) -> CommandResult {
    let stated = open(bundle, ui)?;
    let mut envelopes = Vec::new();
    // All are checked before one is stored.
    for (kind, bytes) in given {
        let payload = stated.payload(*kind).map_err(|error| failure(error, bundle))?;
        let signed = detached::verified(key, &pae(IN_TOTO, &payload), bytes)
            .and_then(|signature| DsseEnvelope::with_signature(IN_TOTO, payload, key, signature));
        let envelope = signed.map_err(|error| {
            let name = kind.name();
            let hint = format!(
                "`amiforge sign {} --for {name} --request FILE` writes the bytes that are to be signed; SHA-256 for P-256 and \
                 RSA (PKCS#1 v1.5), SHA-384 for P-384",
                bundle.display()
            );
            let fact = format!("the signature for `{name}` is not one by {}", key.fingerprint());
            Failure::from(anyhow::Error::from(error).context(fact).context(cannot(bundle))).hint(hint)
        })?;
        envelopes.push((*kind, envelope));
    }
    let mut signed = Vec::new();
    for (kind, envelope) in envelopes {
        signed.push((kind, stored(bundle, kind, key, &envelope)?));
    }
    show(bundle, key, signed, ui)
}

/// Opens a bundle whose files are what its manifest says: nobody signs what was not looked at.
fn open(bundle: &Path, ui: &Ui) -> Result<StatedBundle, Failure> {
    let cancel = interrupt_on_signals()?;
    let stated = StatedBundle::open(bundle).map_err(|error| failure(error, bundle))?;
    disk_differs(&stated, EmitOptions::default(), Monitor::new(ui, &cancel))
        .map_err(|error| failure(error, bundle))?;
    Ok(stated)
}

/// The kinds that are meant.
fn kinds(stated: &StatedBundle, requested: &Requested) -> Vec<AttestationKind> {
    match requested {
        Requested::One(kind) => vec![*kind],
        Requested::All => stated.available(),
    }
}

fn stored(
    bundle: &Path,
    kind: AttestationKind,
    key: &PublicKey,
    envelope: &DsseEnvelope,
) -> Result<Vec<String>, Failure> {
    store(bundle, kind, key, envelope).map_err(|error| failure(error, bundle))
}

fn show(
    bundle: &Path,
    key: &PublicKey,
    signed: Vec<(AttestationKind, Vec<String>)>,
    ui: &Ui,
) -> CommandResult {
    let key = key.fingerprint();
    if ui.json() {
        let attestations = signed.into_iter().map(|(kind, files)| AttestationJson {
            kind: kind.name(),
            predicate_type: kind.predicate_type(),
            files,
        });
        let bundle = bundle.display().to_string();
        ui.object(&AttestationsJson { bundle, key, attestations: attestations.collect() })?;
        return Ok(Outcome::Success);
    }
    for (kind, files) in signed {
        ui.line(format_args!("{}: signed by {key}: {}", kind.name(), files.join(", ")))?;
    }
    Ok(Outcome::Success)
}

/// The failure with its hint.
pub(super) fn failure(error: AttestationError, bundle: &Path) -> Failure {
    let shown = bundle.display();
    let hint = match &error {
        AttestationError::NotABundle { .. } => "name the folder that `amiforge build -o` wrote".to_owned(),
        AttestationError::Nothing { .. } => format!(
            "build it again with this version, or sign what it has: `amiforge sign {shown} --for {ALL} --key KEY`"
        ),
        AttestationError::Differs { .. } | AttestationError::Provenance { .. } => {
            format!("the bundle was changed after its build; `amiforge verify {shown}` says where")
        }
        _ => return Failure::from(anyhow::Error::from(error).context(cannot(bundle))),
    };
    Failure::from(anyhow::Error::from(error).context(cannot(bundle))).hint(hint)
}

fn cannot(bundle: &Path) -> String {
    format!("cannot sign statements of `{}`", bundle.display())
}
