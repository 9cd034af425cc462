//! Signing a file with inputs: an SSH signature of the whole file beside it, as `FILE.sig`.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use amiforge_progress::{CancelToken, regular};
use amiforge_trust::keys::PublicKey;
use amiforge_trust::sshsig::{self, SshHash, SshSignature};
use anyhow::Context as _;
use ring::digest;

use super::super::signed_by::Demand;
use super::super::signing_key::failure;
use super::Args;
use crate::outcome::{CommandResult, Failure, Outcome};
use crate::signals::interrupt_on_signals;
use crate::ui::Ui;

/// Bytes that are read at once.
const CHUNK: usize = 1 << 20;

/// Signs a file.
pub(super) fn run(args: &Args, ui: &Ui) -> CommandResult {
    let cannot = args.cannot();
    let cancel = interrupt_on_signals()?;
    let key = args.key.open(&cannot)?;
    let digest = digest_of(&args.bundle, SshHash::Sha512, &cancel).with_context(|| cannot.clone())?;
    let signed = sshsig::sign_digest(&*key, sshsig::INPUTS, &digest);
    let signed = signed.map_err(|error| failure(error, cannot.clone()))?;
    let path = path_for(&args.bundle, signed.key());
    replace(&path, signed.to_armour().as_bytes())
        .with_context(|| format!("writing `{}`", path.display()))
        .with_context(|| cannot)?;
    let (file, fingerprint) = (path.display().to_string(), signed.key().fingerprint());
    let kind = signed.key().kind().name();
    if ui.json() {
        let signature = serde_json::json!({ "file": file, "fingerprint": fingerprint, "key": kind });
        ui.object(
            &serde_json::json!({ "inputs": args.bundle.display().to_string(), "signatures": [signature] }),
        )?;
    } else {
        ui.line(format_args!("{}: signed with {kind} {fingerprint}: {file}", args.bundle.display()))?;
    }
    Ok(Outcome::Success)
}

/// Refuses inputs for an image of a name that are not signed as a policy demands.
pub(crate) fn require(
    inputs: &Path,
    image: &str,
    demand: &Demand,
    cancel: &CancelToken,
    cannot: &str,
) -> Result<(), Failure> {
    let mut keys = Vec::new();
    let mut refused = Vec::new();
    for path in signatures_of(inputs).with_context(|| cannot.to_owned())? {
        let bytes = bounded(&path).with_context(|| cannot.to_owned())?;
        let checked = SshSignature::parse(&bytes);
        let checked = match checked {
            Ok(signature) => {
                let digest =
                    digest_of(inputs, signature.hash(), cancel).with_context(|| cannot.to_owned())?;
                signature.verify_digest(sshsig::INPUTS, &digest).map(|()| signature.key().clone())
            }
            Err(error) => Err(error),
        };
        match checked {
            Ok(key) => keys.push(key),
            Err(error) => refused.push(format!("`{}`: {}", path.display(), causes(&error))),
        }
    }
    let decision = demand.policy().decide(image, &keys);
    let Some(refusal) = decision.refusal() else { return Ok(()) };
    let error = anyhow::anyhow!(refusal)
        .context(format!("checking `{}` by the policy `{}`", inputs.display(), demand.path().display()))
        .context(cannot.to_owned());
    let hint = if refused.is_empty() {
        format!("`amiforge sign {} --for inputs --key KEY` signs it", inputs.display())
    } else {
        format!("signatures that are none of this file: {}", refused.join("; "))
    };
    Err(Failure::refused(error).hint(hint))
}

/// The file for a key's signature: `FILE.sig`; `FILE.ID.sig` if that is another key's.
fn path_for(inputs: &Path, key: &PublicKey) -> PathBuf {
    let first = with_ending(inputs, "sig");
    let other = bounded(&first).ok().and_then(|bytes| SshSignature::parse(&bytes).ok());
    match other {
        Some(other) if other.key() != key => with_ending(inputs, &format!("{}.sig", key.short_id())),
        _ => first,
    }
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    name.into()
}

/// The files with signatures of a file, sorted.
fn signatures_of(inputs: &Path) -> std::io::Result<Vec<PathBuf>> {
    let folder = inputs.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let own = inputs.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let rest = name.strip_prefix(&own).and_then(|rest| rest.strip_prefix('.'));
        let id = |rest: &str| rest.strip_suffix(".sig").is_some_and(|id| id.len() == 16);
        if rest.is_some_and(|rest| rest == "sig" || id(rest)) {
            all.push(folder.join(name));
        }
    }
    all.sort();
    Ok(all)
}

/// Reads a file that should be a signature.
fn bounded(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    regular::open(path)?.take(sshsig::LEN_MAX as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The digest of a file of any length.
fn digest_of(path: &Path, hash: SshHash, cancel: &CancelToken) -> anyhow::Result<Vec<u8>> {
    let reading = || format!("reading `{}`", path.display());
    let mut file: File = regular::open(path).with_context(reading)?;
    let mut digest = digest::Context::new(hash.ring());
    let mut chunk = vec![0; CHUNK];
    loop {
        if cancel.is_cancelled() {
            return Err(anyhow::anyhow!("interrupted"));
        }
        match file.read(&mut chunk).with_context(reading)? {
            0 => return Ok(digest.finish().as_ref().to_vec()),
            len => digest.update(&chunk[..len]),
        }
    }
}

/// The messages of an error and of its causes.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.extend([": ", &error.to_string()]);
        cause = error.source();
    }
    text
}

/// Writes a file by a rename, so that there is never half a signature.
fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut made = tempfile::Builder::new().prefix(".sign-").tempfile_in(folder)?;
    made.as_file().set_permissions(std::fs::Permissions::from_mode(0o644))?;
    made.write_all(bytes)?;
    made.as_file().sync_all()?;
    made.persist(path)?;
    File::open(folder)?.sync_all()
}
