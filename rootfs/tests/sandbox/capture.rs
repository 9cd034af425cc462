//! What of the commands' work comes back.

use amiforge_formats::tree::{Content, Meta, NodeKind};
use amiforge_sandbox::CaptureScope;

use crate::yard::{EPOCH, OLD, Yard, job, listing, meta};

pub(crate) const TESTS: &[crate::Test] = crate::tests![
    a_tree_that_nobody_touched_comes_back_as_it_was,
    what_changed_comes_back_and_nothing_else,
    a_file_that_was_written_through_a_mapping_is_seen,
    a_file_that_was_rewritten_as_it_was_keeps_its_reference,
    links_in_the_tree_are_not_followed,
    holes_stay_holes,
    only_what_is_to_be_kept_is_read_back,
    what_lies_over_the_tree_does_not_come_back,
];

/// A tree with one of everything.
fn furnished() -> Yard {
    let mut yard = Yard::new();
    let mut odd = meta(0o4755);
    (odd.uid, odd.gid) = (1000, 65_535);
    let mut xattrs = amiforge_formats::tree::Xattrs::new();
    // cap_net_bind_service=ep, version 2.
    let capability = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    xattrs.insert((*b"security.capability").into(), capability.into());
    xattrs.insert((*b"trusted.overlay.opaque").into(), (*b"y").into());
    let marked = Meta { xattrs: Some(Box::new(xattrs)), ..odd.clone() };
    yard.add("var/odd", odd.clone(), NodeKind::dir());
    let both = yard.add("var/odd/file", marked, NodeKind::File(Content::Inline((*b"odd").into())));
    yard.add("var/odd/fifo", odd.clone(), NodeKind::Fifo);
    yard.add("var/odd/socket", odd.clone(), NodeKind::Socket);
    yard.add("var/odd/null", odd.clone(), NodeKind::CharDevice { major: 1, minor: 3 });
    yard.add("var/odd/sda", odd.clone(), NodeKind::BlockDevice { major: 8, minor: 0 });
    yard.add("var/odd/link", odd, NodeKind::Symlink((*b"/nowhere").into()));
    yard.add("dev/console", meta(0o600), NodeKind::CharDevice { major: 5, minor: 1 });
    yard.file("tmp/kept", "in /tmp");
    let dir = yard.tree.lookup(b"var").unwrap();
    let name = amiforge_formats::tree::Name::new(b"\xff second name").unwrap();
    yard.tree.link(dir, name, both).unwrap();
    yard
}

fn a_tree_that_nobody_touched_comes_back_as_it_was() {
    let mut yard = furnished();
    let captured =
        yard.run("cat /bin/* /etc/greeting > /dev/null; ls -lR / > /dev/null 2>&1 || true").unwrap();
    let (before, after) =
        (amiforge_formats::dump::to_string(&yard.tree), amiforge_formats::dump::to_string(&captured.tree));
    assert_eq!(before, after);
    // The very same references.
    for entry in yard.tree.walk() {
        let now = captured.tree.lookup(&entry.path).unwrap();
        assert_eq!(yard.tree.node(entry.id).meta, captured.tree.node(now).meta);
        if let (NodeKind::File(was), NodeKind::File(is)) =
            (&yard.tree.node(entry.id).kind, &captured.tree.node(now).kind)
        {
            assert_eq!(was, is);
        }
    }
}

fn what_changed_comes_back_and_nothing_else() {
    let mut yard = furnished();
    yard.file("etc/gone", "x");
    yard.file("etc/moved", "moved");
    yard.file("etc/mode", "mode");
    let script =
        "rm /etc/gone; mv /etc/moved /etc/here; chmod 600 /etc/mode; echo new > /etc/new; chown 7:8 /etc/new
        ln /etc/new /etc/newer; ln -s new /etc/link; mkdir -p /srv/a/b; touch -d @5 /etc/old; mkfifo /etc/pipe
        echo more >> /etc/greeting; chown 3 /var/odd/file";
    let captured = yard.run(script).unwrap();
    let before = amiforge_formats::dump::to_string(&yard.tree);
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
    // What a sandbox cannot hold stays with the node that is changed.
    let odd = captured.tree.node(captured.tree.lookup(b"var/odd/file").unwrap());
    let names: Vec<_> = odd.meta.xattrs.iter().flat_map(|all| all.keys()).map(|name| name.to_vec()).collect();
    assert_eq!((odd.meta.uid, names), (3, vec![b"trusted.overlay.opaque".to_vec()]));
    assert_eq!(yard.read(&captured.tree, "etc/greeting"), b"hello\nmore\n");
    assert_eq!(yard.read(&captured.tree, "etc/here"), b"moved");
}

fn a_file_that_was_written_through_a_mapping_is_seen() {
    let mut yard = Yard::new();
    yard.file("etc/mapped", "before, untouched\n");
    let (mmap, read) = if cfg!(target_arch = "x86_64") { (9, 0) } else { (222, 63) };
    // perl: map the file, then have the kernel read other bytes to there.
    let script = format!(
        "perl -e 'open(my $f, \"+<\", \"/etc/mapped\") or die; open(my $g, \"<\", \"/etc/greeting\") or die;
         my $a = syscall({mmap}, 0, 4096, 3, 1, fileno($f), 0); $a > 0 or die $!; syscall({read}, fileno($g), $a, 5) == 5 or die $!'
         touch -d @1500000000 /etc/mapped"
    );
    let captured = yard.run(&script).unwrap();
    assert_eq!(yard.read(&captured.tree, "etc/mapped"), b"helloe, untouched\n");
}

fn a_file_that_was_rewritten_as_it_was_keeps_its_reference() {
    let mut yard = Yard::new();
    let captured = yard.run("cp /bin/perl /tmp/x; cat /tmp/x > /bin/perl").unwrap();
    let (was, is) = (yard.tree.lookup(b"bin/perl").unwrap(), captured.tree.lookup(b"bin/perl").unwrap());
    assert_eq!(yard.tree.node(was).kind, captured.tree.node(is).kind);
    assert_eq!(captured.tree.node(is).meta.mtime, EPOCH);
}

fn links_in_the_tree_are_not_followed() {
    let mut yard = Yard::new();
    yard.add("etc/outside", meta(0o777), NodeKind::Symlink((*b"../../../../../../etc").into()));
    let captured = yard
        .run("ln -s /proc/1/root /etc/root; rm -r /var; ln -s / /var; ln -s /etc/shadow /etc/s; mkdir /etc/d; ln -s .. /etc/d/up")
        .unwrap();
    let kind = |path: &[u8]| captured.tree.node(captured.tree.lookup(path).unwrap()).kind.clone();
    assert_eq!(kind(b"var"), NodeKind::Symlink((*b"/").into()));
    assert_eq!(kind(b"etc/root"), NodeKind::Symlink((*b"/proc/1/root").into()));
    assert!(captured.tree.lookup(b"etc/shadow").is_none());
    // Something is mounted there, so a link in its place is an error and not a mount elsewhere.
    yard.tree.unlink(yard.tree.root(), b"tmp");
    yard.add("tmp", meta(0o777), NodeKind::Symlink((*b"etc").into()));
    let error = yard.run(":").unwrap_err().to_string();
    assert!(error.contains("`/tmp`"), "{error}");
}

fn holes_stay_holes() {
    let mut yard = Yard::new();
    let captured =
        yard.run("truncate -s 5G /etc/sparse; printf end >> /etc/sparse; truncate -s 15G /etc/all").unwrap();
    let kind = |path: &[u8]| captured.tree.node(captured.tree.lookup(path).unwrap()).kind.clone();
    let NodeKind::File(Content::Sparse { len, segments }) = kind(b"etc/sparse") else { panic!("not sparse") };
    assert_eq!((len, segments.len(), segments[0].offset), ((5 << 30) + 3, 1, 5 << 30));
    let NodeKind::File(Content::Sparse { len, segments }) = kind(b"etc/all") else { panic!("not sparse") };
    assert_eq!((len, segments.len()), (15 << 30, 0));
    // And go in as such.
    yard.tree = captured.tree;
    let told = yard
        .told("stat -c '%s %b' /etc/all; perl -e 'open F, \"/etc/sparse\"; seek F, 5 << 30, 0; print <F>'");
    assert_eq!(told, "16106127360 0\nend");
}

fn only_what_is_to_be_kept_is_read_back() {
    let mut yard = Yard::new();
    let mut job = job(
        "mkdir -p /install/opt /installed /build; echo a > /install/opt/a; echo b > /build/b; touch /installed/c",
    );
    job.keep = CaptureScope::Below(vec![b"/install".to_vec(), b"/etc/greeting".to_vec()]);
    let captured = yard.run_job(&job).unwrap();
    let paths: Vec<_> = captured.tree.walk().map(|entry| String::from_utf8(entry.path).unwrap()).collect();
    assert_eq!(paths, ["", "etc", "etc/greeting", "install", "install/opt", "install/opt/a"]);
}

fn what_lies_over_the_tree_does_not_come_back() {
    let mut yard = Yard::new();
    yard.tree.unlink(yard.tree.root(), b"sys");
    yard.file("run/own", "x");
    let before = listing(&yard, &yard.tree);
    let captured = yard
        .run("test ! -e /run/own; echo x > /run/y; mkdir /tmp/z; echo > /dev/shm/s; rm /dev/fd; test -d /sys")
        .unwrap();
    assert_eq!(before, listing(&yard, &captured.tree));
}
