//! The users of a system, and what their entries say: passwords, and those whom image builders leave.

use std::collections::BTreeSet;
use std::ops::Range;

use amiforge_formats::tree::Printable;

/// A secret, and whose it is.
type AccountMatch = (Option<Range<usize>>, Option<String>);

/// The users of a system.
#[derive(Debug, Clone, Default)]
pub(crate) struct AccountFiles {
    /// Their names, and those of their homes.
    names: BTreeSet<Vec<u8>>,
}

impl AccountFiles {
    /// The users of a passwd(5) file.
    pub(crate) fn parse(passwd: &[u8]) -> Self {
        let mut names = BTreeSet::new();
        for line in passwd.split(|byte| *byte == b'\n') {
            let fields: Vec<&[u8]> = line.split(|byte| *byte == b':').collect();
            let home = fields.get(5).and_then(|home| home.rsplit(|byte| *byte == b'/').next());
            names.extend(
                fields
                    .first()
                    .copied()
                    .into_iter()
                    .chain(home)
                    .filter(|name| !name.is_empty())
                    .map(<[u8]>::to_vec),
            );
        }
        Self { names }
    }

    /// Whether a name is one of a user, or of a home.
    pub(crate) fn has(&self, name: &[u8]) -> bool {
        self.names.contains(name)
    }
}

/// The entries of a file with fields between colons: the name, and the range of the second field.
fn entries(bytes: &[u8]) -> impl Iterator<Item = (&[u8], Range<usize>)> {
    let mut start = 0;
    bytes.split(|byte| *byte == b'\n').filter_map(move |line| {
        let from = start;
        start += line.len() + 1;
        let colon = line.iter().position(|byte| *byte == b':').filter(|at| *at > 0 && line[0] != b'#')?;
        let rest = &line[colon + 1..];
        let len = rest.iter().position(|byte| *byte == b':')?;
        Some((&line[..colon], from + colon + 1..from + colon + 1 + len))
    })
}

/// Hashes of passwords, also of locked ones.
pub(crate) fn password_hashes(bytes: &[u8]) -> Vec<AccountMatch> {
    let hashed = entries(bytes).filter_map(|(name, field)| {
        let value = &bytes[field.clone()];
        let locks = value.iter().take_while(|byte| **byte == b'!' || **byte == b'*').count();
        let hash = &value[locks..];
        is_hash(hash).then(|| (Some(field.start + locks..field.end), Some(owner(name))))
    });
    hashed.collect()
}

/// Users, by their name.
fn owner(name: &[u8]) -> String {
    format!("of `{}`", Printable(name))
}

/// Whether a field is a hash of crypt(5): `$id$…`, `_…` of `BSDi`, or the 13 letters of DES.
fn is_hash(value: &[u8]) -> bool {
    let letter = |byte: &u8| byte.is_ascii_alphanumeric() || b"./".contains(byte);
    match value {
        [b'$', rest @ ..] => rest.len() >= 12 && rest.contains(&b'$'),
        [b'_', rest @ ..] => rest.len() == 19 && rest.iter().all(letter),
        _ => value.len() == 13 && value.iter().all(letter),
    }
}

/// Users of passwd(5) and shadow(5) without a password. A `+` or `-` begins an entry of NIS.
pub(crate) fn empty_passwords(file: &[u8], bytes: &[u8]) -> Vec<AccountMatch> {
    let login = |name: &[u8]| !name.starts_with(b"+") && !name.starts_with(b"-") && !file.starts_with(b"g");
    let empty = entries(bytes).filter(|(name, field)| field.is_empty() && login(name));
    empty.map(|(name, field)| (Some(field), Some(owner(name)))).collect()
}

/// Users whom image builders leave, if they can log in.
pub(crate) fn builder_accounts(bytes: &[u8]) -> Vec<AccountMatch> {
    let names: [&[u8]; 4] = [b"vagrant", b"packer", b"veewee", b"imagebuilder"];
    let mut matched = Vec::new();
    for line in bytes.split(|byte| *byte == b'\n') {
        let fields: Vec<&[u8]> = line.split(|byte| *byte == b':').collect();
        let shell = fields.get(6).copied().unwrap_or_default();
        let locked = shell.ends_with(b"nologin") || shell.ends_with(b"false");
        if fields.first().is_some_and(|name| names.contains(name)) && !locked {
            matched.push((None, Some(format!("`{}`", Printable(fields[0])))));
        }
    }
    matched
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owners(matched: Vec<AccountMatch>) -> Vec<String> {
        matched.into_iter().filter_map(|(_, owner)| owner).collect()
    }

    #[test]
    fn hashes_and_empty_fields_are_found_and_locks_are_neither() {
        let shadow =
            b"root:$6$salt$abcdefghijklmnop:19000:0:99999:7:::\nlocked:!$y$j9T$abcdefgh$ijkl:1::::::\n\
            daemon:*:1::::::\nsync:!:1::::::\nopen::1::::::\ndes:ab01FAX.bQRSU:1::::::\nx:!!:1::::::\n";
        assert_eq!(owners(password_hashes(shadow)), ["of `root`", "of `locked`", "of `des`"]);
        assert_eq!(owners(empty_passwords(b"shadow", shadow)), ["of `open`"]);
        let passwd = b"root:x:0:0:root:/root:/bin/bash\n+::::::\nguest::1000:1000::/home/guest:/bin/sh\n";
        assert_eq!(owners(empty_passwords(b"passwd", passwd)), ["of `guest`"]);
        assert!(password_hashes(passwd).is_empty());
    }

    #[test]
    fn the_users_of_image_builders_count_where_they_can_log_in() {
        let passwd = b"vagrant:x:1000:1000::/home/vagrant:/bin/bash\npacker:x:1:1::/:/usr/sbin/nologin\n";
        assert_eq!(owners(builder_accounts(passwd)), ["`vagrant`"]);
        let accounts = AccountFiles::parse(b"alice:x:1000:1000::/home/al:/bin/sh\n");
        assert!(accounts.has(b"alice") && accounts.has(b"al") && !accounts.has(b"bob"));
    }
}
