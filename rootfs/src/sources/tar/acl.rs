//! POSIX access control lists: from the text that GNU tar and libarchive write (IEEE 1003.1e draft 17, short and
//! long form) to the value of the attribute `system.posix_acl_*` as the kernel gives it
//! (`include/uapi/linux/posix_acl_xattr.h`, version 2).

use crate::sources::entry_error::EntryError;

const USER_OBJ: u16 = 1;
const USER: u16 = 2;
const GROUP_OBJ: u16 = 4;
const GROUP: u16 = 8;
const MASK: u16 = 16;
const OTHER: u16 = 32;
const NO_ID: u32 = u32::MAX;

/// Parses a list and gives the attribute's value; entries come out in the kernel's order.
pub(super) fn parse(text: &[u8]) -> Result<Box<[u8]>, EntryError> {
    let mut entries = Vec::new();
    for entry in text.split(|byte| *byte == b',' || *byte == b'\n') {
        // getfacl adds the effective rights as a comment.
        let entry = entry.split(|byte| *byte == b'#').next().unwrap_or(entry).trim_ascii();
        if !entry.is_empty() {
            entries.push(one(entry).ok_or_else(|| EntryError::Acl { entry: entry.to_vec() })?);
        }
    }
    entries.sort_unstable_by_key(|(tag, _, id)| (*tag, *id));
    let mut value = 2u32.to_le_bytes().to_vec();
    for (tag, perm, id) in entries {
        value.extend_from_slice(&tag.to_le_bytes());
        value.extend_from_slice(&perm.to_le_bytes());
        value.extend_from_slice(&id.to_le_bytes());
    }
    Ok(value.into())
}

/// `[default:]tag:qualifier:perms[:id]`; libarchive puts the number last, GNU tar as the qualifier.
fn one(entry: &[u8]) -> Option<(u16, u16, u32)> {
    let entry = entry.strip_prefix(b"default:").or_else(|| entry.strip_prefix(b"d:")).unwrap_or(entry);
    let mut parts = entry.split(|byte| *byte == b':').map(<[u8]>::trim_ascii);
    let (tag, who, perms, number) = (parts.next()?, parts.next()?, parts.next(), parts.next());
    // `mask:r-x` and `other:r-x` without the empty qualifier are the other accepted spelling.
    let (who, perms) = match (perms, tag) {
        (Some(perms), _) => (who, perms),
        (None, b"mask" | b"m" | b"other" | b"o") => (&b""[..], who),
        (None, _) => return None,
    };
    let tag = match (tag, who.is_empty()) {
        (b"user" | b"u", true) => USER_OBJ,
        (b"user" | b"u", false) => USER,
        (b"group" | b"g", true) => GROUP_OBJ,
        (b"group" | b"g", false) => GROUP,
        (b"mask" | b"m", true) => MASK,
        (b"other" | b"o", true) => OTHER,
        _ => return None,
    };
    let id = if who.is_empty() { NO_ID } else { qualifier(number.filter(|n| !n.is_empty()).unwrap_or(who))? };
    parts.next().is_none().then_some(())?;
    Some((tag, rights(perms)?, id))
}

/// Only numbers are taken; `root` is the one name that has the same number everywhere.
fn qualifier(who: &[u8]) -> Option<u32> {
    if who == b"root" {
        return Some(0);
    }
    u32::try_from(super::number::decimal(who)?).ok().filter(|id| *id != NO_ID)
}

fn rights(text: &[u8]) -> Option<u16> {
    if text.len() > 3 {
        return None;
    }
    text.iter().try_fold(0, |bits, right| {
        Some(
            bits | match right {
                b'r' => 4,
                b'w' => 2,
                b'x' => 1,
                b'-' => 0,
                _ => return None,
            },
        )
    })
}

/// The effect of an access list on a node: its permission bits as the kernel sets them from the list, and whether
/// the list is equivalent to those bits, so that the kernel would not store it.
pub(super) fn equivalent_mode(value: &[u8], mode: u16) -> Option<(u16, bool)> {
    let (version, entries) = value.split_first_chunk::<4>()?;
    if u32::from_le_bytes(*version) != 2 || !entries.len().is_multiple_of(8) {
        return None;
    }
    let (mut bits, mut mask, mut minimal) = (0, None, true);
    for entry in entries.chunks_exact(8) {
        let (tag, rest) = entry.split_first_chunk::<2>()?;
        let perm = u16::from_le_bytes(*rest.first_chunk::<2>()?) & 7;
        match u16::from_le_bytes(*tag) {
            USER_OBJ => bits |= perm << 6,
            GROUP_OBJ => bits |= perm << 3,
            OTHER => bits |= perm,
            MASK => {
                mask = Some(perm);
                minimal = false;
            }
            _ => minimal = false,
        }
    }
    if let Some(mask) = mask {
        bits = bits & !0o070 | mask << 3;
    }
    Some((mode & !0o777 | bits, minimal))
}

/// The permission bits of a node whose list is left out. With a list the group's bits of a mode are its mask; without
/// it they are the rights of the owning group, which may be fewer.
pub(in crate::sources) fn mode_without(value: &[u8], mode: u16) -> u16 {
    let entries = value.get(4..).unwrap_or_default().chunks_exact(8);
    let perm = |tag: u16| {
        let mut entries = entries.clone();
        entries.find_map(|entry| match entry {
            [a, b, low, high, ..] if u16::from_le_bytes([*a, *b]) == tag => {
                Some(u16::from_le_bytes([*low, *high]) & 7)
            }
            _ => None,
        })
    };
    match perm(GROUP_OBJ) {
        Some(group) => mode & !0o070 | (group & perm(MASK).unwrap_or(7)) << 3,
        None => mode,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_writers_text_becomes_the_kernels_value() {
        let gnu = parse(b"user::rw-,user:1000:r-x,group::r--,mask::rwx,other::---").unwrap();
        let libarchive =
            parse(b"user::rw-\ngroup::r--\nother::---\nuser:lisa:r-x:1000\nmask::rwx\n").unwrap();
        assert_eq!(gnu, libarchive);
        let expected = [
            &[2u8, 0, 0, 0][..],
            &[1, 0, 6, 0, 255, 255, 255, 255],
            &[2, 0, 5, 0, 0xe8, 3, 0, 0],
            &[4, 0, 4, 0, 255, 255, 255, 255],
            &[16, 0, 7, 0, 255, 255, 255, 255],
            &[32, 0, 0, 0, 255, 255, 255, 255],
        ]
        .concat();
        assert_eq!(*gnu, *expected);
        assert_eq!(equivalent_mode(&gnu, 0o4644), Some((0o4670, false)));
        let minimal = parse(b"u::rwx,g::r-x,o:r-x").unwrap();
        assert_eq!(equivalent_mode(&minimal, 0o700), Some((0o755, true)));
        assert_eq!(mode_without(&gnu, 0o4670), 0o4640);
        assert_eq!((mode_without(&[], 0o670), mode_without(b"\x02\0\0\0\x04\0\0", 0o670)), (0o670, 0o670));
        assert_eq!(parse(b"default:user::rwx\ndefault:user:root:r--\t#effective:r--\n").unwrap().len(), 20);
    }

    #[test]
    fn names_without_numbers_are_refused() {
        for wrong in [
            "user:lisa:r--",
            "user",
            "wheel::rwx",
            "mask:1:rwx",
            "user::rwz",
            "user:1:rwx:2:3",
            "user:4294967295:r",
        ] {
            assert_eq!(parse(wrong.as_bytes()), Err(EntryError::Acl { entry: wrong.into() }), "{wrong}");
        }
    }
}
