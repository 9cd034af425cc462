//! A key on a token: `pkcs11-tool` of `OpenSC` signs, so no library of a token is loaded into this program.
//!
//! Every value is one argument with its option in it, so none can become an option; the PIN goes through the environment of
//! the child alone.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use amiforge_formats::der::{integer, tag, tlv};
use amiforge_formats::tree::Printable;
use amiforge_trust::keys::{PublicKey, PublicKeyKind};
use amiforge_trust::signing::SigningKey;
use ring::digest;
use tempfile::TempDir;

use super::{Pkcs11Key, SignerError};

/// The program.
const TOOL: &str = "pkcs11-tool";

/// The variable with the PIN, for us and for the child.
const PIN: &str = "AMIFORGE_PKCS11_PIN";

/// The longest PIN.
const PIN_MAX: usize = 1024;

/// Signs messages with a key on a token.
///
/// # Errors
/// [`SignerError`].
pub fn sign_with_token(key: &Pkcs11Key, messages: &[&[u8]]) -> Result<Vec<Vec<u8>>, SignerError> {
    let pin = pin(key)?;
    let failed = |source| SignerError::Exchange { program: TOOL, source };
    let folder = tempfile::Builder::new().prefix("amiforge-sign.").tempdir().map_err(failed)?;
    let key = &with_id(key, &pin)?;
    messages.iter().map(|message| sign(key, &pin, folder.path(), message)).collect()
}

/// The PIN of the token: of the environment, or the first line of a file.
fn pin(key: &Pkcs11Key) -> Result<String, SignerError> {
    let Some(path) = &key.pin_file else {
        return std::env::var(PIN).ok().filter(|pin| !pin.is_empty()).ok_or(SignerError::NoPin);
    };
    let failed = |source| SignerError::Read { path: path.clone(), source };
    let bytes = amiforge_progress::regular::read(path).map_err(failed)?;
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let pin = str::from_utf8(line).ok().filter(|pin| !pin.is_empty() && pin.len() <= PIN_MAX);
    pin.map(str::to_owned).ok_or(SignerError::NoPin)
}

/// A key on a token, with its public half.
#[derive(Debug)]
pub struct TokenKey {
    key: Pkcs11Key,
    pin: String,
    public: PublicKey,
    folder: TempDir,
}

impl TokenKey {
    /// Finds a key on a token. Its public half is read from the token if it is not given: not every token has it, and not
    /// every version of the program reads one on P-384 or of Ed25519.
    ///
    /// # Errors
    /// [`SignerError`].
    pub fn open(key: &Pkcs11Key, public: Option<&PublicKey>) -> Result<Self, SignerError> {
        let pin = pin(key)?;
        let failed = |source| SignerError::Exchange { program: TOOL, source };
        let folder = tempfile::Builder::new().prefix("amiforge-sign.").tempdir().map_err(failed)?;
        let key = with_id(key, &pin)?;
        let public = match public {
            Some(public) => public.clone(),
            None => read_public(&key, &pin, folder.path())?,
        };
        Ok(Self { key, pin, public, folder })
    }

    /// Signs by a mechanism of the token.
    fn by(&self, mechanism: &str, input: &[u8]) -> Result<Vec<u8>, SignerError> {
        sign_by(mechanism, &self.key, &self.pin, self.folder.path(), input)
    }
}

impl SigningKey for TokenKey {
    fn public(&self) -> &PublicKey {
        &self.public
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignerError> {
        // Tokens seldom take the digest of a message for ECDSA themselves.
        let ecdsa = |algorithm| self.by("ECDSA", digest::digest(algorithm, message).as_ref());
        let kind = self.public.kind();
        match kind {
            PublicKeyKind::Ed25519 => self.by("EDDSA", message),
            PublicKeyKind::Rsa => self.by("SHA256-RSA-PKCS", message),
            PublicKeyKind::EcdsaP256 => pair_in_der(&ecdsa(&digest::SHA256)?, kind),
            PublicKeyKind::EcdsaP384 => pair_in_der(&ecdsa(&digest::SHA384)?, kind),
            _ => Err(SignerError::OnlySsh { fingerprint: self.public.fingerprint() }),
        }
    }
}

/// The two numbers of a signature, which PKCS#11 has one after the other, in DER.
fn pair_in_der(pair: &[u8], kind: PublicKeyKind) -> Result<Vec<u8>, SignerError> {
    let len = if kind == PublicKeyKind::EcdsaP384 { 48 } else { 32 };
    if pair.len() != 2 * len {
        return Err(SignerError::Form { kind: kind.name() });
    }
    let (r, s) = pair.split_at(len);
    Ok(tlv(tag::SEQUENCE, &[&integer(r), &integer(s)]))
}

/// The key with its id. Versions of the program that sign pass over the label, and take the first key of the token.
fn with_id(key: &Pkcs11Key, pin: &str) -> Result<Pkcs11Key, SignerError> {
    let (None, Some(label)) = (&key.id, &key.object) else { return Ok(key.clone()) };
    let mut command = command(&Pkcs11Key { object: None, ..key.clone() }, pin);
    command.args(["--list-objects", "--type=privkey"]);
    let listed = run(command)?;
    let ids = ids_of(&String::from_utf8_lossy(&listed), label);
    match ids.as_slice() {
        [id] => Ok(Pkcs11Key { id: Some(id.clone()), ..key.clone() }),
        // None is listed where labels are shown in another way; the signature is checked in any case.
        [] => Ok(key.clone()),
        several => {
            let reason = format!("{} keys of the token have this label: add `id=`", several.len());
            Err(SignerError::Uri { reason })
        }
    }
}

/// The ids of the objects with a label, in a list of objects.
fn ids_of(listed: &str, label: &str) -> Vec<String> {
    let field = |line: &str, name: &str| Some(line.trim().strip_prefix(name)?.trim().to_owned());
    let (mut ids, mut matches) = (Vec::new(), false);
    for line in listed.lines() {
        if !line.starts_with(' ') {
            matches = false;
        } else if let Some(found) = field(line, "label:") {
            matches = found == label;
        } else if let Some(id) = field(line, "ID:").filter(|_| matches) {
            let digits = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_hexdigit());
            ids.extend(digits.then_some(id));
        }
    }
    ids
}

/// Reads the public half of a key.
fn read_public(key: &Pkcs11Key, pin: &str, folder: &Path) -> Result<PublicKey, SignerError> {
    let output = folder.join("public");
    let mut command = command(key, pin);
    command.args(["--read-object", "--type=pubkey"]).arg(option("output-file", &output));
    run(command)?;
    let failed = |source| SignerError::Exchange { program: TOOL, source };
    let der = fs::read(&output).map_err(failed)?;
    let location = "the token".to_owned();
    PublicKey::from_spki_der(&der).map_err(|source| SignerError::Public { location, source })
}

/// Signs a message for Secure Boot.
fn sign(key: &Pkcs11Key, pin: &str, folder: &Path, message: &[u8]) -> Result<Vec<u8>, SignerError> {
    sign_by("SHA256-RSA-PKCS", key, pin, folder, message)
}

/// Signs by a mechanism; the files are in a folder that only this user can read.
fn sign_by(
    mechanism: &str,
    key: &Pkcs11Key,
    pin: &str,
    folder: &Path,
    message: &[u8],
) -> Result<Vec<u8>, SignerError> {
    let failed = |source| SignerError::Exchange { program: TOOL, source };
    let (input, output) = (folder.join("tbs"), folder.join("signature"));
    let write = || {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&input)?;
        file.write_all(message)
    };
    write().map_err(failed)?;
    let mut command = command(key, pin);
    command.arg("--sign").arg(format!("--mechanism={mechanism}"));
    command.arg(option("input-file", &input)).arg(option("output-file", &output));
    run(command)?;
    let signature = fs::read(&output).map_err(failed)?;
    fs::remove_file(&output).map_err(failed)?;
    Ok(signature)
}

/// The program with the token and the key.
fn command(key: &Pkcs11Key, pin: &str) -> Command {
    let mut command = Command::new(TOOL);
    command.arg("--login").arg(format!("--pin=env:{PIN}")).arg(option("module", &key.module));
    let named = [("token-label", &key.token), ("label", &key.object), ("id", &key.id)];
    for (option, value) in named {
        command.args(value.as_ref().map(|value| format!("--{option}={value}")));
    }
    command.env(PIN, pin).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// An option with a path in it.
fn option(name: &str, path: &Path) -> std::ffi::OsString {
    let mut argument = std::ffi::OsString::from(format!("--{name}="));
    argument.push(path);
    argument
}

/// Runs the program, which has to succeed; gives what it printed.
fn run(mut command: Command) -> Result<Vec<u8>, SignerError> {
    let ended = command.output().map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => SignerError::NoTool { program: TOOL },
        _ => SignerError::Exchange { program: TOOL, source },
    })?;
    if ended.status.success() {
        return Ok(ended.stdout);
    }
    // Its last line may only say that it ends.
    let mut lines = ended.stderr.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let last = lines.rfind(|line| !line.starts_with(b"Aborting"));
    let message = Printable(last.unwrap_or_default()).to_string();
    Err(SignerError::Tool { program: TOOL, status: ended.status.to_string(), message })
}

#[cfg(test)]
mod tests {
    use super::ids_of;

    #[test]
    fn the_id_of_a_label_is_found_in_a_list() {
        let listed = "Private Key Object; RSA \n  label:      db\n  ID:         0a\n  Usage:      sign\n\
                      Private Key Object; EC\n  label:      other db\n  ID:         0b\n\
                      Private Key Object; EC\n  ID:         0c\n\
                      Private Key Object; EC\n  label:      two\n  ID:         0d\n\
                      Private Key Object; EC\n  label:      two\n  ID:         0e\n";
        assert_eq!(ids_of(listed, "db"), ["0a"]);
        assert_eq!(ids_of(listed, "two"), ["0d", "0e"]);
        assert_eq!(ids_of(listed, "none"), [""; 0]);
    }
}
