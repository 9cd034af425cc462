//! The verifiers that others wrote. None gets a network: cosign runs in a namespace without an interface, the others open no
//! socket.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The folder of the repository.
fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Prints why a test is skipped, or fails where oracles are required.
fn skip(why: &str) {
    let required = std::env::var_os("REQUIRE_ORACLES").is_some_and(|value| value == "1");
    assert!(!required, "an oracle is missing: {why}");
    eprintln!("SKIP {why}");
}

fn is_there(path: PathBuf, why: &str) -> Option<PathBuf> {
    if path.is_file() {
        return Some(path);
    }
    skip(&format!("{} is missing: {why}", path.display()));
    None
}

/// The verifiers.
pub(crate) struct Verifiers {
    cosign: PathBuf,
    modules: PathBuf,
    python: PathBuf,
}

impl Verifiers {
    /// All of them; none where one is missing.
    pub(crate) fn find() -> Option<Self> {
        let tools = repository().join("target/tools");
        let cosign = is_there(tools.join("bin/cosign"), "run tests/inputs/sid.sh cosign")?;
        let modules = tools.join("npm/node_modules");
        is_there(modules.join("@sigstore/verify/package.json"), "run tests/inputs/sigstore.sh")?;
        let given = std::env::var_os("AMIFORGE_TEST_PYTHON").map(PathBuf::from);
        let python = given.unwrap_or_else(|| repository().join("target/venv/bin/python"));
        let python = is_there(python, "it is what `.ci/run` makes")?;
        Some(Self { cosign, modules, python })
    }

    /// Whether cosign accepts a bundle as an attestation of a file.
    pub(crate) fn cosign(&self, bundle: &Path, pem: &Path, file: &Path) -> bool {
        let home = bundle.parent().unwrap();
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "--net"]).arg(&self.cosign).arg("verify-blob-attestation");
        command.args(["--new-bundle-format", "--insecure-ignore-tlog", "--type", "slsaprovenance1"]);
        command.arg("--bundle").arg(bundle).arg("--key").arg(pem).arg(file).env("HOME", home);
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() == said.contains("Verified OK"), "{said}");
        output.status.success()
    }

    /// Which of the bundles npm's verifier accepts.
    pub(crate) fn npm(&self, pem: &Path, hint: &str, bundles: &[PathBuf]) -> Vec<bool> {
        let mut command = Command::new("node");
        command.env("NODE_PATH", &self.modules).arg(repository().join("tests/oracles/sigstore.js"));
        answers(command.arg(pem).arg(hint).args(bundles), bundles.len())
    }

    /// Which of the envelopes securesystemslib accepts, with statements that in-toto-attestation accepts.
    pub(crate) fn python(
        &self,
        pem: &Path,
        (key_id, scheme): (&str, &str),
        envelopes: &[PathBuf],
    ) -> Vec<bool> {
        let mut command = Command::new(&self.python);
        command.env("PYTHONDONTWRITEBYTECODE", "1").arg(repository().join("tests/oracles/dsse.py"));
        answers(command.arg(pem).args([key_id, scheme]).args(envelopes), envelopes.len())
    }
}

fn answers(command: &mut Command, count: usize) -> Vec<bool> {
    let output = command.output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {err}");
    let answers: Vec<_> = out.lines().map(|line| line == "accepted").collect();
    assert_eq!(answers.len(), count, "{out}\n{err}");
    answers
}

/// Runs openssl, which has to succeed.
pub(crate) fn openssl<S: AsRef<OsStr> + std::fmt::Debug>(arguments: &[S]) {
    let output: Output = Command::new("openssl").args(arguments).output().unwrap();
    assert!(output.status.success(), "openssl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}
