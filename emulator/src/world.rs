//! All of the local region's state and behaviour, and the named regions in it. Knows no protocol.

use std::collections::{BTreeMap, HashSet};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, RwLock};

use crate::account::Accounts;
use crate::clock::Moment;
use crate::config::RegionConfig;
use crate::door::body::Buffers;
use crate::error::Error;
use crate::faults::Script;
use crate::limit::Limiter;
use crate::locks;
use crate::services::ec2::store::Ec2Shelves;
use crate::services::s3::store::S3Shelves;
use crate::state::blocks::BlockStore;
use crate::state::hold::Hold;
use crate::state::settings::AccountSettings;
use crate::state::shelf::Table;
use crate::state::snapshots::SnapshotTable;
use crate::state::{atomic, ids};

/// All of the local region's state and behaviour.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) config: RegionConfig,
    pub(crate) accounts: Accounts,
    /// The blocks of all regions.
    pub(crate) blocks: Arc<BlockStore>,
    /// What bodies of requests are read into.
    pub(crate) buffers: Arc<Buffers>,
    /// What tokens are sealed with.
    pub(crate) secret: [u8; 32],
    /// Tokens of another generation are no longer valid.
    pub(crate) generation: AtomicU32,
    pub(crate) script: Script,
    pub(crate) limiter: Limiter,
    pub(crate) hold: Hold,
    regions: RwLock<BTreeMap<String, Arc<Region>>>,
}

/// One named region.
#[derive(Debug)]
pub(crate) struct Region {
    /// `local`, `local-2`, `us-east-1`, ...
    pub(crate) name: String,
    pub(crate) snapshots: SnapshotTable,
    /// By account.
    pub(crate) settings: Table<AccountSettings>,
    /// What EC2, KMS and SSM keep here.
    pub(crate) ec2: Ec2Shelves,
    /// What S3 keeps here.
    pub(crate) s3: S3Shelves,
    /// To be held while a change looks at several things: a name that has to be free, an image and its snapshots.
    pub(crate) changing: Mutex<()>,
}

/// Says that snapshots were removed, so that some blocks may be unused.
const SWEEP: &str = "sweep";
/// The key of tokens; a folder that has it is a local region's.
const SECRET: &str = "secret";
const LOCK: &str = "lock";
const ACCOUNTS: &str = "accounts.json";
const BLOCKS: &str = "blocks";

impl World {
    /// Opens the folder, which is made when missing, and keeps others from it.
    pub(crate) fn open(config: RegionConfig) -> Result<Self, Error> {
        let folder = config.folder.clone();
        check_ours(&folder)?;
        let hold = Hold::take(&folder)?;
        let accounts = Accounts::load(&folder)?;
        let blocks = BlockStore::open(folder.join(BLOCKS))?;
        let world = Self {
            buffers: Arc::default(),
            secret: secret(&folder)?,
            generation: AtomicU32::new(0),
            script: Script::new(config.faults.clone()),
            limiter: Limiter::default(),
            regions: RwLock::default(),
            config,
            accounts,
            blocks: Arc::new(blocks),
            hold,
        };
        for name in world.names()? {
            world.region(&name)?;
        }
        world.sweep()?;
        Ok(world)
    }

    /// The present moment.
    pub(crate) fn now(&self) -> Moment {
        self.config.clock.now()
    }

    /// A region by its name. Every name that could be one is one; its folder is made when something is put there.
    pub(crate) fn region(&self, name: &str) -> Result<Arc<Region>, Error> {
        if let Some(region) = locks::read(&self.regions).get(name) {
            return Ok(Arc::clone(region));
        }
        if !may_be_region(name) {
            return Err(Error::RegionName(name.to_owned()));
        }
        let mut regions = locks::write(&self.regions);
        if let Some(region) = regions.get(name) {
            return Ok(Arc::clone(region));
        }
        let region = Arc::new(Region::open(&self.config.folder, name)?);
        regions.insert(name.to_owned(), Arc::clone(&region));
        Ok(region)
    }

    /// The names of the regions that were ever used.
    pub(crate) fn used_regions(&self) -> Vec<String> {
        locks::read(&self.regions).keys().cloned().collect()
    }

    /// Makes all tokens invalid that were given out so far.
    pub(crate) fn expire_tokens(&self) {
        self.generation.fetch_add(1, Ordering::SeqCst);
    }

    /// Notes that blocks may have become unused.
    pub(crate) fn sweep_later(&self) -> Result<(), Error> {
        atomic::write(&self.config.folder.join(SWEEP), b"")
    }

    /// Removes blocks that no snapshot has, if snapshots were removed. Only safe while nobody writes.
    fn sweep(&self) -> Result<(), Error> {
        let marker = self.config.folder.join(SWEEP);
        if !marker.exists() {
            return Ok(());
        }
        let mut used = HashSet::new();
        for region in locks::read(&self.regions).values() {
            used.extend(region.snapshots.digests()?);
        }
        self.blocks.sweep(&used)?;
        atomic::remove(&marker)
    }

    /// The regions that have a folder.
    fn names(&self) -> Result<Vec<String>, Error> {
        let folder = &self.config.folder;
        let list = std::fs::read_dir(folder).map_err(Error::io("read", folder))?;
        let mut names = Vec::new();
        for entry in list {
            let entry = entry.map_err(Error::io("read", folder))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if entry.path().is_dir() && may_be_region(&name) {
                names.push(name);
            }
        }
        Ok(names)
    }
}

impl Region {
    fn open(folder: &Path, name: &str) -> Result<Self, Error> {
        let folder: PathBuf = folder.join(name);
        Ok(Self {
            name: name.to_owned(),
            snapshots: SnapshotTable::open(&folder)?,
            settings: Table::open(folder.join("settings"))?,
            ec2: Ec2Shelves::open(&folder)?,
            s3: S3Shelves::open(&folder)?,
            changing: Mutex::default(),
        })
    }
}

/// Whether a folder is a local region's, or may become one: it does not exist, is empty but for what people put there
/// before, or holds nothing but the state of one.
pub(crate) fn check_ours(folder: &Path) -> Result<(), Error> {
    let list = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        other => other.map_err(Error::io("read", folder))?,
    };
    let begun = folder.join(SECRET).exists();
    for entry in list {
        let found = entry.map_err(Error::io("read", folder))?.file_name().to_string_lossy().into_owned();
        let ours = match found.as_str() {
            LOCK | ACCOUNTS => true,
            SECRET | SWEEP | BLOCKS => begun,
            other => begun && (may_be_region(other) || other.starts_with(atomic::ASIDE)),
        };
        if !ours {
            return Err(Error::Foreign { folder: folder.to_owned(), found });
        }
    }
    Ok(())
}

/// Removes the state of a local region: everything in its folder but the accounts. Gives whether there was any.
pub(crate) fn remove(folder: &Path) -> Result<bool, Error> {
    check_ours(folder)?;
    if !folder.join(SECRET).exists() {
        return Ok(false);
    }
    let _hold = Hold::take(folder)?;
    let list = std::fs::read_dir(folder).map_err(Error::io("read", folder))?;
    for entry in list {
        let path = entry.map_err(Error::io("read", folder))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        // What makes the folder ours goes last, so that a removal that was interrupted can be finished.
        if matches!(&*name, LOCK | ACCOUNTS | SECRET) {
            continue;
        }
        let removed =
            if path.is_dir() { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
        removed.map_err(Error::io("remove", &path))?;
    }
    atomic::remove(&folder.join(SECRET))?;
    Ok(true)
}

/// Whether a name could be a region's: lower-case letters, digits and dashes, and no folder of the state itself.
fn may_be_region(name: &str) -> bool {
    let plain = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    plain
        && name != BLOCKS
        && (2..=40).contains(&name.len())
        && name.starts_with(|one: char| one.is_ascii_lowercase())
}

/// The key that tokens are sealed with: made once, so that tokens outlive the server.
fn secret(folder: &Path) -> Result<[u8; 32], Error> {
    let path = folder.join(SECRET);
    match std::fs::read(&path) {
        Ok(bytes) => bytes.try_into().map_err(|bytes: Vec<u8>| {
            let what = format!("{} bytes, where the key has 32", bytes.len());
            Error::Damaged { path, what }
        }),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let secret: [u8; 32] = ids::random();
            atomic::write(&path, &secret)?;
            Ok(secret)
        }
        Err(error) => Err(Error::io("read", path)(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::locks::lock;
    use crate::state::digest::BlockDigest;
    use crate::state::snapshot::{Snapshot, SnapshotShares};

    fn snapshot(id: &str) -> Snapshot {
        Snapshot {
            id: id.to_owned(),
            owner: "123456789012".to_owned(),
            description: String::new(),
            volume_size: 1,
            volume_id: "vol-ffffffff".to_owned(),
            parent: None,
            lineage: id.to_owned(),
            kms_key: None,
            start_time: Moment(0),
            timeout: 60,
            outcome: None,
            start: None,
            tags: BTreeMap::new(),
            shared_with: SnapshotShares::default(),
        }
    }

    /// A snapshot with these blocks.
    fn put(world: &World, region: &str, id: &str, blocks: &[&[u8]]) {
        let region = world.region(region).unwrap();
        region.snapshots.start(snapshot(id)).unwrap();
        let map = region.snapshots.map(id).unwrap();
        for (index, bytes) in blocks.iter().enumerate() {
            world.blocks.keep(BlockDigest::of(bytes), bytes).unwrap();
            assert!(lock(&map).add(index as u32, BlockDigest::of(bytes)).unwrap());
        }
    }

    #[test]
    fn blocks_go_with_the_last_snapshot_that_has_them_when_the_folder_is_next_opened() {
        let folder = tempfile::tempdir().unwrap();
        let open = || World::open(RegionConfig::new(folder.path())).unwrap();
        let world = open();
        put(&world, "local", "snap-1", &[b"shared", b"own"]);
        put(&world, "local-2", "snap-2", &[b"shared"]);
        assert!(world.region("local").unwrap().snapshots.remove("snap-1").unwrap());
        world.sweep_later().unwrap();
        drop(world);
        let world = open();
        assert!(
            world.blocks.knows(BlockDigest::of(b"shared")) && !world.blocks.knows(BlockDigest::of(b"own"))
        );
        let path = world.blocks.path(BlockDigest::of(b"shared"));
        assert_eq!(std::fs::read(path).unwrap(), b"shared");
        assert!(!folder.path().join(SWEEP).exists());
    }

    #[test]
    fn blocks_of_a_snapshot_that_was_never_begun_are_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let world = World::open(RegionConfig::new(folder.path())).unwrap();
        put(&world, "local", "snap-1", &[b"x"]);
        drop(world);
        let orphan = folder.path().join("local/snapshots/snap-2.blocks");
        std::fs::write(&orphan, b"torn").unwrap();
        let world = World::open(RegionConfig::new(folder.path())).unwrap();
        assert!(!orphan.exists());
        assert!(world.region("local").unwrap().snapshots.find("snap-1").is_some());
    }

    #[test]
    fn only_what_could_be_a_region_is_one() {
        let folder = tempfile::tempdir().unwrap();
        let world = World::open(RegionConfig::new(folder.path())).unwrap();
        for name in ["local", "local-2", "us-east-1"] {
            assert_eq!(world.region(name).unwrap().name, name);
        }
        for name in ["", "..", "blocks", "Local", "a/b", "x", "2-local"] {
            assert!(matches!(world.region(name), Err(Error::RegionName(_))), "{name}");
        }
        assert!(!folder.path().join("local").exists(), "a region that only was asked has no folder");
    }
}
