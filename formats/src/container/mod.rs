//! Containers: the formats in which other programs keep the disk of a machine in a file.
//!
//! A container is opened over the bytes of its file and reads like the disk in it. The registry is [`ContainerKind`]: it
//! knows the formats, recognises them by their content (never by a name), and opens them. A reader loads a header and no
//! table: tables are read by the page when a part of the disk is asked for, so neither their length nor that of the disk
//! takes memory. Only files that hold the whole disk are read; one that needs another file is refused by name.

mod error;
mod map;
mod pack;
mod qcow2;
mod tables;
mod unpack;
mod vhd;
mod vhdx;
mod vmdk;

use std::fmt;
use std::io;
use std::ops::Range;

pub use error::ContainerError;
pub use map::{PackedUnit, StoredAs, StoredRun};
pub use pack::PackedDisk;
pub use unpack::{Codec, UNIT_MAX};

use crate::read_at::ReadAt;
use map::ContainerMap;
use tables::{TablePages, TableReader};
use unpack::UnpackedUnits;

/// A format in which a disk is kept in a file, other than the bytes of the disk themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ContainerKind {
    /// qcow2 of QEMU, versions 2 and 3.
    Qcow2,
    /// VMDK of `VMware`, in one file.
    Vmdk,
    /// VHD of Virtual PC and Azure.
    Vhd,
    /// VHDX of Hyper-V.
    Vhdx,
}

impl ContainerKind {
    /// All of them, in the order in which a file is probed. VHD comes last: its fixed form has a signature at the end only.
    pub const ALL: [Self; 4] = [Self::Qcow2, Self::Vmdk, Self::Vhdx, Self::Vhd];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Qcow2 => qcow2::NAME,
            Self::Vmdk => vmdk::NAME,
            Self::Vhd => vhd::NAME,
            Self::Vhdx => vhdx::NAME,
        }
    }

    /// The format of a file by its first and last bytes; `None` for one that is the disk itself.
    ///
    /// # Errors
    /// The error of the medium.
    pub fn probe(file: &dyn ReadAt) -> io::Result<Option<Self>> {
        let mut head = vec![0; (file.size() as usize).min(SECTOR)];
        file.read_exact_at(0, &mut head)?;
        let tail_at = file.size().saturating_sub(SECTOR as u64);
        let mut tail = vec![0; head.len()];
        file.read_exact_at(tail_at, &mut tail)?;
        Ok(Self::ALL.into_iter().find(|kind| match kind {
            Self::Qcow2 => qcow2::probe(&head),
            Self::Vmdk => vmdk::probe(&head),
            Self::Vhd => vhd::probe(&head, &tail),
            Self::Vhdx => vhdx::probe(&head),
        }))
    }

    fn map(self, file: &dyn ReadAt) -> Result<Box<dyn ContainerMap>, ContainerError> {
        Ok(match self {
            Self::Qcow2 => Box::new(qcow2::open(file)?),
            Self::Vmdk => Box::new(vmdk::open(file)?),
            Self::Vhd => Box::new(vhd::open(file)?),
            Self::Vhdx => Box::new(vhdx::open(file)?),
        })
    }
}

/// Bytes at either end of a file that are probed.
const SECTOR: usize = 512;

/// Runs that one answer of `data_from` joins.
const JOINED_MAX: usize = 1024;

/// An open container: reads like the disk that it holds.
pub struct DiskContainer<R> {
    file: R,
    kind: ContainerKind,
    map: Box<dyn ContainerMap>,
    pages: TablePages,
    units: UnpackedUnits,
}

impl<R> fmt::Debug for DiskContainer<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DiskContainer").field("map", &self.map).finish_non_exhaustive()
    }
}

impl<R: ReadAt> DiskContainer<R> {
    /// Opens a file of the given format.
    ///
    /// # Errors
    /// [`ContainerError`] when it is damaged, or uses what is not read.
    pub fn open(file: R, kind: ContainerKind) -> Result<Self, ContainerError> {
        let map = kind.map(&file)?;
        Ok(Self { file, kind, map, pages: TablePages::new(), units: UnpackedUnits::new() })
    }

    /// The format.
    pub fn kind(&self) -> ContainerKind {
        self.kind
    }

    /// The run of the disk that holds the byte `offset`: how it is stored, and where. Runs that adjoin on the disk and in
    /// the file are not joined.
    ///
    /// # Errors
    /// `UnexpectedEof` for a byte that is not on the disk; `InvalidData` for a damaged table.
    pub fn run(&self, offset: u64) -> io::Result<StoredRun> {
        if offset >= self.map.size() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let run = self.map.run(&TableReader::new(&self.file, &self.pages), offset)?;
        // A run without progress would make its readers loop.
        let holds = run.start <= offset && offset < run.end();
        if holds { Ok(run) } else { Err(io::ErrorKind::InvalidData.into()) }
    }

    /// Reads from the run that holds `offset`, as much as it has of `buf`.
    fn read_run(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let run = self.run(offset)?;
        let skip = offset - run.start;
        let len = usize::try_from(run.len - skip).unwrap_or(usize::MAX).min(buf.len());
        let buf = &mut buf[..len];
        match run.stored {
            StoredAs::Zeros => buf.fill(0),
            StoredAs::Plain { at } => {
                let at = at.checked_add(skip).ok_or(io::ErrorKind::InvalidData)?;
                self.file.read_exact_at(at, buf)?;
            }
            StoredAs::Packed(unit) => {
                let bytes = self.units.get(run.start, unit.unpacked, || self.unpack(&run, unit))?;
                let from = usize::try_from(skip).unwrap_or(usize::MAX);
                let bytes = bytes.get(from..).and_then(|rest| rest.get(..len));
                buf.copy_from_slice(bytes.ok_or(io::ErrorKind::InvalidData)?);
            }
        }
        Ok(len)
    }

    /// The bytes of a compressed unit; as many as the disk has of it.
    fn unpack(&self, run: &StoredRun, unit: PackedUnit) -> io::Result<Vec<u8>> {
        if unit.unpacked > UNIT_MAX || unit.len > 2 * UNIT_MAX {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut packed = vec![0; unit.len as usize];
        self.file.read_exact_at(unit.at, &mut packed)?;
        let mut bytes = vec![0; unit.unpacked as usize];
        let got = unit.codec.unpack(&packed, &mut bytes)?;
        if (got as u64) < run.len {
            let what = format!("the compressed unit at byte {} holds {got} bytes of {}", unit.at, run.len);
            let damaged = ContainerError::Damaged { kind: self.kind.name(), what };
            return Err(io::Error::new(io::ErrorKind::InvalidData, damaged));
        }
        Ok(bytes)
    }
}

impl<R: ReadAt> ReadAt for DiskContainer<R> {
    fn size(&self) -> u64 {
        self.map.size()
    }

    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let end = offset.checked_add(buf.len() as u64).filter(|end| *end <= self.size());
        end.ok_or(io::ErrorKind::UnexpectedEof)?;
        let mut done = 0;
        while done < buf.len() {
            done += self.read_run(offset + done as u64, &mut buf[done..])?;
        }
        Ok(())
    }

    fn data_from(&self, from: u64, to: u64) -> io::Result<Option<Range<u64>>> {
        let to = to.min(self.size());
        let (mut at, mut found): (u64, Option<Range<u64>>) = (from, None);
        let mut joined = 0;
        while at < to && joined < JOINED_MAX {
            let run = self.run(at)?;
            let end = run.end().min(to);
            let data = self.data_of(&run, at, end)?;
            match (&mut found, data) {
                (None, None) => {}
                (None, Some(data)) => found = Some(data),
                (Some(found), Some(data)) if data.start == found.end => found.end = data.end,
                (Some(_), _) => break,
            }
            joined += usize::from(found.is_some());
            // A hole within the run ends the range, and what is behind it in the run is for the next call.
            if found.as_ref().is_some_and(|found| found.end < end) {
                break;
            }
            at = end;
        }
        Ok(found)
    }
}

impl<R: ReadAt> DiskContainer<R> {
    /// The first part of `from..to`, which is within the run, that may hold other bytes than zeros. The file may have
    /// holes of its own.
    fn data_of(&self, run: &StoredRun, from: u64, to: u64) -> io::Result<Option<Range<u64>>> {
        let at = match run.stored {
            StoredAs::Zeros => return Ok(None),
            StoredAs::Packed(_) => return Ok(Some(from..to)),
            StoredAs::Plain { at } => at.saturating_add(from - run.start),
        };
        let data = self.file.data_from(at, at.saturating_add(to - from))?;
        let on_disk = |byte: u64| from.saturating_add(byte.saturating_sub(at)).min(to);
        Ok(data.map(|data| on_disk(data.start)..on_disk(data.end)).filter(|data| data.start < data.end))
    }
}
