//! Packages of many forms, made by rpmbuild: the tree that we make of them is the one that rpm makes.

use std::path::PathBuf;

use amiforge_formats::tree::NodeKind;
use amiforge_packages::filters::{DocOptions, Filters, KeepChoice};
use amiforge_packages::rpm::package::FilePresence;
use amiforge_packages::rpm::unpack::RpmUnpackError;

use crate::compare::differences;
use crate::support::{PROGRAMS, RpmFixture, has, with_causes};

/// The accounts that `FORMS` names.
const ACCOUNTS: &str = "Name: accounts
Version: 1
Release: 1
Summary: x
License: x
BuildArch: noarch
%description
%install
mkdir -p %{buildroot}/etc
printf 'root:x:0:0::/:/bin/sh\\nmail:x:8:9::/:/bin/sh\\n' > %{buildroot}/etc/passwd
printf 'root:x:0:\\nmail:x:12:\\n' > %{buildroot}/etc/group
%files
/etc/passwd
/etc/group
";

/// A package with every form of file.
pub(crate) const FORMS: &str = "Name: forms
Epoch: 3
Version: 1.0~rc1
Release: 1
Summary: x
License: x
Requires(pre): accounts
%description
%install
cd %{buildroot}
mkdir -p etc opt/f/sub opt/sticky dev usr/bin var/log
seq 1 40000 > opt/f/large
: > opt/f/empty
echo one > opt/f/a
ln opt/f/a opt/f/b
ln opt/f/a opt/f/sub/c
: > opt/f/e1
ln opt/f/e1 opt/f/e2
ln -s ../f/a opt/f/sub/link
ln -s /opt/f opt/f/absolute
ln -s nowhere opt/f/dangling
echo x > 'opt/f/with space'
echo x > opt/f/übung
echo x > opt/f/cap
echo x > opt/f/setuid
echo key=1 > etc/forms.conf
echo key=2 > etc/forms2.conf
touch -d @1500000000 opt/f/empty
%triggerin -- other
echo trigger
%filetriggerin -- /usr/share
cat
%post
echo post
%files
%config /etc/forms.conf
%config(noreplace) /etc/forms2.conf
%ghost /var/log/forms.log
%ghost %attr(0600,mail,mail) /etc/ghost
%dir /opt/f
/opt/f/large
/opt/f/empty
/opt/f/a
/opt/f/b
/opt/f/e1
/opt/f/e2
/opt/f/absolute
/opt/f/dangling
\"/opt/f/with space\"
/opt/f/übung
/opt/f/sub
%caps(cap_net_raw,cap_net_admin=ep) /opt/f/cap
%attr(4750,mail,mail) /opt/f/setuid
%dir %attr(1777,root,mail) /opt/sticky
%dev(c,1,3) %attr(0666,root,root) /dev/forms0
";

/// What one payload after the other is compressed with, and whether it can be read.
const PAYLOADS: [(&str, bool); 8] = [
    ("w9.gzdio", true),
    ("w6.xzdio", true),
    ("w6.lzdio", true),
    ("w3.zstdio", true),
    ("w19T0.zstdio", true),
    ("w6T2.xzdio", true),
    ("w.ufdio", true),
    ("w9.bzdio", false),
];

#[test]
fn packages_of_every_form_make_the_tree_of_rpm() {
    if !has(&PROGRAMS) {
        return;
    }
    let fixture = RpmFixture::new();
    let accounts = fixture.build(ACCOUNTS, &[]);
    for (payload, is_known) in PAYLOADS {
        let forms = fixture.build(FORMS, &[&format!("_binary_payload {payload}")]);
        let files = [accounts.clone(), forms].concat();
        let made = fixture.unpack(&files);
        if !is_known {
            let text = with_causes(&made.unwrap_err());
            assert!(text.contains("compressed by `bzip2` as the header says"), "{text}");
            continue;
        }
        let (unpacked, blobs) = made.map_err(|error| with_causes(&error)).unwrap();
        let root = fixture.install(&files).unwrap();
        let left = differences(&unpacked, &blobs, &root);
        assert!(left.is_empty(), "{payload}:\n{}", left.join("\n"));
        let (again, blobs) = fixture.unpack(&files).unwrap();
        assert_eq!(differences(&again, &blobs, &root), Vec::<String>::new(), "{payload} from the store");
        assert_eq!(again.packages[1].files, unpacked.packages[1].files);
        let ghosts = unpacked.packages[1].files.iter().filter(|file| file.presence == FilePresence::Ghost);
        assert_eq!(ghosts.count(), 2);
        let linked: Vec<_> = ["opt/f/a", "opt/f/b", "opt/f/sub/c"]
            .map(|path| unpacked.tree.lookup(path.as_bytes()))
            .into_iter()
            .collect();
        assert!(linked[0].is_some() && linked.iter().all(|id| *id == linked[0]), "{linked:?}");
        again.deferred.join().unwrap();
    }
}

/// What rpm 4.18 cannot install everywhere: it opens devices and pipes to set their modes.
#[test]
fn special_files_are_made_by_what_the_header_says() {
    if !has(&PROGRAMS) {
        return;
    }
    let fixture = RpmFixture::new();
    let files = build_all(
        &fixture,
        &[spec(
            "special",
            "mkdir -p dev; mkfifo dev/pipe",
            "%attr(0620,-,-) /dev/pipe\n%dev(b,8,17) %attr(0660,root,disk) /dev/b\n%dev(c,253,3) %attr(0600,root,root) /dev/c",
        )],
    );
    let (unpacked, _) = fixture.unpack(&files).map_err(|error| with_causes(&error)).unwrap();
    let node = |path: &str| unpacked.tree.node(unpacked.tree.lookup(path.as_bytes()).unwrap());
    let (pipe, block, char) = (node("dev/pipe"), node("dev/b"), node("dev/c"));
    assert_eq!((&pipe.kind, pipe.meta.mode), (&NodeKind::Fifo, 0o620));
    assert_eq!((&block.kind, block.meta.mode), (&NodeKind::BlockDevice { major: 8, minor: 17 }, 0o660));
    assert_eq!((&char.kind, char.meta.mode), (&NodeKind::CharDevice { major: 253, minor: 3 }, 0o600));
    let owner = &unpacked.owners[0];
    assert_eq!((owner.user.as_str(), owner.group.as_str(), unpacked.owners.len()), ("root", "disk", 1));
}

/// A package of a name that puts files by these lines, and lists them by these.
fn spec(name: &str, install: &str, files: &str) -> String {
    format!(
        "Name: {name}\nVersion: 1\nRelease: 1\nSummary: x\nLicense: x\nBuildArch: noarch\n%description\n%install\n\
         mkdir -p %{{buildroot}}; cd %{{buildroot}}\n{install}\n%files\n{files}\n"
    )
}

fn build_all(fixture: &RpmFixture, specs: &[String]) -> Vec<PathBuf> {
    specs.iter().flat_map(|spec| fixture.build(spec, &[])).collect()
}

#[test]
fn paths_are_led_through_the_links_of_whichever_package() {
    if !has(&PROGRAMS) {
        return;
    }
    let fixture = RpmFixture::new();
    // The package with the links comes last in our order; rpm gets it as the first one.
    let after = |spec: String| spec.replacen("%description", "Requires(pre): z-filesystem\n%description", 1);
    let specs = [
        after(spec("a-tool", "mkdir -p bin; echo tool > bin/tool", "/bin/tool")),
        after(spec(
            "b-lib",
            "mkdir -p lib64/x var/run/b; echo x > lib64/x/y; echo z > var/run/b/z",
            "/lib64/x\n/var/run/b",
        )),
        after(spec("c-other", "mkdir -p usr/bin; echo other > usr/bin/other", "/usr/bin/other")),
        spec(
            "z-filesystem",
            "mkdir -p usr/bin usr/lib64 var run; ln -s usr/bin bin; ln -s usr/lib64 lib64; ln -s ../run var/run",
            "/bin\n/lib64\n/usr\n/var\n/run",
        ),
    ];
    let files = build_all(&fixture, &specs);
    let (unpacked, blobs) = fixture.unpack(&files).map_err(|error| with_causes(&error)).unwrap();
    let root = fixture.install(&files).unwrap();
    let left = differences(&unpacked, &blobs, &root);
    assert!(left.is_empty(), "{}", left.join("\n"));
    let reversed: Vec<PathBuf> = files.iter().rev().cloned().collect();
    let (unpacked, blobs) = fixture.unpack(&reversed).unwrap();
    assert_eq!(differences(&unpacked, &blobs, &root), Vec::<String>::new());
}

#[test]
fn packages_share_what_is_the_same_in_both_and_nothing_else() {
    if !has(&PROGRAMS) {
        return;
    }
    let fixture = RpmFixture::new();
    let file = |name: &str, content: &str, line: &str| {
        spec(name, &format!("mkdir -p etc; printf '{content}' > etc/f; touch -d @1500000000 etc/f"), line)
    };
    let link = |name: &str, target: &str| {
        spec(name, &format!("mkdir -p etc; ln -s {target} etc/f; touch -hd @1500000000 etc/f"), "/etc/f")
    };
    let dir = |name: &str, line: &str| spec(name, "mkdir -p etc/f", line);
    let cases = [
        (file("one", "x", "/etc/f"), file("two", "x", "/etc/f"), None),
        (file("one", "x", "/etc/f"), file("two", "x", "%config /etc/f"), None),
        (file("one", "x", "/etc/f"), file("two", "y", "/etc/f"), Some("its content")),
        (file("one", "x", "/etc/f"), file("two", "xy", "/etc/f"), Some("its length")),
        (file("one", "x", "/etc/f"), file("two", "x", "%attr(0600,-,-) /etc/f"), Some("its mode")),
        (file("one", "x", "/etc/f"), file("two", "x", "%attr(-,mail,-) /etc/f"), Some("its owner")),
        (file("one", "x", "/etc/f"), link("two", "g"), Some("its kind")),
        (file("one", "x", "/etc/f"), dir("two", "%dir /etc/f"), Some("its kind")),
        (link("one", "g"), link("two", "g"), None),
        (link("one", "g"), link("two", "h"), Some("its target")),
        (link("one", "g"), dir("two", "%dir /etc/f"), Some("its kind")),
        (dir("one", "%dir /etc/f"), dir("two", "%dir /etc/f"), None),
        (dir("one", "%dir /etc/f"), dir("two", "%dir %attr(0700,-,-) /etc/f"), Some("its mode")),
        (spec("one", "", "%ghost /etc/f"), file("two", "x", "/etc/f"), None),
    ];
    for (one, two, expected) in cases {
        let files = build_all(&fixture, &[one, two]);
        let theirs = fixture.install(&files);
        let case = files.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(" ");
        match (fixture.unpack(&files), expected) {
            (Ok((unpacked, blobs)), None) => {
                // What one package brings and another only owns rpm 4.18 still refuses, later ones do not.
                let Ok(root) = theirs else { continue };
                assert_eq!(differences(&unpacked, &blobs, &root), Vec::<String>::new(), "{case}");
            }
            (Err(RpmUnpackError::Conflict { path, earlier, later, difference }), Some(expected)) => {
                let names = (path.as_slice(), earlier.as_str(), later.as_str(), difference);
                assert_eq!(names, (&b"/etc/f"[..], "one:noarch 1-1", "two:noarch 1-1", expected));
                let said = theirs.unwrap_err();
                assert!(said.contains("conflicts between attempted installs"), "{said}");
            }
            (Ok(_), Some(expected)) => panic!("{expected} is different in {case}"),
            (Err(error), _) => panic!("{case}: {}", with_causes(&error)),
        }
    }
}

#[test]
fn filters_leave_out_what_they_name_and_what_packages_mark() {
    if !has(&PROGRAMS) {
        return;
    }
    let fixture = RpmFixture::new();
    let files = build_all(
        &fixture,
        &[spec(
            "marked",
            "mkdir -p opt/x/doc opt/x/de; echo n > opt/x/doc/NOTES; echo d > opt/x/de/x.mo; echo l > opt/x/LICENSE
echo t > opt/x/tool; mkdir -p usr/share/man/man1; echo m > usr/share/man/man1/t.1",
            "%doc /opt/x/doc/NOTES\n%lang(de) /opt/x/de/x.mo\n%license /opt/x/LICENSE\n/opt/x/tool\n/usr/share/man/man1/*",
        )],
    );
    let options =
        DocOptions { docs: KeepChoice::None, man: KeepChoice::All, locales: Some(vec!["fr".to_owned()]) };
    let (exclude, include) = options.globs();
    let filters =
        Filters::new(exclude.iter().map(String::as_str), include.iter().map(String::as_str)).unwrap();
    let (unpacked, _) = fixture.unpack_with(&files, &filters.with_marks(&options)).unwrap();
    let there: Vec<(String, bool)> = unpacked.packages[0]
        .files
        .iter()
        .map(|file| {
            let path = String::from_utf8(file.path.clone()).unwrap();
            assert_eq!(unpacked.tree.lookup(&file.path).is_some(), file.presence == FilePresence::Installed);
            (path, file.presence == FilePresence::Installed)
        })
        .collect();
    let expected = [
        ("/opt/x/LICENSE", true),
        ("/opt/x/de/x.mo", false),
        ("/opt/x/doc/NOTES", false),
        ("/opt/x/tool", true),
        ("/usr/share/man/man1/t.1", true),
    ];
    let there: Vec<(&str, bool)> = there.iter().map(|(path, there)| (path.as_str(), *there)).collect();
    assert_eq!(there, expected);
}
