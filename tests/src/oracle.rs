//! Oracles: programs that others wrote and that judge our output.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Folders of system programs that the PATH of an ordinary user may lack.
const SYSTEM_FOLDERS: [&str; 3] = ["/usr/sbin", "/sbin", "/usr/local/sbin"];

/// Whether a missing oracle fails the test.
pub fn required() -> bool {
    std::env::var_os("REQUIRE_ORACLES").is_some_and(|value| value == "1")
}

/// Prints why a test is skipped, or fails when oracles are required.
///
/// # Panics
/// When oracles are required.
pub fn skip(why: &str) {
    assert!(!required(), "an oracle is missing: {why}");
    eprintln!("SKIP {why}");
}

/// The path of a program, if it is installed.
pub fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(SYSTEM_FOLDERS.iter().map(PathBuf::from))
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
}

/// Whether all programs are installed and (if `root`) the test runs as root; skips otherwise.
pub fn ready(names: &[&str], root: bool) -> bool {
    let missing: Vec<_> = names.iter().filter(|name| find(name).is_none()).collect();
    if !missing.is_empty() {
        skip(&format!("not installed: {missing:?}"));
        return false;
    }
    if root && !is_root() {
        skip("only root can do this");
        return false;
    }
    true
}

fn is_root() -> bool {
    std::fs::read_to_string("/proc/self/status").is_ok_and(|status| {
        status.lines().any(|line| {
            line.strip_prefix("Uid:").is_some_and(|ids| ids.split_whitespace().nth(1) == Some("0"))
        })
    })
}

/// Runs a program and returns its status and output.
///
/// # Panics
/// When it cannot be started.
pub fn run<S: AsRef<OsStr>>(name: &str, args: &[S]) -> Output {
    let program = find(name).unwrap_or_else(|| PathBuf::from(name));
    Command::new(&program).args(args).output().unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Runs a program that has to succeed, and returns its standard output.
///
/// # Panics
/// When it fails; the message has its output.
pub fn must<S: AsRef<OsStr> + std::fmt::Debug>(name: &str, args: &[S]) -> String {
    let output = run(name, args);
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{name} {args:?}: {}\n{out}\n{err}", output.status);
    out.into_owned()
}

/// A file system in an image file that the kernel mounts read-only; unmounted when dropped.
#[derive(Debug)]
pub struct Mounted {
    at: PathBuf,
}

impl Mounted {
    /// Mounts the `len` bytes at `start` of `image` on `at`, which is created.
    ///
    /// # Panics
    /// When the kernel refuses.
    pub fn new(image: &Path, start: u64, len: u64, at: &Path) -> Self {
        std::fs::create_dir_all(at).expect("mount point");
        let options = format!("loop,ro,noload,offset={start},sizelimit={len}");
        must("mount", &["-t", "ext4", "-o", &options, &image.to_string_lossy(), &at.to_string_lossy()]);
        Self { at: at.to_owned() }
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        run("umount", &[&self.at]);
    }
}
