//! The service: a public snapshot of another account, and the copies of it, which are described and listed late, take time,
//! and may fail.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use amiforge_formats::digest::{BLOCK, Digest};
use amiforge_publish::api::{DescribedSnapshot, NewSnapshotCopy, SnapshotState, Tier};
use amiforge_publish::service_error::{ServiceError, ServiceErrorKind};
use amiforge_publish::tags::{SOURCE_COPY_LEDGER, SOURCE_COPY_OF};
use bytes::Bytes;

use super::chance::Rng;

/// The public snapshot.
pub(crate) const SOURCE: &str = "snap-0123456789abcdef0";
/// The region.
pub(crate) const REGION: &str = "eu-west-1";
/// Indexes of the blocks that it has.
pub(crate) const BLOCKS: [u64; 3] = [0, 5, 2047];
/// How long a copy takes.
const COPY: Duration = Duration::from_secs(40);
/// Longest time until a copy is described by its id, and until it is listed by its tags: within what EC2's eventual consistency
/// is given.
const DESCRIBED: u64 = 20;
const LISTED: u64 = 100;
/// When the world begins, in seconds since 1970.
const BEGINNING: i64 = 1_800_000_000;

/// A copy.
#[derive(Debug, Clone)]
pub(crate) struct CopiedSnapshot {
    begun: Duration,
    /// Seconds since 1970.
    started: i64,
    described: Duration,
    listed: Duration,
    fails: bool,
    pub(crate) tags: BTreeMap<String, String>,
}

/// The state of the service.
#[derive(Debug)]
pub(crate) struct World {
    now: Duration,
    rng: Rng,
    copies: BTreeMap<String, CopiedSnapshot>,
    made: usize,
    /// The next copies fail.
    pub(crate) failures: usize,
    pub(crate) violations: Vec<String>,
}

/// The service, as several operators share it.
#[derive(Debug, Clone)]
pub(crate) struct Shared(Arc<Mutex<World>>);

pub(crate) fn refused(code: &str, kind: ServiceErrorKind, message: &str) -> ServiceError {
    ServiceError { code: Some(code.to_owned()), ..ServiceError::local(kind, message) }
}

fn not_found(id: &str) -> ServiceError {
    refused("InvalidSnapshot.NotFound", ServiceErrorKind::NotFound, &format!("there is no {id}"))
}

/// The bytes of a block.
pub(crate) fn block(index: u64) -> Bytes {
    Bytes::from(vec![(index % 251) as u8 + 1; BLOCK as usize])
}

/// The digest of a block.
pub(crate) fn digest(index: u64) -> Digest {
    Digest::of(&block(index))
}

impl Shared {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(World {
            now: Duration::ZERO,
            rng: Rng(seed),
            copies: BTreeMap::new(),
            made: 0,
            failures: 0,
            violations: Vec::new(),
        })))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl World {
    pub(crate) fn now(&self) -> Duration {
        self.now
    }

    /// The time in seconds since 1970.
    pub(crate) fn seconds(&self) -> i64 {
        BEGINNING + self.now.as_secs() as i64
    }

    pub(crate) fn advance(&mut self, time: Duration) {
        self.now += time;
    }

    /// A copy that a machine which is gone left two days ago.
    pub(crate) fn leave(&mut self, ledger: &str) {
        let id = self.insert(tags(ledger));
        if let Some(copy) = self.copies.get_mut(&id) {
            copy.started -= 48 * 3600;
            copy.fails = false;
            (copy.described, copy.listed) = (Duration::ZERO, Duration::ZERO);
        }
    }

    fn insert(&mut self, tags: BTreeMap<String, String>) -> String {
        self.made += 1;
        let id = format!("snap-{:017x}", self.made);
        let fails = self.failures > 0;
        self.failures = self.failures.saturating_sub(1);
        let lag = |rng: &mut Rng, most: u64| Duration::from_secs(rng.below(most));
        let described = self.now + lag(&mut self.rng, DESCRIBED);
        let listed = self.now + lag(&mut self.rng, LISTED);
        let (begun, started) = (self.now, self.seconds());
        self.copies.insert(id.clone(), CopiedSnapshot { begun, started, described, listed, fails, tags });
        id
    }

    pub(crate) fn copy(&mut self, copy: &NewSnapshotCopy) -> String {
        if copy.snapshot != SOURCE || copy.region != REGION {
            self.violations.push(format!("{} in {} was copied", copy.snapshot, copy.region));
        }
        if copy.tags.get(SOURCE_COPY_OF).map(String::as_str) != Some(SOURCE) {
            self.violations.push(format!("a copy without its tags: {:?}", copy.tags));
        }
        self.insert(copy.tags.clone())
    }

    pub(crate) fn describe(&self, id: &str) -> Result<DescribedSnapshot, ServiceError> {
        if id == SOURCE {
            return Ok(described(SOURCE, "137112412989", SnapshotState::Completed, 0, BTreeMap::new()));
        }
        let copy = self.copies.get(id).filter(|copy| copy.described <= self.now);
        copy.map(|copy| self.described(id, copy)).ok_or_else(|| not_found(id))
    }

    pub(crate) fn listed(&self, wanted: &[(&str, &str)]) -> Vec<DescribedSnapshot> {
        let has = |copy: &CopiedSnapshot| {
            wanted.iter().all(|(key, value)| copy.tags.get(*key).map(String::as_str) == Some(value))
        };
        let listed = self.copies.iter().filter(|(_, copy)| copy.listed <= self.now && has(copy));
        listed.map(|(id, copy)| self.described(id, copy)).collect()
    }

    fn described(&self, id: &str, copy: &CopiedSnapshot) -> DescribedSnapshot {
        let state = match (copy.begun + COPY <= self.now, copy.fails) {
            (false, _) => SnapshotState::Pending,
            (true, true) => SnapshotState::Error,
            (true, false) => SnapshotState::Completed,
        };
        described(id, "123456789012", state, copy.started, copy.tags.clone())
    }

    pub(crate) fn delete(&mut self, id: &str) -> Result<(), ServiceError> {
        if id == SOURCE {
            self.violations.push("the source was deleted".to_owned());
        }
        // A copy that was just begun is not known yet.
        if self.copies.get(id).is_none_or(|copy| copy.described > self.now) {
            return Err(not_found(id));
        }
        self.copies.remove(id);
        Ok(())
    }

    /// Somebody deletes a copy.
    pub(crate) fn lose_one(&mut self) {
        if let Some(id) = self.copies.keys().next().cloned() {
            self.copies.remove(&id);
        }
    }

    /// Whether the EBS direct APIs read a snapshot.
    pub(crate) fn readable(&self, id: &str) -> Result<(), ServiceError> {
        if id == SOURCE {
            let message = "Public snapshots are not supported";
            return Err(refused("ValidationException", ServiceErrorKind::Refused, message));
        }
        match self.copies.get(id) {
            Some(copy) if copy.begun + COPY <= self.now && !copy.fails => Ok(()),
            _ => Err(not_found(id)),
        }
    }

    /// The copies of a ledger.
    pub(crate) fn copies_of(&self, ledger: &str) -> Vec<String> {
        let of =
            |copy: &CopiedSnapshot| copy.tags.get(SOURCE_COPY_LEDGER).map(String::as_str) == Some(ledger);
        self.copies.iter().filter(|(_, copy)| of(copy)).map(|(id, _)| id.clone()).collect()
    }

    /// All copies.
    pub(crate) fn copies(&self) -> usize {
        self.copies.len()
    }

    /// Copies that are there, and those that were ever made.
    pub(crate) fn counts(&self) -> (usize, usize) {
        (self.copies.len(), self.made)
    }

    /// Copies that were ever made.
    pub(crate) fn made(&self) -> usize {
        self.made
    }
}

fn tags(ledger: &str) -> BTreeMap<String, String> {
    let pairs = [(SOURCE_COPY_OF, SOURCE), (SOURCE_COPY_LEDGER, ledger)];
    pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).into()
}

fn described(
    id: &str,
    owner: &str,
    state: SnapshotState,
    started: i64,
    tags: BTreeMap<String, String>,
) -> DescribedSnapshot {
    DescribedSnapshot {
        id: id.to_owned(),
        state,
        state_message: None,
        progress: None,
        volume_gib: 1,
        encrypted: false,
        kms_key: None,
        owner: Some(owner.to_owned()),
        started,
        tags,
        tier: Tier::Standard,
    }
}
