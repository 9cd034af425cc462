//! The home of whoever built a program, in the program: compilers write the paths of sources into messages and debugging
//! information.

use std::ops::Range;

use memchr::memmem;

use crate::accounts::AccountFiles;

/// A home of somebody who is no user of the image, as compilers write it into programs.
pub(super) fn find(bytes: &[u8], accounts: &AccountFiles) -> Option<Range<usize>> {
    let homes: [&[u8]; 4] = [b"/home/", b"/Users/", b"C:\\Users\\", b"/builds/"];
    let mut matched =
        homes.iter().flat_map(|home| memmem::find_iter(bytes, home).map(move |at| (at, home.len())));
    matched.find_map(|(at, len)| {
        // An absolute path, not the end of a longer one.
        if at
            .checked_sub(1)
            .and_then(|at| bytes.get(at))
            .is_some_and(|byte| byte.is_ascii_alphanumeric() || b"._-/".contains(byte))
        {
            return None;
        }
        let rest = bytes.get(at + len..)?;
        let name = rest
            .iter()
            .take(33)
            .take_while(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(byte))
            .count();
        let user = &rest[..name];
        // The name is followed by a folder, and by something in it.
        let below = rest.get(name..)?.iter().take_while(|byte| byte.is_ascii_graphic()).count();
        let valid = (1..=32).contains(&name) && matches!(rest.get(name), Some(b'/' | b'\\')) && below >= 4;
        let example =
            [&b"user"[..], b"username", b"foo", b"bar", b"you", b"me", b"example", b"linuxbrew", b"USER"]
                .contains(&user);
        (valid && !example && !accounts.has(user)).then_some(at..at + len + name)
    })
}
