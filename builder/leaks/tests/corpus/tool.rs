//! Programs of others, random letters, and scratch folders.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Folders of system programs that the PATH of an ordinary user may lack, and that of programs taken for the suites.
const FOLDERS: [&str; 3] =
    ["/usr/sbin", "/sbin", concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/tools/bin")];

/// The path of a program, if it is installed.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(FOLDERS.iter().map(PathBuf::from));
    folders.map(|folder| folder.join(name)).find(|path| path.is_file())
}

/// Whether all programs are installed; a printed `SKIP`, or a failure where oracles are required, when one is not.
pub(crate) fn ready(names: &[&str]) -> bool {
    let missing: Vec<_> = names.iter().filter(|name| find(name).is_none()).collect();
    if missing.is_empty() {
        return true;
    }
    let required = std::env::var_os("REQUIRE_ORACLES").is_some_and(|value| value == "1");
    assert!(!required, "an oracle is missing: {missing:?}");
    println!("SKIP not installed: {missing:?}");
    false
}

/// Runs a program that has to succeed, and gives its standard output.
pub(crate) fn run(name: &str, args: &[&str]) -> Vec<u8> {
    let output = Command::new(find(name).unwrap_or_else(|| name.into())).args(args).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name} {args:?}: {}\n{error}", output.status);
    output.stdout
}

/// Bytes of chance.
pub(crate) fn random(len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    File::open("/dev/urandom").unwrap().read_exact(&mut bytes).unwrap();
    bytes
}

/// Letters of an alphabet by chance.
pub(crate) fn letters(alphabet: &[u8], len: usize) -> String {
    random(len).into_iter().map(|byte| char::from(alphabet[usize::from(byte) % alphabet.len()])).collect()
}

/// Letters and digits by chance.
pub(crate) fn word(len: usize) -> String {
    letters(b"ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789", len)
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
