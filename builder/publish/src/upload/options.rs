//! What can be asked of an upload.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::api::Encryption;
use crate::api::ec2::Tags;
use crate::error::PublishError;
use crate::folder::LockedFolder;
use crate::rate_limiter;

/// The tag with the token of an upload: by it a snapshot is found whose journal was lost.
pub const TAG_UPLOAD: &str = "amiforge:upload";

/// What can be asked of an upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadOptions {
    /// The folder of the journal; beside the image unless given.
    pub folder: Option<PathBuf>,
    /// Encryption of the snapshot.
    pub encryption: Encryption,
    /// What will become of the snapshot.
    pub later: LaterEncryption,
    /// The snapshot that it continues.
    pub parent: Option<ParentChoice>,
    /// The bundle (or its manifest) that the parent was made from.
    pub parent_bundle: Option<PathBuf>,
    /// Description of the snapshot.
    pub description: Option<String>,
    /// Tags of the snapshot; [`TAG_UPLOAD`] is added.
    pub tags: Tags,
    /// Blocks in a second at most; no limit when zero.
    pub rate: u32,
    /// Minutes without a request after which the service may give the snapshot up.
    pub timeout_minutes: u16,
    /// How long to wait for the sealed snapshot.
    pub wait: Duration,
}

impl Default for UploadOptions {
    /// A day to continue in, half an hour for the service to finish.
    fn default() -> Self {
        Self {
            folder: None,
            encryption: Encryption::AsAccount,
            later: LaterEncryption::Unchanged,
            parent: None,
            parent_bundle: None,
            description: None,
            tags: Tags::new(),
            rate: rate_limiter::DEFAULT_RATE,
            timeout_minutes: 24 * 60,
            wait: Duration::from_mins(30),
        }
    }
}

/// What will become of the snapshot.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LaterEncryption {
    /// Nothing that concerns encryption.
    #[default]
    Unchanged,
    /// Encrypted copies or volumes may be made of it.
    MayBeEncrypted,
}

/// The snapshot that an upload continues.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ParentChoice {
    /// The newest one that was published under the image's name, if there is any.
    Newest,
    /// A snapshot, or the root volume's of an image, by its id.
    Id(String),
}

impl ParentChoice {
    /// How it was asked for.
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
