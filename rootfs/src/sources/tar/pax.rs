//! Extended headers: records `length key=value` (POSIX.1-2017 *pax*, *pax Extended Header*), with the keys of GNU
//! tar (`GNU.sparse.*`), star (`SCHILY.*`) and libarchive (`LIBARCHIVE.xattr.*`). Keys without a meaning for a
//! file system (names of owners, access times, comments) are ignored.

use std::collections::BTreeSet;

use amiforge_formats::time::Time;
use amiforge_formats::tree::{Meta, Xattrs};

use super::acl;
use super::number::{decimal, time, within};
use super::sparse::Records;
use crate::sources::entry_error::EntryError;
use crate::sources::warning::{Tally, is_linux_attribute};

const XATTR_NAME_MAX: usize = 255;
const XATTR_VALUE_MAX: usize = 65_536;
const ACL_ACCESS: &[u8] = b"system.posix_acl_access";
const ACL_DEFAULT: &[u8] = b"system.posix_acl_default";

/// Which entries the records describe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RecordScope {
    /// The next entry.
    Entry,
    /// Every entry that follows.
    Archive,
}

/// The writer whose records have the attributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AttributeStyle {
    Star,
    Libarchive,
}

/// The values of extended headers and GNU long names for the next entry; an empty field leaves it to the header.
#[derive(Debug, Clone, Default)]
pub(super) struct Extended {
    pub(super) path: Option<Vec<u8>>,
    pub(super) link: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    uid: Option<u32>,
    gid: Option<u32>,
    mtime: Option<Time>,
    /// As star writes them, and the kernel has them.
    xattrs: Xattrs,
    /// As libarchive writes them besides; the same ones, so they only count where star's are missing.
    encoded: Xattrs,
    /// Names of attributes that no file system of Linux holds, such as those of macOS.
    foreign: BTreeSet<Vec<u8>>,
    access: Option<Vec<u8>>,
    default: Option<Vec<u8>>,
    pub(super) sparse: Records,
}

impl Extended {
    /// Takes in the records of one extended header.
    pub(super) fn read(&mut self, mut records: &[u8], scope: RecordScope) -> Result<(), EntryError> {
        let mut number = 0usize;
        while !records.is_empty() {
            number = number.saturating_add(1);
            let error = EntryError::PaxRecord { record: number };
            let Some((key, value, rest)) = split(records) else { return Err(error) };
            records = rest;
            self.take(key, value, scope)?;
        }
        Ok(())
    }

    fn take(&mut self, key: &[u8], value: &[u8], scope: RecordScope) -> Result<(), EntryError> {
        let wrong = || {
            let key = amiforge_formats::tree::Printable(key).to_string();
            EntryError::PaxValue { key, value: value.iter().copied().take(64).collect() }
        };
        let own = matches!(key, b"path" | b"linkpath" | b"size") || key.starts_with(b"GNU.sparse.");
        if own && scope == RecordScope::Archive {
            // It would give every entry of the archive the same name or content.
            return Err(wrong());
        }
        if let Some(name) = key.strip_prefix(b"SCHILY.xattr.") {
            return self.keep(AttributeStyle::Star, name, value);
        }
        if let Some(name) = key.strip_prefix(b"LIBARCHIVE.xattr.") {
            let (name, value) = url(name).zip(base64(value)).ok_or_else(wrong)?;
            return self.keep(AttributeStyle::Libarchive, &name, &value);
        }
        if let Some(key) = key.strip_prefix(b"GNU.sparse.") {
            return self.sparse.take(key, value).ok_or_else(wrong)?;
        }
        match key {
            b"path" => self.path = text(value)?,
            b"linkpath" => self.link = text(value)?,
            b"size" => self.size = given(value, length).ok_or_else(wrong)?,
            b"uid" => self.uid = id("uid", value, wrong)?,
            b"gid" => self.gid = id("gid", value, wrong)?,
            b"mtime" => self.mtime = given(value, time).ok_or_else(wrong)?,
            b"SCHILY.acl.access" => self.access = Some(value.to_vec()).filter(|v| !v.is_empty()),
            b"SCHILY.acl.default" => self.default = Some(value.to_vec()).filter(|v| !v.is_empty()),
            _ => {}
        }
        Ok(())
    }

    fn keep(&mut self, writer: AttributeStyle, name: &[u8], value: &[u8]) -> Result<(), EntryError> {
        if !name.is_empty() && !is_linux_attribute(name) {
            self.foreign.insert(name.to_vec());
            return Ok(());
        }
        let xattrs = match writer {
            AttributeStyle::Star => &mut self.xattrs,
            AttributeStyle::Libarchive => &mut self.encoded,
        };
        keep(xattrs, name, value)
    }

    /// Applies the values over those of the header.
    pub(super) fn apply(&mut self, meta: &mut Meta, tally: &mut Tally) -> Result<(), EntryError> {
        self.foreign.iter().for_each(|name| tally.attribute(name));
        meta.uid = self.uid.unwrap_or(meta.uid);
        meta.gid = self.gid.unwrap_or(meta.gid);
        meta.mtime = self.mtime.unwrap_or(meta.mtime);
        let mut xattrs = std::mem::take(&mut self.encoded);
        xattrs.append(&mut self.xattrs);
        for (name, list) in [(ACL_ACCESS, &self.access), (ACL_DEFAULT, &self.default)] {
            if let (Some(list), false) = (list, xattrs.contains_key(name)) {
                keep(&mut xattrs, name, &acl::parse(list)?)?;
            }
        }
        // Setting a list sets the mode too, and a list that is equivalent to the mode is not stored.
        let access = xattrs.get(ACL_ACCESS).and_then(|value| acl::equivalent_mode(value, meta.mode));
        if let Some((mode, minimal)) = access {
            meta.mode = mode;
            if minimal {
                xattrs.remove(ACL_ACCESS);
            }
        }
        if !xattrs.is_empty() {
            meta.xattrs = Some(Box::new(xattrs));
        }
        Ok(())
    }
}

/// Splits the first record off: its key, its value and what follows.
fn split(records: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let space = records.iter().take(21).position(|byte| *byte == b' ')?;
    let len = usize::try_from(decimal(records.get(..space)?)?).ok()?;
    let (record, rest) = records.split_at_checked(len)?;
    let body = record.get(space.checked_add(1)?..)?.strip_suffix(b"\n")?;
    let equals = body.iter().position(|byte| *byte == b'=')?;
    Some((body.get(..equals)?, body.get(equals.checked_add(1)?..)?, rest))
}

/// An empty value cancels that of a global header, which leaves the field to the header.
#[expect(clippy::option_option, reason = "the outer one is whether the value parses")]
fn given<T>(value: &[u8], parse: impl Fn(&[u8]) -> Option<T>) -> Option<Option<T>> {
    if value.is_empty() { Some(None) } else { parse(value).map(Some) }
}

/// A length that files can have.
fn length(value: &[u8]) -> Option<u64> {
    decimal(value).filter(|len| i64::try_from(*len).is_ok())
}

fn text(value: &[u8]) -> Result<Option<Vec<u8>>, EntryError> {
    if value.contains(&0) {
        return Err(EntryError::Nul);
    }
    Ok(Some(value.to_vec()).filter(|value| !value.is_empty()))
}

fn id(field: &'static str, value: &[u8], wrong: impl Fn() -> EntryError) -> Result<Option<u32>, EntryError> {
    let Some(number) = given(value, decimal).ok_or_else(wrong)? else { return Ok(None) };
    let number = within(field, i128::from(number), 0, i128::from(u32::MAX))?;
    Ok(u32::try_from(number).ok())
}

fn keep(xattrs: &mut Xattrs, name: &[u8], value: &[u8]) -> Result<(), EntryError> {
    let over = |len, max| Err(EntryError::Xattr { name: name.iter().copied().take(255).collect(), len, max });
    if name.is_empty() || name.len() > XATTR_NAME_MAX {
        return over(name.len(), XATTR_NAME_MAX);
    }
    if value.len() > XATTR_VALUE_MAX {
        return over(value.len(), XATTR_VALUE_MAX);
    }
    if name.contains(&0) {
        return Err(EntryError::Nul);
    }
    xattrs.insert(name.into(), value.into());
    Ok(())
}

/// Undoes the `%XX` of libarchive's attribute names.
fn url(text: &[u8]) -> Option<Vec<u8>> {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(byte) = rest.next() {
        if *byte == b'%' {
            let digits = [*rest.next()?, *rest.next()?];
            let digits = std::str::from_utf8(&digits).ok().filter(|d| !d.starts_with('+'))?;
            plain.push(u8::from_str_radix(digits, 16).ok()?);
        } else {
            plain.push(*byte);
        }
    }
    Some(plain)
}

/// Base 64 (RFC 4648, section 4), padded or not.
fn base64(text: &[u8]) -> Option<Vec<u8>> {
    let text = text.strip_suffix(b"==").or_else(|| text.strip_suffix(b"=")).unwrap_or(text);
    let mut plain = Vec::with_capacity(text.len());
    let (mut bits, mut held) = (0u32, 0u32);
    for byte in text {
        let six = match byte {
            b'A'..=b'Z' => byte.wrapping_sub(b'A'),
            b'a'..=b'z' => byte.wrapping_sub(b'a').wrapping_add(26),
            b'0'..=b'9' => byte.wrapping_sub(b'0').wrapping_add(52),
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits.wrapping_shl(6) | u32::from(six);
        held = held.wrapping_add(6);
        if held >= 8 {
            held = held.wrapping_sub(8);
            plain.push((bits.wrapping_shr(held) & 0xff).try_into().ok()?);
        }
    }
    (held < 6).then_some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(records: &[u8]) -> Result<Extended, EntryError> {
        let mut extended = Extended::default();
        extended.read(records, RecordScope::Entry).map(|()| extended)
    }

    fn record(key: &[u8], value: &[u8]) -> Vec<u8> {
        let body = [b" ", key, b"=", value, b"\n"].concat();
        let len =
            (1..9999).find(|len: &usize| len.to_string().len().saturating_add(body.len()) == *len).unwrap();
        [len.to_string().as_bytes(), &body].concat()
    }

    #[test]
    fn records_set_what_the_header_cannot_say() {
        let records = [
            record(b"path", b"a\nb=\xffc"),
            record(b"uid", b"70000"),
            record(b"mtime", b"-12.000000001"),
            record(b"SCHILY.xattr.user.k", b"\0=\n"),
            record(b"LIBARCHIVE.xattr.user.%6cib", b"AQL/MTIz"),
        ]
        .concat();
        let mut extended = read(&records).unwrap();
        assert_eq!(extended.path.as_deref(), Some(&b"a\nb=\xffc"[..]));
        let mut meta = Meta::root_owned(0o644, Time::EPOCH);
        extended.apply(&mut meta, &mut Tally::default()).unwrap();
        assert_eq!((meta.uid, meta.mtime), (70_000, Time { secs: -13, nanos: 999_999_999 }));
        let xattrs = meta.xattrs.unwrap();
        assert_eq!(xattrs.get(&b"user.k"[..]).map(|value| &value[..]), Some(&b"\0=\n"[..]));
        assert_eq!(xattrs.get(&b"user.lib"[..]).map(|value| &value[..]), Some(&b"\x01\x02\xff123"[..]));
    }

    #[test]
    fn records_that_lie_about_their_length_are_refused() {
        for records in [
            &b"7 a=b\n"[..],
            b"5 a=b\n",
            b"6 a=b",
            b"a=b\n",
            b"0 a=b\n",
            b"6 abb\n",
            b"999999999999999999999 a=b\n",
        ] {
            assert_eq!(read(records).unwrap_err(), EntryError::PaxRecord { record: 1 }, "{records:?}");
        }
    }
}
