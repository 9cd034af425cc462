//! The medium: the bytes of an image on this machine, as a file, a block device or the disk of a bundle, or whatever else
//! reads at any offset.
//!
//! Owns opening, positioned reads and the holes of sparse files. A file that is a container (qcow2, VMDK, VHD, VHDX) is
//! opened as the disk that it holds: this is the one place where that is done.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use amiforge_formats::container::{ContainerKind, DiskContainer};
use amiforge_formats::plan::{SourceId, Sources};
use amiforge_formats::read_at::ReadAt;
use rustix::fs::{OFlags, SeekFrom};
use rustix::io::Errno;

use super::InspectError;

/// The file of a bundle that holds the disk.
const DISK: &str = "disk.raw";

/// An open image.
#[derive(Debug)]
pub struct Medium {
    bytes: MediumBytes,
    len: u64,
    path: PathBuf,
    bundle: Option<PathBuf>,
    container: Option<ContainerKind>,
}

/// Where the bytes come from.
enum MediumBytes {
    File(File),
    Reader(Box<dyn ReadAt + Send>),
}

impl fmt::Debug for MediumBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(file) => file.fmt(f),
            Self::Reader(_) => f.write_str("Reader"),
        }
    }
}

impl Medium {
    /// The image that `reader` reads; `path` is what users know it by.
    pub fn over(reader: Box<dyn ReadAt + Send>, path: &Path) -> Self {
        let len = reader.size();
        let path = path.to_owned();
        Self { bytes: MediumBytes::Reader(reader), len, path, bundle: None, container: None }
    }

    /// Opens an image: a raw file, a container with a disk in it, a block device, or a bundle's folder (its `disk.raw`,
    /// which is never taken for a container).
    ///
    /// # Errors
    /// [`InspectError::Open`] when it is not there or may not be read, [`InspectError::NotAnImage`] when it is
    /// something else, [`InspectError::Container`].
    pub fn open(path: &Path) -> Result<Self, InspectError> {
        let raw = Self::open_raw(path)?;
        if raw.bundle.is_some() {
            return Ok(raw);
        }
        let failed = |source| InspectError::Open { path: path.to_owned(), source };
        let Some(kind) = ContainerKind::probe(&raw).map_err(failed)? else { return Ok(raw) };
        let path = raw.path.clone();
        let disk = DiskContainer::open(raw, kind)
            .map_err(|source| InspectError::Container { path: path.clone(), source })?;
        Ok(Self { container: Some(kind), ..Self::over(Box::new(disk), &path) })
    }

    /// Opens the bytes of a file, a block device or a bundle as they are, whatever they look like: for what is a raw disk
    /// by its place, such as that of a bundle.
    ///
    /// # Errors
    /// As for [`Medium::open`].
    pub fn open_raw(path: &Path) -> Result<Self, InspectError> {
        let failed = |source| InspectError::Open { path: path.to_owned(), source };
        let folder = std::fs::metadata(path).map_err(failed)?.is_dir();
        let disk = if folder { path.join(DISK) } else { path.to_owned() };
        if folder && !disk.is_file() {
            return Err(InspectError::NotABundle { path: path.to_owned() });
        }
        let kind = std::fs::metadata(&disk).map_err(failed)?.file_type();
        // A pipe or a terminal would block, or could not be read twice.
        if !kind.is_file() && !std::os::unix::fs::FileTypeExt::is_block_device(&kind) {
            return Err(InspectError::NotAnImage { path: disk });
        }
        let nonblocking = OFlags::NONBLOCK.bits() as i32;
        let opened = OpenOptions::new().read(true).custom_flags(nonblocking).open(&disk);
        let file = opened.map_err(failed)?;
        let len = rustix::fs::seek(&file, SeekFrom::End(0)).map_err(|errno| failed(errno.into()))?;
        let bundle = folder.then(|| path.to_owned());
        Ok(Self { bytes: MediumBytes::File(file), len, path: disk, bundle, container: None })
    }

    /// The file that is read.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder of the bundle, when a bundle was opened.
    pub fn bundle(&self) -> Option<&Path> {
        self.bundle.as_deref()
    }

    /// The format of the file, when it is a container and not the disk itself.
    pub fn container(&self) -> Option<ContainerKind> {
        self.container
    }

    /// The ranges of `start..end` that may hold other bytes than zeros, as the host's file system reports them; all of it
    /// where the file system reports no holes, or the medium is no file.
    ///
    /// # Errors
    /// The error of the host.
    pub fn data_ranges(&self, start: u64, end: u64) -> io::Result<Vec<(u64, u64)>> {
        let mut ranges = Vec::new();
        let mut at = start;
        while let Some(data) = self.data_from(at, end)? {
            at = data.end;
            ranges.push((data.start, data.end));
        }
        Ok(ranges)
    }
}

impl ReadAt for Medium {
    fn size(&self) -> u64 {
        self.len
    }

    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let end = offset.checked_add(buf.len() as u64).ok_or(io::ErrorKind::UnexpectedEof)?;
        if end > self.len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        match &self.bytes {
            MediumBytes::File(file) => file.read_exact_at(buf, offset),
            MediumBytes::Reader(reader) => reader.read_exact_at(offset, buf),
        }
    }

    fn data_from(&self, from: u64, to: u64) -> io::Result<Option<Range<u64>>> {
        let to = to.min(self.len);
        if from >= to {
            return Ok(None);
        }
        let file = match &self.bytes {
            MediumBytes::File(file) => file,
            MediumBytes::Reader(reader) => return reader.data_from(from, to),
        };
        let data = match rustix::fs::seek(file, SeekFrom::Data(from)) {
            Ok(data) if data < to => data,
            Ok(_) | Err(Errno::NXIO) => return Ok(None),
            // A device, or a file system that knows of no holes.
            Err(Errno::INVAL | Errno::OPNOTSUPP) => return Ok(Some(from..to)),
            Err(errno) => return Err(errno.into()),
        };
        let hole = rustix::fs::seek(file, SeekFrom::Hole(data)).unwrap_or(to).min(to);
        // A file that shrinks meanwhile could answer with no progress.
        Ok(Some(data..hole.max(data + 1)))
    }
}

/// The contents of the files of one file system: every slice is a range of the bytes that its reader was given.
#[derive(Debug, Clone, Copy)]
pub struct Contents<R>(pub R);

impl<R: ReadAt> Sources for Contents<R> {
    fn read_exact_at(&self, _source: SourceId, at: u64, buf: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(at, buf)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_of_a_sparse_file_are_passed_over_and_reads_end_with_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.raw");
        let file = File::create(&path).unwrap();
        file.set_len(8 << 20).unwrap();
        file.write_all_at(b"here", 4 << 20).unwrap();
        let medium = Medium::open(&path).unwrap();
        assert_eq!(medium.size(), 8 << 20);
        let ranges = medium.data_ranges(0, 8 << 20).unwrap();
        assert!(ranges.iter().any(|&(from, to)| from <= 4 << 20 && to >= (4 << 20) + 4));
        let mut buf = [0; 4];
        medium.read_exact_at(4 << 20, &mut buf).unwrap();
        assert_eq!(&buf, b"here");
        assert!(medium.read_exact_at((8 << 20) - 2, &mut buf).is_err());
        assert!(medium.read_exact_at(u64::MAX, &mut buf).is_err());
    }

    /// A fixed VHD of `disk`: the disk and a footer.
    fn vhd(disk: &[u8]) -> Vec<u8> {
        let mut footer = vec![0; 512];
        footer[..8].copy_from_slice(b"conectix");
        footer[48..56].copy_from_slice(&(disk.len() as u64).to_be_bytes());
        footer[60..64].copy_from_slice(&2u32.to_be_bytes());
        let sum = !footer.iter().fold(0u32, |sum, byte| sum.wrapping_add(u32::from(*byte)));
        footer[64..68].copy_from_slice(&sum.to_be_bytes());
        [disk, &footer].concat()
    }

    #[test]
    fn a_container_is_opened_as_its_disk_but_the_disk_of_a_bundle_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("disk.raw");
        std::fs::write(&path, vhd(&[7; 4096])).unwrap();
        let medium = Medium::open(&path).unwrap();
        assert_eq!((medium.size(), medium.container()), (4096, Some(ContainerKind::Vhd)));
        for raw in [Medium::open(folder.path()).unwrap(), Medium::open_raw(&path).unwrap()] {
            assert_eq!((raw.size(), raw.container()), (4608, None));
        }
        std::fs::write(&path, b"QFI\xfb\0\0\0\x01").unwrap();
        assert!(matches!(Medium::open(&path), Err(InspectError::Container { .. })));
    }

    #[test]
    fn a_folder_without_a_disk_is_no_bundle_and_a_pipe_no_image() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(Medium::open(folder.path()), Err(InspectError::NotABundle { .. })));
        assert!(matches!(Medium::open(Path::new("/dev/null")), Err(InspectError::NotAnImage { .. })));
        assert!(matches!(Medium::open(&folder.path().join("none")), Err(InspectError::Open { .. })));
    }
}
