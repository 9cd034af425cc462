//! What S3 keeps in a region: buckets, objects and unfinished uploads, and beside them the bodies, a file for each part.
//!
//! A body is written before the record that names it and removed after; what a killed server leaves in between is
//! removed when the folder is next opened.

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

/// What S3 keeps in a region.
#[derive(Debug)]
pub(crate) struct ObjectStore {
    /// By name; a name is free only if no region has it.
    pub(crate) buckets: Table<Bucket>,
    /// By bucket, a slash and key.
    pub(crate) objects: Table<StoredObject>,
    /// By bucket, a slash and id.
    pub(crate) uploads: Table<MultipartUpload>,
    bodies: PathBuf,
}

/// A bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Bucket {
    /// Account.
    pub(crate) owner: String,
    /// When it was made.
    pub(crate) created: Timestamp,
}

/// An object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoredObject {
    /// Bytes.
    pub(crate) size: u64,
    /// With its quotation marks.
    pub(crate) etag: String,
    /// When it was put.
    pub(crate) modified: Timestamp,
    /// Its bytes, in order.
    pub(crate) segments: Vec<ObjectSegment>,
    /// What it was put with and is given back with: type of content, own headers.
    pub(crate) headers: BTreeMap<String, String>,
    /// Of all its bytes or of its parts.
    pub(crate) checksum: Option<Checksum>,
    /// Of the owner.
    pub(crate) tags: BTreeMap<String, String>,
}

/// A part of an object's bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ObjectSegment {
    /// Name of its file.
    pub(crate) file: String,
    /// Bytes.
    pub(crate) size: u64,
}

/// An unfinished upload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MultipartUpload {
    /// What becomes of it.
    pub(crate) key: String,
    /// When it began.
    pub(crate) begun: Timestamp,
    /// As of the object.
    pub(crate) headers: BTreeMap<String, String>,
    /// As of the object.
    pub(crate) tags: BTreeMap<String, String>,
    /// Which checksum the object is to have, and of what.
    pub(crate) checksum: Option<(Algorithm, ChecksumScope)>,
    /// By number.
    pub(crate) parts: BTreeMap<u32, UploadedPart>,
}

/// A part of an unfinished upload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct UploadedPart {
    /// Its bytes.
    pub(crate) segment: ObjectSegment,
    /// With its quotation marks.
    pub(crate) etag: String,
    /// If it was sent with one.
    pub(crate) checksum: Option<(Algorithm, String)>,
    /// When it was put.
    pub(crate) modified: Timestamp,
}

impl ObjectStore {
    /// Opens the shelves; `region` is the region's folder.
    pub(crate) fn open(region: &Path) -> Result<Self, Error> {
        let store = Self {
            buckets: Table::open(region.join("buckets"))?,
            objects: Table::open(region.join("objects"))?,
            uploads: Table::open(region.join("uploads"))?,
            bodies: region.join("bodies"),
        };
        store.sweep()?;
        Ok(store)
    }

    /// Removes bodies that no record names.
    fn sweep(&self) -> Result<(), Error> {
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

    /// A name for a new body, and its file; the folder exists.
    pub(crate) fn new_body(&self) -> io::Result<(String, PathBuf)> {
        std::fs::create_dir_all(&self.bodies)?;
        let name = ids::uuid();
        let path = self.bodies.join(&name);
        Ok((name, path))
    }

    /// The file of a body.
    pub(crate) fn body(&self, segment: &ObjectSegment) -> PathBuf {
        self.bodies.join(&segment.file)
    }

    /// Removes bodies that nothing names any longer.
    pub(crate) fn remove_bodies(&self, segments: &[ObjectSegment]) -> Result<(), Error> {
        segments.iter().try_for_each(|segment| atomic::remove(&self.body(segment)))
    }

    /// Puts an object in place of what was there.
    pub(crate) fn put(&self, bucket: &str, key: &str, object: StoredObject) -> Result<(), Error> {
        let name = object_name(bucket, key);
        let old = self.objects.find(&name);
        self.objects.put(&name, object)?;
        old.map_or(Ok(()), |old| self.remove_bodies(&old.segments))
    }

    /// Removes an object, if there is one.
    pub(crate) fn remove(&self, bucket: &str, key: &str) -> Result<(), Error> {
        let old = self.objects.remove(&object_name(bucket, key))?;
        old.map_or(Ok(()), |old| self.remove_bodies(&old.segments))
    }

    /// An object.
    pub(crate) fn object(&self, bucket: &str, key: &str) -> Option<Arc<StoredObject>> {
        self.objects.find(&object_name(bucket, key))
    }

    /// Keys and objects of a bucket that begin with a prefix, in the order of the keys' bytes.
    pub(crate) fn objects_of(&self, bucket: &str, prefix: &str) -> Vec<(String, Arc<StoredObject>)> {
        let begin = object_name(bucket, "");
        let all = self.objects.all().into_iter();
        let own = all.filter_map(|(name, object)| Some((name.strip_prefix(&begin)?.to_owned(), object)));
        own.filter(|(key, _)| key.starts_with(prefix)).collect()
    }
}

/// The name under which an object is kept; no bucket has a slash.
pub(crate) fn object_name(bucket: &str, key: &str) -> String {
    format!("{bucket}/{key}")
}
