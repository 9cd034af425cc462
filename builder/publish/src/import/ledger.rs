//! The ledger of an import: one small JSON file beside the journals of uploads, replaced atomically and synced before
//! the call that it announces.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::api::Encryption;
use crate::api::ec2::Tags;
use crate::api::imports::{NewImport, ObjectName, PartUpload};
use crate::error::PublishError;
use crate::folder::LockedFolder;
use crate::journal::UploadIdentity;
use crate::journal::record::EncryptionText;

/// File name of the ledger.
const NAME: &str = "import.json";
/// Version of the file.
const SCHEMA: u64 = 1;

/// The state of an import, with every parameter of its calls.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportEntry {
    pub(super) schema: u64,
    /// The image.
    pub identity: UploadIdentity,
    /// Length of the image in bytes.
    pub size: u64,
    /// The bucket.
    pub bucket: String,
    /// The key of the object.
    pub key: String,
    /// The role; `None` for the default one.
    pub role: Option<String>,
    /// Requested encryption.
    pub encryption: EncryptionText,
    /// Description of the task.
    pub description: Option<String>,
    /// Tags of the snapshot.
    pub tags: Tags,
    /// The random part of the client tokens of `ImportSnapshot`.
    pub token: String,
    /// Number of tasks that ended without a snapshot. Part of the token, which would otherwise return the ended task.
    pub attempt: u32,
    /// The upload in parts, once its id is known.
    pub upload: Option<String>,
    /// Whether the object is whole and was compared.
    pub stored: bool,
    /// The task that imports it, once its id is known.
    pub task: Option<String>,
    /// The snapshot, once the task is completed.
    pub snapshot: Option<String>,
    /// Whether everything is done: the object is deleted.
    pub finished: bool,
}

impl ImportEntry {
    pub(super) const fn schema() -> u64 {
        SCHEMA
    }

    /// The object.
    pub fn object(&self) -> ObjectName {
        ObjectName { bucket: self.bucket.clone(), key: self.key.clone() }
    }

    /// The address of the object.
    pub fn url(&self) -> String {
        format!("s3://{}/{}", self.bucket, self.key)
    }

    /// The upload in parts, if its id is known.
    pub(super) fn part_upload(&self) -> Option<PartUpload> {
        Some(PartUpload { object: self.object(), id: self.upload.clone()? })
    }

    /// The parameters of `ImportSnapshot`: the same for every call of an attempt.
    pub(super) fn new_import(&self) -> NewImport {
        NewImport {
            object: self.object(),
            description: self.description.clone(),
            role: self.role.clone(),
            encryption: Encryption::from(self.encryption.clone()),
            token: format!("{}-{}", self.token, self.attempt),
        }
    }

    /// Gives the task up, so that the next one has another token.
    pub(super) fn drop_task(&mut self) {
        self.task = None;
        self.attempt += 1;
    }
}

/// A locked ledger.
#[derive(Debug)]
pub(super) struct ImportLedger {
    folder: LockedFolder,
}

impl ImportLedger {
    pub(super) fn new(folder: LockedFolder) -> Self {
        Self { folder }
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(super) fn entry(&self) -> Result<Option<ImportEntry>, PublishError> {
        read(self.path())
    }

    pub(super) fn save(&self, entry: &ImportEntry) -> Result<(), PublishError> {
        let path = file(self.path());
        let temporary = self.path().join(format!(".{NAME}.new"));
        let write = || {
            let mut text = serde_json::to_vec_pretty(entry)?;
            text.push(b'\n');
            let mut file = File::create(&temporary)?;
            file.write_all(&text)?;
            file.sync_all()?;
            fs::rename(&temporary, &path)
        };
        write().map_err(|source| PublishError::File { path: path.clone(), source })?;
        Ok(self.folder.sync()?)
    }

    pub(super) fn remove(&self) -> Result<(), PublishError> {
        let path = file(self.path());
        match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(PublishError::File { path, source })
            }
            _ => Ok(self.folder.sync()?),
        }
    }
}

/// Reads the ledger of a folder without locking it; `None` if there is none.
///
/// # Errors
/// [`PublishError::File`].
pub fn read(folder: &Path) -> Result<Option<ImportEntry>, PublishError> {
    let path = file(folder);
    let failed = |source| PublishError::File { path: path.clone(), source };
    let text = match amiforge_progress::regular::read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(failed)?,
    };
    let entry: ImportEntry = serde_json::from_slice(&text).map_err(|error| failed(error.into()))?;
    if entry.schema == SCHEMA {
        return Ok(Some(entry));
    }
    let version = format!("it is of version {}, and this program reads version {SCHEMA}", entry.schema);
    Err(failed(io::Error::new(io::ErrorKind::InvalidData, version)))
}

/// Refuses an upload through EBS direct while an import in the folder is unfinished.
///
/// # Errors
/// [`PublishError::OtherUpload`].
pub(crate) fn refuse_unfinished(folder: &Path) -> Result<(), PublishError> {
    match read(folder)? {
        Some(entry) if !entry.finished => {
            Err(PublishError::OtherUpload { snapshot: entry.url(), difference: "it is an import".to_owned() })
        }
        _ => Ok(()),
    }
}

/// Removes the ledger of a folder if its snapshot is this one.
///
/// # Errors
/// [`PublishError::File`].
pub(crate) fn remove_ledger_of(folder: LockedFolder, snapshot: &str) -> Result<(), PublishError> {
    let ledger = ImportLedger::new(folder);
    match ledger.entry()? {
        Some(entry) if entry.snapshot.as_deref() == Some(snapshot) => ledger.remove(),
        _ => Ok(()),
    }
}

fn file(folder: &Path) -> PathBuf {
    folder.join(NAME)
}
