//! Everything that a lock needs in one file, for machines without a network: a plain tar archive with `recipe.lock`
//! and `objects/<sha256>`, sorted, in which nothing depends on who made it or when (POSIX.1-2017, pax, ustar).

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek as _, SeekFrom, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use amiforge_formats::digest::Digest;
use amiforge_progress::Monitor;
use amiforge_store::{Objects, StoreError};

use crate::lock::{Lock, LockError, NeededFile};
use crate::recipe::Recipe;

/// Name of the lock in the archive.
const LOCK: &str = "recipe.lock";
/// Folder of the objects in the archive.
const FOLDER: &str = "objects/";
/// Length of a header, and what contents are filled up to.
const BLOCK: usize = 512;
/// Most that eleven octal digits can tell.
const LARGEST: u64 = 0o777_7777_7777;
/// Longest lock that is read.
const LONGEST: u64 = 256 << 20;

/// Why inputs cannot be packed or taken.
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
    /// Not an archive of inputs.
    #[error("`{}` is not an archive of `amiforge vendor`: {fault}", path.display())]
    Malformed {
        /// The archive.
        path: PathBuf,
        /// What is wrong with it.
        fault: String,
    },
    /// The store lacks something.
    #[error("{} of the files that the lock needs are not in the store, such as {}", missing.len(), missing.first().map(|needed| needed.label.as_str()).unwrap_or_default())]
    Missing {
        /// What is lacking.
        missing: Vec<NeededFile>,
    },
    /// The archive lacks something.
    #[error("`{}` lacks {label} ({sha256}), which the lock needs", path.display())]
    Lacks {
        /// The archive.
        path: PathBuf,
        /// What is lacking.
        label: String,
        /// Its digest.
        sha256: Digest,
    },
    /// Something in the archive is not what its name says.
    #[error("`{}` is damaged: {label} has {found} instead of {expected}", path.display())]
    Damaged {
        /// The archive.
        path: PathBuf,
        /// What is damaged.
        label: String,
        /// What is there.
        found: String,
        /// What should be.
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
    /// The lock in the archive is wrong.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The store is at fault.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Somebody asked to stop.
    #[error("interrupted")]
    Interrupted,
}

/// Writes everything that a lock needs into an archive; its length in bytes. Each file is held against its digest.
///
/// # Errors
/// [`VendorError::Missing`] when something was not fetched; the archive is written whole or not at all.
pub fn pack(lock: &Lock, objects: &Objects, out: &Path, monitor: Monitor<'_>) -> Result<u64, VendorError> {
    let needs = lock.needs();
    let missing = missing(&needs, objects)?;
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
    monitor.progress.begin("packing", Some(needs.iter().map(|needed| needed.size).sum()));
    member(&mut writer, LOCK, text.as_bytes()).map_err(failed)?;
    for needed in &needs {
        if monitor.cancel.is_cancelled() {
            return Err(VendorError::Interrupted);
        }
        let object = objects.find(needed.sha256, needed.size)?;
        let bytes = match object {
            Some(object) => object.read()?,
            None => return Err(VendorError::Missing { missing: vec![needed.clone()] }),
        };
        member(&mut writer, &format!("{FOLDER}{}", needed.sha256), &bytes).map_err(failed)?;
        monitor.progress.advance(needed.size);
    }
    monitor.progress.end();
    writer.write_all(&[0; 2 * BLOCK]).map_err(failed)?;
    let mut made = writer.into_inner().map_err(|error| failed(error.into_error()))?;
    let len = made.as_file_mut().stream_position().map_err(failed)?;
    made.as_file().sync_all().map_err(failed)?;
    made.persist(out).map_err(|error| failed(error.error))?;
    Ok(len)
}

/// What a lock needs and a store does not have.
///
/// # Errors
/// What the store says.
pub fn missing(needs: &[NeededFile], objects: &Objects) -> Result<Vec<NeededFile>, StoreError> {
    let mut missing = Vec::new();
    for needed in needs {
        if objects.find(needed.sha256, needed.size)?.is_none() {
            missing.push(needed.clone());
        }
    }
    Ok(missing)
}

/// The lock in an archive.
///
/// # Errors
/// [`VendorError`].
pub fn lock(path: &Path) -> Result<Lock, VendorError> {
    let mut archive = VendorArchive::open(path)?;
    match archive.next()? {
        Some((name, size)) if name == LOCK && size <= LONGEST => {
            let mut bytes = Vec::new();
            let read = (&mut archive.reader).take(size).read_to_end(&mut bytes);
            read.map_err(|source| VendorError::Read { path: path.to_owned(), source })?;
            Ok(Lock::parse(&bytes, &path.join(LOCK))?)
        }
        _ => Err(archive.malformed("its first file is not `recipe.lock`")),
    }
}

/// The lock in an archive, held against the recipe and against the lock beside it, if there is one.
///
/// # Errors
/// [`LockError::Stale`] when it is of another recipe, [`VendorError::OtherLock`] when it is not the one beside it.
pub fn lock_for(path: &Path, recipe_path: &Path, recipe: &Recipe) -> Result<Lock, VendorError> {
    let found = lock(path)?;
    if !found.fits(recipe) {
        return Err(LockError::Stale { path: path.join(LOCK) }.into());
    }
    let beside = Lock::path(recipe_path);
    match Lock::load(&beside)? {
        Some(other) if other != found => Err(VendorError::OtherLock { path: path.to_owned(), lock: beside }),
        _ => Ok(found),
    }
}

/// Takes into a store what a lock needs and the store lacks, out of an archive; how many files that were. Each is held
/// against its digest.
///
/// # Errors
/// [`VendorError::Lacks`] and [`VendorError::Damaged`].
pub fn take(path: &Path, lock: &Lock, objects: &Objects, monitor: Monitor<'_>) -> Result<usize, VendorError> {
    let mut wanted: std::collections::BTreeMap<_, _> =
        missing(&lock.needs(), objects)?.into_iter().map(|needed| (needed.sha256, needed)).collect();
    let count = wanted.len();
    if count == 0 {
        return Ok(0);
    }
    monitor.progress.begin("taking inputs", Some(wanted.values().map(|needed| needed.size).sum()));
    let mut archive = VendorArchive::open(path)?;
    while let Some((name, size)) = archive.next()? {
        if monitor.cancel.is_cancelled() {
            return Err(VendorError::Interrupted);
        }
        let digest = name.strip_prefix(FOLDER).and_then(|digest| digest.parse::<Digest>().ok());
        let Some(needed) = digest.and_then(|digest| wanted.remove(&digest)) else { continue };
        let damaged = |found, expected| VendorError::Damaged {
            path: path.to_owned(),
            label: needed.label.clone(),
            found,
            expected,
        };
        if size != needed.size {
            return Err(damaged(format!("{size} bytes"), needed.size.to_string()));
        }
        let mut bytes = (&mut archive.reader).take(size);
        match objects.put(needed.sha256, size, &mut bytes) {
            Err(StoreError::Other { found, expected }) => return Err(damaged(found, expected)),
            done => drop(done?),
        }
        monitor.progress.advance(size);
    }
    monitor.progress.end();
    if let Some(needed) = wanted.into_values().next() {
        let (label, sha256) = (needed.label, needed.sha256);
        return Err(VendorError::Lacks { path: path.to_owned(), label, sha256 });
    }
    objects.sync()?;
    Ok(count)
}

/// An archive that is being read.
struct VendorArchive {
    path: PathBuf,
    reader: BufReader<File>,
    /// Where the next header is.
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

    fn malformed(&self, fault: impl Into<String>) -> VendorError {
        VendorError::Malformed { path: self.path.clone(), fault: fault.into() }
    }

    /// Name and length of the next member, whose bytes follow in the reader.
    fn next(&mut self) -> Result<Option<(String, u64)>, VendorError> {
        let failed = |source| VendorError::Read { path: self.path.clone(), source };
        let at = self.next;
        self.reader.seek(SeekFrom::Start(at)).map_err(failed)?;
        let mut header = [0; BLOCK];
        match self.reader.read_exact(&mut header) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(self.malformed(format!("it ends at byte {}, before its end is told", self.size)));
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
fn member(writer: &mut impl Write, name: &str, bytes: &[u8]) -> io::Result<()> {
    let len = bytes.len() as u64;
    if len > LARGEST {
        return Err(io::Error::other(format!("`{name}` has {len} bytes, and {LARGEST} are the most")));
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
