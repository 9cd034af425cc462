//! Signing a bundle: an SSH signature of its `SHA256SUMS`, made here or elsewhere.

use std::path::Path;

use amiforge_image::image::EmitOptions;
use amiforge_image::signatures::{self, BundleSignatureError, check_files, store};
use amiforge_progress::Monitor;
use amiforge_trust::keys::PublicKey;
use amiforge_trust::sshsig::{self, SshSignature, SshsigError};
use serde::Serialize;

use super::super::signing_key::failure;
use super::Args;
use crate::outcome::{CommandResult, Failure, Outcome};
use crate::signals::interrupt_on_signals;
use crate::ui::Ui;

/// What `--json` shows.
#[derive(Serialize)]
struct SignedJson {
    bundle: String,
    signatures: Vec<StoredJson>,
}

#[derive(Serialize)]
struct StoredJson {
    file: String,
    fingerprint: String,
    key: &'static str,
}

/// Signs a bundle. What is signed is compared with the files first: nobody should sign digests of something else.
pub(super) fn run(args: &Args, ui: &Ui) -> CommandResult {
    let cannot = args.cannot();
    let failed = |error| refusal(error, &args.bundle, &cannot);
    let cancel = interrupt_on_signals()?;
    let statement = signatures::check(&args.bundle, None).map_err(failed)?.statement;
    let key = args.key.open(&cannot)?;
    let monitor = Monitor::new(ui, &cancel);
    check_files(&args.bundle, &statement, EmitOptions::default(), monitor).map_err(failed)?;
    let signed = sshsig::sign(&*key, sshsig::BUNDLE, statement.bytes());
    let signed = signed.map_err(|error| failure(error, cannot.clone()))?;
    let file = store(&args.bundle, &signed, &statement).map_err(failed)?;
    show(&args.bundle, vec![(file, signed.key().clone())], ui)
}

/// Stores signatures that were made elsewhere, such as by `ssh-keygen -Y sign`. Each is checked before any is stored.
pub(in super::super) fn attach(bundle: &Path, given: &[(String, Vec<u8>)], ui: &Ui) -> CommandResult {
    let cannot = format!("cannot attach signatures to `{}`", bundle.display());
    let failed = |error| refusal(error, bundle, &cannot);
    let statement = signatures::check(bundle, None).map_err(failed)?.statement;
    let mut read = Vec::new();
    for (name, bytes) in given {
        let signature = SshSignature::parse(bytes).and_then(|signature| {
            signature.verify(sshsig::BUNDLE, statement.bytes())?;
            Ok(signature)
        });
        let signature = signature.map_err(|error| {
            let hint = not_accepted(&error, bundle);
            let error =
                anyhow::Error::from(error).context(format!("checking `{name}`")).context(cannot.clone());
            Failure::from(error).hint(hint)
        })?;
        read.push(signature);
    }
    let mut stored = Vec::new();
    for signature in &read {
        let file = store(bundle, signature, &statement).map_err(failed)?;
        stored.push((file, signature.key().clone()));
    }
    show(bundle, stored, ui)
}

/// What to do about a signature that is none of the bundle.
fn not_accepted(error: &SshsigError, bundle: &Path) -> String {
    let shown = bundle.display();
    match error {
        SshsigError::Namespace { .. } | SshsigError::NotVerified { .. } => format!(
            "sign `{shown}/SHA256SUMS` as it is now: `ssh-keygen -Y sign -n {} -f KEY {shown}/SHA256SUMS`; signatures for \
             Secure Boot come before, because they change the image",
            sshsig::BUNDLE
        ),
        _ => "give a file that `ssh-keygen -Y sign` wrote".to_owned(),
    }
}

fn show(bundle: &Path, stored: Vec<(String, PublicKey)>, ui: &Ui) -> CommandResult {
    if ui.json() {
        let signatures = stored.iter().map(|(file, key)| StoredJson {
            file: file.clone(),
            fingerprint: key.fingerprint(),
            key: key.kind().name(),
        });
        ui.object(&SignedJson { bundle: bundle.display().to_string(), signatures: signatures.collect() })?;
        return Ok(Outcome::Success);
    }
    for (file, key) in stored {
        let kind = key.kind().name();
        let line = format!("{}: signed with {kind} {}: {file}", bundle.display(), key.fingerprint());
        ui.line(line)?;
    }
    Ok(Outcome::Success)
}

/// The failure of a bundle that is not signed, because it is not what its sums say, or cannot be read.
fn refusal(error: BundleSignatureError, bundle: &Path, cannot: &str) -> Failure {
    let shown = bundle.display();
    let hint = match &error {
        BundleSignatureError::NotABundle { .. } => {
            "name the folder that `amiforge build -o` wrote".to_owned()
        }
        error if error.is_difference() => {
            format!("the bundle was changed after its build; `amiforge verify {shown}` says where")
        }
        _ => return anyhow::Error::from(error).context(cannot.to_owned()).into(),
    };
    Failure::from(anyhow::Error::from(error).context(cannot.to_owned())).hint(hint)
}
