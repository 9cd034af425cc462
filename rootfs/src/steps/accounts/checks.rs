//! Validates the fields of account files. A value with a `:` or a line end would add fields or accounts, so every value is
//! checked before it is written.

use super::error::AccountError;
use amiforge_formats::path;

/// Longest name of an account, in bytes (`LOGIN_NAME_MAX` of the tools; utmp(5) keeps 32 bytes).
const NAME_MAX: usize = 32;

/// Checks the name of a user or group.
pub(super) fn name(name: &str) -> Result<(), AccountError> {
    let stem = name.strip_suffix('$').unwrap_or(name);
    let first = stem.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    let rest = stem.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte));
    if first && rest && name.len() <= NAME_MAX {
        Ok(())
    } else {
        Err(AccountError::BadName { name: name.to_owned() })
    }
}

/// Checks free text, such as the full name.
pub(super) fn text(field: &'static str, value: &str) -> Result<(), AccountError> {
    if value.chars().any(|letter| letter.is_control() || letter == ':') {
        return Err(AccountError::BadField { field, value: value.to_owned() });
    }
    Ok(())
}

/// Checks the path of a home or shell.
pub(super) fn path(field: &'static str, value: &str) -> Result<(), AccountError> {
    path::checked(value)?;
    text(field, value)
}

/// Checks a hash of crypt(5), or a value that no password matches. Errors do not show the value: it may be the password.
pub(super) fn password_hash(hash: &str) -> Result<(), AccountError> {
    const METHODS: [&str; 13] = ["1", "2a", "2b", "2x", "2y", "3", "5", "6", "7", "gy", "md5", "sha1", "y"];
    if matches!(hash, "*" | "!" | "!*" | "!!") {
        return Ok(());
    }
    let plain = hash.strip_prefix('!').unwrap_or(hash);
    let mut parts = plain.split('$');
    let method = (parts.next(), parts.next());
    let last = parts.next_back().unwrap_or_default();
    let bytes = plain.bytes().all(|byte| byte.is_ascii_graphic() && !b":;*!\\".contains(&byte));
    match method {
        (Some(""), Some(method)) if METHODS.contains(&method) && bytes && last.len() >= 20 => Ok(()),
        _ => Err(AccountError::PasswordHash),
    }
}

/// Checks a line of `authorized_keys`: optional options, type, base64.
pub(super) fn ssh_key(line: &str) -> Result<(), AccountError> {
    let invalid = || AccountError::SshKey { line: line.chars().take(40).collect() };
    if line.chars().any(char::is_control) || line.starts_with('#') {
        return Err(invalid());
    }
    let parts: Vec<&str> = line.split(' ').filter(|part| !part.is_empty()).collect();
    let is_type = |part: &str| ["ssh-", "ecdsa-", "sk-"].iter().any(|prefix| part.starts_with(prefix));
    let is_key = |part: &str| {
        // Every key starts with the 32-bit length of its type, whose upper bytes are zero.
        part.starts_with("AAAA")
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte))
    };
    let has_key = parts.windows(2).any(|pair| matches!(pair, [kind, key] if is_type(kind) && is_key(key)));
    if has_key { Ok(()) } else { Err(invalid()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_would_break_a_line_are_refused() {
        for good in ["root", "_apt", "systemd-network", "www.data", "Machine$", "a"] {
            assert!(name(good).is_ok(), "{good}");
        }
        for bad in ["", "a:b", "a\nb", "-a", "1a", "a b", "é", "..", "a/b", "+x", "$", "a,b", &"x".repeat(33)]
        {
            assert!(name(bad).is_err(), "{bad:?}");
        }
        assert!(text("gecos", "Jane Doe,,,").is_ok());
        assert!(text("gecos", "x\nroot2::0:0::/:/bin/sh").is_err());
        assert!(path("shell", "/bin/ba:sh").is_err());
        assert!(path("home", "/home/../etc").is_err());
    }

    #[test]
    fn plain_passwords_are_refused_and_not_shown() {
        for good in [
            "$6$saltsalt$qFmFH.bQmmtXzyBY0s9v7Oicd2z4XSIecDzlB5KiA2/jctKu9YterLp8wwnSq.qc.eoxqOmSuNp2xS0ktL3nh/",
            "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$X3DX6M94c7o.9agCG9G317fhZg9SqC.5i5rd.RhAtQ7",
            "$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW",
            "!",
            "!*",
            "!$1$abcdefgh$0123456789012345678901",
        ] {
            assert!(password_hash(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "hunter2",
            "correct horse",
            "abcdefghijklm",
            "$6$x",
            "$6$short$hash",
            "$6$a:b$01234567890123456789",
            "$6$a$01234567890123456789\nroot2::0:0",
            "$99$a$01234567890123456789",
        ] {
            let error = password_hash(bad).unwrap_err();
            assert!(bad.is_empty() || !error.to_string().contains(bad), "{error}");
        }
    }

    #[test]
    fn keys_are_single_lines_that_look_like_keys() {
        let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";
        for good in [key.to_owned(), format!("{key} me@host"), format!("command=\"a b\",no-pty {key} c")] {
            assert!(ssh_key(&good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "# x",
            "ssh-ed25519",
            "ssh-rsa notbase64!",
            "-----BEGIN OPENSSH PRIVATE KEY-----",
            &format!("{key}\n{key}"),
            &format!("{key}\r"),
        ] {
            assert!(ssh_key(bad).is_err(), "{bad}");
        }
    }
}
