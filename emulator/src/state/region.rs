//! One named region: its tables, each in a folder of its own.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use super::account_settings::{AccountSettings, BlockPublicAccess};
use super::group::GroupRecord;
use super::image::ImageRecord;
use super::instance::InstanceRecord;
use super::kms_key::{Alias, KeyRecord};
use super::objects::ObjectStore;
use super::parameter::StoredParameter;
use super::recycle_bin::{BinnedImage, RetentionRules};
use super::snapshots::SnapshotTable;
use super::store_task::StoreTask;
use super::table::Table;
use super::template::Template;
use super::usage_report::UsageReport;
use crate::error::Error;

/// One named region.
#[derive(Debug)]
pub(crate) struct Region {
    /// The name: `local`, `local-2`, `us-east-1`, ...
    pub(crate) name: String,
    pub(crate) snapshots: SnapshotTable,
    /// Encryption by default, by account.
    pub(crate) settings: Table<AccountSettings>,
    /// Images by id, including deregistered ones.
    pub(crate) images: Table<ImageRecord>,
    /// Instances by id, including terminated ones.
    pub(crate) instances: Table<InstanceRecord>,
    /// Auto Scaling groups by account and name.
    pub(crate) groups: Table<GroupRecord>,
    /// Launch templates by id.
    pub(crate) templates: Table<Template>,
    /// Block public access, by account.
    pub(crate) sharing: Table<BlockPublicAccess>,
    /// Tasks that store an image, by image.
    pub(crate) store_tasks: Table<StoreTask>,
    /// Parameters by account and name.
    pub(crate) parameters: Table<StoredParameter>,
    /// Keys by id.
    pub(crate) keys: Table<KeyRecord>,
    /// Aliases of keys by account and name.
    pub(crate) aliases: Table<Alias>,
    /// Retention rules of the recycle bin, by account.
    pub(crate) retention: Table<RetentionRules>,
    /// Images in the recycle bin, by id.
    pub(crate) image_bin: Table<BinnedImage>,
    /// Reports on the use of images, by id.
    pub(crate) usage_reports: Table<UsageReport>,
    /// Buckets, objects and unfinished uploads.
    pub(crate) object_store: ObjectStore,
    /// Held during changes that depend on several records: a unique name, an image and its snapshots.
    pub(crate) write_lock: Mutex<()>,
}

impl Region {
    pub(super) fn open(folder: &Path, name: &str) -> Result<Self, Error> {
        let folder: PathBuf = folder.join(name);
        Ok(Self {
            name: name.to_owned(),
            snapshots: SnapshotTable::open(&folder)?,
            settings: Table::open(folder.join("settings"))?,
            images: Table::open(folder.join("images"))?,
            instances: Table::open(folder.join("instances"))?,
            groups: Table::open(folder.join("auto-scaling-groups"))?,
            templates: Table::open(folder.join("launch-templates"))?,
            sharing: Table::open(folder.join("sharing"))?,
            store_tasks: Table::open(folder.join("store-tasks"))?,
            parameters: Table::open(folder.join("parameters"))?,
            keys: Table::open(folder.join("keys"))?,
            aliases: Table::open(folder.join("aliases"))?,
            retention: Table::open(folder.join("retention"))?,
            image_bin: Table::open(folder.join("image-bin"))?,
            usage_reports: Table::open(folder.join("usage-reports"))?,
            object_store: ObjectStore::open(&folder)?,
            write_lock: Mutex::default(),
        })
    }
}
