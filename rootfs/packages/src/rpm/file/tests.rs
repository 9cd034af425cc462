//! Payloads that contradict their header, made by hand.

use amiforge_formats::digest::Digest;
use amiforge_store::FileDigests;

use super::payload::{ContentCheck, PayloadExtent, PayloadFiles};
use super::payload_error::RpmPayloadError;
use super::pieces::{PieceStop, StoredPayload};
use crate::rpm::package::{FilePresence, RpmFileEntry, file_flag};

/// A file of a header.
fn file(path: &str, mode: u16, content: &[u8]) -> RpmFileEntry {
    let is_regular = mode & 0o170_000 == 0o100_000;
    let is_link = mode & 0o170_000 == 0o120_000;
    RpmFileEntry {
        path: path.as_bytes().to_vec(),
        mode,
        size: content.len() as u64,
        mtime: 1,
        flags: 0,
        digest: if is_regular { Digest::of(content).to_string() } else { String::new() },
        target: if is_link { content.to_vec() } else { Vec::new() },
        user: "root".into(),
        group: "root".into(),
        capabilities: String::new(),
        rdev: 0,
        inode: (1, 0),
        presence: FilePresence::Installed,
    }
}

fn pad(bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len().next_multiple_of(4), 0);
}

/// A member of the newc form.
fn named(name: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes = b"070701".to_vec();
    for field in 0..13 {
        let value = match field {
            6 => body.len(),
            11 => name.len() + 1,
            _ => 0,
        };
        bytes.extend_from_slice(format!("{value:08x}").as_bytes());
    }
    bytes.extend_from_slice(name.as_bytes());
    bytes.push(0);
    pad(&mut bytes);
    bytes.extend_from_slice(body);
    pad(&mut bytes);
    bytes
}

/// A member of the stripped form.
fn numbered(number: u32, body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("07070X{number:08x}").into_bytes();
    pad(&mut bytes);
    bytes.extend_from_slice(body);
    pad(&mut bytes);
    bytes
}

fn read(files: &[RpmFileEntry], members: &[Vec<u8>]) -> Result<Vec<Option<PayloadExtent>>, RpmPayloadError> {
    let bytes = members.concat();
    let stop = |stop| match stop {
        PieceStop::Payload(error) => error,
        PieceStop::Bytes(_) => panic!("bytes in memory can be read"),
    };
    PayloadFiles::new(files, 8)?
        .read(&mut StoredPayload::new(&bytes.as_slice()), ContentCheck::Digests)
        .map_err(stop)
}

fn end() -> Vec<u8> {
    named("TRAILER!!!", b"")
}

const REGULAR: u16 = 0o100_644;
const LINK: u16 = 0o120_777;

#[test]
fn contents_are_found_in_both_forms_and_in_any_order() {
    let files = [file("/a", REGULAR, b"one"), file("/l", LINK, b"a"), file("/d", 0o040_755, b"")];
    let newc = [named("./d", b""), named("./l", b"a"), named("/a", b"one"), end()];
    let contents = read(&files, &newc).unwrap();
    let at = (newc[0].len() + newc[1].len() + 116) as u64;
    // Every content brings the digests that bills of materials name.
    let sha1 = *b"\xfe\x05\xbc\xdc\xdc\x49\x28\x01\x27\x81\xa5\xf1\xa2\xa7\x7c\xbb\x53\x98\xe1\x06";
    let one = |at| {
        let digests = Some(FileDigests { sha1, sha256: Digest::of(b"one") });
        Some(PayloadExtent { at, len: 3, digests })
    };
    assert_eq!(contents, [one(at), None, None]);
    let stripped = [numbered(2, b""), numbered(0, b"one"), numbered(1, b"a"), end()];
    assert_eq!(read(&files, &stripped).unwrap()[0], one(32));
    let ended =
        [numbered(0, b"one"), numbered(1, b"a"), numbered(2, b""), numbered(u32::MAX, b""), vec![0; 9]];
    assert_eq!(read(&files, &ended).unwrap()[0], one(16));
}

#[test]
fn hard_links_have_the_content_of_the_one_that_brings_it() {
    let mut files = [file("/a", REGULAR, b"one"), file("/b", REGULAR, b"one"), file("/c", REGULAR, b"one")];
    for file in &mut files {
        file.inode = (1, 7);
    }
    let all = |members: &[Vec<u8>]| read(&files, members).map(|contents| contents.iter().flatten().count());
    assert_eq!(all(&[named("./a", b""), named("./b", b""), named("./c", b"one"), end()]), Ok(3));
    assert_eq!(all(&[named("./c", b""), named("./b", b""), named("./a", b"one"), end()]), Ok(3));
    assert_eq!(all(&[numbered(0, b""), numbered(1, b""), numbered(2, b"one"), end()]), Ok(3));
    let none = all(&[named("./a", b""), named("./b", b""), named("./c", b""), end()]);
    assert_eq!(none, Err(RpmPayloadError::Missing { path: b"/a".to_vec() }));
    files[1] = RpmFileEntry { inode: (1, 7), ..file("/b", REGULAR, b"other") };
    let error = read(&files, &[]).unwrap_err();
    assert_eq!(error, RpmPayloadError::Link { one: b"/b".to_vec(), other: b"/c".to_vec() });
}

#[test]
fn payloads_that_contradict_the_header_are_refused() {
    use RpmPayloadError as E;
    let files = [file("/a", REGULAR, b"one"), file("/l", LINK, b"a")];
    let error = |members: &[Vec<u8>]| read(&files, members).unwrap_err();
    let (a, l) = (named("./a", b"one"), named("./l", b"a"));
    let both = [a.clone(), l.clone()].concat();
    let path = || b"/a".to_vec();
    assert_eq!(error(std::slice::from_ref(&both)), E::Cut { at: both.len() as u64 });
    assert_eq!(error(&[both[..both.len() - 4].to_vec()]), E::Cut { at: both.len() as u64 - 4 });
    assert_eq!(error(&[both.clone(), b"123456".to_vec()]), E::Magic { at: 240, found: *b"123456" });
    assert_eq!(error(&[a.clone(), end()]), E::Missing { path: b"/l".to_vec() });
    assert_eq!(error(&[both.clone(), a.clone(), end()]), E::Twice { path: path() });
    assert_eq!(error(&[named("./x", b""), end()]), E::Unknown { name: b"./x".to_vec() });
    assert_eq!(error(&[numbered(2, b"")]), E::Unknown { name: b"number 2".to_vec() });
    let size = E::Size { path: path(), expected: 3, actual: 4 };
    assert_eq!(error(&[named("./a", b"ones"), l.clone(), end()]), size);
    assert!(matches!(error(&[named("./a", b"two"), l.clone(), end()]), E::Digest { .. }));
    let target = E::Target { path: b"/l".to_vec(), expected: b"a".to_vec(), actual: b"b".to_vec() };
    assert_eq!(error(&[a.clone(), named("./l", b"b"), end()]), target);
    assert!(matches!(error(&[both.clone(), end(), b"1".to_vec()]), E::Rest { .. }));
    let mut wrong = both.clone();
    wrong[6 + 8 * 6] = b'g';
    assert!(matches!(error(&[wrong]), E::Number { at: 0, .. }));
    let mut long = both;
    long[6 + 8 * 11..6 + 8 * 12].copy_from_slice(b"00002000");
    assert_eq!(error(&[long]), E::NameLength { at: 0, len: 0x2000 });
    let unknown = PayloadFiles::new(&files, 12).unwrap();
    let bytes = [a, l, end()].concat();
    let stop = unknown.read(&mut StoredPayload::new(&bytes.as_slice()), ContentCheck::Digests);
    assert!(matches!(stop, Err(PieceStop::Payload(E::Algorithm(12)))));
}

#[test]
fn what_is_only_owned_is_passed_over() {
    let mut ghost = file("/g", REGULAR, b"");
    (ghost.flags, ghost.presence) = (file_flag::GHOST, FilePresence::Ghost);
    let files = [ghost, file("/a", REGULAR, b"one")];
    let brought = [named("./g", b"content"), named("./a", b"one"), end()];
    for members in [&brought[..], &brought[1..]] {
        let contents = read(&files, members).unwrap();
        assert!(contents[0].is_none() && contents[1].is_some());
    }
}
