//! The instance metadata service, as EC2 has it: sessions by token (`IMDSv2`), without one if that is asked for.
//!
//! QEMU starts the program anew for each connection of the guest, so the service keeps nothing: what it tells is in a
//! file of the launch, and a token carries its own end. Behaviour: EC2 User Guide, "Use the Instance Metadata Service".

mod serve;
mod tree;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::BootError;

pub use serve::{run, serve};
pub use tree::{BlockDevice, Instance, MetadataNode};

/// First argument of the program when it is to answer one connection.
pub const SUBCOMMAND: &str = "metadata-service";
/// Most bytes of user data.
pub const USER_DATA_MAX: usize = 16 << 10;

/// What must be shown to be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sessions {
    /// A token.
    Required,
    /// Nothing, though tokens work (`IMDSv1`).
    Optional,
}

/// All that the service knows.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MetadataService {
    /// What must be shown.
    pub sessions: Sessions,
    /// What tokens are made with.
    pub secret: String,
    /// `meta-data`.
    pub metadata: MetadataNode,
    /// `dynamic`.
    pub dynamic: MetadataNode,
    /// `user-data`.
    pub user_data: Option<Vec<u8>>,
    /// Where each request leaves a line.
    pub log: Option<PathBuf>,
}

impl MetadataService {
    /// The service of an instance.
    ///
    /// # Errors
    /// [`BootError::UserData`] when there is more than EC2 takes.
    pub fn new(
        instance: &Instance,
        sessions: Sessions,
        user_data: Option<Vec<u8>>,
    ) -> Result<Self, BootError> {
        let len = user_data.as_ref().map_or(0, Vec::len);
        if len > USER_DATA_MAX {
            return Err(BootError::UserData { len, limit: USER_DATA_MAX });
        }
        let secret = format!("{}/{}", instance.id, instance.mac);
        let (metadata, dynamic) = (instance.metadata(), instance.dynamic());
        Ok(Self { sessions, secret, metadata, dynamic, user_data, log: None })
    }

    /// Writes it to a file and gives the command that answers one connection from it.
    ///
    /// # Errors
    /// [`BootError::File`].
    pub fn command(&self, path: &Path) -> Result<String, BootError> {
        let failed = |source| BootError::File { path: path.to_owned(), source };
        let text = serde_json::to_vec(self).map_err(|error| failed(error.into()))?;
        std::fs::write(path, text).map_err(failed)?;
        let program = std::env::current_exe().map_err(failed)?;
        Ok(format!("{} {SUBCOMMAND} {}", shell_quoted(&program), shell_quoted(path)))
    }
}

/// A path as a word of a shell.
fn shell_quoted(path: &Path) -> String {
    format!("'{}'", path.to_string_lossy().replace('\'', r"'\''"))
}
