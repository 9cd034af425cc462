//! The object store of a region: buckets, objects and unfinished uploads, and their bodies, one file for each
//! part.
//!
//! A body is written before the record that refers to it and removed after it. Bodies that a killed server
//! leaves without a record are removed when the folder is opened again.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::atomic;
use super::checksum::{Algorithm, Checksum, ChecksumScope};
use super::table::Table;
use crate::clock::Timestamp;
use crate::error::Error;
use crate::ids;

/// The object store of a region.
#[derive(Debug)]
pub(crate) struct ObjectStore {
    /// Buckets by name; a name is unique among all regions.
    pub(crate) buckets: Table<Bucket>,
    /// Objects by bucket, a slash and key.
    pub(crate) objects: Table<StoredObject>,
    /// Unfinished uploads by bucket, a slash and id.
    pub(crate) uploads: Table<MultipartUpload>,
    bodies: PathBuf,
}

/// A bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Bucket {
    /// The account that owns it: twelve digits.
    pub(crate) owner: String,
    /// The time of creation.
    pub(crate) created: Timestamp,
}

/// An object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoredObject {
    /// The size in bytes.
    pub(crate) size: u64,
    /// The entity tag with its quotation marks.
    pub(crate) etag: String,
    /// The time at which it was stored; in the future while a task of the region still writes it.
    pub(crate) modified: Timestamp,
    /// Its content, in order.
    pub(crate) segments: Vec<ObjectSegment>,
    /// The headers that were sent with it and are returned with it: content type and user metadata.
    pub(crate) headers: BTreeMap<String, String>,
    /// The checksum of its content or of its parts.
    pub(crate) checksum: Option<Checksum>,
    /// The tags that the owner set.
    pub(crate) tags: BTreeMap<String, String>,
}

/// A part of an object's content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ObjectSegment {
    /// The name of its file.
    pub(crate) file: String,
    /// The size in bytes.
    pub(crate) size: u64,
}

/// An unfinished upload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MultipartUpload {
    /// The key of the future object.
    pub(crate) key: String,
    /// The time at which the upload began.
    pub(crate) begun: Timestamp,
    /// The headers of the future object.
    pub(crate) headers: BTreeMap<String, String>,
    /// The tags of the future object.
    pub(crate) tags: BTreeMap<String, String>,
    /// The requested checksum of the future object.
    pub(crate) checksum: Option<(Algorithm, ChecksumScope)>,
    /// The uploaded parts by number.
    pub(crate) parts: BTreeMap<u32, UploadedPart>,
}

/// A part of an unfinished upload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct UploadedPart {
    /// Its content.
    pub(crate) segment: ObjectSegment,
    /// The entity tag with its quotation marks.
    pub(crate) etag: String,
    /// The checksum of the part.
    pub(crate) checksum: Option<(Algorithm, String)>,
    /// The time at which it was stored.
    pub(crate) modified: Timestamp,
}

impl ObjectStore {
    /// Opens the object store; `region` is the region's folder.
    pub(crate) fn open(region: &Path) -> Result<Self, Error> {
        let store = Self {
            buckets: Table::open(region.join("buckets"))?,
            objects: Table::open(region.join("objects"))?,
            uploads: Table::open(region.join("uploads"))?,
            bodies: region.join("bodies"),
        };
        store.remove_unused_bodies()?;
        Ok(store)
    }

    /// Removes bodies without a record.
    fn remove_unused_bodies(&self) -> Result<(), Error> {
        let mut used = BTreeSet::new();
        for (_, object) in self.objects.all() {
            used.extend(object.segments.iter().map(|segment| segment.file.clone()));
        }
        for (_, upload) in self.uploads.all() {
            used.extend(upload.parts.values().map(|part| part.segment.file.clone()));
        }
        for path in atomic::files(&self.bodies)? {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if !used.contains(&name) {
                atomic::remove(&path)?;
            }
        }
        Ok(())
    }

    /// Creates a name for a new body and returns it with its path; the folder exists then.
    pub(crate) fn new_body(&self) -> io::Result<(String, PathBuf)> {
        std::fs::create_dir_all(&self.bodies)?;
        let name = ids::uuid();
        let path = self.bodies.join(&name);
        Ok((name, path))
    }

    /// The path of a body.
    pub(crate) fn body(&self, segment: &ObjectSegment) -> PathBuf {
        self.bodies.join(&segment.file)
    }

    /// Removes bodies that no record refers to any more.
    pub(crate) fn remove_bodies(&self, segments: &[ObjectSegment]) -> Result<(), Error> {
        segments.iter().try_for_each(|segment| atomic::remove(&self.body(segment)))
    }

    /// Stores an object, replacing the previous one.
    pub(crate) fn put(&self, bucket: &str, key: &str, object: StoredObject) -> Result<(), Error> {
        let name = object_name(bucket, key);
        let old = self.objects.find(&name);
        self.objects.put(&name, object)?;
        old.map_or(Ok(()), |old| self.remove_bodies(&old.segments))
    }

    /// Removes an object if it exists.
    pub(crate) fn remove(&self, bucket: &str, key: &str) -> Result<(), Error> {
        let old = self.objects.remove(&object_name(bucket, key))?;
        old.map_or(Ok(()), |old| self.remove_bodies(&old.segments))
    }

    /// Finds an object. One that a task of the region still writes is not there yet.
    pub(crate) fn object(&self, bucket: &str, key: &str, now: Timestamp) -> Option<Arc<StoredObject>> {
        self.objects.find(&object_name(bucket, key)).filter(|object| object.modified <= now)
    }

    /// The keys and objects of a bucket that begin with a prefix, sorted by the bytes of the keys.
    pub(crate) fn objects_of(&self, bucket: &str, prefix: &str) -> Vec<(String, Arc<StoredObject>)> {
        let begin = object_name(bucket, "");
        let all = self.objects.all().into_iter();
        let own = all.filter_map(|(name, object)| Some((name.strip_prefix(&begin)?.to_owned(), object)));
        own.filter(|(key, _)| key.starts_with(prefix)).collect()
    }
}

/// The table key of an object; bucket names contain no slash.
pub(crate) fn object_name(bucket: &str, key: &str) -> String {
    format!("{bucket}/{key}")
}
