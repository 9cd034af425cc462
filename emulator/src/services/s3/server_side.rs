//! Objects that the region itself writes and reads: EC2's stored images.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::PathBuf;

use md5::{Digest as _, Md5};

use super::checksum::RunningChecksum;
use super::errors::{NEW_BODY, S3Error};
use super::upload_body::hex;
use crate::clock::Timestamp;
use crate::state::checksum::{Algorithm, Checksum, ChecksumScope};
use crate::state::objects::{ObjectSegment, ObjectStore, StoredObject};

/// The size of the read and write buffers in bytes.
const BUFFER: usize = 1 << 20;

/// A writer for a new object. Dropped before [`finish`](Self::finish), it removes its file.
pub(crate) struct ObjectWriter {
    name: String,
    path: PathBuf,
    file: BufWriter<File>,
    size: u64,
    md5: Md5,
    sum: RunningChecksum,
    finished: bool,
}

impl ObjectWriter {
    /// Creates the file.
    pub(crate) fn new(store: &ObjectStore) -> Result<Self, S3Error> {
        let (name, path) = store.new_body().map_err(S3Error::io(NEW_BODY))?;
        let file = File::create_new(&path).map_err(S3Error::io("make a file for the body"))?;
        let (md5, sum) = (Md5::new(), RunningChecksum::new(Algorithm::Crc64Nvme));
        let file = BufWriter::with_capacity(BUFFER, file);
        Ok(Self { name, path, file, size: 0, md5, sum, finished: false })
    }

    /// Stores the object under a bucket and a key; it is there from a point in time on.
    pub(crate) fn finish(
        mut self,
        store: &ObjectStore,
        (bucket, key): (&str, &str),
        from: Timestamp,
        tags: BTreeMap<String, String>,
    ) -> Result<(), S3Error> {
        self.file.flush().map_err(S3Error::io("write the body"))?;
        let sum = std::mem::replace(&mut self.sum, RunningChecksum::new(Algorithm::Crc64Nvme));
        let object = StoredObject {
            size: self.size,
            etag: format!("\"{}\"", hex(&self.md5.clone().finalize())),
            modified: from,
            segments: vec![ObjectSegment { file: self.name.clone(), size: self.size }],
            headers: BTreeMap::from([("content-type".to_owned(), "application/octet-stream".to_owned())]),
            checksum: Some(Checksum {
                algorithm: Algorithm::Crc64Nvme,
                value: sum.finish(),
                scope: ChecksumScope::FullObject,
            }),
            tags,
        };
        store.put(bucket, key, object)?;
        self.finished = true;
        Ok(())
    }
}

impl Write for ObjectWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write_all(bytes)?;
        self.md5.update(bytes);
        self.sum.update(bytes);
        self.size += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for ObjectWriter {
    fn drop(&mut self) {
        if !self.finished {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// A reader for the content of an object.
pub(crate) fn reader(
    store: &ObjectStore,
    (bucket, key): (&str, &str),
    now: Timestamp,
) -> Result<Box<dyn Read>, S3Error> {
    let object = store.object(bucket, key, now).ok_or_else(S3Error::no_key)?;
    let mut all: Box<dyn Read> = Box::new(io::empty());
    for segment in &object.segments {
        let file = File::open(store.body(segment)).map_err(S3Error::io("read a body"))?;
        all = Box::new(all.chain(BufReader::with_capacity(BUFFER, file)));
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn put(store: &ObjectStore, key: &str, bytes: &[u8]) {
        let mut writer = ObjectWriter::new(store).unwrap();
        writer.write_all(bytes).unwrap();
        writer.finish(store, ("bucket", key), Timestamp(0), BTreeMap::new()).unwrap();
    }

    fn bodies(folder: &Path) -> usize {
        std::fs::read_dir(folder.join("bodies")).unwrap().count()
    }

    #[test]
    fn leftovers_of_a_killed_server_are_removed_and_objects_stay() {
        let folder = tempfile::tempdir().unwrap();
        let store = ObjectStore::open(folder.path()).unwrap();
        put(&store, "one", b"first");
        put(&store, "one", b"second");
        put(&store, "two", b"third");
        assert_eq!(bodies(folder.path()), 2);
        // The server is killed while a body is received, and between a body and its record.
        std::fs::write(store.new_body().unwrap().1, b"half").unwrap();
        drop(ObjectWriter::new(&store).unwrap());
        assert_eq!(bodies(folder.path()), 3);
        drop(store);
        let again = ObjectStore::open(folder.path()).unwrap();
        assert_eq!(bodies(folder.path()), 2);
        let mut text = String::new();
        reader(&again, ("bucket", "one"), Timestamp(0)).unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "second");
        let keys: Vec<_> = again.objects_of("bucket", "").into_iter().map(|(key, _)| key).collect();
        assert_eq!(keys, ["one", "two"]);
        again.remove("bucket", "one").unwrap();
        assert_eq!(bodies(folder.path()), 1);
    }
}
