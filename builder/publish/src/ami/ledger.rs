//! The ledger of a publish: what is asked for, the snapshots, the AMI, and a file per region that it is copied to.
//!
//! Small JSON files, each replaced at one stroke and on the disk before the call that it announces. It stands beside
//! the journal of the upload and names nothing of this machine.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::AmiError;
use crate::folder::LockedFolder;
use crate::request::{Request, VolumeContent};

/// Version of the files.
const SCHEMA: u64 = 1;
/// The file of the AMI itself.
const IMAGE: &str = "image.json";
/// The folder, beside the journal of the upload.
const FOLDER: &str = "ami";

/// What is known of an AMI that is being published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerEntry {
    pub(super) schema: u64,
    /// What is asked for.
    pub request: Request,
    /// The snapshots: of the root, then one for each further volume, none for an empty one.
    pub snapshots: Vec<Option<String>>,
    /// The AMI, once its id is known.
    pub image: Option<String>,
    /// How it came to be.
    pub origin: AmiOrigin,
    /// How far it is. A publish that is done is never open again, whatever later runs of it add.
    pub stage: PublishStage,
    /// Ids of AMIs and snapshots, in any region, of which a finished run consisted: never deleted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub published: Vec<String>,
    /// Snapshots of this publish that no AMI will be made of, to be deleted.
    #[serde(rename = "left", default, skip_serializing_if = "Vec::is_empty")]
    pub orphans: Vec<String>,
}

/// How an AMI came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AmiOrigin {
    /// This publish registers it.
    Registered,
    /// It was there, and equal.
    Adopted,
}

/// How far a publish is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PublishStage {
    /// It is under way.
    Open,
    /// All is done that was asked for.
    Done,
}

/// What is known of a copy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopyEntry {
    pub(super) schema: u64,
    /// The region that is copied to.
    pub region: String,
    /// The AMI that is copied.
    pub source: String,
    /// How many copies failed before this one; part of the token, which would else give the failed one again.
    pub attempt: u32,
    /// The copy, once its id is known.
    pub image: Option<String>,
    /// Snapshots of a copy that failed, to be deleted when it is gone.
    #[serde(rename = "left", default, skip_serializing_if = "Vec::is_empty")]
    pub orphans: Vec<String>,
    /// How far it is.
    pub stage: PublishStage,
}

impl LedgerEntry {
    /// Of a publish that begins.
    pub fn new(request: Request) -> Self {
        Self {
            schema: SCHEMA,
            request,
            snapshots: Vec::new(),
            image: None,
            origin: AmiOrigin::Registered,
            stage: PublishStage::Open,
            published: Vec::new(),
            orphans: Vec::new(),
        }
    }

    /// Notes that a run is finished: `ids` are from now on published.
    pub fn finish(&mut self, ids: impl IntoIterator<Item = String>) {
        self.stage = PublishStage::Done;
        for id in ids {
            if !self.is_published(&id) {
                self.published.push(id);
            }
        }
    }

    /// Whether a finished run left the AMI or snapshot `id`.
    pub fn is_published(&self, id: &str) -> bool {
        self.published.iter().any(|published| published == id)
    }

    /// The snapshots that were uploaded, without those that further volumes name by their ids.
    pub fn uploaded_snapshots(&self) -> impl Iterator<Item = &String> {
        let is_named = |id: &String| {
            self.request.volumes.iter().any(|volume| volume.content == VolumeContent::Snapshot(id.clone()))
        };
        self.snapshots.iter().flatten().filter(move |id| !is_named(id))
    }

    /// The snapshot of the root volume, once it is known.
    pub fn root_snapshot(&self) -> Option<&str> {
        self.snapshots.first()?.as_deref()
    }
}

impl CopyEntry {
    /// Of a copy that begins.
    pub fn new(region: &str, source: &str) -> Self {
        Self {
            schema: SCHEMA,
            region: region.to_owned(),
            source: source.to_owned(),
            attempt: 0,
            orphans: Vec::new(),
            image: None,
            stage: PublishStage::Open,
        }
    }
}

/// The ledger, locked.
#[derive(Debug)]
pub struct AmiLedger {
    folder: LockedFolder,
}

impl AmiLedger {
    /// Where the ledger of an image and a region is.
    ///
    /// # Errors
    /// [`AmiError::Folder`].
    pub fn path_for(image: &Path, region: &str) -> Result<PathBuf, AmiError> {
        Ok(LockedFolder::path_for(image, region)?.join(FOLDER))
    }

    /// Makes it if need be and locks it.
    ///
    /// # Errors
    /// [`AmiError::Folder`].
    pub fn open(path: &Path) -> Result<Self, AmiError> {
        Ok(Self { folder: LockedFolder::open(path)? })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// What is known of the AMI.
    ///
    /// # Errors
    /// [`AmiError::Ledger`], [`AmiError::Foreign`].
    pub fn entry(&self) -> Result<Option<LedgerEntry>, AmiError> {
        read_entry(self.path())
    }

    /// Keeps what is known of the AMI.
    ///
    /// # Errors
    /// [`AmiError::Ledger`].
    pub fn save(&self, entry: &LedgerEntry) -> Result<(), AmiError> {
        self.write(IMAGE, entry)
    }

    /// What is known of the copy to a region.
    ///
    /// # Errors
    /// [`AmiError::Ledger`], [`AmiError::Foreign`].
    pub fn copy(&self, region: &str) -> Result<Option<CopyEntry>, AmiError> {
        read_copy(self.path(), region)
    }

    /// What is known of every copy, by region.
    ///
    /// # Errors
    /// [`AmiError::Ledger`], [`AmiError::Foreign`].
    pub fn copies(&self) -> Result<Vec<CopyEntry>, AmiError> {
        read_copies(self.path())
    }

    /// Keeps what is known of a copy.
    ///
    /// # Errors
    /// [`AmiError::Ledger`].
    pub fn save_copy(&self, copy: &CopyEntry) -> Result<(), AmiError> {
        self.write(&copy_name(&copy.region), copy)
    }

    /// Forgets the copy to a region.
    ///
    /// # Errors
    /// [`AmiError::Ledger`].
    pub fn remove_copy(&self, region: &str) -> Result<(), AmiError> {
        self.remove(&copy_name(region))
    }

    /// Forgets everything.
    ///
    /// # Errors
    /// [`AmiError::Ledger`].
    pub fn clear(&self) -> Result<(), AmiError> {
        for copy in self.copies()? {
            self.remove(&copy_name(&copy.region))?;
        }
        self.remove(IMAGE)
    }

    fn remove(&self, name: &str) -> Result<(), AmiError> {
        let path = self.path().join(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(AmiError::Ledger { path, source: error })
            }
            _ => Ok(self.folder.sync()?),
        }
    }

    fn write(&self, name: &str, value: &impl Serialize) -> Result<(), AmiError> {
        let path = self.path().join(name);
        let temporary = self.path().join(format!(".{name}.new"));
        let write = || {
            let mut text = serde_json::to_vec_pretty(value)?;
            text.push(b'\n');
            let mut file = File::create(&temporary)?;
            file.write_all(&text)?;
            file.sync_all()?;
            fs::rename(&temporary, &path)
        };
        write().map_err(|source| AmiError::Ledger { path: path.clone(), source })?;
        Ok(self.folder.sync()?)
    }
}

/// What is known of the AMI in a ledger that is not locked, for who only looks.
///
/// # Errors
/// [`AmiError::Ledger`], [`AmiError::Foreign`].
pub fn read_entry(folder: &Path) -> Result<Option<LedgerEntry>, AmiError> {
    let path = folder.join(IMAGE);
    let entry: Option<LedgerEntry> = read(&path)?;
    let mut entry = check_schema(entry, |entry| entry.schema, path)?;
    if let Some(entry) = &mut entry
        && entry.stage == PublishStage::Done
        && entry.published.is_empty()
    {
        // Written before ledgers listed what is published: everything that they name.
        let ids = entry.image.iter().cloned().chain(entry.snapshots.iter().flatten().cloned());
        let ids: Vec<_> = ids.collect();
        let copies = read_copies(folder)?.into_iter().filter(|copy| copy.stage == PublishStage::Done);
        entry.finish(ids.into_iter().chain(copies.filter_map(|copy| copy.image)));
    }
    Ok(entry)
}

/// What is known of every copy in a ledger that is not locked, by region.
///
/// # Errors
/// [`AmiError::Ledger`], [`AmiError::Foreign`].
pub fn read_copies(folder: &Path) -> Result<Vec<CopyEntry>, AmiError> {
    let failed = |source| AmiError::Ledger { path: folder.to_owned(), source };
    let mut regions = Vec::new();
    for file in fs::read_dir(folder).map_err(failed)? {
        let name = file.map_err(failed)?.file_name().to_string_lossy().into_owned();
        let region = name.strip_prefix("copy-").and_then(|name| name.strip_suffix(".json"));
        regions.extend(region.map(str::to_owned));
    }
    regions.sort();
    regions.iter().filter_map(|region| read_copy(folder, region).transpose()).collect()
}

fn read_copy(folder: &Path, region: &str) -> Result<Option<CopyEntry>, AmiError> {
    let path = folder.join(copy_name(region));
    let copy: Option<CopyEntry> = read(&path)?;
    check_schema(copy, |copy| copy.schema, path)
}

fn copy_name(region: &str) -> String {
    format!("copy-{region}.json")
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, AmiError> {
    match amiforge_progress::regular::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(AmiError::Ledger { path: path.to_owned(), source }),
        Ok(text) => match serde_json::from_slice(&text) {
            Ok(value) => Ok(Some(value)),
            Err(_) => Err(AmiError::Foreign { path: path.to_owned() }),
        },
    }
}

fn check_schema<T>(
    value: Option<T>,
    schema: impl Fn(&T) -> u64,
    path: PathBuf,
) -> Result<Option<T>, AmiError> {
    match value {
        Some(value) if schema(&value) != SCHEMA => Err(AmiError::Foreign { path }),
        value => Ok(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::{AmiOptions, ImageFacts, check};

    fn request() -> Request {
        let facts = ImageFacts {
            name: Some("web".to_owned()),
            architecture: crate::request::Arch::by_name("arm64"),
            ..ImageFacts::default()
        };
        check(&AmiOptions::default(), &facts, "local", 0).unwrap()
    }

    #[test]
    fn a_ledger_reads_back_and_is_forgotten_whole() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = AmiLedger::open(folder.path()).unwrap();
        assert_eq!((ledger.entry().unwrap(), ledger.copies().unwrap()), (None, Vec::new()));
        let entry = LedgerEntry { image: Some("ami-1".to_owned()), ..LedgerEntry::new(request()) };
        ledger.save(&entry).unwrap();
        let copies: Vec<_> = ["eu-west-3", "local-2"].map(|region| CopyEntry::new(region, "ami-1")).into();
        for copy in &copies {
            ledger.save_copy(copy).unwrap();
        }
        assert_eq!((ledger.entry().unwrap(), ledger.copies().unwrap()), (Some(entry), copies));
        ledger.clear().unwrap();
        assert_eq!((ledger.entry().unwrap(), ledger.copies().unwrap()), (None, Vec::new()));
    }

    #[test]
    fn a_ledger_of_another_version_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = AmiLedger::open(folder.path()).unwrap();
        ledger.save(&LedgerEntry { schema: 2, ..LedgerEntry::new(request()) }).unwrap();
        assert!(matches!(ledger.entry(), Err(AmiError::Foreign { .. })));
        fs::write(folder.path().join(IMAGE), "{").unwrap();
        assert!(matches!(ledger.entry(), Err(AmiError::Foreign { .. })));
    }
}
