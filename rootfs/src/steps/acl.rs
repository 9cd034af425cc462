//! Encodes POSIX ACLs: from the text of setfacl(1) to the bytes of `system.posix_acl_access` and
//! `system.posix_acl_default`, in version 2 of the format of the kernel's system calls. Knows no files.
//!
//! Follows acl(5) and `linux/posix_acl_xattr.h`.

use std::collections::BTreeMap;

const VERSION: u32 = 2;

const USER_OBJ: u16 = 0x01;
const USER: u16 = 0x02;
const GROUP_OBJ: u16 = 0x04;
const GROUP: u16 = 0x08;
const MASK: u16 = 0x10;
const OTHER: u16 = 0x20;

/// The id of entries without one (`ACL_UNDEFINED_ID`).
const NO_ID: u32 = u32::MAX;

/// Why a text is not a valid ACL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AclError {
    /// An entry is not `tag:qualifier:permissions`.
    #[error("`{}` is not an entry such as `u:1000:rw-` or `o::r--`", entry.escape_debug())]
    Entry {
        /// The entry.
        entry: String,
    },
    /// Two entries have the same tag and qualifier.
    #[error("`{}` is the second entry of its kind", entry.escape_debug())]
    Twice {
        /// The entry.
        entry: String,
    },
    /// The image does not have a user or group of that name.
    #[error("the image has no {kind} `{}`", name.escape_debug())]
    Unknown {
        /// `user` or `group`.
        kind: &'static str,
        /// The name.
        name: String,
    },
}

/// An ACL of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acl {
    entries: BTreeMap<(u16, u32), u16>,
    /// The value of the access ACL; `None` where the mode alone expresses it.
    pub value: Option<Vec<u8>>,
    /// The permission bits of the file: the kernel stores the mask of an ACL in those of the group.
    pub permissions: u16,
}

impl Acl {
    /// The value of an attribute with all entries, as a default ACL needs it.
    pub fn encoded(&self) -> Vec<u8> {
        encode(&self.entries)
    }
}

/// Looks up the numbers of names.
pub trait IdLookup {
    /// The user id of a name.
    fn user(&self, name: &str) -> Option<u32>;
    /// The group id of a name.
    fn group(&self, name: &str) -> Option<u32>;
}

/// Parses an ACL. Missing entries for owner, group and others come from `mode`; a missing mask is the union of the entries
/// that it masks.
///
/// # Errors
/// [`AclError`].
pub fn from_text(text: &str, mode: u16, names: &dyn IdLookup) -> Result<Acl, AclError> {
    let mut entries: BTreeMap<(u16, u32), u16> = BTreeMap::new();
    for entry in text.split([',', '\n']).map(str::trim).filter(|entry| !entry.is_empty()) {
        let (tag, id, permissions) = parse(entry, names)?;
        if entries.insert((tag, id), permissions).is_some() {
            return Err(AclError::Twice { entry: entry.to_owned() });
        }
    }
    for (tag, shift) in [(USER_OBJ, 6), (GROUP_OBJ, 3), (OTHER, 0)] {
        entries.entry((tag, NO_ID)).or_insert((mode >> shift) & 7);
    }
    let class = [USER, GROUP_OBJ, GROUP];
    let named = entries.keys().any(|(tag, _)| [USER, GROUP].contains(tag));
    if named && !entries.contains_key(&(MASK, NO_ID)) {
        let masked = entries.iter().filter(|((tag, _), _)| class.contains(tag));
        let mask = masked.fold(0, |mask, (_, permissions)| mask | permissions);
        entries.insert((MASK, NO_ID), mask);
    }
    let bits = |tag| entries.get(&(tag, NO_ID)).copied();
    let group = bits(MASK).or(bits(GROUP_OBJ)).unwrap_or_default();
    let permissions = bits(USER_OBJ).unwrap_or_default() << 6 | group << 3 | bits(OTHER).unwrap_or_default();
    let value = (entries.len() > 3).then(|| encode(&entries));
    Ok(Acl { entries, value, permissions })
}

/// The value of the attribute: a version, then tag, permissions and id of each entry, sorted.
fn encode(entries: &BTreeMap<(u16, u32), u16>) -> Vec<u8> {
    let mut bytes = VERSION.to_le_bytes().to_vec();
    for ((tag, id), permissions) in entries {
        bytes.extend(tag.to_le_bytes());
        bytes.extend(permissions.to_le_bytes());
        bytes.extend(id.to_le_bytes());
    }
    bytes
}

/// Tag, id and permissions of an entry.
fn parse(entry: &str, names: &dyn IdLookup) -> Result<(u16, u32, u16), AclError> {
    let invalid = || AclError::Entry { entry: entry.to_owned() };
    let mut fields = entry.split(':');
    let (Some(kind), Some(qualifier), Some(letters), None) =
        (fields.next(), fields.next(), fields.next(), fields.next())
    else {
        return Err(invalid());
    };
    let (tag, id) = match (kind, qualifier) {
        ("u" | "user", "") => (USER_OBJ, NO_ID),
        ("g" | "group", "") => (GROUP_OBJ, NO_ID),
        ("m" | "mask", "") => (MASK, NO_ID),
        ("o" | "other", "") => (OTHER, NO_ID),
        ("u" | "user", name) => {
            let id = name.parse().ok().or_else(|| names.user(name));
            (USER, id.ok_or_else(|| AclError::Unknown { kind: "user", name: name.to_owned() })?)
        }
        ("g" | "group", name) => {
            let id = name.parse().ok().or_else(|| names.group(name));
            (GROUP, id.ok_or_else(|| AclError::Unknown { kind: "group", name: name.to_owned() })?)
        }
        _ => return Err(invalid()),
    };
    let mut permissions = 0;
    for letter in letters.chars() {
        permissions |= match letter {
            'r' => 4,
            'w' => 2,
            'x' => 1,
            '-' => 0,
            _ => return Err(invalid()),
        };
    }
    if letters.is_empty() || (id == NO_ID && !qualifier.is_empty()) {
        return Err(invalid());
    }
    Ok((tag, id, permissions))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::steps::testing::{oracle, skip};

    struct RootOnly;

    impl IdLookup for RootOnly {
        fn user(&self, name: &str) -> Option<u32> {
            (name == "root").then_some(0)
        }
        fn group(&self, name: &str) -> Option<u32> {
            (name == "root").then_some(0)
        }
    }

    #[test]
    fn setfacl_writes_the_same() {
        use std::os::unix::fs::PermissionsExt;
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().display().to_string();
        for text in [
            "u:1000:rw-",
            "u::rwx,g::r-x,o::---,u:7:r,g:12:-w-,g:3:x",
            "user:root:r--,group:root:rwx,mask::r--",
            "m::rw",
            "u::r,g::r,o::r",
        ] {
            std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(0o640)).unwrap();
            let Some(output) = oracle("setfacl", &["-b", "-m", text, &path]) else { return };
            if !output.status.success() {
                return skip("the file system of temporary files has no ACLs");
            }
            let acl = from_text(text, 0o640, &RootOnly).unwrap();
            let mut value = [0; 256];
            let theirs = rustix::fs::getxattr(file.path(), "system.posix_acl_access", &mut value);
            assert_eq!(acl.value.as_deref(), theirs.ok().map(|len| &value[..len]), "{text}");
            let mode = std::fs::metadata(file.path()).unwrap().permissions().mode() & 0o777;
            assert_eq!(u32::from(acl.permissions), mode, "{text}");
        }
    }

    #[test]
    fn invalid_texts_are_refused() {
        for text in [
            "u",
            "u:1000",
            "u:1000:",
            "x::r",
            "u:1000:q",
            "u:1:r,u:1:w",
            "o:1:r",
            "u:nobody:r",
            "u:1:r:x",
            "u:4294967295:r",
        ] {
            assert!(from_text(text, 0o644, &RootOnly).is_err(), "{text}");
        }
    }
}
