//! Merged sources and mapped paths: results, refusals with their messages, and the checks at the end of a build.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use amiforge_formats::digest::Digest;
use amiforge_formats::dump;
use amiforge_formats::time::Time;
use amiforge_formats::tree::{Content, Meta, Name, Node, NodeId, NodeKind, Tree};
use amiforge_progress::{CancelToken, Monitor};
use amiforge_rootfs::assemble::assemble;
use amiforge_rootfs::sources::{DigestPin, Modes, OwnerRule, SourceKind, SourceSpec};
use amiforge_store::Store;
use amiforge_store::blobs::Blobs;
use proptest::prelude::*;

use crate::archive::{Header, assembled, dir, end, error_chain, file, link, pax, spec, tar_spec};

/// Writes archives and returns a source for each.
fn sources(folder: &Path, archives: &[Vec<Vec<u8>>]) -> Vec<SourceSpec> {
    let mut specs = Vec::new();
    for (parts, number) in archives.iter().zip(1..) {
        let path = folder.join(format!("{number}.tar"));
        fs::write(&path, [parts.concat(), end()].concat()).unwrap();
        specs.push(spec(&format!("source {number}"), SourceKind::Tar { path }));
    }
    specs
}

fn merged(archives: &[Vec<Vec<u8>>], change: impl Fn(&mut [SourceSpec])) -> Result<Vec<String>, String> {
    let folder = tempfile::tempdir().unwrap();
    let mut specs = sources(folder.path(), archives);
    change(&mut specs);
    match assembled(&specs, folder.path()) {
        Ok((assembled, _)) => {
            Ok(dump::to_string(&assembled.tree).lines().skip(1).map(str::to_owned).collect())
        }
        Err(error) => Err(error_chain(&error)),
    }
}

fn as_is(_: &mut [SourceSpec]) {}

fn overriding(specs: &mut [SourceSpec]) {
    specs.last_mut().unwrap().overrides = true;
}

#[test]
fn sources_without_conflict_are_merged() {
    let first = vec![dir("a"), file("a/x", b"one"), link(b'1', "a/y", "a/x")];
    let second = vec![file("a/x", b"one"), link(b'1', "a/z", "a/x"), file("b/c", b"2")];
    let expected = [
        "/a dir 0755 0:0 1.000000000",
        "/a/x file 0644 0:0 1.000000000 3",
        "/a/y link=/a/x",
        "/a/z link=/a/x",
        "/b dir 0755 0:0 0.000000000",
        "/b/c file 0644 0:0 1.000000000 1",
    ];
    assert_eq!(merged(&[first, second], as_is).unwrap(), expected);
    // An implied directory takes the metadata of the other source; times of directories may differ.
    let given = Header::new("b", b'5', 0).set(136, b"00000000007\0").0.to_vec();
    let lines =
        merged(&[vec![file("b/c", b"2")], vec![given.clone()], vec![dir("c"), file("b/d", b"3")]], as_is);
    assert_eq!(lines.unwrap()[0], "/b dir 0644 0:0 7.000000000");
    let later = given.clone();
    let lines = merged(
        &[vec![given], vec![Header(later.try_into().unwrap()).set(136, b"00000000011\0").0.to_vec()]],
        as_is,
    );
    assert_eq!(lines.unwrap(), ["/b dir 0644 0:0 7.000000000"]);
}

#[test]
fn sources_that_differ_are_refused_unless_the_later_overrides() {
    let one = || vec![dir("a"), file("a/x", b"one"), link(b'2', "l", "a")];
    let conflict = |second: Vec<Vec<u8>>| merged(&[one(), second], as_is).unwrap_err();
    assert_eq!(
        conflict(vec![file("a/x", b"longer")]),
        "merging source 2 into the tree: `/a/x` differs in its content: a file of 3 bytes (0644 0:0 at 1.000000000) in \
         source 1, a file of 6 bytes (0644 0:0 at 1.000000000) in source 2; if the later one is meant, give it \
         `override = true`"
    );
    assert!(conflict(vec![file("a/x", b"two")]).contains("`/a/x` differs in its content"));
    assert!(
        conflict(vec![Header::new("a", b'5', 0).0.to_vec()])
            .contains("`/a` differs in its mode: a dir (0755")
    );
    let other = Header::new("a/x", b'0', 0).set(108, b"0000007\0").0.to_vec();
    assert!(
        merged(&[vec![file("a/x", b"")], vec![other]], as_is).unwrap_err().contains("differs in its owner")
    );
    assert!(
        conflict(vec![link(b'2', "l", "b")])
            .contains("a symlink to `a` (0777 0:0 at 1.000000000) in source 1")
    );
    assert!(conflict(vec![file("a", b"")]).contains("`/a` differs in its kind"));
    assert!(conflict(vec![file("a/x/y", b"")]).contains("`/a/x` differs in its kind"));
    let lines = merged(&[one(), vec![file("a/x", b"longer"), file("l", b"")]], overriding).unwrap();
    assert_eq!(lines[1..], ["/a/x file 0644 0:0 1.000000000 6", "/l file 0644 0:0 1.000000000 0"]);
    let lines = merged(&[one(), vec![file("a", b"")]], overriding).unwrap();
    assert_eq!(lines, ["/a file 0644 0:0 1.000000000 0", "/l symlink 0777 0:0 1.000000000 -> a"]);
}

#[test]
fn a_path_through_another_sources_link_is_refused_with_the_path_to_write() {
    for change in [as_is, overriding] {
        let first =
            vec![dir("usr"), dir("usr/lib"), link(b'2', "lib", "usr/lib"), link(b'2', "usr/up", "../srv")];
        let refused = merged(&[first.clone(), vec![file("lib/x", b"")]], change).unwrap_err();
        assert!(refused.contains(
            "`/lib` of source 2 leads through `/lib`, a symlink to `usr/lib` in source 1; put it at `/usr/lib` instead"
        ));
        let mut folder = vec![dir("lib"), file("lib/x", b"")];
        folder.reverse();
        assert!(merged(&[first.clone(), folder], change).is_err());
        let prefixed = |specs: &mut [SourceSpec]| specs[1].prefix = "/usr/up".to_owned();
        let refused = merged(&[first, vec![file("x", b"")]], prefixed).unwrap_err();
        assert!(refused.contains("put it at `/srv"), "{refused}");
    }
}

#[test]
fn strip_prefix_and_exclude_map_the_paths_of_a_source() {
    let parts = || {
        vec![
            dir("top"),
            dir("top/a"),
            file("top/a/x.pyc", b""),
            file("top/a/y", b"1"),
            link(b'1', "top/z", "top/a/y"),
            file("loose", b""),
        ]
    };
    let lines = merged(&[parts()], |specs| {
        specs[0].strip = 1;
        specs[0].prefix = "/opt//app/".to_owned();
        specs[0].exclude = vec!["**/*.pyc".to_owned(), "a/y".to_owned()];
    });
    assert_eq!(
        lines.unwrap(),
        [
            "/opt dir 0755 0:0 0.000000000",
            "/opt/app dir 0755 0:0 0.000000000",
            "/opt/app/a dir 0755 0:0 1.000000000",
            "/opt/app/z file 0644 0:0 1.000000000 1",
        ]
    );
    let whole = merged(&[parts()], |specs| specs[0].exclude = vec!["top".to_owned()]);
    assert_eq!(whole.unwrap(), ["/loose file 0644 0:0 1.000000000 0"]);
    let wrong = |prefix: &str| merged(&[parts()], |specs| specs[0].prefix = prefix.to_owned()).unwrap_err();
    assert!(wrong("/../x").contains("the prefix `/../x` of source 1 is not a path of an image"));
    let far = merged(&[parts()], |specs| specs[0].strip = 9).unwrap_err();
    assert_eq!(far, "`strip = 9` leaves nothing of source 1: its longest path has 3 names");
    let glob = merged(&[parts()], |specs| specs[0].exclude = vec!["a[".to_owned()]).unwrap_err();
    assert!(glob.starts_with("reading `exclude` of source 1: `a[` is not a glob"), "{glob}");
}

#[test]
fn modes_times_and_links_come_from_folders_and_owners_from_rules() {
    let scratch = tempfile::tempdir().unwrap();
    let root = scratch.path().join("root");
    fs::create_dir_all(root.join("home/me")).unwrap();
    fs::write(root.join("home/me/f"), b"hello").unwrap();
    fs::hard_link(root.join("home/me/f"), root.join("a")).unwrap();
    symlink("/nowhere", root.join("l")).unwrap();
    fs::create_dir(root.join("secret")).unwrap();
    for (path, mode) in [("home", 0o755), ("home/me", 0o2750), ("home/me/f", 0o600)] {
        fs::set_permissions(root.join(path), fs::Permissions::from_mode(mode)).unwrap();
    }
    let owners = vec![
        OwnerRule { path: "home/me".to_owned(), uid: 1000, gid: 100 },
        OwnerRule { path: "home/me/**".to_owned(), uid: 1000, gid: 1000 },
    ];
    let mut source = spec("source 1", SourceKind::Dir { path: root.clone(), owners, modes: Modes::Disk });
    source.exclude = vec!["secret".to_owned()];
    let (tree, blobs) = assembled(&[source.clone()], scratch.path()).unwrap();
    let lines = dump::to_string(&tree.tree);
    let shown: Vec<_> =
        lines.lines().skip(1).map(|line| line.split(' ').take(4).collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(
        shown,
        [
            "/a file 0600 0:0",
            "/home dir 0755 0:0",
            "/home/me dir 2750 1000:100",
            "/home/me/f link=/a",
            "/l symlink 0777 0:0"
        ]
    );
    let NodeKind::File(Content::Slice { source: from, .. }) =
        tree.tree.node(tree.tree.lookup(b"a").unwrap()).kind
    else {
        panic!()
    };
    let mut bytes = [0; 5];
    amiforge_formats::plan::Sources::read_exact_at(&blobs, from, 0, &mut bytes).unwrap();
    assert_eq!(&bytes, b"hello");
    source.pin = DigestPin::Exact(Digest([0; 32]));
    assert!(
        error_chain(&assembled(&[source.clone()], scratch.path()).unwrap_err())
            .contains("a folder has no sha256")
    );
    let _socket = std::os::unix::net::UnixListener::bind(root.join("s")).unwrap();
    source.pin = DigestPin::Unpinned;
    assert!(error_chain(&assembled(&[source], scratch.path()).unwrap_err()).contains("/root/s` is a socket"));
}

#[test]
fn digests_are_checked_before_the_build_may_finish() {
    let scratch = tempfile::tempdir().unwrap();
    let tar = [file("f", b"x"), end()].concat();
    let (plain, gz) = (scratch.path().join("a.tar"), scratch.path().join("a.tar.gz"));
    let packed = {
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut gz, &tar).unwrap();
        gz.finish().unwrap()
    };
    fs::write(&plain, &tar).unwrap();
    fs::write(&gz, &packed).unwrap();
    for (path, bytes) in [(&plain, &tar), (&gz, &packed)] {
        let mut source = tar_spec(path);
        for pin in [DigestPin::Record, DigestPin::Exact(Digest::of(bytes))] {
            source.pin = pin;
            let (done, _) = assembled(&[source.clone()], scratch.path()).unwrap();
            assert_eq!(done.inputs[0].sha256, Some(Digest::of(bytes)));
            assert_eq!(done.inputs[0].pinned, pin != DigestPin::Record);
        }
        source.pin = DigestPin::Exact(Digest([7; 32]));
        let refused = error_chain(&assembled(&[source], scratch.path()).unwrap_err());
        let expected = format!("its sha256 is {}, expected {}", Digest::of(bytes), Digest([7; 32]));
        assert!(refused.contains(&expected), "{refused}");
    }
    assert_eq!(assembled(&[tar_spec(&plain)], scratch.path()).unwrap().0.inputs[0].sha256, None);
    // A flipped bit in the store is found, reported and repaired by the next run.
    let entry = fs::read_dir(scratch.path().join("store")).unwrap().next().unwrap().unwrap().path();
    let mut bytes = fs::read(&entry).unwrap();
    bytes[600] ^= 1;
    fs::write(&entry, bytes).unwrap();
    let refused = error_chain(&assembled(&[tar_spec(&gz)], scratch.path()).unwrap_err());
    assert!(
        refused.contains("of the store is damaged") && refused.contains("run the command again"),
        "{refused}"
    );
    assembled(&[tar_spec(&gz)], scratch.path()).unwrap();
    // An input that changes during the build is reported.
    let mut blobs = Blobs::new();
    let store = Store::at(&scratch.path().join("store"));
    let mut done = assemble(&[tar_spec(&plain)], &store, &mut blobs, Monitor::none()).unwrap();
    fs::write(&plain, [tar, end()].concat()).unwrap();
    assert!(error_chain(&done.settle(&blobs).unwrap_err()).contains("/a.tar` changed during the build"));
}

#[test]
fn an_interrupted_step_reports_only_the_interruption() {
    let cancel = CancelToken::new();
    cancel.cancel();
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("a.gz");
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut gz, &[file("f", b"x"), end()].concat()).unwrap();
    fs::write(&path, gz.finish().unwrap()).unwrap();
    let store = Store::at(&scratch.path().join("store"));
    let error =
        assemble(&[tar_spec(&path)], &store, &mut Blobs::new(), Monitor::silent(&cancel)).unwrap_err();
    assert_eq!(error_chain(&error), "interrupted");
    assert_eq!(fs::read_dir(store.folder()).unwrap().count(), 0);
}

/// The kind of a random entry.
#[derive(Debug, Clone)]
enum RandomKind {
    Dir,
    File(Vec<u8>),
    Symlink(Vec<u8>),
    Char(u32, u32),
    Fifo,
    Link(usize),
}

fn random_kind() -> impl Strategy<Value = RandomKind> {
    prop_oneof![
        2 => Just(RandomKind::Dir),
        4 => prop::collection::vec(any::<u8>(), 0..1500).prop_map(RandomKind::File),
        2 => prop::collection::vec(1u8..=255, 1..400).prop_map(RandomKind::Symlink),
        1 => (0u32..4096, 0u32..1 << 20).prop_map(|(major, minor)| RandomKind::Char(major, minor)),
        1 => Just(RandomKind::Fifo),
        1 => any::<usize>().prop_map(RandomKind::Link),
    ]
}

/// A name, the index of its directory, its kind, and its mode, owner, group and time.
type RandomEntry = (Vec<u8>, usize, RandomKind, (u16, u32, u32, i32, u32));

fn random_entries() -> impl Strategy<Value = Vec<RandomEntry>> {
    let byte =
        prop_oneof![Just(b'a'), any::<u8>().prop_filter("no name", |byte| *byte != 0 && *byte != b'/')];
    let name = prop_oneof![prop::collection::vec(byte.clone(), 1..12), prop::collection::vec(byte, 90..256)];
    let numbers = (0u16..0o10000, any::<u32>(), any::<u32>(), any::<i32>(), 0u32..1_000_000_000);
    prop::collection::vec((name, any::<usize>(), random_kind(), numbers), 0..40)
}

/// A time in the syntax of PAX.
fn seconds(Time { secs, nanos }: Time) -> String {
    match (secs < 0, nanos) {
        (true, 1..) => format!("-{}.{:09}", -(secs + 1), 1_000_000_000 - nanos),
        _ => format!("{secs}.{nanos:09}"),
    }
}

/// Builds the tree of random entries, and an archive of it.
fn build(entries: Vec<RandomEntry>) -> (Tree, Vec<u8>) {
    let mut tree = Tree::new(Meta::root_owned(0o755, Time::EPOCH));
    let mut dirs = vec![(Vec::new(), tree.root())];
    let mut others: Vec<(Vec<u8>, NodeId)> = Vec::new();
    let mut tar = Vec::new();
    for (bytes, parent, kind, (mode, uid, gid, secs, nanos)) in entries {
        let Ok(name) = Name::new(&bytes) else { continue };
        let (above, parent) = dirs[parent % dirs.len()].clone();
        let path = [&above[..], if above.is_empty() { b"" } else { b"/" }, &bytes].concat();
        if path.len() > 3000 || tree.child(parent, &bytes).is_some() {
            continue;
        }
        let time = Time { secs: secs.into(), nanos };
        let text = seconds(time);
        let mut meta = Meta { mode, uid, gid, mtime: time, xattrs: None };
        let (flag, link, body, device, kind) = match kind {
            RandomKind::Dir => (b'5', vec![], vec![], (0, 0), Some(NodeKind::dir())),
            RandomKind::File(bytes) => {
                (b'0', vec![], bytes.clone(), (0, 0), Some(NodeKind::File(Content::Inline(bytes.into()))))
            }
            RandomKind::Symlink(target) => {
                meta.mode = 0o777;
                (b'2', target.clone(), vec![], (0, 0), Some(NodeKind::Symlink(target.into())))
            }
            RandomKind::Char(major, minor) => {
                (b'3', vec![], vec![], (major, minor), Some(NodeKind::CharDevice { major, minor }))
            }
            RandomKind::Fifo => (b'6', vec![], vec![], (0, 0), Some(NodeKind::Fifo)),
            RandomKind::Link(_) if others.is_empty() => continue,
            RandomKind::Link(which) => (b'1', others[which % others.len()].0.clone(), vec![], (0, 0), None),
        };
        let id = if let Some(kind) = kind {
            tree.add(parent, name, Node { meta, kind }).unwrap()
        } else {
            let id = others.iter().find(|(path, _)| *path == link).unwrap().1;
            tree.link(parent, name, id).unwrap();
            id
        };
        if flag == b'5' {
            dirs.push((path.clone(), id));
        } else {
            others.push((path.clone(), id));
        }
        let (uid, gid) = (uid.to_string(), gid.to_string());
        tar.extend(pax(&[
            ("path", &path),
            ("uid", uid.as_bytes()),
            ("gid", gid.as_bytes()),
            ("mtime", text.as_bytes()),
            ("linkpath", &link),
        ]));
        let header = Header::new("x", flag, body.len() as u64)
            .set(100, format!("{mode:07o}\0").as_bytes())
            .set(329, format!("{:07o}\0{:07o}\0", device.0, device.1).as_bytes());
        tar.extend(header.0);
        tar.extend(crate::archive::padded(&body));
    }
    tar.extend(end());
    (tree, tar)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_tree_is_read_back_from_its_archive(entries in random_entries()) {
        let (tree, tar) = build(entries);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.tar");
        fs::write(&path, &tar).unwrap();
        let (back, _) = assembled(&[tar_spec(&path)], folder.path()).unwrap();
        prop_assert_eq!(dump::to_string(&back.tree), dump::to_string(&tree));
    }

    #[test]
    fn any_bytes_are_accepted_or_refused(entries in random_entries(), flips in prop::collection::vec((any::<usize>(), any::<u8>()), 1..8)) {
        let (_, mut tar) = build(entries);
        for (at, byte) in flips {
            let at = at % tar.len();
            tar[at] = byte;
        }
        let location = amiforge_rootfs::sources::tar::ArchiveLocation { source: amiforge_formats::plan::SourceId(0), at: 0 };
        let _ = amiforge_rootfs::sources::tar::index(&tar, location, Monitor::none());
    }
}
