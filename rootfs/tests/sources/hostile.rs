//! Hostile archives: each is refused with the entry, the offset and the reason.

use std::io::{Read, Write};

use crate::archive::{Header, assembled, dir, end, error_chain, extended, file, link, padded, pax, tar_spec};

fn refusal(parts: &[Vec<u8>]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.tar");
    std::fs::write(&path, parts.concat()).unwrap();
    match assembled(&[tar_spec(&path)], folder.path()) {
        Ok((tree, _)) => panic!("accepted:\n{}", amiforge_formats::dump::to_string(&tree.tree)),
        Err(error) => error_chain(&error).replace(&folder.path().display().to_string(), "…"),
    }
}

fn sparse10(map: &str, size: u64, real: &str) -> Vec<u8> {
    let records = pax(&[
        ("GNU.sparse.major", b"1"),
        ("GNU.sparse.minor", b"0"),
        ("GNU.sparse.name", b"s"),
        ("GNU.sparse.realsize", real.as_bytes()),
    ]);
    let body = padded(map.as_bytes());
    let data = vec![7; size as usize];
    let header = Header::new("x", b'0', body.len() as u64 + size);
    [&records[..], &header.0, &body, &padded(&data)].concat()
}

/// Names that would escape the tree or that no file can have.
#[test]
fn hostile_names_are_refused() {
    let long = "n".repeat(256);
    let deep = "d/".repeat(3000);
    for (parts, expected) in [
        (vec![file("../x", b"")], "the entry `../x` at byte 0: the name has `..` in it"),
        (vec![file("a/../x", b"")], "the entry `a/../x` at byte 0: the name has `..` in it"),
        (
            vec![dir("a"), file("/../etc/x", b"")],
            "the entry `/../etc/x` at byte 512: the name has `..` in it",
        ),
        (vec![pax(&[("path", b"a\0b")]), file("x", b"")], "byte 0: a name holds a NUL byte"),
        (vec![pax(&[("path", long.as_bytes())]), file("x", b"")], "a name of 256 bytes, allowed are 255"),
        (vec![pax(&[("path", deep.as_bytes())]), dir("x")], "a path of 5999 bytes, allowed are 4095"),
        (vec![file("./", b"x")], "a dir has no content, but the header says 1 bytes"),
        (vec![link(b'2', ".", "x")], "the entry `.` at byte 0: the root is a symlink, not a directory"),
        (
            vec![link(b'2', "l", "/etc"), file("l/x", b"")],
            "the entry `l/x` at byte 512: the name leads through `l`, a symlink to `/etc`",
        ),
        (vec![link(b'2', "l", "l"), dir("l/l/x")], "leads through `l`, a symlink to `l`"),
        (vec![link(b'2', "a", "b"), link(b'2', "b", "a"), file("a/x", b"")], "`a`, a symlink to `b`"),
        (vec![dir("d"), link(b'2', "d/l", ".."), file("d/l/x", b"")], "through `d/l`, a symlink to `..`"),
        (vec![file("f", b""), file("f/x", b"")], "the name leads through `f`, a file"),
        (vec![link(b'1', "h", "../x")], "a hard link to `../x`, a name that no entry can have"),
        (vec![link(b'1', "h", "/../x")], "a hard link to `/../x`, a name that no entry can have"),
        (
            vec![link(b'1', "h", "x")],
            "the entry `h` at byte 0: a hard link to `x`, which the archive does not hold",
        ),
        (vec![link(b'1', "h", "h")], "a hard link to `h`, which the archive does not hold"),
        (vec![dir("d"), link(b'1', "h", "d")], "a hard link to `d`, a directory"),
        (vec![link(b'2', "l", "d"), dir("d"), file("d/f", b""), link(b'1', "h", "l/f")], "leads through `l`"),
        (vec![link(b'2', "l", "")], "a symlink's target has 0 bytes"),
        (vec![pax(&[("linkpath", &[b'x'; 4096])]), link(b'2', "l", "")], "a symlink's target has 4096 bytes"),
    ] {
        let refusal = refusal(&[parts.concat(), end()]);
        assert!(refusal.starts_with("reading source 1: reading the "), "{refusal}");
        assert!(refusal.contains(expected), "{expected}\n{refusal}");
    }
}

#[test]
fn a_duplicate_name_is_refused_unless_the_entries_are_equal() {
    let twice =
        "the entry `f` at byte 1024: byte 0 gives the same name as a file, this one a file that differs";
    let refused = refusal(&[file("f", b"one"), file("f", b"two"), end()]);
    assert!(refused.ends_with(twice), "{refused}");
    for second in
        [dir("f"), link(b'2', "f", "x"), Header::new("f", b'6', 0).0.to_vec(), file("./f", b"longer")]
    {
        assert!(
            refusal(&[file("f", b"one"), second, end()]).contains("byte 0 gives the same name as a file")
        );
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.tar");
    let parts = [
        file("f", b"one"),
        dir("d"),
        file("f", b"one"),
        dir("d/"),
        link(b'1', "g", "f"),
        link(b'1', "g", "f"),
        end(),
    ];
    std::fs::write(&path, parts.concat()).unwrap();
    let (tree, _) = assembled(&[tar_spec(&path)], folder.path()).unwrap();
    assert_eq!(tree.tree.walk().count(), 4);
}

#[test]
fn invalid_headers_are_refused() {
    let header = || Header::new("f", b'0', 0);
    let mut flipped = file("f", b"x");
    flipped[3] ^= 1;
    let mut later = [dir("d"), file("f", b"x")].concat();
    later[512] ^= 1;
    for (parts, expected) in [
        (vec![flipped], "begins with 66 00 00 01 00 00 00 00: neither tar nor gzip, xz or zstd"),
        (vec![later], "reading the header at byte 512: the header's checksum is"),
        (
            vec![header().set(124, b"0000000000x\0").0.to_vec()],
            "the field `size` is not a number: `0000000000x\\x00`",
        ),
        (vec![header().set(100, b"rw-r--r-").0.to_vec()], "the field `mode` is not a number"),
        (
            vec![header().set(124, &[0xff; 12]).0.to_vec()],
            "`size` is -1, allowed is 0 to 9223372036854775807",
        ),
        (
            vec![header().set(108, b"\x80\0\0\x01\0\0\0\0").0.to_vec()],
            "`uid` is 4294967296, allowed is 0 to 4294967295",
        ),
    ] {
        let refusal = refusal(&[parts.concat(), end()]);
        assert!(refusal.contains(expected), "{expected}\n{refusal}");
    }
}

#[test]
fn invalid_extended_headers_are_refused() {
    for (parts, expected) in [
        (vec![pax(&[("uid", b"-1")]), file("f", b"")], "the extended header says `uid=-1`"),
        (vec![pax(&[("gid", b"4294967296")]), file("f", b"")], "`gid` is 4294967296"),
        (vec![pax(&[("mtime", b"now")]), file("f", b"")], "the extended header says `mtime=now`"),
        (vec![pax(&[("size", b"x")]), file("f", b"")], "the extended header says `size=x`"),
        (
            vec![Header::new("c", b'3', 0).set(329, b"0010000\0").0.to_vec()],
            "`devmajor` is 4096, allowed is 0 to 4095",
        ),
        (
            vec![Header::new("d", b'5', 512).0.to_vec(), vec![0; 512]],
            "a dir has no content, but the header says 512",
        ),
        (
            vec![file("f", b""), Header::new("h", b'1', 5).link("f").0.to_vec(), vec![0; 512]],
            "a hard link has no",
        ),
        (vec![Header::new("l", b'2', 5).link("f").0.to_vec(), vec![0; 512]], "a symlink has no content"),
        (vec![Header::new("m", b'M', 0).0.to_vec()], "entries of type `M` are not supported"),
        (vec![extended(b'x', b"30 path=x\n"), file("f", b"")], "record 1 of the extended header is not"),
        (
            vec![extended(b'x', b"9 path=x\n0 a=b\n"), file("f", b"")],
            "record 2 of the extended header is not",
        ),
        (
            vec![extended(b'x', b""), extended(b'x', b""), file("f", b"")],
            "an extended header is followed by another one",
        ),
        (
            vec![extended(b'g', &crate::archive::record(b"path", b"x")), file("f", b"")],
            "the extended header says `path=x`",
        ),
        (vec![pax(&[("path", b"x")])], "an extended header is followed by the end of the archive"),
        (vec![extended(b'L', b"name\0")], "a long name is followed by the end of the archive"),
        (
            vec![Header::new("p", b'x', 5 << 20).0.to_vec()],
            "an extended header of 5242880 bytes, allowed are 4194304",
        ),
        (vec![pax(&[("SCHILY.xattr.", b"x")]), file("f", b"")], "the attribute `` has 0 bytes"),
        (
            vec![pax(&[("SCHILY.xattr.user.a", &[0; 65537])]), file("f", b"")],
            "has 65537 bytes, allowed are 65536",
        ),
        (
            vec![pax(&[("SCHILY.acl.access", b"user:lisa:rwx")]), file("f", b"")],
            "`user:lisa:rwx` is not an entry",
        ),
        (vec![pax(&[("LIBARCHIVE.xattr.user.a", b"?")]), file("f", b"")], "LIBARCHIVE.xattr.user.a=?"),
    ] {
        let refusal = refusal(&[parts.concat(), end()]);
        assert!(refusal.contains(expected), "{expected}\n{refusal}");
    }
}

#[test]
fn truncated_and_concatenated_archives_are_refused() {
    let whole = [dir("d"), file("d/f", &[7; 3000])].concat();
    let cut = |len: usize| refusal(&[whole[..len].to_vec()]);
    assert!(cut(512).ends_with("header at byte 512: the archive ends at byte 512 without the block of zeros that closes it: it was cut short"));
    assert!(cut(700).contains("the archive ends at byte 700 without"));
    assert!(cut(2000).contains(
        "the entry `d/f` at byte 512: the archive ends at byte 2000, but the content reaches to byte 4024"
    ));
    assert!(cut(4030).contains("the archive ends at byte 4030 without"));
    let joined = refusal(&[whole.clone(), end(), whole.clone(), end()]);
    assert!(
        joined.contains("header at byte 4096: the archive closes here, but byte 5120 is not zero"),
        "{joined}"
    );
    let truncated = Header::new("f", b'0', (1 << 33) - 1);
    assert!(refusal(&[truncated.0.to_vec(), end()]).contains("reaches to byte 8589935103"));
    let huge = Header::new("f", b'0', 0).set(124, b"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff");
    assert!(refusal(&[huge.0.to_vec(), end()]).contains("reaches to byte"));
}

#[test]
fn invalid_sparse_maps_are_refused() {
    for (archive, expected) in [
        (sparse10("1\n0\n512\n", 512, "511"), "range ends past the file: 512, but 511"),
        (sparse10("1\n0\n512\n", 1024, "4096"), "ranges and the bytes stored differ: 512, but 1024"),
        (sparse10("2\n512\n512\n0\n512\n", 1024, "4096"), "ranges are out of order: 0, but 1024"),
        (sparse10("2\n0\n512\n256\n512\n", 1024, "4096"), "ranges are out of order: 256, but 512"),
        (sparse10("99999999999\n0\n512\n", 512, "4096"), "the sparse map has no number at its byte"),
        (sparse10("x\n", 512, "4096"), "the sparse map has no number at its byte 0"),
        (
            sparse10("1\n0\n512\n", 512, "9223372036854775808"),
            "says `GNU.sparse.realsize=9223372036854775808`",
        ),
        (
            [pax(&[("GNU.sparse.map", b"0,1,2"), ("GNU.sparse.size", b"9")]), file("f", b"x")].concat(),
            "the extended header says `GNU.sparse.map=0,1,2`",
        ),
        (
            [pax(&[("GNU.sparse.major", b"2"), ("GNU.sparse.realsize", b"9")]), file("f", b"x")].concat(),
            "says `GNU.sparse.major.minor=2.0`",
        ),
    ] {
        let refusal = refusal(&[archive, end()]);
        assert!(refusal.contains(expected), "{expected}\n{refusal}");
    }
}

#[test]
fn damaged_and_too_long_compressed_inputs_are_refused_and_leave_no_file() {
    let gz = |bytes: &[u8]| {
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gz.write_all(bytes).unwrap();
        gz.finish().unwrap()
    };
    let tar = [file("f", &[b'x'; 5000]), end()].concat();
    let good = gz(&tar);
    let mut flipped = good.clone();
    let last = flipped.len() - 6;
    flipped[last] ^= 1;
    let zstd = zstd::encode_all(&tar[..], 1).unwrap();
    for (bytes, expected) in [
        (flipped, "decompressing the gzip stream near byte"),
        (good[..good.len() - 9].to_vec(), "decompressing the gzip stream near byte"),
        ([good.clone(), b"junk".to_vec()].concat(), "decompressing the gzip stream near byte"),
        (zstd[..zstd.len() - 3].to_vec(), "decompressing the zstd stream near byte"),
        (gz(b"no tar at all"), "reading the header at byte 0: the archive ends at byte 13"),
        (
            zstd::encode_all(std::io::repeat(0).take(300 << 20), 1).unwrap(),
            "become more than 268435456; if that is right, give the archive decompressed",
        ),
        (
            b"BZh91AY".to_vec(),
            "begins with 42 5a 68 39 31 41 59: neither tar nor gzip, xz or zstd; it is compressed with bzip2",
        ),
        (Vec::new(), "begins with nothing: neither"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.tgz");
        std::fs::write(&path, bytes).unwrap();
        let refusal = error_chain(&assembled(&[tar_spec(&path)], folder.path()).unwrap_err());
        assert!(refusal.contains(expected), "{expected}\n{refusal}");
        let left = std::fs::read_dir(folder.path().join("store")).map_or(0, Iterator::count);
        assert_eq!(left, 0, "{expected}");
    }
}
