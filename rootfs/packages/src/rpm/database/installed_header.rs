//! The header of an installed package: that of its file, and behind it what its signatures say and when it was installed.

use super::entries::{HeaderValue, extended};
use super::error::RpmDatabaseError;
use crate::rpm::header::{RpmHeader, RpmHeaderError, RpmTag, RpmValueType, tag};
use crate::rpm::package::{FilePresence, UnpackedRpm};

/// The first tag of values proper; signature headers of before package format 6 use the same numbers for other things.
const FIRST: RpmTag = 1000;

/// Tags of signature headers, and what they are in the database (rpm, `lib/package.cc`).
const SIGNATURES: [(RpmTag, RpmTag); 17] = [
    (1000, tag::SIGSIZE),
    (1002, tag::SIGPGP),
    (1004, tag::SIGMD5),
    (1005, tag::SIGGPG),
    (1007, tag::ARCHIVESIZE),
    (tag::FILESIGNATURES, tag::FILESIGNATURES),
    (tag::FILESIGNATURELENGTH, tag::FILESIGNATURELENGTH),
    (tag::VERITYSIGNATURES, tag::VERITYSIGNATURES),
    (tag::VERITYSIGNATUREALGO, tag::VERITYSIGNATUREALGO),
    (tag::SHA1HEADER, tag::SHA1HEADER),
    (tag::SHA256HEADER, tag::SHA256HEADER),
    (tag::SHA3_256HEADER, tag::SHA3_256HEADER),
    (tag::DSAHEADER, tag::DSAHEADER),
    (tag::RSAHEADER, tag::RSAHEADER),
    (tag::LONGSIGSIZE, tag::LONGSIGSIZE),
    (tag::LONGARCHIVESIZE, tag::LONGARCHIVESIZE),
    (tag::OPENPGP, tag::OPENPGP),
];

/// State of a file that is there.
const NORMAL: u8 = 0;
/// State of a file that was left out.
const NOT_INSTALLED: u8 = 2;

/// When and how a package was installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Installation {
    /// The start of the transaction.
    pub(super) transaction: u32,
    /// Its own time.
    pub(super) time: u32,
    /// `INSTALLCOLOR`.
    pub(super) color: u32,
}

/// The header as the database keeps it.
pub(super) fn of(package: &UnpackedRpm, installation: Installation) -> Result<RpmHeader, RpmDatabaseError> {
    let header = &package.header;
    let name = || String::from_utf8_lossy(header.text(tag::NAME).unwrap_or_default()).into_owned();
    if header.entry(tag::OLDFILENAMES).is_some() && header.entry(tag::BASENAMES).is_none() {
        return Err(RpmDatabaseError::OldFileNames(name()));
    }
    let is_format_6 = header.number(tag::RPMFORMAT).is_some_and(|format| format >= 6);
    let mut values = Vec::new();
    for entry in package.signatures.entries() {
        let known = SIGNATURES.iter().find(|(signature, _)| *signature == entry.tag);
        let Some((signature, tag)) = known else { continue };
        if header.entry(*tag).is_none() && !(is_format_6 && *signature >= FIRST) {
            values.push(HeaderValue::of(&package.signatures, entry, *tag));
        }
    }
    values.extend(states(package));
    values.push(HeaderValue::number(tag::INSTALLTIME, installation.time));
    values.push(HeaderValue::number(tag::INSTALLTID, installation.transaction));
    values.push(HeaderValue::number(tag::INSTALLCOLOR, installation.color));
    extended(header, values).map_err(|source| RpmDatabaseError::Package { package: name(), source })
}

/// The header of the database with another time of its installation.
pub(super) fn at(header: &RpmHeader, installation: Installation) -> Result<RpmHeader, RpmHeaderError> {
    let values = [
        (tag::INSTALLTIME, installation.time),
        (tag::INSTALLTID, installation.transaction),
        (tag::INSTALLCOLOR, installation.color),
    ];
    let mut bytes = header.blob().to_vec();
    let data = bytes.len() - header.data().len();
    for (tag, number) in values {
        let entry = header.entry(tag).filter(|entry| entry.kind == RpmValueType::Int32);
        let place = entry.map(|entry| data + entry.offset as usize);
        if let Some(place) = place.and_then(|place| bytes.get_mut(place..place + 4)) {
            place.copy_from_slice(&number.to_be_bytes());
        }
    }
    RpmHeader::from_blob(&bytes)
}

/// The states of its files; none where it has none.
fn states(package: &UnpackedRpm) -> Option<HeaderValue> {
    let count = package.header.entry(tag::FILEMODES)?.count;
    let of_file = |at: u32| match package.files.get(at as usize).map(|file| file.presence) {
        Some(FilePresence::LeftOut) => NOT_INSTALLED,
        _ => NORMAL,
    };
    let bytes = (0..count).map(of_file).collect();
    Some(HeaderValue { tag: tag::FILESTATES, kind: RpmValueType::Char, count, bytes })
}
