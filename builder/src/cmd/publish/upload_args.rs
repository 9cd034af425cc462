//! The options of `publish` for the upload of the image.

use std::path::PathBuf;

use amiforge_publish::upload::ParentChoice;

use super::import_args::ImportArgs;

#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Upload")]
#[group(skip)]
pub(crate) struct UploadArgs {
    /// Continue a published snapshot, sending only what changed: `auto` (the newest of this image's name, or the snapshot
    /// whose disk it keeps), `snap-…` or `ami-…`
    #[arg(long, value_name = "PARENT")]
    pub(crate) parent: Option<ParentChoice>,

    /// The bundle (or its manifest) that the parent was made from, so that the parent need not be read
    #[arg(long, value_name = "BUNDLE")]
    pub(crate) parent_bundle: Option<PathBuf>,

    /// Folder of the store, as the command has it.
    #[arg(skip)]
    pub(crate) store: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) import: ImportArgs,

    /// Encrypt the snapshots with the account's default key
    #[arg(long, conflicts_with = "kms_key")]
    pub(super) encrypt: bool,

    /// Encrypt the snapshots with this key: `alias/…`, or its ARN
    #[arg(long, value_name = "KEY")]
    pub(super) kms_key: Option<String>,

    /// Maximum of blocks sent per second, 0 for no limit [default: 950, the limit of a snapshot; a local region: 0]
    #[arg(long, value_name = "N")]
    pub(super) max_rate: Option<u32>,
}
