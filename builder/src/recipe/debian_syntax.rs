//! The syntax of names, versions, suites and URLs of packages and stages. As in [`super::parse`], an error is a
//! sentence for the user.

use amiforge_rootfs::glob::Globs;

/// A requested package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PackageRequest<'a> {
    /// Its name.
    pub(crate) name: &'a str,
    /// Its architecture.
    pub(crate) arch: Option<&'a str>,
    /// Its version, with `*` as a wildcard.
    pub(crate) version: Option<&'a str>,
    /// Its suite.
    pub(crate) suite: Option<&'a str>,
}

/// Parses `name`, `name=version` or `name/suite`, with an optional `:architecture` after the name.
pub(crate) fn package_request(text: &str) -> Result<PackageRequest<'_>, String> {
    let (name, version, suite) = match text.find(['=', '/']) {
        Some(at) if text[at..].starts_with('=') => (&text[..at], Some(&text[at + 1..]), None),
        Some(at) => (&text[..at], None, Some(&text[at + 1..])),
        None => (text, None, None),
    };
    let (name, arch) = match name.split_once(':') {
        Some((name, arch)) => (name, Some(arch)),
        None => (name, None),
    };
    package_name(name)?;
    version.map(self::version).transpose()?;
    suite.map(self::suite).transpose()?;
    arch.map(architecture).transpose()?;
    Ok(PackageRequest { name, arch, version, suite })
}

/// A name of a package (Debian Policy, 5.6.7).
pub(crate) fn package_name(text: &str) -> Result<String, String> {
    let first = text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    let rest = text
        .bytes()
        .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.'));
    if first && rest && text.len() > 1 {
        return Ok(text.to_owned());
    }
    Err(format!(
        "`{text}` is not a name of a package: lower-case letters, digits, `+`, `-`, `.`, two or more"
    ))
}

/// A path below the URL of an archive.
pub(crate) fn archive_path(text: &str) -> Result<String, String> {
    let plain = |name: &str| !name.is_empty() && !matches!(name, "." | "..");
    if text.split('/').all(plain) && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(text.to_owned());
    }
    Err(format!("`{text}` is not a path in an archive, such as `pool/main/h/hello/hello_2.10.orig.tar.gz`"))
}

/// A package name with `*` as a wildcard.
pub(crate) fn package_glob(text: &str) -> Result<(), String> {
    let known = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.' | b'*')
    };
    if !text.is_empty() && text.bytes().all(known) {
        return Ok(());
    }
    Err(format!("`{text}` is not a name of packages, such as `nginx` or `nginx*`"))
}

/// A version, with `*` as a wildcard.
pub(crate) fn version(text: &str) -> Result<String, String> {
    let known =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'+' | b'-' | b'~' | b':' | b'*');
    if !text.is_empty() && text.bytes().all(known) {
        return Ok(text.to_owned());
    }
    Err(format!("`{text}` is not a version, such as `1.22.1-9` or `1.22.*`"))
}

/// An architecture of packages.
pub(crate) fn architecture(text: &str) -> Result<(), String> {
    let known = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if !text.is_empty() && text.bytes().all(known) {
        return Ok(());
    }
    Err(format!("`{text}` is not an architecture of packages, such as `i386`"))
}

/// A suite.
pub(crate) fn suite(text: &str) -> Result<(), String> {
    if text.ends_with('/') {
        return Err(format!("`{text}` is a flat archive, and only archives with suites can be used"));
    }
    below(text).map_err(|()| format!("`{text}` is not a suite, such as `bookworm` or `bookworm-updates`"))
}

/// A component.
pub(crate) fn component(text: &str) -> Result<(), String> {
    below(text).map_err(|()| format!("`{text}` is not a component, such as `main`"))
}

/// Relative paths without hidden components, of characters that need no quoting in a URL.
fn below(text: &str) -> Result<(), ()> {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b'+' | b'~');
    let name = |name: &str| !name.is_empty() && !name.starts_with('.') && name.bytes().all(known);
    if text.split('/').all(name) { Ok(()) } else { Err(()) }
}

/// A name of an archive or a stage.
pub(crate) fn archive_name(text: &str) -> Result<String, String> {
    let first = text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    let rest = text
        .bytes()
        .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.' | b'_'));
    if first && rest && text.len() <= 64 {
        return Ok(text.to_owned());
    }
    Err(format!("`{text}` is not a name of lower-case letters, digits, `-`, `.` and `_` (64 at most)"))
}

/// The URL of an archive, without a slash at its end.
pub(crate) fn mirror(text: &str) -> Result<String, String> {
    url(text).map(|url| url.trim_end_matches('/').to_owned())
}

/// A URL.
pub(crate) fn url(text: &str) -> Result<String, String> {
    let rest = ["https://", "http://", "file:///"].iter().find_map(|scheme| text.strip_prefix(scheme));
    let plain =
        |rest: &str| !rest.is_empty() && !rest.contains(|c: char| c.is_whitespace() || c.is_control());
    if rest.is_some_and(plain) {
        return Ok(text.to_owned());
    }
    Err(format!("`{text}` is not an address that begins with `https://`, `http://` or `file:///`"))
}

/// The URL of a git repository.
pub(crate) fn git_url(text: &str) -> Result<String, String> {
    let known = ["https://", "http://", "file:///", "ssh://"].iter().any(|scheme| text.starts_with(scheme));
    if known && !text.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Ok(text.to_owned());
    }
    Err(format!(
        "`{text}` is not an address of a git repository that begins with `https://`, `ssh://` or `file:///`"
    ))
}

/// The full id of a commit, as SHA-1 or SHA-256.
pub(crate) fn commit(text: &str) -> Result<String, String> {
    let digits = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if digits && matches!(text.len(), 40 | 64) {
        return Ok(text.to_owned());
    }
    Err(format!(
        "`{text}` is not the full id of a commit: 40 or 64 hexadecimal digits; `git rev-parse` gives it"
    ))
}

/// A glob of paths in packages.
pub(crate) fn glob(text: &str) -> Result<(), String> {
    Globs::new([text]).map(|_| ()).map_err(|error| error.to_string())
}

/// A locale, or the language that several locales share.
pub(crate) fn locale(text: &str) -> Result<(), String> {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'@' | b'-');
    if !text.is_empty() && text.bytes().all(known) {
        return Ok(());
    }
    Err(format!("`{text}` is not a locale, such as `en` or `pt_BR`"))
}

/// An environment variable and its value.
pub(crate) fn variable(name: &str, value: &str) -> Result<(), String> {
    let first = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if !first || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        return Err(format!("`{name}` is not a name of a variable: letters, digits and `_`"));
    }
    if matches!(name, "DESTDIR" | "SOURCE_DATE_EPOCH") {
        return Err(format!("`{name}` is set by amiforge"));
    }
    if value.contains('\0') { Err(format!("`{name}` has a NUL")) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_asked_for_by_name_version_suite_and_architecture() {
        let plain = PackageRequest { name: "nginx", arch: None, version: None, suite: None };
        assert_eq!(package_request("nginx"), Ok(plain));
        assert_eq!(
            package_request("nginx=1:1.22.*"),
            Ok(PackageRequest { version: Some("1:1.22.*"), ..plain })
        );
        assert_eq!(package_request("nginx/sid"), Ok(PackageRequest { suite: Some("sid"), ..plain }));
        let i386 = PackageRequest { arch: Some("i386"), ..plain };
        assert_eq!(package_request("nginx:i386=2"), Ok(PackageRequest { version: Some("2"), ..i386 }));
        for wrong in ["", "a", "Nginx", "nginx=", "nginx/", "nginx:", "nginx /sid", "nginx=1=2", "-ab", "a_b"]
        {
            assert!(package_request(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn suites_and_components_cannot_lead_elsewhere() {
        for good in ["bookworm", "buster/updates", "non-free-firmware", "v1.2~rc"] {
            assert!(suite(good).is_ok() && component(good).is_ok(), "{good}");
        }
        for wrong in ["", "/", "../x", "a//b", "a/../b", "a b", "./", "a?b", "a%2fb"] {
            assert!(suite(wrong).is_err() && component(wrong).is_err(), "{wrong}");
        }
        assert!(suite("stable/").unwrap_err().contains("flat"));
    }

    #[test]
    fn addresses_commits_and_variables() {
        assert_eq!(mirror("https://deb.example/debian/"), Ok("https://deb.example/debian".into()));
        for wrong in ["", "https://", "ftp://x/y", "file://x", "deb.example", "https://a b"] {
            assert!(url(wrong).is_err(), "{wrong}");
        }
        assert!(
            commit(&"a".repeat(40)).is_ok() && commit("main").is_err() && commit(&"A".repeat(40)).is_err()
        );
        assert!(variable("CFLAGS", "-O2").is_ok());
        for wrong in ["", "1A", "A-B", "DESTDIR", "A=B"] {
            assert!(variable(wrong, "").is_err(), "{wrong}");
        }
    }
}
