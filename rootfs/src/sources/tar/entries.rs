//! The entries of an archive, one after the other, with extended headers and long names applied. Independent
//! of the tree that they make.

use amiforge_formats::read_at::ReadAt;
use amiforge_formats::tree::{Content, Meta, Node, NodeKind, SYMLINK_MAX};
use amiforge_progress::Monitor;

use super::error::TarError;
use super::header::TarHeader;
use super::location::{ArchiveLocation, End};
use super::pax::{Extended, RecordScope};
use super::sparse;
use super::window::{ArchiveWindow, BLOCK};
use crate::sources::entry_error::EntryError;
use crate::sources::names::clean;
use crate::sources::warning::Tally;

/// Most bytes of an extended header: 60 attributes of the largest size, or a map of 200,000 ranges.
const EXTENDED_MAX: u64 = 4 << 20;

/// Headers between two checks for an interruption.
const INTERRUPT_INTERVAL: u32 = 1024;

/// Bytes checked at a time after the end marker.
const TAIL: u64 = 64 << 10;

/// The action of an entry on its path.
pub(super) enum EntryAction {
    /// Insert this node.
    Node(Node),
    /// Give this node one more name.
    Link(Vec<u8>),
}

/// Goes through an archive.
pub(super) struct Entries<'a> {
    archive: &'a dyn ReadAt,
    window: ArchiveWindow<'a>,
    location: ArchiveLocation,
    end: End,
    at: u64,
    start: u64,
    raw: Vec<u8>,
    path: Vec<u8>,
    global: Option<Box<Extended>>,
    next: Option<Box<Extended>>,
    /// Type flags of the headers that `next` was made from.
    pending: Vec<u8>,
    headers: u32,
    tally: Tally,
}

impl<'a> Entries<'a> {
    pub(super) fn new(archive: &'a dyn ReadAt, location: ArchiveLocation, end: End) -> Self {
        let window = ArchiveWindow::new(archive);
        let (raw, path, pending) = (Vec::new(), Vec::new(), Vec::new());
        let (global, next, tally) = (None, None, Tally::default());
        Self {
            archive,
            window,
            location,
            end,
            at: 0,
            start: 0,
            raw,
            path,
            global,
            next,
            pending,
            headers: 0,
            tally,
        }
    }

    /// Warnings about the entries so far.
    pub(super) fn take_tally(&mut self) -> Tally {
        std::mem::take(&mut self.tally)
    }

    /// First byte of the present entry, its extended headers included.
    pub(super) fn start(&self) -> u64 {
        self.start
    }

    /// The name as the archive gives it.
    pub(super) fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// The name as a path of the tree.
    pub(super) fn path(&self) -> &[u8] {
        &self.path
    }

    pub(super) fn archive(&self) -> &'a dyn ReadAt {
        self.archive
    }

    pub(super) fn location(&self) -> ArchiveLocation {
        self.location
    }

    /// The next entry; `None` at the end.
    pub(super) fn next(&mut self, monitor: Monitor<'_>) -> Result<Option<EntryAction>, TarError> {
        self.start = self.at;
        loop {
            self.headers = self.headers.wrapping_add(1);
            if self.headers.is_multiple_of(INTERRUPT_INTERVAL) && monitor.cancel.is_cancelled() {
                return Err(TarError::Interrupted);
            }
            let at = self.at;
            let Some(block) = self.window.block(at)? else { return self.stops().map(|()| None) };
            if block.iter().all(|byte| *byte == 0) {
                return self.closes().map(|()| None);
            }
            let block = *block;
            let header = TarHeader::new(&block).map_err(|error| TarError::unnamed(at, error))?;
            match header.typeflag() {
                flag @ (b'x' | b'X' | b'g' | b'L' | b'K') => self.extend(header, flag)?,
                // A label of the whole archive; it makes no file.
                b'V' => self.skip(header)?,
                flag => return self.entry(header, flag).map(Some),
            }
        }
    }

    /// The archive ends without its marker.
    fn stops(&self) -> Result<(), TarError> {
        let end = self.window.size();
        if !self.pending.is_empty() {
            return Err(TarError::unnamed(self.start, self.dangling("the end of the archive")));
        }
        if self.end == End::Unmarked && self.at == end {
            return Ok(());
        }
        Err(TarError::unnamed(self.at, EntryError::NoEnd { end }))
    }

    /// A block of zeros closes the archive: only zeros may follow, or readers disagree about what is in it.
    fn closes(&mut self) -> Result<(), TarError> {
        if !self.pending.is_empty() {
            return Err(TarError::unnamed(self.start, self.dangling("the end of the archive")));
        }
        let closed = self.at;
        let mut at = closed.saturating_add(BLOCK as u64);
        while at < self.window.size() {
            let len = TAIL.min(self.window.size().saturating_sub(at));
            let tail = self.window.bytes(at, len, "the end")?;
            if let Some(next) = tail.iter().position(|byte| *byte != 0) {
                let next = at.saturating_add(next as u64);
                return Err(TarError::unnamed(closed, EntryError::AfterEnd { next }));
            }
            at = at.saturating_add(len);
        }
        Ok(())
    }

    fn dangling(&self, found: &'static str) -> EntryError {
        let what = match self.pending.last() {
            Some(b'L' | b'K') => "a long name",
            _ => "an extended header",
        };
        EntryError::Dangling { what, found }
    }

    /// Moves on to the header after `size` bytes of content, which must be there.
    fn step(&mut self, size: u64, what: &'static str) -> Result<u64, EntryError> {
        let body = self.at.saturating_add(BLOCK as u64);
        let need = body.saturating_add(size);
        let end = self.window.size();
        if need > end {
            return Err(EntryError::Truncated { what, need, end });
        }
        self.at = need.next_multiple_of(BLOCK as u64);
        Ok(body)
    }

    fn skip(&mut self, header: TarHeader<'_>) -> Result<(), TarError> {
        let at = self.at;
        let size = header.size().map_err(|error| TarError::unnamed(at, error))?;
        self.step(size, "the label").map_err(|error| TarError::unnamed(at, error))?;
        Ok(())
    }

    /// Takes in an extended header or a long name.
    fn extend(&mut self, header: TarHeader<'_>, flag: u8) -> Result<(), TarError> {
        let at = self.at;
        let unnamed = |error| TarError::unnamed(at, error);
        if flag == b'g' && !self.pending.is_empty() {
            return Err(unnamed(self.dangling("a global extended header")));
        }
        if self.pending.contains(&flag) {
            return Err(unnamed(self.dangling("another one")));
        }
        let size = header.size().map_err(unnamed)?;
        if size > EXTENDED_MAX {
            let what = "an extended header";
            return Err(unnamed(EntryError::TooLong { what, size, max: EXTENDED_MAX }));
        }
        let body = self.step(size, "the extended header").map_err(unnamed)?;
        let records = self.window.bytes(body, size, "the extended header")?;
        if flag == b'g' {
            let global = self.global.get_or_insert_default();
            return global.read(&records, RecordScope::Archive).map_err(unnamed);
        }
        self.pending.push(flag);
        let global = &self.global;
        let next = self.next.get_or_insert_with(|| global.clone().unwrap_or_default());
        match flag {
            b'L' if next.path.is_none() => next.path = Some(long_name(&records)),
            b'K' if next.link.is_none() => next.link = Some(long_name(&records)),
            // A long name after a PAX header, which takes precedence.
            b'L' | b'K' => {}
            _ => next.read(&records, RecordScope::Entry).map_err(unnamed)?,
        }
        Ok(())
    }

    /// An entry proper.
    fn entry(&mut self, header: TarHeader<'_>, flag: u8) -> Result<EntryAction, TarError> {
        self.pending.clear();
        let mut extended = self.next.take().or_else(|| self.global.clone());
        header.path(&mut self.raw);
        if let Some(extended) = &mut extended {
            let name = extended.sparse.name.take().or_else(|| extended.path.take());
            if let Some(name) = name {
                self.raw = name;
            }
        }
        let start = self.start;
        let item = self.item(header, flag, extended);
        item.map_err(|error| error.named(&self.raw, start))
    }

    fn item(
        &mut self,
        header: TarHeader<'_>,
        flag: u8,
        mut extended: Option<Box<Extended>>,
    ) -> Result<EntryAction, TarError> {
        let start = self.start;
        let unnamed = |error| TarError::unnamed(start, error);
        // The root itself has no other name.
        if clean(&self.raw, &mut self.path).map_err(unnamed)? && !self.path.is_empty() {
            self.tally.absolute(&self.raw);
        }
        let mut meta = metadata(header).map_err(unnamed)?;
        let size = match extended.as_ref().and_then(|extended| extended.size) {
            Some(size) => size,
            None => header.size().map_err(unnamed)?,
        };
        let link = extended.as_mut().and_then(|extended| extended.link.take());
        if let Some(extended) = &mut extended {
            extended.apply(&mut meta, &mut self.tally).map_err(unnamed)?;
        }
        // Version 7 has no type for directories: a trailing slash marks one.
        let flag = if matches!(flag, b'0' | 0) && self.raw.ends_with(b"/") { b'5' } else { flag };
        let kind = match flag {
            b'0' | 0 | b'7' | b'S' => NodeKind::File(self.content(header, flag, size, extended)?),
            _ => {
                let nothing =
                    bodiless(header, flag, size, link.as_deref(), &mut self.tally).map_err(unnamed)?;
                self.step(0, "the entry").map_err(unnamed)?;
                match nothing {
                    Nothing::Link(target) => return Ok(EntryAction::Link(target)),
                    Nothing::Kind(kind) => kind,
                }
            }
        };
        if matches!(kind, NodeKind::Symlink(_)) {
            // Linux has no other mode of a symlink, whatever the archive contains.
            meta.mode = 0o777;
        }
        Ok(EntryAction::Node(Node { meta, kind }))
    }

    /// The content of a regular file.
    fn content(
        &mut self,
        header: TarHeader<'_>,
        flag: u8,
        size: u64,
        extended: Option<Box<Extended>>,
    ) -> Result<Content, TarError> {
        let start = self.start;
        let unnamed = |error| TarError::unnamed(start, error);
        if flag == b'S' {
            return self.old_sparse(header, size);
        }
        let body = self.step(size, "the content").map_err(unnamed)?;
        let at = self.location.at.saturating_add(body);
        let source = self.location.source;
        match extended.map(|extended| extended.sparse).filter(sparse::Records::is_sparse) {
            Some(records) => {
                let missing = EntryError::Sparse { what: "length is missing", value: 0, other: size };
                let len = records.size.ok_or(missing).map_err(unnamed)?;
                let (map, taken) = records.map(&mut self.window, body, size)?;
                let stored =
                    size.checked_sub(taken).ok_or(EntryError::SparseText { at: 0 }).map_err(unnamed)?;
                sparse::content(&map, len, stored, source, at.saturating_add(taken)).map_err(unnamed)
            }
            None if size == 0 => Ok(Content::empty()),
            None => Ok(Content::Slice { source, at, len: size }),
        }
    }

    /// A sparse file of the old GNU format: four entries of the map in the header, more in blocks that follow.
    fn old_sparse(&mut self, header: TarHeader<'_>, stored: u64) -> Result<Content, TarError> {
        let start = self.start;
        let unnamed = |error| TarError::unnamed(start, error);
        let mut map = Vec::new();
        sparse::parse_map(header.sparse_map(), &mut map).map_err(unnamed)?;
        let len = header.sparse_size().map_err(unnamed)?;
        let mut more = header.sparse_goes_on();
        while more {
            let at = self.at.saturating_add(BLOCK as u64);
            let block = self.window.bytes(at, BLOCK as u64, "the sparse map")?;
            let (map_part, flag) = block.split_at_checked(504).unwrap_or((&block, &[]));
            sparse::parse_map(map_part, &mut map).map_err(unnamed)?;
            more = flag.first().is_some_and(|flag| *flag != 0);
            self.at = at;
        }
        let body = self.step(stored, "the content").map_err(unnamed)?;
        let at = self.location.at.saturating_add(body);
        sparse::content(&map, len, stored, self.location.source, at).map_err(unnamed)
    }
}

/// An entry without content.
enum Nothing {
    Link(Vec<u8>),
    Kind(NodeKind),
}

fn bodiless(
    header: TarHeader<'_>,
    flag: u8,
    size: u64,
    link: Option<&[u8]>,
    tally: &mut Tally,
) -> Result<Nothing, EntryError> {
    let target = || link.unwrap_or(header.link()).to_vec();
    let (kind, nothing) = match flag {
        b'1' => {
            let (target, mut path) = (target(), Vec::new());
            match clean(&target, &mut path) {
                Ok(true) => tally.absolute(&target),
                Ok(false) => {}
                Err(_) => return Err(EntryError::LinkOut { target }),
            }
            ("hard link", Nothing::Link(path))
        }
        b'2' => {
            let target = target();
            if target.is_empty() || target.len() > SYMLINK_MAX {
                return Err(EntryError::Target { len: target.len() });
            }
            if target.contains(&0) {
                return Err(EntryError::Nul);
            }
            ("symlink", Nothing::Kind(NodeKind::Symlink(target.into())))
        }
        b'3' | b'4' => {
            let (major, minor) = header.device()?;
            match flag {
                b'3' => ("char", Nothing::Kind(NodeKind::CharDevice { major, minor })),
                _ => ("block", Nothing::Kind(NodeKind::BlockDevice { major, minor })),
            }
        }
        b'5' => ("dir", Nothing::Kind(NodeKind::dir())),
        b'6' => ("fifo", Nothing::Kind(NodeKind::Fifo)),
        typeflag => return Err(EntryError::Type { typeflag }),
    };
    if size != 0 {
        return Err(EntryError::SizeOfNothing { kind, size });
    }
    Ok(nothing)
}

fn metadata(header: TarHeader<'_>) -> Result<Meta, EntryError> {
    Ok(Meta {
        mode: header.mode()?,
        uid: header.uid()?,
        gid: header.gid()?,
        mtime: header.mtime()?,
        xattrs: None,
    })
}

/// A GNU long name ends at its first NUL.
fn long_name(bytes: &[u8]) -> Vec<u8> {
    bytes.split(|byte| *byte == 0).next().unwrap_or(bytes).to_vec()
}
