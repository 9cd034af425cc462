//! The tables of a container, read a page at a time: a table may be larger than memory, and only a part is asked for.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use crate::read_at::ReadAt;

/// Bytes in a page.
const PAGE: u64 = 64 * 1024;

/// Pages that are kept.
const SLOTS: usize = 64;

/// A page that was read, with its number.
type HeldPage = Option<(u64, Arc<[u8]>)>;

/// Pages of tables that were read.
#[derive(Debug)]
pub(super) struct TablePages(Vec<Mutex<HeldPage>>);

impl TablePages {
    /// No page yet.
    pub(super) fn new() -> Self {
        Self((0..SLOTS).map(|_| Mutex::new(None)).collect())
    }
}

/// The tables of a file.
#[derive(Clone, Copy)]
pub(super) struct TableReader<'a> {
    medium: &'a dyn ReadAt,
    pages: &'a TablePages,
}

impl<'a> TableReader<'a> {
    pub(super) fn new(medium: &'a dyn ReadAt, pages: &'a TablePages) -> Self {
        Self { medium, pages }
    }

    /// Length of the file.
    pub(super) fn file_len(&self) -> u64 {
        self.medium.size()
    }

    /// The bytes at `at`, which may be on two pages.
    pub(super) fn array<const N: usize>(&self, at: u64) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        let mut done = 0;
        while done < N {
            let from = at.checked_add(done as u64).ok_or(io::ErrorKind::UnexpectedEof)?;
            let page = self.page(from / PAGE)?;
            let within = (from % PAGE) as usize;
            let len = page.len().saturating_sub(within).min(N - done);
            if len == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            bytes[done..done + len].copy_from_slice(&page[within..within + len]);
            done += len;
        }
        Ok(bytes)
    }

    fn page(&self, number: u64) -> io::Result<Arc<[u8]>> {
        let slot = &self.pages.0[(number % SLOTS as u64) as usize];
        if let Some((held, page)) = &*slot.lock().unwrap_or_else(PoisonError::into_inner)
            && *held == number
        {
            return Ok(Arc::clone(page));
        }
        let at = number.checked_mul(PAGE).ok_or(io::ErrorKind::UnexpectedEof)?;
        let len = self.medium.size().saturating_sub(at).min(PAGE);
        let mut bytes = vec![0; len as usize];
        self.medium.read_exact_at(at, &mut bytes)?;
        let page: Arc<[u8]> = bytes.into();
        *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some((number, Arc::clone(&page)));
        Ok(page)
    }
}
