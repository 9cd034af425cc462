//! All files of a lock in one archive, for machines without a network: a plain tar file with `recipe.lock` and
//! `objects/<sha256>`, sorted, that does not depend on user, host or time (POSIX.1-2017, pax, ustar).

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek as _, SeekFrom, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use amiforge_formats::digest::Digest;
use amiforge_progress::Monitor;
use amiforge_store::{Objects, StoreError};

use crate::lock::{Lock, LockError, LockedFile};
use crate::recipe::Recipe;

/// Name of the lock in the archive.
const LOCK: &str = "recipe.lock";
/// Folder of the objects in the archive.
const FOLDER: &str = "objects/";
/// Length of a header, and the multiple that contents are padded to.
const BLOCK: usize = 512;
/// The largest number of eleven octal digits.
const LARGEST: u64 = 0o777_7777_7777;
/// The longest lock that is read, in bytes.
const MAX_LEN: u64 = 256 << 20;

/// Why inputs cannot be packed or unpacked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VendorError {
    /// The archive cannot be read.
    #[error("reading `{}`", path.display())]
    Read {
        /// The archive.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The archive cannot be written.
    #[error("writing `{}`", path.display())]
    Write {
        /// The archive.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file is not an archive of inputs.
    #[error("`{}` is not an archive of `amiforge vendor`: {reason}", path.display())]
    Malformed {
        /// The archive.
        path: PathBuf,
        /// The reason.
        reason: String,
    },
    /// Files are not in the store.
    #[error("{} of the files that the lock needs are not in the store, such as {}", missing.len(), missing.first().map(|file| file.label.as_str()).unwrap_or_default())]
    Missing {
        /// The missing files.
        missing: Vec<LockedFile>,
    },
    /// A file is not in the archive.
    #[error("`{}` lacks {label} ({sha256}), which the lock needs", path.display())]
    Lacks {
        /// The archive.
        path: PathBuf,
        /// Its name.
        label: String,
        /// Its digest.
        sha256: Digest,
    },
    /// A file in the archive has another digest or length.
    #[error("`{}` is damaged: {label} has {found} instead of {expected}", path.display())]
    Damaged {
        /// The archive.
        path: PathBuf,
        /// Its name.
        label: String,
        /// Its digest or length.
        found: String,
        /// The expected one.
        expected: String,
    },
    /// The archive was made for another lock.
    #[error("`{}` was made for another lock than `{}`", path.display(), lock.display())]
    OtherLock {
        /// The archive.
        path: PathBuf,
        /// The lock beside the recipe.
        lock: PathBuf,
    },
    /// The lock in the archive is invalid.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The user interrupted the command.
    #[error("interrupted")]
    Interrupted,
}

/// Writes all files of a lock into an archive and returns its length in bytes. Each file is checked by its digest.
///
/// # Errors
/// [`VendorError::Missing`] when a file is not in the store. The archive is written atomically.
pub fn pack(lock: &Lock, objects: &Objects, out: &Path, monitor: Monitor<'_>) -> Result<u64, VendorError> {
    let files = lock.files();
    let missing = missing(&files, objects)?;
    if !missing.is_empty() {
        return Err(VendorError::Missing { missing });
    }
    let failed = |source| VendorError::Write { path: out.to_owned(), source };
    let folder = out.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let made = tempfile::Builder::new().prefix(".vendor-").tempfile_in(folder).map_err(failed)?;
    let mode = std::fs::Permissions::from_mode(0o644);
    made.as_file().set_permissions(mode).map_err(failed)?;
    let mut writer = BufWriter::with_capacity(1 << 20, made);
    let text = lock.text();
    monitor.progress.begin("packing", Some(files.iter().map(|file| file.size).sum()));
    write_member(&mut writer, LOCK, text.as_bytes()).map_err(failed)?;
    for file in &files {
        if monitor.cancel.is_cancelled() {
            return Err(VendorError::Interrupted);
        }
        let object = objects.find(file.sha256, file.size)?;
        let bytes = match object {
            Some(object) => object.read()?,
            None => return Err(VendorError::Missing { missing: vec![file.clone()] }),
        };
        write_member(&mut writer, &format!("{FOLDER}{}", file.sha256), &bytes).map_err(failed)?;
        monitor.progress.advance(file.size);
    }
    monitor.progress.end();
    writer.write_all(&[0; 2 * BLOCK]).map_err(failed)?;
    let mut made = writer.into_inner().map_err(|error| failed(error.into_error()))?;
    let len = made.as_file_mut().stream_position().map_err(failed)?;
    made.as_file().sync_all().map_err(failed)?;
    made.persist(out).map_err(|error| failed(error.error))?;
    Ok(len)
}

/// The files of a lock that a store does not have.
///
/// # Errors
/// An error of the store.
pub fn missing(files: &[LockedFile], objects: &Objects) -> Result<Vec<LockedFile>, StoreError> {
    let mut missing = Vec::new();
    for file in files {
        if objects.find(file.sha256, file.size)?.is_none() {
            missing.push(file.clone());
        }
    }
    Ok(missing)
}

/// Reads the lock in an archive.
///
/// # Errors
/// [`VendorError`].
pub fn lock(path: &Path) -> Result<Lock, VendorError> {
    let mut archive = VendorArchive::open(path)?;
    match archive.next()? {
        Some((name, size)) if name == LOCK && size <= MAX_LEN => {
            let mut bytes = Vec::new();
            let read = (&mut archive.reader).take(size).read_to_end(&mut bytes);
            read.map_err(|source| VendorError::Read { path: path.to_owned(), source })?;
            Ok(Lock::parse(&bytes, &path.join(LOCK))?)
        }
        _ => Err(archive.malformed("its first file is not `recipe.lock`")),
    }
}

/// Reads the lock in an archive and compares it with the recipe and with the lock beside it, if there is one.
///
/// # Errors
/// [`LockError::Stale`] when it is of another recipe, [`VendorError::OtherLock`] when it differs from the lock beside
/// it.
pub fn lock_for(path: &Path, recipe_path: &Path, recipe: &Recipe) -> Result<Lock, VendorError> {
    let vendored = lock(path)?;
    if !vendored.matches(recipe) {
        return Err(LockError::Stale { path: path.join(LOCK) }.into());
    }
    let beside = Lock::path(recipe_path);
    match Lock::load(&beside)? {
        Some(other) if other != vendored => {
            Err(VendorError::OtherLock { path: path.to_owned(), lock: beside })
        }
        _ => Ok(vendored),
    }
}

/// Copies the files of a lock that a store does not have from an archive, and returns their number. Each is checked by
/// its digest.
///
/// # Errors
/// [`VendorError::Lacks`] and [`VendorError::Damaged`].
pub fn take(path: &Path, lock: &Lock, objects: &Objects, monitor: Monitor<'_>) -> Result<usize, VendorError> {
    let mut missing: std::collections::BTreeMap<_, _> =
        missing(&lock.files(), objects)?.into_iter().map(|file| (file.sha256, file)).collect();
    let count = missing.len();
    if count == 0 {
        return Ok(0);
    }
    monitor.progress.begin("taking inputs", Some(missing.values().map(|file| file.size).sum()));
    let mut archive = VendorArchive::open(path)?;
    while let Some((name, size)) = archive.next()? {
        if monitor.cancel.is_cancelled() {
            return Err(VendorError::Interrupted);
        }
        let digest = name.strip_prefix(FOLDER).and_then(|digest| digest.parse::<Digest>().ok());
        let Some(file) = digest.and_then(|digest| missing.remove(&digest)) else { continue };
        let damaged = |found, expected| VendorError::Damaged {
            path: path.to_owned(),
            label: file.label.clone(),
            found,
            expected,
        };
        if size != file.size {
            return Err(damaged(format!("{size} bytes"), file.size.to_string()));
        }
        let mut bytes = (&mut archive.reader).take(size);
        match objects.put(file.sha256, size, &mut bytes) {
            Err(StoreError::Other { found, expected }) => return Err(damaged(found, expected)),
            done => drop(done?),
        }
        monitor.progress.advance(size);
    }
    monitor.progress.end();
    if let Some(file) = missing.into_values().next() {
        let (label, sha256) = (file.label, file.sha256);
        return Err(VendorError::Lacks { path: path.to_owned(), label, sha256 });
    }
    objects.sync()?;
    Ok(count)
}

/// An open archive.
struct VendorArchive {
    path: PathBuf,
    reader: BufReader<File>,
    /// The offset of the next header.
    next: u64,
    size: u64,
}

impl VendorArchive {
    fn open(path: &Path) -> Result<Self, VendorError> {
        let failed = |source| VendorError::Read { path: path.to_owned(), source };
        let file = amiforge_progress::regular::open(path).map_err(failed)?;
        let size = file.metadata().map_err(failed)?.len();
        Ok(Self { path: path.to_owned(), reader: BufReader::with_capacity(1 << 18, file), next: 0, size })
    }

    fn malformed(&self, reason: impl Into<String>) -> VendorError {
        VendorError::Malformed { path: self.path.clone(), reason: reason.into() }
    }

    /// Name and length of the next member; its bytes follow in the reader.
    fn next(&mut self) -> Result<Option<(String, u64)>, VendorError> {
        let failed = |source| VendorError::Read { path: self.path.clone(), source };
        let at = self.next;
        self.reader.seek(SeekFrom::Start(at)).map_err(failed)?;
        let mut header = [0; BLOCK];
        match self.reader.read_exact(&mut header) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(self.malformed(format!("it ends at byte {}, before its end marker", self.size)));
            }
            Err(source) => return Err(VendorError::Read { path: self.path.clone(), source }),
        }
        if header == [0; BLOCK] {
            return Ok(None);
        }
        let wrong = |archive: &Self| archive.malformed(format!("there is no header at byte {at}"));
        let octal = |field: &[u8]| {
            let text = std::str::from_utf8(field).ok()?.trim_matches(['\0', ' ']);
            u64::from_str_radix(text, 8).ok()
        };
        let sum = header.iter().enumerate();
        let sum: u64 =
            sum.map(|(at, byte)| u64::from(if (148..156).contains(&at) { b' ' } else { *byte })).sum();
        let size = octal(&header[124..136]).filter(|_| octal(&header[148..156]) == Some(sum));
        let (Some(size), true) = (size, header[257..262] == *b"ustar") else { return Err(wrong(self)) };
        let name = header[..100].split(|byte| *byte == 0).next().unwrap_or_default();
        let name = String::from_utf8_lossy(name).into_owned();
        let content = at + BLOCK as u64;
        if size > self.size.saturating_sub(content) {
            return Err(self.malformed(format!("it is cut short within `{name}`")));
        }
        self.next = content + size.next_multiple_of(BLOCK as u64);
        Ok(Some((name, size)))
    }
}

/// Appends a member.
fn write_member(writer: &mut impl Write, name: &str, bytes: &[u8]) -> io::Result<()> {
    let len = bytes.len() as u64;
    if len > LARGEST {
        return Err(io::Error::other(format!("`{name}` has {len} bytes, and the limit is {LARGEST}")));
    }
    let mut header = [0; BLOCK];
    let mut put = |at: usize, field: &[u8]| header[at..at + field.len()].copy_from_slice(field);
    put(0, name.as_bytes());
    put(100, b"0000644\0");
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    put(124, format!("{len:011o}\0").as_bytes());
    put(136, b"00000000000\0");
    put(148, b"        ");
    put(156, b"0");
    put(257, b"ustar\x0000");
    put(329, b"0000000\0");
    put(337, b"0000000\0");
    let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    writer.write_all(&header)?;
    writer.write_all(bytes)?;
    let fill = bytes.len().next_multiple_of(BLOCK) - bytes.len();
    writer.write_all(&[0; BLOCK][..fill])
}
