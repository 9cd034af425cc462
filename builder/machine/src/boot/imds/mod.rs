//! The instance metadata service of EC2: with session tokens (`IMDSv2`), and optionally without.
//!
//! QEMU starts the program for each connection of the guest, so the service is stateless: its values are in a file of
//! the launch, and a token contains its own expiry. Behaviour: EC2 User Guide, "Use the Instance Metadata Service".

mod serve;
mod tree;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::BootError;

pub use serve::{run, serve};
pub use tree::{BlockDevice, Instance, MetadataNode};

/// First argument of the hidden subcommand that answers one connection.
pub const SUBCOMMAND: &str = "metadata-service";
/// Maximum length of user data in bytes.
pub const USER_DATA_MAX: usize = 16 << 10;

/// Whether requests need a session token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sessions {
    /// They need one.
    Required,
    /// They do not need one, but may have one (`IMDSv1`).
    Optional,
}

/// The configuration of the service, stored in a file of the launch.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MetadataService {
    /// Whether requests need a session token.
    pub sessions: Sessions,
    /// The secret from which tokens are derived.
    pub secret: String,
    /// The tree `meta-data`.
    pub metadata: MetadataNode,
    /// The tree `dynamic`.
    pub dynamic: MetadataNode,
    /// The value of `user-data`.
    pub user_data: Option<Vec<u8>>,
    /// The log of requests, one line each.
    pub log: Option<PathBuf>,
}

impl MetadataService {
    /// The service for an instance.
    ///
    /// # Errors
    /// [`BootError::UserData`] when the user data exceeds the limit of EC2.
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

    /// Writes the configuration to a file, and returns the shell command that answers one connection.
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

/// Quotes a path for a shell.
fn shell_quoted(path: &Path) -> String {
    format!("'{}'", path.to_string_lossy().replace('\'', r"'\''"))
}
