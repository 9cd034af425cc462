//! The ledger of a publish: the request, the snapshots, the AMI, and one file per target region.
//!
//! Small JSON files. Each is replaced atomically and synced before the call that it announces. The ledger is stored
//! beside the journal of the upload and does not depend on this machine.

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

/// The state of an AMI that is being published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerEntry {
    pub(super) schema: u64,
    /// The request.
    pub request: Request,
    /// The snapshots: that of the root, then one for each further volume, `None` for an empty volume.
    pub snapshots: Vec<Option<String>>,
    /// The AMI, once its id is known.
    pub image: Option<String>,
    /// Whether it was registered or adopted.
    pub origin: AmiOrigin,
    /// The stage of the publish. A finished publish is never open again, whatever later runs add to it.
    pub stage: PublishStage,
    /// Ids of AMIs and snapshots of a finished run, in any region. They are never deleted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub published: Vec<String>,
    /// Snapshots of this publish that belong to no AMI and are to be deleted. The JSON key is `left`.
    #[serde(rename = "left", default, skip_serializing_if = "Vec::is_empty")]
    pub orphans: Vec<String>,
}

/// Whether an AMI was registered or adopted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AmiOrigin {
    /// This publish registered it.
    Registered,
    /// It existed already, and was equal.
    Adopted,
}

/// The stage of a publish.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PublishStage {
    /// It is in progress.
    Open,
    /// Everything that was requested is done.
    Done,
}

/// The state of a copy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopyEntry {
    pub(super) schema: u64,
    /// The target region.
    pub region: String,
    /// The AMI that is the source.
    pub source: String,
    /// Number of copies that failed before this one. Part of the token, which would otherwise return the failed copy.
    pub attempt: u32,
    /// The copy, once its id is known.
    pub image: Option<String>,
    /// Snapshots of a failed copy, to be deleted when it is deregistered. The JSON key is `left`.
    #[serde(rename = "left", default, skip_serializing_if = "Vec::is_empty")]
    pub orphans: Vec<String>,
    /// The stage of the copy.
    pub stage: PublishStage,
}

impl LedgerEntry {
    /// The entry of a new publish.
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

    /// Marks a run as finished: `ids` are published from now on.
    pub fn finish(&mut self, ids: impl IntoIterator<Item = String>) {
        self.stage = PublishStage::Done;
        for id in ids {
            if !self.is_published(&id) {
                self.published.push(id);
            }
        }
    }

    /// Whether the AMI or snapshot `id` belongs to a finished run.
    pub fn is_published(&self, id: &str) -> bool {
        self.published.iter().any(|published| published == id)
    }

    /// The uploaded snapshots, without those that the request names by their ids.
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
    /// The entry of a new copy.
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

/// A locked ledger.
#[derive(Debug)]
pub struct AmiLedger {
    folder: LockedFolder,
}

impl AmiLedger {
    /// The path of the ledger of an image and a region.
    ///
    /// # Errors
    /// [`AmiError::Folder`].
    pub fn path_for(image: &Path, region: &str) -> Result<PathBuf, AmiError> {
        Ok(LockedFolder::path_for(image, region)?.join(FOLDER))
    }

    /// Creates the ledger if necessary, and locks it.
    ///
    /// # Errors
    /// [`AmiError::Folder`].
    pub fn open(path: &Path) -> Result<Self, AmiError> {
        Ok(Self { folder: LockedFolder::open(path)? })
    }

    /// Its folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Reads the entry of the AMI.
    ///
    /// # Errors
    /// [`AmiError::Ledger`], [`AmiError::Foreign`].
    pub fn entry(&self) -> Result<Option<LedgerEntry>, AmiError> {
        read_entry(self.path())
    }

    /// Writes the entry of the AMI.
    ///
    /// # Errors
    /// [`AmiError::Ledger`].
    pub fn save(&self, entry: &LedgerEntry) -> Result<(), AmiError> {
        self.write(IMAGE, entry)
    }

    /// Reads the entry of the copy in a region.
    ///
    /// # Errors
    /// [`AmiError::Ledger`], [`AmiError::Foreign`].
    pub fn copy(&self, region: &str) -> Result<Option<CopyEntry>, AmiError> {
        read_copy(self.path(), region)
    }

    /// Reads the entries of all copies, by region.
    ///
    /// # Errors
    /// [`AmiError::Ledger`], [`AmiError::Foreign`].
    pub fn copies(&self) -> Result<Vec<CopyEntry>, AmiError> {
        read_copies(self.path())
    }

    /// Writes the entry of a copy.
    ///
    /// # Errors
    /// [`AmiError::Ledger`].
    pub fn save_copy(&self, copy: &CopyEntry) -> Result<(), AmiError> {
        self.write(&copy_name(&copy.region), copy)
    }

    /// Removes the entry of the copy in a region.
    ///
    /// # Errors
    /// [`AmiError::Ledger`].
    pub fn remove_copy(&self, region: &str) -> Result<(), AmiError> {
        self.remove(&copy_name(region))
    }

    /// Removes all entries.
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

/// Reads the entry of the AMI without locking the ledger.
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
        // Ledgers of older versions do not list what is published: it is everything that they name.
        let ids = entry.image.iter().cloned().chain(entry.snapshots.iter().flatten().cloned());
        let ids: Vec<_> = ids.collect();
        let copies = read_copies(folder)?.into_iter().filter(|copy| copy.stage == PublishStage::Done);
        entry.finish(ids.into_iter().chain(copies.filter_map(|copy| copy.image)));
    }
    Ok(entry)
}

/// Reads the entries of all copies without locking the ledger, by region.
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
    fn a_ledger_reads_back_and_can_be_cleared() {
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
    #[test]
    fn the_keys_of_a_ledger_are_those_of_earlier_versions() {
        let orphans = vec!["snap-1".to_owned()];
        let entry = LedgerEntry { orphans: orphans.clone(), ..LedgerEntry::new(request()) };
        let value = serde_json::to_value(&entry).unwrap();
        assert_eq!(value["left"], serde_json::json!(["snap-1"]));
        assert_eq!(value["stage"], "open");
        assert_eq!(value["request"]["encryption"], "account");
        let copy = CopyEntry { orphans, ..CopyEntry::new("local-2", "ami-1") };
        let text = r#"{"schema":1,"region":"local-2","source":"ami-1","attempt":0,"image":null,"left":["snap-1"],"stage":"open"}"#;
        assert_eq!(serde_json::to_string(&copy).unwrap(), text);
        assert_eq!(serde_json::from_str::<CopyEntry>(text).unwrap(), copy);
    }
}
