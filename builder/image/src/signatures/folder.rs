//! The folder of signatures within a bundle.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use amiforge_trust::sshsig::{self, SshSignature};
use amiforge_trust::statement::{FOLDER, SignatureFile, signature_file, signature_name};

use super::files::{is_folder, read};
use super::{BundleSignatureError, BundleStatement};

/// The most signatures that are read.
const COUNT_MAX: usize = 256;

/// The files with SSH signatures of a bundle, sorted by name: names such as `signatures/0123456789abcdef.sig`, and bytes. A
/// bundle without the folder has none.
///
/// # Errors
/// [`BundleSignatureError`], also for a folder, a link or a name that does not belong there.
pub fn read_signatures(bundle: &Path) -> Result<Vec<(String, Vec<u8>)>, BundleSignatureError> {
    let folder = bundle.join(FOLDER);
    if !is_folder(&folder, FOLDER)? {
        return Ok(Vec::new());
    }
    let mut signatures = Vec::new();
    for (name, kind) in super::files::entries(&folder)? {
        let shown = format!("{FOLDER}/{}", amiforge_formats::tree::Printable(name.as_encoded_bytes()));
        let Some(known) = name.to_str().and_then(signature_file) else {
            return Err(BundleSignatureError::Unlisted { name: shown });
        };
        if !kind.is_file() {
            return Err(BundleSignatureError::NotAFile { name: shown });
        }
        if known == SignatureFile::Ssh && signatures.len() < COUNT_MAX {
            let bytes = read(&folder.join(&name), sshsig::LEN_MAX as u64)?;
            signatures.push((shown, bytes));
        }
    }
    signatures.sort();
    Ok(signatures)
}

/// Stores a signature in a bundle whose statement it signs, in place of one by the same key. A process that is killed leaves
/// the old one or the new one, and nothing else in the bundle. Gives its name in the bundle.
///
/// # Errors
/// [`BundleSignatureError`].
pub fn store(
    bundle: &Path,
    signature: &SshSignature,
    statement: &BundleStatement,
) -> Result<String, BundleSignatureError> {
    signature.verify(sshsig::BUNDLE, statement.bytes()).map_err(BundleSignatureError::NotASignature)?;
    let name = signature_name(signature.key());
    put(bundle, &name, signature.to_armour().as_bytes())?;
    Ok(name)
}

/// Stores a file among the signatures, in place of one of the same name in the bundle.
pub(crate) fn put(bundle: &Path, name: &str, bytes: &[u8]) -> Result<(), BundleSignatureError> {
    let folder = bundle.join(FOLDER);
    if !is_folder(&folder, FOLDER)? {
        fs::create_dir(&folder)
            .map_err(|source| BundleSignatureError::File { path: folder.clone(), source })?;
    }
    replace(bundle, &bundle.join(name), bytes)
}

/// Writes a file beside the bundle, and gives it its name in the bundle by a rename.
fn replace(bundle: &Path, path: &Path, bytes: &[u8]) -> Result<(), BundleSignatureError> {
    let failed = |path: &Path, source| BundleSignatureError::File { path: path.to_owned(), source };
    // A link is followed: the folder that the bundle really is in is on its file system.
    let real = bundle.canonicalize().map_err(|source| failed(bundle, source))?;
    let parent = real.parent().unwrap_or(Path::new("/"));
    let beside: PathBuf = parent.join(format!(
        ".{}.{}.partial",
        real.file_name().unwrap_or_default().to_string_lossy(),
        path.file_name().unwrap_or_default().to_string_lossy()
    ));
    // One that a killed process left; whatever it is, it is not written through.
    match fs::remove_file(&beside) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        other => other.map_err(|source| failed(&beside, source))?,
    }
    let write = || {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o644).open(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&beside, path)?;
        File::open(path.parent().unwrap_or(path))?.sync_all()
    };
    write().map_err(|source| {
        let _ = fs::remove_file(&beside);
        failed(path, source)
    })
}

/// The number of files with signatures of a bundle, of every form: those that are lost when its statement changes.
pub fn count_signatures(bundle: &Path) -> usize {
    let entries = super::files::entries(&bundle.join(FOLDER)).unwrap_or_default();
    entries.iter().filter(|(name, _)| name.to_str().and_then(signature_file).is_some()).count()
}
