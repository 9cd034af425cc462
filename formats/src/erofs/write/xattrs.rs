//! Extended attributes of an inode, behind it. None are shared: the values that systems have (capabilities, labels, ACLs) are
//! hardly longer than what refers to a shared one, and a shared one would stay or move with inodes of other packages.

use super::error::ErofsWriteError;
use crate::erofs::spec::{XATTR_ENTRY, XATTR_HEADER, XATTR_PREFIXES};
use crate::tree::Xattrs;

/// Longest attributes of an inode: `i_xattr_icount` has 16 bits and counts words of four bytes behind the header.
const MOST: usize = XATTR_HEADER + (u16::MAX as usize - 1) * 4;

/// The bytes behind the inode; none without attributes.
pub(super) fn encode(xattrs: &Xattrs, path: &dyn Fn() -> Vec<u8>) -> Result<Vec<u8>, ErofsWriteError> {
    if xattrs.is_empty() {
        return Ok(Vec::new());
    }
    let mut entries = Vec::with_capacity(xattrs.len());
    for (name, value) in xattrs {
        let (index, rest) = split_name(name)
            .filter(|(_, rest)| rest.len() <= 255)
            .ok_or_else(|| ErofsWriteError::XattrName { path: path(), name: name.to_vec() })?;
        entries.push((index, rest, value));
    }
    entries.sort_unstable();
    // The filter of names and the count of shared attributes are zero.
    let mut out = vec![0; XATTR_HEADER];
    for (index, name, value) in entries {
        let too_long = || ErofsWriteError::XattrSpace { path: path(), needed: value.len(), most: 65535 };
        let len = u16::try_from(value.len()).map_err(|_| too_long())?;
        out.extend_from_slice(&[name.len() as u8, index]);
        out.extend_from_slice(&len.to_le_bytes());
        out.extend_from_slice(name);
        out.extend_from_slice(value);
        out.resize(out.len().next_multiple_of(XATTR_ENTRY), 0);
    }
    if out.len() > MOST {
        return Err(ErofsWriteError::XattrSpace { path: path(), needed: out.len(), most: MOST });
    }
    Ok(out)
}

/// `i_xattr_icount` of an inode with that many bytes of attributes.
pub(super) fn count(len: usize) -> u16 {
    if len == 0 { 0 } else { (1 + (len - XATTR_HEADER) / 4) as u16 }
}

/// Splits a full name into index and rest; `None` when EROFS cannot store it.
fn split_name(name: &[u8]) -> Option<(u8, &[u8])> {
    XATTR_PREFIXES.iter().find_map(|(index, prefix)| {
        let rest = name.strip_prefix(*prefix)?;
        // A prefix has a name behind it and an ACL has none.
        (rest.is_empty() != prefix.ends_with(b".")).then_some((*index, rest))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_sorted_and_padded_and_counted_in_words() {
        let xattrs: Xattrs = [
            (Box::from(&b"user.note"[..]), Box::from(&b"hi"[..])),
            (Box::from(&b"system.posix_acl_access"[..]), Box::from(&b"abc"[..])),
        ]
        .into();
        let bytes = encode(&xattrs, &Vec::new).unwrap();
        assert_eq!(bytes[XATTR_HEADER..], *b"\x04\x01\x02\0notehi\0\0\0\x02\x03\0abc\0");
        assert_eq!((count(0), count(bytes.len())), (0, 6));
    }

    #[test]
    fn names_and_lengths_that_do_not_fit_are_refused() {
        for name in [&b"user."[..], b"system.richacl", b"system.posix_acl_accessx", b"foo.bar", b""] {
            let xattrs: Xattrs = [(Box::from(name), Box::default())].into();
            assert!(matches!(encode(&xattrs, &Vec::new), Err(ErofsWriteError::XattrName { .. })));
        }
        let value = |len: usize| -> Box<[u8]> { vec![1; len].into() };
        let long: Xattrs = [(Box::from(&b"user.a"[..]), value(65536))].into();
        assert!(matches!(encode(&long, &Vec::new), Err(ErofsWriteError::XattrSpace { .. })));
        let many: Xattrs = (0..5).map(|i| (format!("user.{i}").into_bytes().into(), value(60_000))).collect();
        assert!(matches!(encode(&many, &Vec::new), Err(ErofsWriteError::XattrSpace { .. })));
    }
}
