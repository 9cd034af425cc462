//! A root made of programs of this host, for recipes whose commands need no more.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Folders that a root of a system has.
const FOLDERS: [&str; 7] = ["dev", "etc", "proc", "run", "sys", "tmp", "var"];

/// Copies programs of the host, and the libraries that they load, into a folder, which is made with the folders of a system.
///
/// # Panics
/// When the host lacks one, or the folder cannot be written.
pub fn with_programs(root: &Path, programs: &[&str]) {
    for folder in FOLDERS {
        fs::create_dir_all(root.join(folder)).expect("a folder");
    }
    let mut libraries = BTreeSet::new();
    for program in programs {
        let folders = ["/usr/bin", "/bin", "/usr/sbin", "/sbin"];
        let found = folders.iter().map(|folder| Path::new(folder).join(program)).find(|path| path.exists());
        let path = found.unwrap_or_else(|| panic!("this host has no `{program}`"));
        let needed = Command::new("ldd").arg(&path).output().expect("ldd").stdout;
        let needed = String::from_utf8(needed).expect("paths");
        libraries
            .extend(needed.split_ascii_whitespace().filter(|word| word.starts_with('/')).map(PathBuf::from));
        copy(root, &path, &format!("bin/{program}"));
    }
    for library in libraries {
        let inside = library.strip_prefix("/").expect("an absolute path").to_string_lossy().into_owned();
        copy(root, &library, &inside);
    }
}

fn copy(root: &Path, from: &Path, to: &str) {
    let to = root.join(to);
    fs::create_dir_all(to.parent().expect("a folder above")).expect("a folder");
    if !to.exists() {
        fs::copy(from.canonicalize().expect("a file"), &to).expect("a copy");
    }
}
