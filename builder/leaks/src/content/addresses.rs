//! Passwords in addresses: `scheme://user:password@host` (RFC 3986, 3.2.1).

use std::ops::Range;

use memchr::memmem;

use super::placeholder::is_placeholder;

/// Longest user information that is read.
const USER_INFO_MAX: usize = 512;

/// Hosts of documentation (RFC 2606, RFC 6761); an address with one is an example.
const EXAMPLE_HOSTS: [&[u8]; 7] =
    [b"example.com", b"example.org", b"example.net", b".example", b".invalid", b".test", b"host:port"];

/// The password, or the token in its place, of the address whose `://` is at the offset `at`.
pub(crate) fn password_in_address(bytes: &[u8], at: usize) -> Option<Range<usize>> {
    let scheme = bytes
        .get(..at)?
        .iter()
        .rev()
        .take_while(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte));
    if scheme.take(2).count() < 2 {
        return None;
    }
    let start = at + 3;
    let rest = bytes.get(start..)?;
    let ends = |byte: &u8| {
        byte.is_ascii_whitespace()
            || byte.is_ascii_control()
            || !byte.is_ascii()
            || b"/?#\"'<>`\\(){}".contains(byte)
    };
    let len = rest.iter().take(USER_INFO_MAX).position(ends).unwrap_or(rest.len().min(USER_INFO_MAX));
    let authority = &rest[..len];
    let sign = authority.iter().rposition(|byte| *byte == b'@')?;
    let host = &authority[sign + 1..];
    let (user, password) = match authority[..sign].iter().position(|byte| *byte == b':') {
        Some(colon) => (colon, colon + 1..sign),
        None => return None,
    };
    let value = &authority[password.clone()];
    let repeated = value == &authority[..user];
    let example = EXAMPLE_HOSTS.iter().any(|name| memmem::find(host, name).is_some()) || host == b"host";
    let valid = value.len() >= 4 && !host.is_empty() && !is_placeholder(value) && !repeated && !example;
    valid.then_some(start + password.start..start + password.end)
}

/// Every password in an address of a text.
pub(super) fn passwords(bytes: &[u8]) -> impl Iterator<Item = Range<usize>> + '_ {
    memmem::find_iter(bytes, b"://").filter_map(|at| password_in_address(bytes, at))
}
