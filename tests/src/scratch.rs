//! Scratch folders, locks and large inputs of the suites.

use std::fs::File;
use std::path::{Path, PathBuf};

/// The root of the repository.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ has a parent").to_owned()
}

/// A new folder that is deleted when dropped, in memory (`/dev/shm`) if possible, else in the system's temporary folder.
///
/// # Panics
/// When no folder can be made.
pub fn folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let made = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    made.or_else(|_| tempfile::tempdir()).expect("a scratch folder")
}

/// Takes the lock of a folder, which is created if it is missing; waits while another test, of this process or another,
/// holds it. Dropping the result releases it.
///
/// # Panics
/// When the folder cannot be written.
pub fn lock(folder: &Path) -> File {
    std::fs::create_dir_all(folder).expect("the folder of a lock");
    let file = File::create(folder.join(".lock")).expect("a lock");
    file.lock().expect("the lock is given");
    file
}

/// A large input that `tests/inputs/make.sh` writes to `target/inputs` (or `AMIFORGE_TEST_INPUTS`); skips when it is
/// missing.
pub fn input(name: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("AMIFORGE_TEST_INPUTS")
        .map_or_else(|| repository().join("target/inputs"), PathBuf::from);
    let path = folder.join(name);
    if path.is_file() {
        return Some(path);
    }
    crate::oracle::skip(&format!("no input {name}: run tests/inputs/make.sh"));
    None
}
