//! A file of the metadata: fetched, checked by what `repomd.xml` states of it, and decompressed as it is read.

use std::io::{self, BufRead, BufReader, Read};

use super::super::available::StatedChecksum;
use super::checksum::{self, ChecksumInProgress};
use super::error::RepodataError;
use super::repomd::{ListedData, Repomd};
use crate::backend::{RepositoryAccess, RepositoryError, RepositoryFile};

/// The longest file, in bytes, compressed or not, whatever `repomd.xml` says.
const LONGEST: u64 = 4 << 30;
/// The longest file that is held in memory as it came, in bytes.
const LONGEST_PACKED: u64 = 1 << 30;

/// The content of a metadata file as it is read.
pub(super) type DataStream<'a> = BufReader<CheckedStream<'a>>;

/// The file of one of these types, the first that is listed and can be read.
///
/// # Errors
/// [`RepodataError::Compression`] where all that are listed are compressed in other ways.
pub(super) fn choose<'r>(
    repomd: &'r Repomd,
    kinds: &[&str],
) -> Result<Option<&'r ListedData>, RepodataError> {
    let listed = || repomd.files.iter().filter(|file| kinds.contains(&file.kind.as_str()));
    let foreign = |file: &&ListedData| compression(&file.path);
    if let Some(good) =
        kinds.iter().find_map(|kind| listed().find(|file| file.kind == *kind && foreign(file).is_none()))
    {
        return Ok(Some(good));
    }
    match listed().find_map(|file| foreign(&file).map(|compression| (file, compression))) {
        Some((file, compression)) => Err(RepodataError::Compression { file: file.path.clone(), compression }),
        None => Ok(None),
    }
}

/// The compression that a file's name tells of, if it is one that is not read here.
fn compression(path: &str) -> Option<&'static str> {
    match path.rsplit_once('.').map(|(_, ending)| ending) {
        Some("bz2") => Some("bzip2"),
        Some("zck") => Some("zchunk"),
        _ => None,
    }
}

/// Fetches a file; `bases` are the addresses of the repository, tried in order.
pub(super) fn fetch(
    listed: &ListedData,
    bases: &[String],
    access: &dyn RepositoryAccess,
) -> Result<Vec<u8>, RepositoryError> {
    let path = &listed.path;
    let stated = listed.checksum.as_ref().ok_or_else(|| RepodataError::Malformed {
        file: "repomd.xml".to_owned(),
        reason: format!("it states no checksum of `{path}`"),
    })?;
    let urls: Vec<String> = bases.iter().map(|base| format!("{base}/{path}")).collect();
    let gone = |error| match error {
        RepositoryError::Missing(_) => RepodataError::Gone { file: path.clone() }.into(),
        other => other,
    };
    let sha256 = stated.hex.parse().ok().filter(|_| stated.algorithm == "sha256");
    if let (Some(sha256), Some(size)) = (sha256, listed.size.filter(|size| *size <= LONGEST_PACKED)) {
        let file = RepositoryFile { sha256, size, label: path.clone(), urls };
        access.fetch(&[file]).map_err(gone)?;
        let removed = || io::Error::other("another process removed it from the store; run the command again");
        let stored = access.stored(sha256, size)?;
        return Ok(stored.ok_or_else(|| RepodataError::Unpack { file: path.clone(), source: removed() })?);
    }
    let most = listed.size.unwrap_or(LONGEST_PACKED).min(LONGEST_PACKED);
    let url = urls.first().map(String::as_str).unwrap_or_default();
    let bytes = access.read(url, most).map_err(gone)?;
    checksum::check(&bytes, stated, path)?;
    Ok(bytes)
}

/// Decompresses a file by its content. What comes out is checked as it is read; [`finish`] tells whether it was right.
pub(super) fn open<'a>(listed: &ListedData, bytes: &'a [u8]) -> Result<DataStream<'a>, RepodataError> {
    let failed = |source| RepodataError::Unpack { file: listed.path.clone(), source };
    let content: Box<dyn Read + 'a> = match bytes {
        [0x1f, 0x8b, ..] => Box::new(flate2::read::MultiGzDecoder::new(bytes)),
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Box::new(liblzma::read::XzDecoder::new_multi_decoder(bytes)),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => {
            Box::new(zstd::stream::read::Decoder::with_buffer(bytes).map_err(failed)?)
        }
        [b'B', b'Z', b'h', ..] => {
            return Err(RepodataError::Compression { file: listed.path.clone(), compression: "bzip2" });
        }
        [0, b'Z', b'C', b'K', b'1', ..] => {
            return Err(RepodataError::Compression { file: listed.path.clone(), compression: "zchunk" });
        }
        _ => Box::new(bytes),
    };
    let running = listed.open_checksum.as_ref().map(|stated| ChecksumInProgress::of(stated, &listed.path));
    let limit = listed.open_size.unwrap_or(LONGEST).min(LONGEST);
    let stream = CheckedStream { content, limit, read: 0, running: running.transpose()? };
    Ok(BufReader::with_capacity(1 << 16, stream))
}

/// Reads what is left and compares length and checksum of the content with what `repomd.xml` states.
pub(super) fn finish(listed: &ListedData, mut stream: DataStream<'_>) -> Result<(), RepodataError> {
    let failed = |source| RepodataError::Unpack { file: listed.path.clone(), source };
    loop {
        let count = stream.fill_buf().map_err(failed)?.len();
        if count == 0 {
            break;
        }
        stream.consume(count);
    }
    let CheckedStream { read, running, .. } = stream.into_inner();
    let changed = |found, expected| {
        Err(RepodataError::Changed { file: format!("{} (unpacked)", listed.path), found, expected })
    };
    if let Some(size) = listed.open_size.filter(|size| *size != read) {
        return changed(format!("{read} bytes"), size.to_string());
    }
    match (running.map(ChecksumInProgress::finish), &listed.open_checksum) {
        (Some(found), Some(StatedChecksum { hex, .. })) if found != *hex => changed(found, hex.clone()),
        _ => Ok(()),
    }
}

/// Decompressed bytes, bounded and with their checksum.
pub(super) struct CheckedStream<'a> {
    content: Box<dyn Read + 'a>,
    limit: u64,
    read: u64,
    running: Option<ChecksumInProgress>,
}

impl Read for CheckedStream<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.content.read(buffer)?;
        self.read = self.read.saturating_add(count as u64);
        if self.read > self.limit {
            return Err(io::Error::other(format!("there are more than {} bytes in it", self.limit)));
        }
        if let Some(running) = &mut self.running {
            running.update(buffer.get(..count).unwrap_or_default());
        }
        Ok(count)
    }
}
