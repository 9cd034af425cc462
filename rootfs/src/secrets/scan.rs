//! Scans the files of a tree for private keys. Reads only the start of binary files and all of text files up to a limit, so
//! that a system of 15,000 files takes a fraction of a second.

use std::collections::BTreeSet;
use std::io;

use amiforge_formats::plan::Sources;
use amiforge_formats::private_key::{self as keys, KeyKind};
use amiforge_formats::tree::{Content, NodeId, NodeKind, Tree};

/// Bytes at the start of a file by which a text is distinguished from a binary file.
const HEAD_LEN: usize = 4 << 10;

/// Bytes of a binary file that are read where it starts as DER does.
const BINARY_MAX: usize = 64 << 10;

/// Bytes of a text file that are read at a time.
const CHUNK_LEN: usize = 1 << 20;

/// Bytes by which successive chunks overlap: longer than the start of any key.
const OVERLAP: usize = 16 << 10;

/// Bytes that are read at either end of a text file.
const TEXT_MAX: u64 = 16 << 20;

/// Shortest file that can hold a structured key, in bytes.
const LEN_MIN: u64 = 40;

/// Folders whose keys are samples: documentation below `/usr/share`, and tests of software below `/usr` and `/opt`. Such
/// keys are published with the software, and nothing uses them.
pub const EXCLUDED: [&str; 8] = [
    "/usr/share/doc",
    "/usr/share/man",
    "/usr/share/info",
    "/usr/**/test",
    "/usr/**/tests",
    "/usr/**/testdata",
    "/opt/**/test",
    "/opt/**/tests",
];

/// A file to scan: its node, one of its paths, and its content.
type ScannedFile<'a> = (NodeId, Vec<u8>, &'a Content);

/// The paths of files that contain a private key, without the leading `/`, sorted; of a file with several hard links every
/// path.
///
/// # Errors
/// I/O errors of reading contents.
pub fn scan(tree: &Tree, sources: &(dyn Sources + Sync)) -> io::Result<Vec<(Vec<u8>, KeyKind)>> {
    let mut seen = BTreeSet::new();
    let files: Vec<ScannedFile<'_>> = tree
        .walk()
        .filter_map(|entry| match &tree.node(entry.id).kind {
            NodeKind::File(content) if content.len() >= LEN_MIN && !is_excluded(&entry.path) => {
                seen.insert(entry.id).then_some((entry.id, entry.path, content))
            }
            _ => None,
        })
        .collect();
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let share = files.len().div_ceil(workers).max(1);
    let scan_files = |files: &[ScannedFile<'_>]| -> io::Result<Vec<(NodeId, KeyKind)>> {
        let mut buffer = vec![0; CHUNK_LEN];
        let mut keys = Vec::new();
        for (id, _, content) in files {
            keys.extend(find_key(content, sources, &mut buffer)?.map(|kind| (*id, kind)));
        }
        Ok(keys)
    };
    let results: Vec<io::Result<Vec<(NodeId, KeyKind)>>> = std::thread::scope(|scope| {
        let running: Vec<_> =
            files.chunks(share).map(|files| scope.spawn(move || scan_files(files))).collect();
        let ended = || Err(io::Error::other("a thread that scans for keys ended early"));
        running.into_iter().map(|thread| thread.join().unwrap_or_else(|_| ended())).collect()
    });
    let mut kinds = std::collections::BTreeMap::new();
    for part in results {
        kinds.extend(part?);
    }
    let named = tree.walk().filter(|entry| !is_excluded(&entry.path));
    let mut named: Vec<_> = named.filter_map(|entry| Some((entry.path, *kinds.get(&entry.id)?))).collect();
    named.sort();
    Ok(named)
}

/// Whether a path, without the leading `/`, is in one of the folders of [`EXCLUDED`].
pub fn is_excluded(path: &[u8]) -> bool {
    let mut names = path.split(|byte| *byte == b'/');
    let top = names.next();
    if top == Some(b"usr".as_slice()) {
        let mut names = names.clone();
        if names.next() == Some(b"share".as_slice())
            && names.next().is_some_and(|name| [b"doc".as_slice(), b"man", b"info"].contains(&name))
        {
            return true;
        }
    }
    let software = top == Some(b"usr".as_slice()) || top == Some(b"opt".as_slice());
    software && names.any(|name| [b"test".as_slice(), b"tests", b"testdata"].contains(&name))
}

/// The kind of the first key in a file.
fn find_key(content: &Content, sources: &dyn Sources, buffer: &mut [u8]) -> io::Result<Option<KeyKind>> {
    let len = content.len();
    let part = |buffer: &mut [u8], at: u64, most: usize| -> io::Result<usize> {
        let count = usize::try_from(len.saturating_sub(at)).unwrap_or(usize::MAX).min(most).min(buffer.len());
        content.read_at(sources, at, &mut buffer[..count])?;
        Ok(count)
    };
    let count = part(buffer, 0, HEAD_LEN)?;
    let head = &buffer[..count];
    if head.contains(&0) || !looks_like_text(head) {
        // A key in DER is hardly longer than the head; a store of several keys may be.
        let more = head[0] == 0x30 && len > HEAD_LEN as u64 && len <= BINARY_MAX as u64;
        let count = if more { part(buffer, 0, BINARY_MAX)? } else { count };
        return Ok(keys::identify_binary(&buffer[..count], len));
    }
    let mut at = 0;
    loop {
        let count = part(buffer, at, CHUNK_LEN)?;
        if let Some(kind) = keys::identify_text(&buffer[..count]) {
            return Ok(Some(kind));
        }
        let end = at + count as u64;
        if end >= len {
            return Ok(None);
        }
        at = end - OVERLAP as u64;
        // The middle of a text that is longer than any file of keys is skipped.
        if at >= TEXT_MAX && at < len.saturating_sub(TEXT_MAX) {
            at = len - TEXT_MAX;
        }
    }
}

/// Whether few bytes are control characters and few are above 0x7f, as in a text of any 8-bit encoding.
fn looks_like_text(head: &[u8]) -> bool {
    let odd = head.iter().filter(|byte| **byte < 0x20 && !b"\t\n\r\x0c\x1b".contains(byte)).count();
    let high = head.iter().filter(|byte| **byte >= 0x80).count();
    odd * 50 <= head.len() && high * 3 <= head.len()
}

#[cfg(test)]
mod tests {
    use amiforge_formats::plan::NoSources;

    use super::*;
    use crate::steps::testing::{add, tree};

    /// A key of Ed25519 in PKCS#8 (RFC 8410, 10.3), which is not in use.
    const KEY: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n";

    /// The same in DER.
    const PKCS8: [u8; 48] = *b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20\xd4\xee\x72\xdb\xf9\x13\x58\x4a\xd5\xb6\xd8\xf1\xf7\x69\xf8\xad\x3a\xfe\x7c\x28\xcb\xf1\xd4\xfb\xe0\x97\xa8\x8f\x44\x75\x58\x42";

    /// The paths with a key, and the kinds.
    fn scan_paths(tree: &Tree) -> Vec<(String, &'static str)> {
        let keys = scan(tree, &NoSources).unwrap();
        keys.into_iter().map(|(path, kind)| (String::from_utf8(path).unwrap(), kind.name())).collect()
    }

    fn put(tree: &mut Tree, path: &str, bytes: &[u8]) {
        add(tree, path, "file 0600 x");
        let id = tree.lookup(path.as_bytes()).unwrap();
        tree.node_mut(id).kind = NodeKind::File(Content::Inline(bytes.into()));
    }

    #[test]
    fn keys_are_found_in_every_folder_but_those_of_samples() {
        let mut tree = tree(&[("/etc/hosts", "file 0644 127.0.0.1 localhost is not long but long enough")]);
        put(&mut tree, "/etc/ssl/private/a.pem", KEY.as_bytes());
        put(&mut tree, "/srv/tests/b.der", &PKCS8);
        put(&mut tree, "/usr/share/doc/x/key.pem", KEY.as_bytes());
        put(&mut tree, "/usr/lib/python3/dist-packages/x/tests/key.pem", KEY.as_bytes());
        put(&mut tree, "/usr/lib/libcrypto.so", &[b"\x7fELF\0\0\0", KEY.as_bytes()].concat());
        let (id, dir) = (tree.lookup(b"etc/ssl/private/a.pem").unwrap(), tree.lookup(b"srv").unwrap());
        tree.link(dir, amiforge_formats::tree::Name::new(b"again.pem").unwrap(), id).unwrap();
        let expected = ["etc/ssl/private/a.pem", "srv/again.pem", "srv/tests/b.der"];
        assert_eq!(scan_paths(&tree), expected.map(|path| (path.to_owned(), "private-key")));
    }

    #[test]
    fn a_key_is_found_at_every_offset_of_a_long_text() {
        for before in
            [0, 70_000, CHUNK_LEN - 40, CHUNK_LEN, CHUNK_LEN + OVERLAP - 20, (TEXT_MAX as usize) - 20]
        {
            let mut text = vec![b'#'; before];
            text.extend_from_slice(b"\n");
            text.extend_from_slice(KEY.as_bytes());
            text.extend_from_slice(&vec![b'\n'; 3 << 20]);
            let mut tree = tree(&[]);
            put(&mut tree, "/etc/large", &text);
            assert_eq!(scan_paths(&tree).len(), 1, "after {before} bytes");
        }
        // At the end of a text of 40 MiB, and in its middle, which is skipped.
        for (at, count) in [((40 << 20) - 5000, 1), (20 << 20, 0)] {
            let mut text = vec![b'#'; 40 << 20];
            text[at] = b'\n';
            text[at + 1..][..KEY.len()].copy_from_slice(KEY.as_bytes());
            let mut tree = tree(&[]);
            put(&mut tree, "/etc/large", &text);
            assert_eq!(scan_paths(&tree).len(), count, "at {at}");
        }
    }
}
