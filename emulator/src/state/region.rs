//! One named region: its tables, each in a folder of its own.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use super::account_settings::{AccountSettings, BlockPublicAccess};
use super::allowed_images::AllowedImages;
use super::fast_restore::FastRestore;
use super::group::GroupRecord;
use super::image::ImageRecord;
use super::import_task::ImportTask;
use super::instance::InstanceRecord;
use super::kms_key::{Alias, KeyRecord};
use super::objects::ObjectStore;
use super::parameter::StoredParameter;
use super::recycle_bin::{BinnedImage, RetentionRules};
use super::snapshot_lock::SnapshotLock;
use super::snapshot_tier::SnapshotTier;
use super::snapshots::SnapshotTable;
use super::store_task::StoreTask;
use super::table::Table;
use super::template::Template;
use super::usage_report::UsageReport;
use crate::clock::Timestamp;
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
    /// Allowed AMIs, by account.
    pub(crate) allowed_images: Table<AllowedImages>,
    /// Storage tiers of snapshots that were archived, by snapshot.
    pub(crate) tiers: Table<SnapshotTier>,
    /// Locks of snapshots, by snapshot.
    pub(crate) locks: Table<SnapshotLock>,
    /// Fast snapshot restores, by account, snapshot and zone.
    pub(crate) fast_restores: Table<FastRestore>,
    /// Tasks that store an image, by image and bucket.
    pub(crate) store_tasks: Table<StoreTask>,
    /// Tasks that import snapshots, by id.
    pub(crate) import_tasks: Table<ImportTask>,
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
    /// Held while an image is stored: a request for the tasks meanwhile is answered afterwards, with the new one.
    pub(crate) storing: Mutex<()>,
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
            allowed_images: Table::open(folder.join("allowed-images"))?,
            tiers: Table::open(folder.join("snapshot-tiers"))?,
            locks: Table::open(folder.join("snapshot-locks"))?,
            fast_restores: Table::open(folder.join("fast-restores"))?,
            store_tasks: Table::open(folder.join("store-tasks"))?,
            import_tasks: Table::open(folder.join("import-tasks"))?,
            parameters: Table::open(folder.join("parameters"))?,
            keys: Table::open(folder.join("keys"))?,
            aliases: Table::open(folder.join("aliases"))?,
            retention: Table::open(folder.join("retention"))?,
            image_bin: Table::open(folder.join("image-bin"))?,
            usage_reports: Table::open(folder.join("usage-reports"))?,
            object_store: ObjectStore::open(&folder)?,
            write_lock: Mutex::default(),
            storing: Mutex::default(),
        })
    }
    /// Whether the blocks of a snapshot can be used: it is not archived, or it is restored.
    pub(crate) fn is_usable(&self, snapshot: &str, now: Timestamp) -> bool {
        self.tiers.find(snapshot).is_none_or(|tier| tier.is_usable(now))
    }

    /// Whether a snapshot is locked against deletion.
    pub(crate) fn is_locked(&self, snapshot: &str, now: Timestamp) -> bool {
        self.locks.find(snapshot).is_some_and(|lock| lock.is_locked(now))
    }

    /// Disables fast restores of a snapshot in all zones, for all accounts.
    pub(crate) fn disable_fast_restores(&self, snapshot: &str, now: Timestamp) -> Result<(), Error> {
        for (key, restore) in self.fast_restores.all() {
            if restore.snapshot == snapshot && restore.disabled.is_none() {
                self.fast_restores
                    .put(&key, FastRestore { disabled: Some(now), ..FastRestore::clone(&restore) })?;
            }
        }
        Ok(())
    }

    /// Forgets the tier, the lock and the fast restores of a deleted snapshot.
    pub(crate) fn forget_snapshot(&self, snapshot: &str, now: Timestamp) -> Result<(), Error> {
        self.disable_fast_restores(snapshot, now)?;
        self.tiers.remove(snapshot)?;
        self.locks.remove(snapshot)?;
        Ok(())
    }
}
