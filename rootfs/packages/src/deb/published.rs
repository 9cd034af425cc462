//! The files that packages brought, with the MD5 that dpkg keeps of each: `NAME.md5sums` of the archive (deb-md5sums(5)),
//! and the field `Conffiles` of the status, which has what the archive held of files that an administrator may change.
//! A line that is malformed is passed over: the file then counts as one that nobody published.

use std::io;

use amiforge_formats::digest::StatedDigest;
use amiforge_formats::plan::Sources;
use amiforge_formats::tree::Tree;

use super::control::stanzas;
use super::installed::{bytes, file, list};
use crate::installed::PublishedPath;

/// The folder of what dpkg keeps of each package.
const INFO: &str = "var/lib/dpkg/info/";

/// Texts that programs of packages compose from the archives.
const TEXTS: [(&str, &str); 6] = [
    ("var/cache/debconf/templates.dat", "debconf"),
    ("var/cache/debconf/templates.dat-old", "debconf"),
    ("var/lib/dpkg/status", "dpkg"),
    ("var/lib/dpkg/status-old", "dpkg"),
    ("var/lib/dpkg/available", "dpkg"),
    ("var/lib/dpkg/available-old", "dpkg"),
];

/// Reads which files each package brought.
///
/// # Errors
/// A read error of the medium.
pub(super) fn published(tree: &Tree, sources: &dyn Sources) -> io::Result<Vec<PublishedPath>> {
    let Some(status) = file(tree, b"var/lib/dpkg/status") else { return Ok(Vec::new()) };
    let status = bytes(status, sources)?;
    let status = String::from_utf8_lossy(&status);
    let mut all = Vec::new();
    for stanza in stanzas(&status).map_while(Result::ok) {
        let Some(name) = stanza.get("Package") else { continue };
        let arch = stanza.get("Architecture").unwrap_or_default();
        let of = |path: &[u8], md5: Option<[u8; 16]>| PublishedPath {
            path: path.to_vec(),
            package: name.to_owned(),
            digest: md5.map(StatedDigest::Md5),
        };
        let sums = [format!(":{arch}"), String::new()];
        let sums = sums.iter().find_map(|qualified| {
            file(tree, format!("var/lib/dpkg/info/{name}{qualified}.md5sums").as_bytes())
        });
        if let Some(sums) = sums {
            let sums = bytes(sums, sources)?;
            let lines = sums.split(|byte| *byte == b'\n').filter_map(sum);
            all.extend(lines.map(|(md5, path)| of(path, Some(md5))));
        }
        let conffiles = stanza.get("Conffiles").unwrap_or_default();
        all.extend(conffiles.lines().filter_map(conffile).map(|(path, md5)| of(path, Some(md5))));
        if let Some(list) = list(tree, name, arch) {
            let list = bytes(list, sources)?;
            let lines = list.split(|byte| *byte == b'\n').filter(|line| line.len() > 1);
            all.extend(lines.map(|path| of(path.strip_prefix(b"/").unwrap_or(path), None)));
        }
    }
    all.extend(of_the_database(tree));
    Ok(all)
}

/// What dpkg and debconf keep of the archives themselves: maintainer scripts, lists, the texts of questions. They have no
/// digest. Answers to questions (`config.dat`, `passwords.dat`) are not among them.
fn of_the_database(tree: &Tree) -> Vec<PublishedPath> {
    let of = |path: Vec<u8>, package: &[u8]| {
        let package = String::from_utf8_lossy(package).into_owned();
        PublishedPath { path, package, digest: None }
    };
    let entries = tree.lookup(INFO.trim_end_matches('/').as_bytes()).and_then(|id| tree.entries(id));
    let entries = entries.into_iter().flatten().map(|(name, _)| name.as_bytes());
    let scripts = entries.map(|name| {
        let package = name.split(|byte| matches!(byte, b':')).next().unwrap_or(name);
        let end = package.iter().rposition(|byte| *byte == b'.').filter(|_| package.len() == name.len());
        of([INFO.as_bytes(), name].concat(), &package[..end.unwrap_or(package.len())])
    });
    let texts = TEXTS.iter().map(|(path, package)| of(path.as_bytes().to_vec(), package.as_bytes()));
    scripts.chain(texts).collect()
}

/// A line of `md5sums`: digits, two spaces, a path without the first `/`.
fn sum(line: &[u8]) -> Option<([u8; 16], &[u8])> {
    let (digits, rest) = line.split_at_checked(32)?;
    let path = rest.strip_prefix(b"  ")?;
    Some((md5(digits)?, path.strip_prefix(b"./").unwrap_or(path)))
}

/// A line of `Conffiles`: a path, digits, and words about it.
fn conffile(line: &str) -> Option<(&[u8], [u8; 16])> {
    let mut words = line.split_whitespace();
    let (path, digits) = (words.next()?, words.next()?);
    Some((path.strip_prefix('/')?.as_bytes(), md5(digits.as_bytes())?))
}

fn md5(digits: &[u8]) -> Option<[u8; 16]> {
    let mut md5 = [0; 16];
    if digits.len() != 32 || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    for (byte, pair) in md5.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(md5)
}

#[cfg(test)]
mod tests {
    use amiforge_formats::plan::NoSources;
    use amiforge_formats::time::Time;
    use amiforge_formats::tree::{Content, Meta, Name, Node, NodeKind};

    use super::*;

    #[test]
    fn files_have_the_digest_of_the_archive_and_conffiles_that_of_the_status() {
        let mut tree = Tree::new(Meta::root_owned(0o755, Time::EPOCH));
        assert_eq!(published(&tree, &NoSources).unwrap(), []);
        let mut dir = tree.root();
        let meta = Meta::root_owned(0o644, Time::EPOCH);
        for folder in ["var", "lib", "dpkg", "info"] {
            let node = Node { meta: meta.clone(), kind: NodeKind::dir() };
            dir = tree.add(dir, Name::new(folder.as_bytes()).unwrap(), node).unwrap();
        }
        let dpkg = tree.lookup(b"var/lib/dpkg").unwrap();
        let (one, two) = ("00112233445566778899aabbccddeeff", "ffeeddccbbaa99887766554433221100");
        let status =
            format!("Package: a\nArchitecture: amd64\nConffiles:\n /etc/a {two}\n /etc/old {two} obsolete\n");
        for (dir, name, text) in [
            (dpkg, "status", status),
            (dir, "a:amd64.md5sums", format!("{one}  usr/bin/a\nbroken\n{one} usr/one-space\n")),
            (dir, "a:amd64.list", "/.\n/usr/bin/a\n".to_owned()),
        ] {
            let kind = NodeKind::File(Content::Inline(text.as_bytes().into()));
            tree.add(dir, Name::new(name.as_bytes()).unwrap(), Node { meta: meta.clone(), kind }).unwrap();
        }
        let of = |path: &str, md5: Option<&str>| PublishedPath {
            path: path.as_bytes().to_vec(),
            package: "a".to_owned(),
            digest: md5.and_then(|text| super::md5(text.as_bytes())).map(StatedDigest::Md5),
        };
        let all = published(&tree, &NoSources).unwrap();
        let (database, files): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|one| one.path.starts_with(b"var/"));
        assert!(database.contains(&of("var/lib/dpkg/info/a:amd64.list", None)), "{database:?}");
        assert!(
            !database.iter().any(|one| one.path.ends_with(b"passwords.dat")),
            "answers are nobody's publication"
        );
        assert_eq!(
            files,
            [
                of("usr/bin/a", Some(one)),
                of("etc/a", Some(two)),
                of("etc/old", Some(two)),
                of(".", None),
                of("usr/bin/a", None),
            ]
        );
    }
}
