//! A Python with boto3 and moto: clients and servers of AWS that others wrote, and the scripts of `tests/oracles`.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::oracle;

/// The script of CI, which pins the versions with which the suites were tried: another version of botocore has other
/// service models, and another moto other internals.
const CI: &str = include_str!("../../.ci/run");

/// Packages whose version has to be the pinned one.
const PINNED: [&str; 2] = ["boto3", "moto"];

/// A Python that can import these modules, in the versions that CI has: `$AMIFORGE_TEST_PYTHON`, `target/venv/bin/python`,
/// or `python3`. Without one the test is skipped, or fails when oracles are required; either message names what is missing.
///
/// # Panics
/// When oracles are required and no such Python is installed.
pub fn with(modules: &[&str]) -> Option<PathBuf> {
    let given = std::env::var_os("AMIFORGE_TEST_PYTHON").map(PathBuf::from);
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/venv/bin/python");
    let candidates = given.into_iter().chain([own]).chain(oracle::find("python3"));
    let mut why = Vec::new();
    for python in candidates {
        match fits(&python, modules) {
            Ok(()) => return Some(python),
            Err(reason) => why.push(format!("{}: {reason}", python.display())),
        }
    }
    let modules = modules.join(", ");
    oracle::skip(&format!(
        "no Python with {modules} as CI has them ({}); set AMIFORGE_TEST_PYTHON",
        why.join("; ")
    ));
    None
}

/// Whether a Python can import the modules, in the versions that CI has.
fn fits(python: &Path, modules: &[&str]) -> Result<(), String> {
    let import = format!("import {}", modules.join(", "));
    let packages =
        PINNED.iter().filter(|name| modules.iter().any(|module| module.split('.').next() == Some(**name)));
    let packages: Vec<_> = packages.copied().collect();
    let versions =
        "import sys, importlib.metadata\nfor name in sys.argv[1:]: print(importlib.metadata.version(name))";
    let code = format!("{import}\n{versions}");
    let run = Command::new(python).args(["-c", &code]).args(&packages).stderr(Stdio::null()).output();
    let output = run.map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(format!("it cannot `{import}`"));
    }
    let found = String::from_utf8_lossy(&output.stdout).into_owned();
    packages.iter().zip(found.lines()).try_for_each(|(package, found)| same(package, found))
}

/// Whether a version is the pinned one.
fn same(package: &str, found: &str) -> Result<(), String> {
    match pinned(CI, package) {
        Some(pinned) if pinned != found => {
            Err(format!("{package} {found} is installed, and the suites were tried with {package} {pinned}"))
        }
        _ => Ok(()),
    }
}

/// The version of a package in a list for pip, such as `moto[server,s3]==5.2.5`.
fn pinned<'a>(list: &'a str, package: &str) -> Option<&'a str> {
    let words = list.split(|c: char| c.is_whitespace() || c == '"' || c == '\'');
    let mut versions = words.filter_map(|word| {
        let (name, version) = word.split_once("==")?;
        (name.split('[').next() == Some(package)).then_some(version)
    });
    versions.next()
}

/// The command that runs a script of `tests/oracles`.
pub fn script(python: &Path, name: &str) -> Command {
    let mut command = Command::new(python);
    // No byte code beside the sources.
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("oracles").join(name));
    command
}

/// Runs a script of `tests/oracles`, which has to succeed, and gives its standard output.
///
/// # Panics
/// When it fails; the message has its output.
pub fn must<S: AsRef<OsStr> + std::fmt::Debug>(python: &Path, name: &str, args: &[S]) -> String {
    let output = script(python, name).args(args).output();
    let output = output.unwrap_or_else(|error| panic!("{}: {error}", python.display()));
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{name} {args:?}: {}\n{out}\n{err}", output.status);
    out.into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_version_is_named_with_the_one_that_was_tried() {
        let list = "clients=\"boto3==1.44.5 awscli==1.46.2 moto[server,ebs]==5.2.5\n  x==1\"";
        assert_eq!((pinned(list, "boto3"), pinned(list, "moto")), (Some("1.44.5"), Some("5.2.5")));
        assert_eq!(pinned(list, "server"), None);
        for package in PINNED {
            let version = pinned(CI, package).expect("CI pins it");
            assert_eq!(same(package, version), Ok(()));
            let wrong = same(package, "0.0.1").expect_err("another version");
            assert!(wrong.contains("0.0.1") && wrong.contains(version), "{wrong}");
        }
    }
}
