//! Tests of the captured tree.

use amiforge_formats::tree::{Content, Meta, NodeKind};
use amiforge_sandbox::CaptureScope;

use crate::fixture::{EPOCH, Fixture, OLD, job, listing, meta};

pub(crate) const TESTS: &[crate::Test] = crate::tests![
    an_unchanged_tree_is_captured_unchanged,
    exactly_the_changes_are_captured,
    a_file_written_through_a_mapping_is_captured,
    a_file_rewritten_with_equal_bytes_keeps_its_reference,
    links_in_the_tree_are_not_followed,
    holes_stay_holes,
    only_the_scope_is_captured,
    mounts_over_the_tree_are_not_captured,
];

/// A tree with one of everything.
fn with_all_kinds() -> Fixture {
    let mut fixture = Fixture::new();
    let mut odd = meta(0o4755);
    (odd.uid, odd.gid) = (1000, 65_535);
    let mut xattrs = amiforge_formats::tree::Xattrs::new();
    // cap_net_bind_service=ep, version 2.
    let capability = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    xattrs.insert((*b"security.capability").into(), capability.into());
    xattrs.insert((*b"trusted.overlay.opaque").into(), (*b"y").into());
    let marked = Meta { xattrs: Some(Box::new(xattrs)), ..odd.clone() };
    fixture.add("var/odd", odd.clone(), NodeKind::dir());
    let both = fixture.add("var/odd/file", marked, NodeKind::File(Content::Inline((*b"odd").into())));
    fixture.add("var/odd/fifo", odd.clone(), NodeKind::Fifo);
    fixture.add("var/odd/socket", odd.clone(), NodeKind::Socket);
    fixture.add("var/odd/null", odd.clone(), NodeKind::CharDevice { major: 1, minor: 3 });
    fixture.add("var/odd/sda", odd.clone(), NodeKind::BlockDevice { major: 8, minor: 0 });
    fixture.add("var/odd/link", odd, NodeKind::Symlink((*b"/nowhere").into()));
    fixture.add("dev/console", meta(0o600), NodeKind::CharDevice { major: 5, minor: 1 });
    fixture.file("tmp/kept", "in /tmp");
    let dir = fixture.tree.lookup(b"var").unwrap();
    let name = amiforge_formats::tree::Name::new(b"\xff second name").unwrap();
    fixture.tree.link(dir, name, both).unwrap();
    fixture
}

fn an_unchanged_tree_is_captured_unchanged() {
    let mut fixture = with_all_kinds();
    let captured =
        fixture.run("cat /bin/* /etc/greeting > /dev/null; ls -lR / > /dev/null 2>&1 || true").unwrap();
    let (before, after) =
        (amiforge_formats::dump::to_string(&fixture.tree), amiforge_formats::dump::to_string(&captured.tree));
    assert_eq!(before, after);
    // The references are the same too.
    for entry in fixture.tree.walk() {
        let now = captured.tree.lookup(&entry.path).unwrap();
        assert_eq!(fixture.tree.node(entry.id).meta, captured.tree.node(now).meta);
        if let (NodeKind::File(was), NodeKind::File(is)) =
            (&fixture.tree.node(entry.id).kind, &captured.tree.node(now).kind)
        {
            assert_eq!(was, is);
        }
    }
}

fn exactly_the_changes_are_captured() {
    let mut fixture = with_all_kinds();
    fixture.file("etc/gone", "x");
    fixture.file("etc/moved", "moved");
    fixture.file("etc/mode", "mode");
    let script =
        "rm /etc/gone; mv /etc/moved /etc/here; chmod 600 /etc/mode; echo new > /etc/new; chown 7:8 /etc/new
        ln /etc/new /etc/newer; ln -s new /etc/link; mkdir -p /srv/a/b; touch -d @5 /etc/old; mkfifo /etc/pipe
        echo more >> /etc/greeting; chown 3 /var/odd/file";
    let captured = fixture.run(script).unwrap();
    let before = amiforge_formats::dump::to_string(&fixture.tree);
    let after = amiforge_formats::dump::to_string(&captured.tree);
    let was: std::collections::BTreeSet<&str> = before.lines().collect();
    let changed: Vec<&str> = after.lines().filter(|line| !was.contains(line)).collect();
    let (new, old) = (format!("{EPOCH}"), format!("{OLD}"));
    let expected = [
        format!("/ dir 0755 0:0 {new}"),
        format!("/etc dir 0755 0:0 {new}"),
        format!("/etc/greeting file 0644 0:0 {new} 11"),
        format!("/etc/here file 0644 0:0 {old} 5"),
        format!("/etc/link symlink 0777 0:0 {new} -> new"),
        format!("/etc/mode file 0600 0:0 {old} 4"),
        format!("/etc/new file 0644 7:8 {new} 4"),
    ];
    for line in &expected {
        assert!(
            changed.iter().any(|changed| changed.starts_with(line.as_str())),
            "no {line} in {changed:#?}"
        );
    }
    let (new, newer) = (captured.tree.lookup(b"etc/new"), captured.tree.lookup(b"etc/newer"));
    assert!(new.is_some() && new == newer, "a hard link is one node");
    assert!(captured.tree.lookup(b"etc/gone").is_none() && captured.tree.lookup(b"srv/a/b").is_some());
    // Attributes that a sandbox cannot have are restored on the changed node.
    let odd = captured.tree.node(captured.tree.lookup(b"var/odd/file").unwrap());
    let names: Vec<_> = odd.meta.xattrs.iter().flat_map(|all| all.keys()).map(|name| name.to_vec()).collect();
    assert_eq!((odd.meta.uid, names), (3, vec![b"trusted.overlay.opaque".to_vec()]));
    assert_eq!(fixture.read(&captured.tree, "etc/greeting"), b"hello\nmore\n");
    assert_eq!(fixture.read(&captured.tree, "etc/here"), b"moved");
}

fn a_file_written_through_a_mapping_is_captured() {
    let mut fixture = Fixture::new();
    fixture.file("etc/mapped", "before, untouched\n");
    let (mmap, read) = if cfg!(target_arch = "x86_64") { (9, 0) } else { (222, 63) };
    // perl: map the file, then have the kernel read other bytes to there.
    let script = format!(
        "perl -e 'open(my $f, \"+<\", \"/etc/mapped\") or die; open(my $g, \"<\", \"/etc/greeting\") or die;
         my $a = syscall({mmap}, 0, 4096, 3, 1, fileno($f), 0); $a > 0 or die $!; syscall({read}, fileno($g), $a, 5) == 5 or die $!'
         touch -d @1500000000 /etc/mapped"
    );
    let captured = fixture.run(&script).unwrap();
    assert_eq!(fixture.read(&captured.tree, "etc/mapped"), b"helloe, untouched\n");
}

fn a_file_rewritten_with_equal_bytes_keeps_its_reference() {
    let mut fixture = Fixture::new();
    let captured = fixture.run("cp /bin/perl /tmp/x; cat /tmp/x > /bin/perl").unwrap();
    let (was, is) = (fixture.tree.lookup(b"bin/perl").unwrap(), captured.tree.lookup(b"bin/perl").unwrap());
    assert_eq!(fixture.tree.node(was).kind, captured.tree.node(is).kind);
    assert_eq!(captured.tree.node(is).meta.mtime, EPOCH);
}

fn links_in_the_tree_are_not_followed() {
    let mut fixture = Fixture::new();
    fixture.add("etc/outside", meta(0o777), NodeKind::Symlink((*b"../../../../../../etc").into()));
    let captured = fixture
        .run("ln -s /proc/1/root /etc/root; rm -r /var; ln -s / /var; ln -s /etc/shadow /etc/s; mkdir /etc/d; ln -s .. /etc/d/up")
        .unwrap();
    let kind = |path: &[u8]| captured.tree.node(captured.tree.lookup(path).unwrap()).kind.clone();
    assert_eq!(kind(b"var"), NodeKind::Symlink((*b"/").into()));
    assert_eq!(kind(b"etc/root"), NodeKind::Symlink((*b"/proc/1/root").into()));
    assert!(captured.tree.lookup(b"etc/shadow").is_none());
    // It is a mount point, so a link there is an error and not a mount elsewhere.
    fixture.tree.unlink(fixture.tree.root(), b"tmp");
    fixture.add("tmp", meta(0o777), NodeKind::Symlink((*b"etc").into()));
    let error = fixture.run(":").unwrap_err().to_string();
    assert!(error.contains("`/tmp`"), "{error}");
}

fn holes_stay_holes() {
    let mut fixture = Fixture::new();
    let captured = fixture
        .run("truncate -s 5G /etc/sparse; printf end >> /etc/sparse; truncate -s 15G /etc/all")
        .unwrap();
    let kind = |path: &[u8]| captured.tree.node(captured.tree.lookup(path).unwrap()).kind.clone();
    let NodeKind::File(Content::Sparse { len, segments }) = kind(b"etc/sparse") else { panic!("not sparse") };
    assert_eq!((len, segments.len(), segments[0].offset), ((5 << 30) + 3, 1, 5 << 30));
    let NodeKind::File(Content::Sparse { len, segments }) = kind(b"etc/all") else { panic!("not sparse") };
    assert_eq!((len, segments.len()), (15 << 30, 0));
    // They are holes in the sandbox too.
    fixture.tree = captured.tree;
    let text = fixture
        .output("stat -c '%s %b' /etc/all; perl -e 'open F, \"/etc/sparse\"; seek F, 5 << 30, 0; print <F>'");
    assert_eq!(text, "16106127360 0\nend");
}

fn only_the_scope_is_captured() {
    let mut fixture = Fixture::new();
    let mut job = job(
        "mkdir -p /install/opt /installed /build; echo a > /install/opt/a; echo b > /build/b; touch /installed/c",
    );
    job.keep = CaptureScope::Below(vec![b"/install".to_vec(), b"/etc/greeting".to_vec()]);
    let captured = fixture.run_job(&job).unwrap();
    let paths: Vec<_> = captured.tree.walk().map(|entry| String::from_utf8(entry.path).unwrap()).collect();
    assert_eq!(paths, ["", "etc", "etc/greeting", "install", "install/opt", "install/opt/a"]);
}

fn mounts_over_the_tree_are_not_captured() {
    let mut fixture = Fixture::new();
    fixture.tree.unlink(fixture.tree.root(), b"sys");
    fixture.file("run/own", "x");
    let before = listing(&fixture, &fixture.tree);
    let captured = fixture
        .run("test ! -e /run/own; echo x > /run/y; mkdir /tmp/z; echo > /dev/shm/s; rm /dev/fd; test -d /sys")
        .unwrap();
    assert_eq!(before, listing(&fixture, &captured.tree));
}
