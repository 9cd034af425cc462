//! ACLs: from the form of XFS to that of the system calls (`linux/posix_acl_xattr.h`, version 2).

use crate::fields;

/// Bytes of an entry: tag, id, permissions, padding.
const ENTRY: usize = 12;
/// Version of the system calls.
const UAPI: u32 = 2;
/// Tags of entries for a named user and a named group: only they have an id.
const NAMED: [u32; 2] = [0x02, 0x08];
/// The tags that there are.
const TAGS: [u32; 6] = [0x01, 0x02, 0x04, 0x08, 0x10, 0x20];

/// Rewrites an ACL; `None` when it is none.
pub(super) fn from_disk(disk: &[u8]) -> Option<Vec<u8>> {
    let count = fields::be32(disk.get(..4)?, 0) as usize;
    let entries = disk.get(4..)?;
    if entries.len() != count.checked_mul(ENTRY)? {
        return None;
    }
    let mut out = UAPI.to_le_bytes().to_vec();
    for entry in entries.chunks_exact(ENTRY) {
        let (tag, id, permissions) = (fields::be32(entry, 0), fields::be32(entry, 4), fields::be16(entry, 8));
        if !TAGS.contains(&tag) || permissions > 7 {
            return None;
        }
        let id = if NAMED.contains(&tag) { id } else { u32::MAX };
        out.extend_from_slice(&(tag as u16).to_le_bytes());
        out.extend_from_slice(&permissions.to_le_bytes());
        out.extend_from_slice(&id.to_le_bytes());
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::from_disk;

    #[test]
    fn named_entries_keep_their_id_and_others_get_none() {
        let disk = [0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 2, 0, 0, 3, 0xe8, 0, 5, 0, 0];
        let uapi = [2, 0, 0, 0, 1, 0, 7, 0, 255, 255, 255, 255, 2, 0, 5, 0, 0xe8, 3, 0, 0];
        assert_eq!(from_disk(&disk).as_deref(), Some(&uapi[..]));
    }

    #[test]
    fn what_is_no_acl_is_refused() {
        let entry = |tag: u8, permissions: u8| [0, 0, 0, 1, 0, 0, 0, tag, 0, 0, 0, 0, 0, permissions, 0, 0];
        assert!(from_disk(&entry(1, 7)).is_some());
        assert_eq!(from_disk(&entry(3, 7)), None);
        assert_eq!(from_disk(&entry(1, 8)), None);
        assert_eq!(from_disk(&entry(1, 7)[..15]), None);
        assert_eq!(from_disk(&[0xff; 8]), None);
        assert_eq!(from_disk(&[]), None);
    }
}
