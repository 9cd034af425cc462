//! Temporary OpenPGP keys, generated and used by gpg in a home folder of their own.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::oracle;

/// A key that signs archives; deleted when dropped.
#[derive(Debug)]
pub struct Key {
    home: TempDir,
    /// Its fingerprint, in upper-case hexadecimal.
    pub fingerprint: String,
}

impl Key {
    /// A new key; `None` and a printed `SKIP` when gpg is not installed.
    ///
    /// # Panics
    /// When gpg fails.
    pub fn generate(name: &str) -> Option<Self> {
        Self::generate_expiring(name, "never")
    }

    /// The same with an expiry, in the syntax of gpg's `--quick-generate-key`.
    ///
    /// # Panics
    /// When gpg fails.
    pub fn generate_expiring(name: &str, expires: &str) -> Option<Self> {
        if !oracle::ready(&["gpg", "gpgconf"], false) {
            return None;
        }
        // gpg puts a socket there, and the path of a socket has at most 107 bytes: not below a deep scratch folder.
        let home = tempfile::Builder::new().prefix("gpg").tempdir_in("/tmp").expect("a folder for gpg");
        let mut key = Self { home, fingerprint: String::new() };
        let user = format!("{name} <{name}@example.org>");
        // Dated to the start of 2020, so that it is older than every signature that a test makes.
        let old = ["--faked-system-time", "20200101T000000"];
        let make = ["--quick-generate-key", &user, "ed25519", "sign", expires];
        key.gpg(&[old.as_slice(), make.as_slice()].concat());
        let listed = key.gpg(&["--list-keys", "--with-colons"]);
        let listed = String::from_utf8(listed).expect("colons are text");
        let line = listed.lines().find(|line| line.starts_with("fpr:")).expect("a fingerprint");
        line.split(':').nth(9).expect("ten fields").clone_into(&mut key.fingerprint);
        Some(key)
    }

    /// The public key, binary as in `/usr/share/keyrings`.
    pub fn public(&self) -> Vec<u8> {
        self.gpg(&["--export"])
    }

    /// The public key in ASCII armour.
    pub fn public_text(&self) -> Vec<u8> {
        self.gpg(&["--armor", "--export"])
    }

    /// Writes the public key to `path` and returns the path.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn export(&self, path: &Path) -> PathBuf {
        std::fs::write(path, self.public()).expect("keyring is written");
        path.to_owned()
    }

    /// The text with an inline signature, as in an `InRelease`.
    pub fn sign(&self, text: &Path) -> Vec<u8> {
        self.gpg(&["--clearsign", "--digest-algo", "SHA512", "--output", "-", &text.to_string_lossy()])
    }

    /// A detached signature of the text, as in a `Release.gpg`.
    pub fn sign_detached(&self, text: &Path) -> Vec<u8> {
        self.gpg(&[
            "--armor",
            "--detach-sign",
            "--digest-algo",
            "SHA512",
            "--output",
            "-",
            &text.to_string_lossy(),
        ])
    }

    fn gpg(&self, args: &[&str]) -> Vec<u8> {
        let output = Command::new("gpg")
            .args([
                "--batch",
                "--quiet",
                "--no-tty",
                "--pinentry-mode",
                "loopback",
                "--passphrase",
                "",
                "--homedir",
            ])
            .arg(self.home.path())
            .args(args)
            .stdin(Stdio::null())
            .output()
            .expect("gpg starts");
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "gpg {args:?}: {err}");
        output.stdout
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        // The agent that gpg started for this folder would stay.
        let _ =
            Command::new("gpgconf").arg("--homedir").arg(self.home.path()).args(["--kill", "all"]).status();
    }
}
