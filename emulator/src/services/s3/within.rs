//! Objects that the region itself writes and reads: EC2's stored images.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::PathBuf;

use md5::{Digest as _, Md5};

use super::checksum::{Algorithm, Checksum, ChecksumScope, RunningChecksum};
use super::fault::S3Error;
use super::intake::hex;
use super::store::{ObjectSegment, S3Shelves, StoredObject};
use crate::clock::Moment;

/// Bytes that are gathered before they are written or after they are read.
const BUFFER: usize = 1 << 20;

/// An object that is being written. Dropped before it is finished, it leaves nothing.
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
    /// Begins.
    pub(crate) fn new(shelves: &S3Shelves) -> Result<Self, S3Error> {
        let (name, path) = shelves.new_body()?;
        let file = File::create_new(&path).map_err(S3Error::io("make a file for the body"))?;
        let (md5, sum) = (Md5::new(), RunningChecksum::new(Algorithm::Crc64Nvme));
        let file = BufWriter::with_capacity(BUFFER, file);
        Ok(Self { name, path, file, size: 0, md5, sum, finished: false })
    }

    /// Puts the object under a bucket and a key.
    pub(crate) fn finish(
        mut self,
        shelves: &S3Shelves,
        (bucket, key): (&str, &str),
        now: Moment,
        tags: BTreeMap<String, String>,
    ) -> Result<(), S3Error> {
        self.file.flush().map_err(S3Error::io("write the body"))?;
        let sum = std::mem::replace(&mut self.sum, RunningChecksum::new(Algorithm::Crc64Nvme));
        let object = StoredObject {
            size: self.size,
            etag: format!("\"{}\"", hex(&self.md5.clone().finalize())),
            modified: now,
            segments: vec![ObjectSegment { file: self.name.clone(), size: self.size }],
            headers: BTreeMap::from([("content-type".to_owned(), "application/octet-stream".to_owned())]),
            checksum: Some(Checksum {
                algorithm: Algorithm::Crc64Nvme,
                value: sum.finish(),
                scope: ChecksumScope::FullObject,
            }),
            tags,
        };
        shelves.put(bucket, key, object)?;
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

/// The bytes of an object.
pub(crate) fn reader(shelves: &S3Shelves, bucket: &str, key: &str) -> Result<Box<dyn Read>, S3Error> {
    let object = shelves.object(bucket, key).ok_or_else(S3Error::no_key)?;
    let mut all: Box<dyn Read> = Box::new(io::empty());
    for segment in &object.segments {
        let file = File::open(shelves.body(segment)).map_err(S3Error::io("read a body"))?;
        all = Box::new(all.chain(BufReader::with_capacity(BUFFER, file)));
    }
    Ok(all)
}
