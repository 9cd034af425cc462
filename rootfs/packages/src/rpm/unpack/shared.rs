//! What two packages may share: a path whose file is the same in both by what their headers say (rpm, `lib/rpmfi.cc`,
//! comparison of files). Times may differ, and so may what is configuration in one of them.

use crate::rpm::file::payload::{S_IFLNK, S_IFMT, S_IFREG};
use crate::rpm::header::{RpmHeader, tag};
use crate::rpm::package::RpmFileEntry;

/// Type bits of a character device.
const S_IFCHR: u16 = 0o020_000;
/// Type bits of a block device.
const S_IFBLK: u16 = 0o060_000;

/// What differs between two files of one path; nothing if packages may share it.
pub(super) fn difference(
    one: (&RpmFileEntry, &RpmHeader),
    other: (&RpmFileEntry, &RpmHeader),
) -> Option<&'static str> {
    let ((a, a_header), (b, b_header)) = (one, other);
    let kind = a.mode & S_IFMT;
    if kind != b.mode & S_IFMT {
        return Some("its kind");
    }
    // The modes of links mean nothing.
    if kind != S_IFLNK && a.mode != b.mode {
        return Some("its mode");
    }
    if (&a.user, &a.group) != (&b.user, &b.group) {
        return Some("its owner");
    }
    let algorithm = |header: &RpmHeader| header.number(tag::FILEDIGESTALGO);
    match kind {
        S_IFLNK if a.target != b.target => Some("its target"),
        S_IFREG if a.size != b.size => Some("its length"),
        S_IFREG if a.digest != b.digest || algorithm(a_header) != algorithm(b_header) => Some("its content"),
        S_IFREG if a.capabilities != b.capabilities => Some("its capabilities"),
        S_IFCHR | S_IFBLK if a.rdev != b.rdev => Some("its device number"),
        _ => None,
    }
}
