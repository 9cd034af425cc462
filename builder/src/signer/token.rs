//! A key on a token: `pkcs11-tool` of `OpenSC` signs, so no library of a token is loaded into this program.
//!
//! Every value is one argument with its option in it, so none can become an option; the PIN goes through the environment of
//! the child alone.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use amiforge_formats::tree::Printable;

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

/// Signs a message; the files are in a folder that only this user can read.
fn sign(key: &Pkcs11Key, pin: &str, folder: &Path, message: &[u8]) -> Result<Vec<u8>, SignerError> {
    let failed = |source| SignerError::Exchange { program: TOOL, source };
    let (input, output) = (folder.join("tbs"), folder.join("signature"));
    let write = || {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&input)?;
        file.write_all(message)
    };
    write().map_err(failed)?;
    let mut command = Command::new(TOOL);
    command.arg("--sign").arg("--mechanism=SHA256-RSA-PKCS").arg("--login").arg(format!("--pin=env:{PIN}"));
    let paths = [("module", key.module.as_path()), ("input-file", &input), ("output-file", &output)];
    for (option, path) in paths {
        let mut argument = std::ffi::OsString::from(format!("--{option}="));
        argument.push(path);
        command.arg(argument);
    }
    let named = [("token-label", &key.token), ("label", &key.object), ("id", &key.id)];
    for (option, value) in named {
        command.args(value.as_ref().map(|value| format!("--{option}={value}")));
    }
    command.env(PIN, pin).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let ended = command.output().map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => SignerError::NoTool { program: TOOL },
        _ => failed(source),
    })?;
    if !ended.status.success() {
        let last = ended.stderr.split(|byte| *byte == b'\n').rfind(|line| !line.is_empty());
        let message = Printable(last.unwrap_or_default()).to_string();
        return Err(SignerError::Tool { program: TOOL, status: ended.status.to_string(), message });
    }
    let signature = fs::read(&output).map_err(failed)?;
    fs::remove_file(&output).map_err(failed)?;
    Ok(signature)
}
