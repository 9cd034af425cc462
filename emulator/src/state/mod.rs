//! The state of the local region, stored in a folder. Knows no protocol.
//!
//! ```text
//! <folder>/lock                         locked by the server (flock); contains its endpoint
//! <folder>/secret                       the key that authenticates tokens
//! <folder>/accounts.json                additional accounts, written by the user
//! <folder>/roles.json                   roles of services, written by the user
//! <folder>/attestation-root.pem         the root of attestation documents, for the user
//! <folder>/blocks/ab/<sha256>           one file for each distinct block, named by its digest
//! <folder>/<region>/snapshots/*.json    one file for each snapshot
//! <folder>/<region>/snapshots/*.blocks  the blocks of the snapshot: append-only records
//! <folder>/<region>/<kind>/*.json       one file for each other record: image, parameter, ...
//! ```
//!
//! The server may be killed at any time: JSON files and blocks are created by a rename, the record of a block is
//! appended after the block exists, and a truncated last record is removed before the next one is appended. Nothing is
//! synced to the disk, so a power failure may lose the most recent writes; the checks on reading detect that.

pub(crate) mod account_settings;
mod accounts;
pub(crate) mod allowed_images;
mod atomic;
pub(crate) mod block_map;
pub(crate) mod blocks;
pub(crate) mod checksum;
pub(crate) mod config;
pub(crate) mod device;
pub(crate) mod fast_restore;
pub(crate) mod faults;
mod folder;
mod folder_lock;
pub(crate) mod group;
pub(crate) mod image;
pub(crate) mod image_reference;
pub(crate) mod import_task;
pub(crate) mod instance;
pub(crate) mod kms_key;
pub(crate) mod limiter;
pub(crate) mod objects;
pub(crate) mod parameter;
pub(crate) mod partition;
pub(crate) mod recycle_bin;
mod region;
pub(crate) mod request_log;
pub(crate) mod roles;
pub(crate) mod sharing;
pub(crate) mod snapshot;
pub(crate) mod snapshot_lock;
pub(crate) mod snapshot_tier;
pub(crate) mod snapshot_volume;
pub(crate) mod snapshots;
pub(crate) mod store_task;
pub(crate) mod table;
pub(crate) mod tags;
pub(crate) mod template;
pub(crate) mod usage_report;

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, RwLock};

use crate::clock::Timestamp;
use crate::error::Error;
use crate::http::body::BufferPool;
use crate::sync;

use self::accounts::Accounts;
use self::blocks::{BLOCK_SIZE, BlockStore};
use self::config::RegionConfig;
use self::faults::ActiveFaults;
use self::folder_lock::FolderLock;
use self::limiter::Limiter;
use self::objects::Bucket;
use self::roles::Roles;

pub(crate) use self::accounts::OwnerAlias;
pub use self::accounts::{ACCESS_KEY_ID, ACCOUNT, SECRET_ACCESS_KEY};
pub(crate) use self::folder::{read_secret, remove, write_attestation_root};
pub(crate) use self::region::Region;

/// The state of all regions, and the configuration of the server.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) config: RegionConfig,
    pub(crate) accounts: Accounts,
    /// The roles of services.
    pub(crate) roles: Roles,
    /// The content of the blocks of all regions.
    pub(crate) blocks: Arc<BlockStore>,
    /// The buffers for request bodies.
    pub(crate) buffers: Arc<BufferPool>,
    /// The key that authenticates tokens.
    pub(crate) secret: [u8; 32],
    /// The current generation of tokens; tokens of another generation are invalid.
    pub(crate) generation: AtomicU32,
    pub(crate) faults: ActiveFaults,
    pub(crate) limiter: Limiter,
    pub(crate) folder_lock: FolderLock,
    regions: RwLock<BTreeMap<String, Arc<Region>>>,
}

impl State {
    /// Opens and locks the folder; creates it if it does not exist.
    pub(crate) fn open(config: RegionConfig) -> Result<Self, Error> {
        let folder = config.folder.clone();
        folder::check_folder(&folder)?;
        let folder_lock = FolderLock::acquire(&folder)?;
        let accounts = Accounts::load(&folder)?;
        let roles = Roles::load(&folder)?;
        let blocks = BlockStore::open(folder.join(folder::BLOCKS))?;
        let state = Self {
            buffers: Arc::new(BufferPool::new(BLOCK_SIZE)),
            secret: folder::secret(&folder)?,
            generation: AtomicU32::new(0),
            faults: ActiveFaults::new(config.faults.clone()),
            limiter: Limiter::default(),
            regions: RwLock::default(),
            config,
            accounts,
            roles,
            blocks: Arc::new(blocks),
            folder_lock,
        };
        for name in state.folder_names()? {
            state.region(&name)?;
        }
        state.remove_unused_blocks()?;
        Ok(state)
    }

    /// The current time of the region's clock.
    pub(crate) fn now(&self) -> Timestamp {
        self.config.clock.now()
    }

    /// A region by its name. Every valid name is a region; its folder is created when something is stored in
    /// it.
    pub(crate) fn region(&self, name: &str) -> Result<Arc<Region>, Error> {
        if let Some(region) = sync::read(&self.regions).get(name) {
            return Ok(Arc::clone(region));
        }
        if !folder::is_region_name(name) {
            return Err(Error::RegionName(name.to_owned()));
        }
        let mut regions = sync::write(&self.regions);
        if let Some(region) = regions.get(name) {
            return Ok(Arc::clone(region));
        }
        let region = Arc::new(Region::open(&self.config.folder, name)?);
        regions.insert(name.to_owned(), Arc::clone(&region));
        Ok(region)
    }

    /// The names of the regions that have been used.
    pub(crate) fn used_regions(&self) -> Vec<String> {
        sync::read(&self.regions).keys().cloned().collect()
    }

    /// Finds a bucket in all regions; returns it with the region's name.
    pub(crate) fn find_bucket(&self, name: &str) -> Result<Option<(String, Arc<Bucket>)>, Error> {
        for region in self.used_regions() {
            if let Some(bucket) = self.region(&region)?.object_store.buckets.find(name) {
                return Ok(Some((region, bucket)));
            }
        }
        Ok(None)
    }

    /// Invalidates all tokens issued so far.
    pub(crate) fn expire_tokens(&self) {
        self.generation.fetch_add(1, Ordering::SeqCst);
    }

    /// Writes the marker that some blocks may be unused.
    pub(crate) fn mark_unused_blocks(&self) -> Result<(), Error> {
        atomic::write(&self.config.folder.join(folder::UNUSED_BLOCKS_MARKER), b"")
    }

    /// Removes unused blocks if the marker exists. Only safe while nothing is being written.
    fn remove_unused_blocks(&self) -> Result<(), Error> {
        let marker = self.config.folder.join(folder::UNUSED_BLOCKS_MARKER);
        if !marker.exists() {
            return Ok(());
        }
        let mut used = HashSet::new();
        for region in sync::read(&self.regions).values() {
            used.extend(region.snapshots.digests()?);
        }
        self.blocks.remove_unused(&used)?;
        atomic::remove(&marker)
    }

    /// The regions that have a folder.
    fn folder_names(&self) -> Result<Vec<String>, Error> {
        let folder = &self.config.folder;
        let list = std::fs::read_dir(folder).map_err(Error::io("read", folder))?;
        let mut folder_names = Vec::new();
        for entry in list {
            let entry = entry.map_err(Error::io("read", folder))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if entry.path().is_dir() && folder::is_region_name(&name) {
                folder_names.push(name);
            }
        }
        Ok(folder_names)
    }
}

#[cfg(test)]
mod format_tests;
#[cfg(test)]
mod tests;
