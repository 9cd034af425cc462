//! The syntax of names of rpm packages, releases and repositories. As in [`super::parse`], an error is a sentence for the user.

/// A requested package or group.
pub(crate) fn package_request(text: &str) -> Result<(), String> {
    let group = text.strip_prefix('@');
    let plain = |text: &str| {
        let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'+' | b'-');
        text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_') && text.bytes().all(known)
    };
    let versioned = |text: &str| {
        let known = |byte: u8| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'+' | b'-' | b'~' | b'^' | b':')
        };
        text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_') && text.bytes().all(known)
    };
    if group.map_or_else(|| versioned(text), plain) {
        return Ok(());
    }
    Err(format!(
        "`{text}` is not a package, such as `httpd`, `httpd-2.4.62-1.amzn2023` or `httpd.x86_64`, nor a group, such as `@core`"
    ))
}

/// A name of a package alone.
pub(crate) fn package_name(text: &str) -> Result<(), String> {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'+' | b'-');
    if text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_') && text.bytes().all(known) {
        return Ok(());
    }
    Err(format!("`{text}` is not a name of a package: letters, digits, `.`, `_`, `+` and `-`"))
}

/// A release, which becomes a part of addresses.
pub(crate) fn release(text: &str) -> Result<String, String> {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    if text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.bytes().all(known)
        && !text.contains("..")
    {
        return Ok(text.to_owned());
    }
    Err(format!("`{text}` is not a release, such as `2023.12.20260817` or `9`"))
}

/// A fingerprint of an OpenPGP key, of version 4 or 6, in upper case and without spaces.
pub(crate) fn fingerprint(text: &str) -> Result<String, String> {
    let plain: String = text.chars().filter(|c| *c != ' ').collect();
    if matches!(plain.len(), 40 | 64) && plain.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(plain.to_ascii_uppercase());
    }
    Err(format!(
        "`{text}` is not a fingerprint of a key: 40 or 64 hexadecimal digits; `gpg --show-keys` prints it"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_releases_and_fingerprints() {
        for good in ["httpd", "httpd-2.4.62-1.amzn2023", "glibc.x86_64", "@core", "libstdc++", "a-1:2~rc^3-1"]
        {
            assert!(package_request(good).is_ok(), "{good}");
        }
        for wrong in ["", "@", "@a b", "-a", "a b", "a/b", "a=1", "@a~b"] {
            assert!(package_request(wrong).is_err(), "{wrong}");
        }
        assert!(release("2023.12.20260817").is_ok());
        for wrong in ["", "..", "9/x", "9?", "a..b", "-9"] {
            assert!(release(wrong).is_err(), "{wrong}");
        }
        let spaced = "B21C 50FA 44A9 9720 EAA7 2F7F E951 904A D832 C631";
        assert_eq!(fingerprint(spaced).unwrap(), "B21C50FA44A99720EAA72F7FE951904AD832C631");
        assert!(fingerprint("E951904AD832C631").is_err(), "an id is too short to pin a key");
    }
}
