//! The Python with boto3 that stands for "somebody else's client".

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::oracle;

/// A Python that can import these modules: `$AMIFORGE_TEST_PYTHON`, `target/venv/bin/python`, or `python3`. Without one
/// the test is skipped, or fails where oracles are required.
///
/// # Panics
/// When oracles are required and there is none.
pub fn with(modules: &[&str]) -> Option<PathBuf> {
    let given = std::env::var_os("AMIFORGE_TEST_PYTHON").map(PathBuf::from);
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/venv/bin/python");
    let candidates = given.into_iter().chain([own]).chain(oracle::find("python3"));
    let import = format!("import {}", modules.join(", "));
    let found = candidates.into_iter().find(|python| {
        let run =
            Command::new(python).args(["-c", &import]).stdout(Stdio::null()).stderr(Stdio::null()).status();
        run.is_ok_and(|status| status.success())
    });
    if found.is_none() {
        oracle::skip(&format!("no Python that can `{import}`: set AMIFORGE_TEST_PYTHON"));
    }
    found
}

/// A script of `tests/oracles`, to be given arguments and run.
pub fn script(python: &Path, name: &str) -> Command {
    let mut command = Command::new(python);
    // Leaves no byte code beside the sources.
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("oracles").join(name));
    command
}

/// Runs a script of `tests/oracles`, which has to succeed, and gives its standard output.
///
/// # Panics
/// When it fails; with all that it said.
pub fn must<S: AsRef<OsStr> + std::fmt::Debug>(python: &Path, name: &str, args: &[S]) -> String {
    let output = script(python, name).args(args).output();
    let output = output.unwrap_or_else(|error| panic!("{}: {error}", python.display()));
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{name} {args:?}: {}\n{out}\n{err}", output.status);
    out.into_owned()
}
