//! Passwords: no account may have one, not even an empty one (shadow(5), crypt(5)).

use super::{Findings, System};

const REMEDY: &str =
    "lock the account: `!` in the second field of /etc/shadow (`passwd -l`, without a hash before)";

pub(super) fn check(system: &System<'_>, findings: &mut Findings) {
    for path in ["/etc/shadow", "/etc/passwd"] {
        let text = system.files.text(path).unwrap_or_default();
        for (user, kind) in text.lines().filter_map(account) {
            let user = user.escape_debug();
            match kind {
                Password::None | Password::Locked => {}
                Password::Empty => {
                    let what = format!("{path}: anybody may log in as `{user}`, whose password is empty");
                    findings.failure("passwords", what, REMEDY);
                }
                Password::Hash => {
                    findings.failure("passwords", format!("{path}: `{user}` has a password"), REMEDY);
                }
                Password::LockedHash => {
                    let what =
                        format!("{path}: `{user}` is locked, and the hash of its password is still there");
                    findings.failure("passwords", what, REMEDY);
                }
            }
        }
    }
}

/// The second field of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Password {
    /// It is in the other file.
    None,
    Locked,
    Empty,
    Hash,
    LockedHash,
}

/// User and password of a line.
fn account(line: &str) -> Option<(&str, Password)> {
    let mut fields = line.split(':');
    let user = fields.next().filter(|user| !user.is_empty() && !user.starts_with('#'))?;
    let password = fields.next()?;
    let rest = password.trim_start_matches('!');
    let kind = match (password, rest) {
        ("", _) => Password::Empty,
        ("x", _) => Password::None,
        (_, "" | "*" | "LK") => Password::Locked,
        _ if password.starts_with('*') => Password::Locked,
        _ if password.starts_with('!') => Password::LockedHash,
        _ => Password::Hash,
    };
    Some((user, kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_shadow_are_told_apart() {
        for (line, kind) in [
            ("root:*:19700:0:99999:7:::", Password::Locked),
            ("root:!:19700::::::", Password::Locked),
            ("daemon:!*:19700::::::", Password::Locked),
            ("ec2-user:!!:19700::::::", Password::Locked),
            ("a::19700::::::", Password::Empty),
            ("a:$y$j9T$abc$def:19700::::::", Password::Hash),
            ("a:!$6$abc$def:19700::::::", Password::LockedHash),
            ("a:abJnggxhB/yWI:19700::::::", Password::Hash),
            ("root:x:0:0:root:/root:/bin/sh", Password::None),
        ] {
            assert_eq!(account(line).map(|(_, kind)| kind), Some(kind), "{line}");
        }
        assert_eq!(account("# comment"), None);
        assert_eq!(account("alone"), None);
    }
}
