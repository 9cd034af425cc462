//! The programs, and keys that ssh-keygen makes.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use amiforge_trust::keys::PublicKey;
use amiforge_trust::private::PrivateKeyFile;
use amiforge_trust::signing::SigningKey as _;

/// The kinds of keys that ssh-keygen makes: its options.
pub(crate) const KINDS: [&[&str]; 6] = [
    &["-t", "ed25519"],
    &["-t", "ecdsa", "-b", "256"],
    &["-t", "ecdsa", "-b", "384"],
    &["-t", "rsa", "-b", "2048"],
    &["-t", "rsa", "-b", "3072"],
    &["-t", "rsa", "-b", "4096"],
];

/// Whether the programs are installed; fails where oracles are required.
pub(crate) fn ready(programs: &[&str]) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let installed = |name: &&&str| std::env::split_paths(&path).any(|folder| folder.join(name).is_file());
    let missing: Vec<_> = programs.iter().filter(|name| !installed(name)).collect();
    if !missing.is_empty() {
        let required = std::env::var_os("REQUIRE_ORACLES").is_some_and(|value| value == "1");
        assert!(!required, "an oracle is missing: {missing:?}");
        eprintln!("SKIP not installed: {missing:?}");
    }
    missing.is_empty()
}

pub(crate) fn run(program: &str, arguments: &[&str], input: Option<&Path>) -> Output {
    let mut command = Command::new(program);
    command.args(arguments);
    command.stdin(input.map_or(Stdio::null(), |path| File::open(path).unwrap().into()));
    command.output().unwrap()
}

pub(crate) fn must(program: &str, arguments: &[&str]) -> String {
    let output = run(program, arguments, None);
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A folder with keys and messages.
pub(crate) struct Keys {
    folder: tempfile::TempDir,
}

impl Keys {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// Makes a key of a kind.
    pub(crate) fn make(&self, name: &str, kind: &[&str]) -> PrivateKeyFile {
        let path = self.text(name);
        let comment = format!("the key {name}");
        must("ssh-keygen", &[kind, &["-q", "-N", "", "-C", &comment, "-f", &path]].concat());
        PrivateKeyFile::open(&self.path(name)).unwrap()
    }

    /// Writes `allowed_signers` that allow a key for everything.
    pub(crate) fn allow(&self, key: &PublicKey) {
        std::fs::write(self.path("allowed"), format!("someone {}\n", key.to_openssh())).unwrap();
    }

    /// Whether ssh-keygen accepts a signature of a message.
    pub(crate) fn accepts(&self, namespace: &str, signature: &[u8], message: &[u8]) -> bool {
        std::fs::write(self.path("message"), message).unwrap();
        std::fs::write(self.path("signature"), signature).unwrap();
        let (allowed, signature) = (self.text("allowed"), self.text("signature"));
        let command = ["-Y", "verify", "-f", &allowed, "-I", "someone", "-n", namespace, "-s", &signature];
        run("ssh-keygen", &command, Some(&self.path("message"))).status.success()
    }

    /// Signs a message with ssh-keygen.
    pub(crate) fn sign(&self, key: &str, namespace: &str, message: &[u8], more: &[&str]) -> Vec<u8> {
        let file = self.path("to-be-signed");
        std::fs::write(&file, message).unwrap();
        let _ = std::fs::remove_file(self.path("to-be-signed.sig"));
        let (key, file) = (self.text(key), file.to_str().unwrap());
        must("ssh-keygen", &[&["-Y", "sign", "-f", &key, "-n", namespace], more, &[file]].concat());
        std::fs::read(self.path("to-be-signed.sig")).unwrap()
    }

    /// What a kind is called, and a key of it.
    pub(crate) fn each(&self) -> Vec<(String, PrivateKeyFile)> {
        let made = KINDS.iter().enumerate().map(|(index, kind)| {
            let name = format!("key-{index}");
            let key = self.make(&name, kind);
            let line = std::fs::read_to_string(self.path(&format!("{name}.pub"))).unwrap();
            assert_eq!(&PublicKey::parse_openssh(&line).unwrap(), key.public());
            (name, key)
        });
        made.collect()
    }
}
