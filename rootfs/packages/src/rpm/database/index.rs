//! The indexes of the database: for each of eighteen tags, which values which header has.
//!
//! rpm, `lib/rpmdb.cc`; the tables are those of rpm 4.16 to 6.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::rich;
use crate::rpm::header::{RpmHeader, RpmTag, RpmValueType, tag};

/// What a table's keys are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IndexKeys {
    /// One text of each header.
    Text,
    /// Texts.
    Texts,
    /// Bytes, which have no index of their own.
    Bytes,
}

/// A table.
#[derive(Debug, Clone, Copy)]
pub(super) struct RpmDatabaseIndex {
    pub(super) name: &'static str,
    pub(super) tag: RpmTag,
    pub(super) keys: IndexKeys,
}

const fn index(name: &'static str, tag: RpmTag, keys: IndexKeys) -> RpmDatabaseIndex {
    RpmDatabaseIndex { name, tag, keys }
}

/// The tables, in the order in which rpm makes them.
pub(super) const INDEXES: [RpmDatabaseIndex; 18] = [
    index("Name", tag::NAME, IndexKeys::Text),
    index("Basenames", tag::BASENAMES, IndexKeys::Texts),
    index("Group", tag::GROUP, IndexKeys::Text),
    index("Requirename", tag::REQUIRENAME, IndexKeys::Texts),
    index("Providename", tag::PROVIDENAME, IndexKeys::Texts),
    index("Conflictname", tag::CONFLICTNAME, IndexKeys::Texts),
    index("Obsoletename", tag::OBSOLETENAME, IndexKeys::Texts),
    index("Triggername", tag::TRIGGERNAME, IndexKeys::Texts),
    index("Dirnames", tag::DIRNAMES, IndexKeys::Texts),
    index("Installtid", tag::INSTALLTID, IndexKeys::Bytes),
    index("Sigmd5", tag::SIGMD5, IndexKeys::Bytes),
    index("Sha1header", tag::SHA1HEADER, IndexKeys::Text),
    index("Filetriggername", tag::FILETRIGGERNAME, IndexKeys::Texts),
    index("Transfiletriggername", tag::TRANSFILETRIGGERNAME, IndexKeys::Texts),
    index("Recommendname", tag::RECOMMENDNAME, IndexKeys::Texts),
    index("Suggestname", tag::SUGGESTNAME, IndexKeys::Texts),
    index("Supplementname", tag::SUPPLEMENTNAME, IndexKeys::Texts),
    index("Enhancename", tag::ENHANCENAME, IndexKeys::Texts),
];

/// Tags whose values may be boolean dependencies.
const RICH: [RpmTag; 6] = [
    tag::REQUIRENAME,
    tag::CONFLICTNAME,
    tag::RECOMMENDNAME,
    tag::SUGGESTNAME,
    tag::SUPPLEMENTNAME,
    tag::ENHANCENAME,
];

/// Flags of requirements (rpm, `include/rpm/rpmds.h`).
mod requirement {
    /// Needed only while the package is installed: by its scripts before or after, by rpm itself, by a key.
    pub(super) const INSTALLING: u64 = 1 << 5 | 1 << 7 | 1 << 9 | 1 << 10 | 1 << 24 | 1 << 26;
    /// Needed while it is removed, too.
    pub(super) const REMOVING: u64 = 1 << 11 | 1 << 12 | 1 << 20 | 1 << 21;
    /// Orders nothing.
    pub(super) const META: u64 = 1 << 29;
}

/// A row of a table: a value of a header, and its place among the values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct IndexRow<'a> {
    pub(super) key: Cow<'a, [u8]>,
    pub(super) place: u64,
}

/// The rows that a header has in a table.
pub(super) fn rows<'a>(table: &RpmDatabaseIndex, header: &'a RpmHeader) -> Vec<IndexRow<'a>> {
    match table.keys {
        IndexKeys::Text => text(table.tag, header),
        IndexKeys::Texts => texts(table.tag, header),
        IndexKeys::Bytes => bytes(table.tag, header),
    }
}

fn text(tag: RpmTag, header: &RpmHeader) -> Vec<IndexRow<'_>> {
    let missing = (tag == tag::GROUP).then_some(b"Unknown".as_slice());
    let key = header.text(tag).or(missing);
    key.map(|key| IndexRow { key: Cow::Borrowed(key), place: 0 }).into_iter().collect()
}

/// Bytes as they are, numbers of 32 bits as machines of today have them, the lowest byte first.
fn bytes(tag: RpmTag, header: &RpmHeader) -> Vec<IndexRow<'_>> {
    let Some(entry) = header.entry(tag) else { return Vec::new() };
    let value = header.value(entry);
    if entry.kind == RpmValueType::Int32 {
        let numbers = value.chunks_exact(4).map(|number| number.iter().rev().copied().collect::<Vec<_>>());
        let row = |(place, key): (usize, Vec<u8>)| IndexRow { key: Cow::Owned(key), place: place as u64 };
        return numbers.enumerate().map(row).collect();
    }
    vec![IndexRow { key: Cow::Borrowed(value), place: 0 }]
}

fn texts(tag: RpmTag, header: &RpmHeader) -> Vec<IndexRow<'_>> {
    let places: Option<Vec<u64>> = match tag {
        tag::FILETRIGGERNAME => Some(header.numbers(tag::FILETRIGGERINDEX).collect()),
        tag::TRANSFILETRIGGERNAME => Some(header.numbers(tag::TRANSFILETRIGGERINDEX).collect()),
        _ => None,
    };
    let flags: Vec<u64> =
        if tag == tag::REQUIRENAME { header.numbers(tag::REQUIREFLAGS).collect() } else { Vec::new() };
    let mut seen = BTreeSet::new();
    let mut rows = Vec::new();
    for (at, key) in header.texts(tag).enumerate() {
        if flags.get(at).is_some_and(|flags| is_transient(*flags)) {
            continue;
        }
        // A trigger counts once for each name.
        if tag == tag::TRIGGERNAME && !seen.insert(key) {
            continue;
        }
        let place = match &places {
            Some(places) => places.get(at).copied().unwrap_or(0),
            None => at as u64,
        };
        rows.push(IndexRow { key: Cow::Borrowed(key), place });
        if RICH.contains(&tag) && key.starts_with(b"(") {
            rows.extend(rich::names(key).into_iter().map(|name| IndexRow { key: Cow::Owned(name), place }));
        }
    }
    rows
}

/// Whether nothing needs what is required once the package is installed.
fn is_transient(flags: u64) -> bool {
    flags & requirement::INSTALLING != 0 && flags & (requirement::REMOVING | requirement::META) == 0
}
