//! POSIX ACLs: from the short form on disk (version 1) to that of the system calls (version 2).

use super::fields;

/// Version on disk.
const DISK: u32 = 1;
/// Version of the system calls.
const UAPI: u32 = 2;
/// Tags of entries for a named user and a named group: only they hold an id on disk.
const NAMED: [u16; 2] = [0x02, 0x08];
/// The tags that there are.
const TAGS: [u16; 6] = [0x01, 0x02, 0x04, 0x08, 0x10, 0x20];

/// Rewrites an ACL; `None` when it is none.
pub(crate) fn from_disk(disk: &[u8]) -> Option<Vec<u8>> {
    if disk.len() < 4 || fields::u32(disk, 0) != DISK {
        return None;
    }
    let mut out = UAPI.to_le_bytes().to_vec();
    let mut rest = disk.get(4..)?;
    while !rest.is_empty() {
        let tag = fields::u16(rest.get(..4)?, 0);
        if !TAGS.contains(&tag) {
            return None;
        }
        let named = NAMED.contains(&tag);
        let len = if named { 8 } else { 4 };
        let entry = rest.get(..len)?;
        out.extend_from_slice(entry);
        if !named {
            out.extend_from_slice(&u32::MAX.to_le_bytes());
        }
        rest = rest.get(len..)?;
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::from_disk;

    #[test]
    fn named_entries_keep_their_id_and_others_get_none() {
        let disk = [1, 0, 0, 0, 1, 0, 7, 0, 2, 0, 5, 0, 0xe8, 3, 0, 0];
        let uapi = [2, 0, 0, 0, 1, 0, 7, 0, 255, 255, 255, 255, 2, 0, 5, 0, 0xe8, 3, 0, 0];
        assert_eq!(from_disk(&disk).as_deref(), Some(&uapi[..]));
    }

    #[test]
    fn what_is_no_acl_is_refused() {
        for wrong in
            [&[][..], &[2, 0, 0, 0], &[1, 0, 0, 0, 2, 0, 5, 0], &[1, 0, 0, 0, 3, 0, 5, 0], &[1, 0, 0, 0, 1]]
        {
            assert_eq!(from_disk(wrong), None);
        }
    }
}
