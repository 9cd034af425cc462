//! Options of an upload.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::api::Encryption;
use crate::api::ec2::Tags;
use crate::error::PublishError;
use crate::folder::LockedFolder;
use crate::rate_limiter;

/// Tag with the client token of an upload, to find a snapshot whose journal was lost.
pub const TAG_UPLOAD: &str = "amiforge:upload";

/// Options of an upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadOptions {
    /// The folder of the journal; by default beside the image.
    pub folder: Option<PathBuf>,
    /// Requested encryption of the snapshot.
    pub encryption: Encryption,
    /// Encryption after the upload.
    pub later: LaterEncryption,
    /// The parent snapshot.
    pub parent: Option<ParentChoice>,
    /// The bundle (or its manifest) that the parent was made from.
    pub parent_bundle: Option<PathBuf>,
    /// The file of the disk that the image keeps, as its lock pins it, so that a parent with that disk need not be read.
    pub base_disk: Option<PathBuf>,
    /// Description of the snapshot.
    pub description: Option<String>,
    /// Tags of the snapshot; [`TAG_UPLOAD`] is added.
    pub tags: Tags,
    /// Maximum number of blocks per second; zero means no limit.
    pub rate: u32,
    /// Minutes without a request after which the service may cancel the snapshot.
    pub timeout_minutes: u16,
    /// Maximum time to wait for the completion of a sealed snapshot.
    pub wait: Duration,
}

impl Default for UploadOptions {
    /// A day to resume in, half an hour for the completion.
    fn default() -> Self {
        Self {
            folder: None,
            encryption: Encryption::AsAccount,
            later: LaterEncryption::Unchanged,
            parent: None,
            parent_bundle: None,
            base_disk: None,
            description: None,
            tags: Tags::new(),
            rate: rate_limiter::DEFAULT_RATE,
            timeout_minutes: 24 * 60,
            wait: Duration::from_mins(30),
        }
    }
}

/// Encryption of resources that are made from the snapshot.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LaterEncryption {
    /// As the snapshot.
    #[default]
    Unchanged,
    /// Encrypted copies or volumes may be made of it.
    MayBeEncrypted,
}

/// The parent of an upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ParentChoice {
    /// The newest suitable snapshot with the image's name, if there is one.
    Newest,
    /// A snapshot, or that of an image's root volume, by its id.
    Id(String),
}

impl ParentChoice {
    /// The value of the option.
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Newest => "auto",
            Self::Id(id) => id,
        }
    }
}

impl std::str::FromStr for ParentChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Newest),
            id if id.starts_with("snap-") || id.starts_with("ami-") => Ok(Self::Id(id.to_owned())),
            _ => Err("not `auto`, `snap-…` or `ami-…`".to_owned()),
        }
    }
}

impl UploadOptions {
    pub(super) fn folder_for(&self, image: &Path, region: &str) -> Result<PathBuf, PublishError> {
        match &self.folder {
            Some(folder) => Ok(folder.clone()),
            None => Ok(LockedFolder::path_for(image, region)?),
        }
    }
}
