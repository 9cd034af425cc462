//! Lists of the mirrors of a repository: text files with an address a line, and metalinks, which state digests of `repomd.xml`
//! too (`MirrorManager`; RFC 5854 in an earlier form).
#![warn(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use amiforge_formats::digest::Digest;

use super::error::RepodataError;
use super::xml::{XmlEvent, XmlReader};

/// Most mirrors that are kept.
const MOST_MIRRORS: usize = 64;
/// What a mirror's address in a metalink ends in.
const REPOMD: &str = "/repodata/repomd.xml";

/// The mirrors of a repository.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MirrorAddresses {
    /// Their addresses, the preferred first, without a slash at the end.
    pub bases: Vec<String>,
    /// Digests that `repomd.xml` may have; any where there are none.
    pub digests: Vec<Digest>,
}

/// Reads a list of addresses. Lines that are empty, begin with `#` or are no address are left out.
pub fn list(text: &str) -> MirrorAddresses {
    let lines = text.lines().map(str::trim).filter(|line| is_address(line));
    let bases = lines.map(|line| line.trim_end_matches('/').to_owned()).take(MOST_MIRRORS).collect();
    MirrorAddresses { bases, digests: Vec::new() }
}

/// Reads a metalink.
///
/// # Errors
/// [`RepodataError`].
pub fn metalink(bytes: &[u8]) -> Result<MirrorAddresses, RepodataError> {
    let mut reader = XmlReader::new("metalink", bytes);
    let mut found: Vec<(i64, String)> = Vec::new();
    let mut digests = Vec::new();
    let (mut text, mut preference, mut is_sha256, mut is_repomd) = (String::new(), 0, false, false);
    loop {
        match reader.next()? {
            XmlEvent::Start(element) => {
                text.clear();
                match element.name() {
                    b"file" => {
                        is_repomd = element.attribute(b"name").is_some_and(|name| name == "repomd.xml");
                    }
                    b"hash" => is_sha256 = element.attribute(b"type").is_some_and(|kind| kind == "sha256"),
                    b"url" => {
                        let number = element.attribute(b"preference").and_then(|text| text.parse().ok());
                        preference = number.unwrap_or(0);
                    }
                    _ => {}
                }
            }
            XmlEvent::Text(more) => text.push_str(&more),
            XmlEvent::End(name) => {
                let value = text.trim();
                match name.as_slice() {
                    b"hash" if is_repomd && is_sha256 && digests.len() < MOST_MIRRORS => {
                        digests.extend(value.parse::<Digest>().ok());
                    }
                    b"url" if is_repomd && is_address(value) && found.len() < 100_000 => {
                        found.extend(value.strip_suffix(REPOMD).map(|base| (preference, base.to_owned())));
                    }
                    _ => {}
                }
                text.clear();
            }
            XmlEvent::Eof => break,
        }
    }
    // Encrypted ones go first among equals.
    found.sort_by_key(|(preference, base)| (std::cmp::Reverse(*preference), !base.starts_with("https://")));
    let bases = found.into_iter().map(|(_, base)| base).take(MOST_MIRRORS).collect();
    Ok(MirrorAddresses { bases, digests })
}

fn is_address(text: &str) -> bool {
    let known = ["https://", "http://", "file:///"].iter().any(|scheme| text.starts_with(scheme));
    known && !text.contains(|c: char| c.is_whitespace() || c.is_control())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_and_sorted_by_preference() {
        let text = "# mirrors\n\nhttps://a/x/\nftp://no\n http://b\n";
        assert_eq!(list(text).bases, ["https://a/x", "http://b"]);
        let hash = "ab".repeat(32);
        let link = format!(
            "<metalink xmlns=\"m\"><files><file name=\"repomd.xml\"><verification><hash type=\"md5\">1</hash><hash type=\"sha256\">\
             {hash}</hash></verification><mm0:alternates xmlns:mm0=\"x\"><mm0:alternate><verification><hash type=\"sha256\">{}</hash>\
             </verification></mm0:alternate></mm0:alternates><resources><url preference=\"9\">http://b/repodata/repomd.xml</url>\
             <url preference=\"9\">https://c/repodata/repomd.xml</url><url preference=\"99\">http://a/repodata/repomd.xml</url>\
             <url>rsync://x/repodata/repomd.xml</url><url>http://x/other</url></resources></file></files></metalink>",
            "cd".repeat(32)
        );
        let read = metalink(link.as_bytes()).unwrap();
        assert_eq!(read.bases, ["http://a", "https://c", "http://b"]);
        assert_eq!(read.digests.len(), 2);
    }
}
