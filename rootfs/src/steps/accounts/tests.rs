//! Written, kept and refused accounts, and the results of pwck(8) and grpck(8).

use amiforge_formats::plan::{NoSources, SourceId};
use amiforge_formats::tree::{Content, NodeKind, Tree};

use super::*;
use crate::steps::testing::{NOW, OneSource, add, empty, extract, folder, oracle, shape, skip, text, tree};

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl me";
const HASH: &str =
    "$6$saltsalt$qFmFH.bQmmtXzyBY0s9v7Oicd2z4XSIecDzlB5KiA2/jctKu9YterLp8wwnSq.qc.eoxqOmSuNp2xS0ktL3nh/";

fn debian() -> Tree {
    tree(&[
        ("/bin/bash", "file 0755 x"),
        ("/bin/sh", "file 0755 x"),
        ("/usr/sbin/nologin", "file 0755 x"),
        ("/root", "dir 0700"),
        ("/home", "dir 0755"),
        ("/nonexistent-parent", "dir 0755"),
        (
            "/etc/passwd",
            "file 0644 root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1::/usr/sbin:/usr/sbin/nologin\n",
        ),
        ("/etc/shadow", "file 0640 root:*:19000:0:99999:7:::\ndaemon:*:19000:0:99999:7:::\n"),
        ("/etc/group", "file 0644 root:x:0:\ndaemon:x:1:\nshadow:x:42:\nsudo:x:27:\n"),
        ("/etc/gshadow", "file 0640 root:*::\ndaemon:*::\nshadow:*::\nsudo:*::\n"),
        ("/etc/subuid", "file 0644 "),
        ("/etc/subgid", "file 0644 old:100000:65536\n"),
        ("/etc/skel/.profile", "file 0644 hello"),
        ("/etc/skel/dir/link", "link ../.profile"),
    ])
}

fn user(name: &str) -> UserSpec {
    UserSpec { name: name.into(), ..UserSpec::default() }
}

fn system(name: &str) -> UserSpec {
    UserSpec { class: AccountClass::System, ..user(name) }
}

fn group(name: &str) -> GroupSpec {
    GroupSpec { name: name.into(), ..GroupSpec::default() }
}

fn run(tree: &mut Tree, groups: &[GroupSpec], users: &[UserSpec]) -> Result<(), StepError> {
    apply(tree, &NoSources, groups, users, NOW)
}

/// The message of the error of a step.
fn refusal(tree: &Tree, groups: &[GroupSpec], users: &[UserSpec]) -> String {
    let error = run(&mut tree.clone(), groups, users).unwrap_err();
    std::error::Error::source(&error).unwrap().to_string()
}

#[test]
fn a_new_user_is_in_every_file() {
    let mut tree = debian();
    let spec = UserSpec {
        groups: vec!["sudo".into(), "app".into()],
        gecos: Some("Jane Doe,,,".into()),
        ssh_authorized_keys: vec![KEY.into()],
        ..user("jane")
    };
    let app = GroupSpec { gid: Some(1000), members: vec!["daemon".into()], ..group("app") };
    run(&mut tree, &[app], &[spec, system("svc")]).unwrap();
    let passwd = text(&tree, "/etc/passwd");
    assert!(
        passwd.starts_with("root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1::/usr/sbin:/usr/sbin/nologin\n")
    );
    assert!(passwd.ends_with(
        "\njane:x:1000:1001:Jane Doe,,,:/home/jane:/bin/bash\nsvc:x:999:999::/nonexistent:/usr/sbin/nologin\n"
    ));
    assert!(text(&tree, "/etc/shadow").ends_with("\njane:!:19675:0:99999:7:::\nsvc:!*:19675:0:99999:7:::\n"));
    assert!(
        text(&tree, "/etc/group")
            .ends_with("sudo:x:27:jane\napp:x:1000:daemon,jane\njane:x:1001:\nsvc:x:999:\n")
    );
    assert!(text(&tree, "/etc/gshadow").ends_with("sudo:*::jane\napp:!::daemon,jane\njane:!::\nsvc:!::\n"));
    assert_eq!(text(&tree, "/etc/subuid"), "jane:100000:65536\n");
    assert_eq!(text(&tree, "/etc/subgid"), "old:100000:65536\njane:165536:65536\n");
    for (path, expected) in [
        ("/home/jane", "dir 0755 1000:1001"),
        ("/home/jane/.profile", "file 0644 1000:1001"),
        ("/home/jane/dir/link", "symlink 0777 1000:1001 ../.profile"),
        ("/home/jane/.ssh", "dir 0700 1000:1001"),
        ("/home/jane/.ssh/authorized_keys", "file 0600 1000:1001"),
        ("/etc/shadow", "file 0640 0:0"),
        ("/nonexistent", "-"),
    ] {
        assert_eq!(shape(&tree, path), expected, "{path}");
    }
    assert_eq!(text(&tree, "/home/jane/.ssh/authorized_keys"), format!("{KEY}\n"));
    check_with_tools(&tree);
}

/// Checks the account files with the tools of the package `passwd`, with the tree as their root directory, which needs root.
fn check_with_tools(tree: &Tree) {
    let folder = folder();
    let mut tree = tree.clone();
    // Shell and home that the accounts of the smallest trees refer to.
    add(&mut tree, "/bin/sh", "file 0755 x");
    add(&mut tree, "/root", "dir 0700");
    extract(&tree, folder.path());
    for tool in ["pwck", "grpck"] {
        let Some(result) = oracle(tool, &["-r", "-R", &folder.path().display().to_string()]) else { return };
        let output = [result.stdout, result.stderr].concat();
        let output = String::from_utf8_lossy(&output).into_owned();
        if output.contains("unable to chroot") || output.contains("cannot access chroot") {
            return skip("pwck and grpck take another root only from root");
        }
        let fine =
            |line: &&str| line.is_empty() || line.contains("no changes") || line.contains("/nonexistent");
        let wrong: Vec<_> = output.lines().filter(|line| !fine(line)).collect();
        assert!(wrong.is_empty(), "{tool}: {wrong:?}");
    }
}

#[test]
fn missing_files_are_created_complete() {
    let mut tree = tree(&[
        ("/etc/passwd", "file 0644 root:x:0:0:root:/root:/bin/sh"),
        ("/etc/group", "file 0644 root:x:0:\nshadow:x:42:\n"),
    ]);
    run(&mut tree, &[], &[user("a")]).unwrap();
    assert_eq!(text(&tree, "/etc/passwd"), "root:x:0:0:root:/root:/bin/sh\na:x:1000:1000::/home/a:/bin/sh\n");
    assert_eq!(text(&tree, "/etc/shadow"), "a:!:19675:0:99999:7:::\nroot:*:19675:0:99999:7:::\n");
    assert_eq!(text(&tree, "/etc/gshadow"), "a:!::\nroot:*::\nshadow:*::\n");
    assert_eq!(shape(&tree, "/etc/shadow"), "file 0640 0:42");
    assert_eq!(shape(&tree, "/etc/subuid"), "-");
    check_with_tools(&tree);
    let mut bare = empty();
    let range = SubordinateIds::Range { start: 200_000, count: 65_536 };
    run(&mut bare, &[], &[UserSpec { subuid: range, ..user("a") }]).unwrap();
    assert_eq!(shape(&bare, "/etc/gshadow"), "file 0600 0:0");
    assert_eq!(text(&bare, "/etc/subuid"), "a:200000:65536\n");
    check_with_tools(&bare);
}

#[test]
fn other_lines_are_kept_byte_for_byte() {
    let odd = b"root:x:0:0::/root:/bin/sh\n\xff\xfe:::garbage\n\nnot a line\r\n+nis::::::\n";
    let mut tree = debian();
    let resolved = amiforge_formats::path::resolve(&tree, b"/etc/passwd", amiforge_formats::path::Last::Keep);
    let id = resolved.unwrap().unwrap().node.unwrap();
    // Not inline, as the files of a source are.
    tree.node_mut(id).kind =
        NodeKind::File(Content::Slice { source: SourceId(0), at: 2, len: odd.len() as u64 });
    let source = OneSource([b"xx", &odd[..], b"yy"].concat());
    apply(&mut tree, &source, &[], &[user("a")], NOW).unwrap();
    let bytes = amiforge_formats::path::read(&tree, &NoSources, b"/etc/passwd").unwrap().unwrap();
    let expected = [&odd[..odd.len() - 11], b"a:x:1000:1000::/home/a:/bin/bash\n+nis::::::\n"].concat();
    assert_eq!(bytes, expected);
    let shadow = text(&tree, "/etc/shadow");
    assert!(shadow.starts_with("root:*:19000:0:99999:7:::\ndaemon:*:19000:0:99999:7:::\na:"));
}

#[test]
fn of_an_existing_user_only_the_given_fields_change() {
    let mut tree = debian();
    let before = ["/etc/group", "/etc/gshadow", "/etc/subuid", "/etc/subgid"].map(|path| text(&tree, path));
    let spec = UserSpec { password_hash: Some(HASH.into()), shell: Some("/bin/sh".into()), ..user("root") };
    run(&mut tree, &[], &[spec]).unwrap();
    assert!(text(&tree, "/etc/passwd").starts_with("root:x:0:0:root:/root:/bin/sh\n"));
    assert_eq!(
        text(&tree, "/etc/shadow"),
        format!("root:{HASH}:19675:0:99999:7:::\ndaemon:*:19000:0:99999:7:::\n")
    );
    let after = ["/etc/group", "/etc/gshadow", "/etc/subuid", "/etc/subgid"].map(|path| text(&tree, path));
    assert_eq!(before, after);
    add(&mut tree, "/root/.ssh/authorized_keys", "file 0644 ssh-rsa AAAAold");
    let spec = UserSpec { ssh_authorized_keys: vec![KEY.into()], ..user("root") };
    for _ in 0..2 {
        run(&mut tree, &[], std::slice::from_ref(&spec)).unwrap();
        assert_eq!(text(&tree, "/root/.ssh/authorized_keys"), format!("ssh-rsa AAAAold\n{KEY}\n"));
    }
    assert_eq!(shape(&tree, "/root/.ssh"), "dir 0700 0:0");
    assert_eq!(shape(&tree, "/root/.profile"), "-");
}

#[test]
fn numbers_follow_login_defs_and_the_group_of_the_name() {
    let mut tree = debian();
    add(
        &mut tree,
        "/etc/login.defs",
        "file 0644 UID_MIN 500\nGID_MIN 500\nSYS_UID_MAX 300\nHOME_MODE 0700\n",
    );
    let groups = [GroupSpec { gid: Some(700), ..group("own") }];
    run(&mut tree, &groups, &[user("a"), user("own"), system("s"), user("b")]).unwrap();
    let passwd = text(&tree, "/etc/passwd");
    for line in ["a:x:500:500:", "own:x:700:700:", "s:x:300:300:", "b:x:501:501:"] {
        assert!(passwd.contains(line), "{line} in {passwd}");
    }
    assert_eq!(shape(&tree, "/home/a"), "dir 0700 500:500");
}

#[test]
fn clashes_are_refused_with_both_values() {
    let tree = debian();
    let uid = |name: &str, uid| UserSpec { uid: Some(uid), ..user(name) };
    let gid = |name: &str, gid| GroupSpec { gid: Some(gid), ..group(name) };
    for (groups, users, expected) in [
        (vec![], vec![uid("a", 1)], "uid 1 belongs to `daemon`"),
        (vec![], vec![uid("a", 1000), uid("b", 1000)], "uid 1000 belongs to `a`"),
        (
            vec![],
            vec![uid("root", 7)],
            "it exists with uid 0, and the recipe gives it uid 7: the number of root stays with root",
        ),
        (vec![], vec![uid("a", u32::MAX)], "uid 4294967295 is not a number"),
        (vec![], vec![user("a"), user("a")], "names it twice"),
        (vec![gid("g", 27)], vec![], "gid 27 belongs to `sudo`"),
        (
            vec![gid("sudo", 0)],
            vec![],
            "it exists with gid 27, and the recipe gives it gid 0: the number of root stays with root",
        ),
        (vec![group("g"), group("g")], vec![], "names it twice"),
        (
            vec![GroupSpec { members: vec!["x".into()], ..group("g") }],
            vec![],
            "`/etc/passwd` of the image has no `x`",
        ),
        (
            vec![],
            vec![UserSpec { groups: vec!["x".into()], ..user("a") }],
            "`/etc/group` of the image has no `x`",
        ),
        (vec![], vec![UserSpec { group: Some(Principal::Name("x".into())), ..user("a") }], "has no `x`"),
        (
            vec![],
            vec![UserSpec { subgid: SubordinateIds::Range { start: 165_535, count: 1 }, ..user("a") }],
            "165535..=165535 overlaps the range of `old` from 100000 on in `/etc/subgid`",
        ),
        (
            vec![],
            vec![UserSpec { subuid: SubordinateIds::Range { start: u32::MAX, count: 2 }, ..user("a") }],
            "2 ids from 4294967295 are not a valid range",
        ),
        (
            vec![],
            vec![UserSpec { ssh_authorized_keys: vec![KEY.into()], ..system("s") }],
            "ssh keys need a home, and `/nonexistent` is not created",
        ),
    ] {
        let message = refusal(&tree, &groups, &users);
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn no_value_can_add_fields_or_lines() {
    let tree = debian();
    for spec in [
        user("a:b"),
        user("a\nroot2"),
        UserSpec { gecos: Some("x\nroot2::0:0::/:/bin/sh".into()), ..user("a") },
        UserSpec { gecos: Some("x:y".into()), ..user("a") },
        UserSpec { home: Some("/home/a:/bin/sh".into()), ..user("a") },
        UserSpec { home: Some("/home/../etc".into()), ..user("a") },
        UserSpec { shell: Some("/bin/sh\n".into()), ..user("a") },
        UserSpec { password_hash: Some("secret".into()), ..user("a") },
        UserSpec { password_hash: Some(format!("{HASH}\nx")), ..user("a") },
        UserSpec { ssh_authorized_keys: vec![format!("{KEY}\n{KEY}")], ..user("a") },
        UserSpec { groups: vec!["sudo:x".into()], ..user("a") },
    ] {
        let message = refusal(&tree, &[], &[spec]);
        assert!(!message.contains("secret") && !message.contains('\n'), "{message}");
    }
    refusal(&tree, &[group("g:x:0")], &[]);
    let members = GroupSpec { members: vec!["root,x".into()], ..group("g") };
    refusal(&tree, &[members], &[]);
}

#[test]
fn a_time_before_the_first_day_leaves_the_last_change_empty() {
    let mut tree = empty();
    apply(&mut tree, &NoSources, &[], &[user("a")], Time::EPOCH).unwrap();
    assert_eq!(text(&tree, "/etc/shadow"), "a:!::0:99999:7:::\n");
    check_with_tools(&tree);
}

#[test]
fn a_huge_passwd_is_refused_or_processed_quickly() {
    let mut tree = debian();
    let lines: Vec<String> = (0..50_000).map(|n| format!("u{n}:x:{}:1::/:/bin/sh\n", 1000 + n)).collect();
    add(&mut tree, "/etc/passwd", &format!("file 0644 {}", lines.concat()));
    run(&mut tree, &[], &[user("a"), user("b")]).unwrap();
    assert!(
        text(&tree, "/etc/passwd")
            .ends_with("a:x:51000:51000::/home/a:/bin/bash\nb:x:51001:51001::/home/b:/bin/bash\n")
    );
    let id = amiforge_formats::path::find(&tree, b"/etc/passwd").unwrap().unwrap();
    tree.node_mut(id).kind = NodeKind::File(Content::Slice { source: SourceId(0), at: 0, len: 1 << 40 });
    assert!(refusal(&tree, &[], &[user("c")]).contains("has 1099511627776 bytes where at most"));
}

#[test]
fn a_home_below_skel_is_not_copied_into_itself() {
    let mut tree = debian();
    run(&mut tree, &[], &[UserSpec { home: Some("/etc/skel/dir/home".into()), ..user("a") }]).unwrap();
    assert_eq!(shape(&tree, "/etc/skel/dir/home/dir/link"), "symlink 0777 1000:1000 ../.profile");
    assert_eq!(shape(&tree, "/etc/skel/dir/home/dir/home"), "-");
}

#[test]
fn the_same_recipe_gives_the_same_tree() {
    let spec =
        UserSpec { groups: vec!["sudo".into()], ssh_authorized_keys: vec![KEY.into()], ..user("jane") };
    let build = || {
        let mut tree = debian();
        run(&mut tree, &[group("b"), group("a")], &[spec.clone(), system("svc")]).unwrap();
        amiforge_formats::dump::to_string(&tree) + &text(&tree, "/etc/passwd") + &text(&tree, "/etc/gshadow")
    };
    assert_eq!(build(), build());
}

proptest::proptest! {
    /// For any bytes of an account file, a new user adds one line and removes none.
    #[test]
    fn any_file_keeps_its_lines(bytes in proptest::collection::vec(proptest::sample::select(&b"a:+\n\xff0,"[..]), 0..60)) {
        let mut tree = debian();
        add(&mut tree, "/etc/passwd", "file 0644 ");
        let id = amiforge_formats::path::find(&tree, b"/etc/passwd").unwrap().unwrap();
        tree.node_mut(id).kind = NodeKind::File(Content::Inline(bytes.clone().into()));
        run(&mut tree, &[], &[user("new")]).unwrap();
        let after = amiforge_formats::path::read(&tree, &NoSources, b"/etc/passwd").unwrap().unwrap();
        let new = b"new:x:1000:1000::/home/new:/bin/bash\n";
        let at = after.windows(new.len()).position(|window| window == new).unwrap();
        let rest = [&after[..at], &after[at + new.len()..]].concat();
        let ended = if bytes.is_empty() || bytes.ends_with(b"\n") { bytes } else { [&bytes[..], b"\n"].concat() };
        proptest::prop_assert_eq!(rest, ended);
    }
}

#[test]
fn an_account_of_a_package_gets_the_number_of_the_recipe_and_its_files_follow() {
    let mut tree = debian();
    let acl = |user: u32, group: u32| {
        let mut value = 2_u32.to_le_bytes().to_vec();
        for (tag, number) in
            [(1, u32::MAX), (2, user), (4, u32::MAX), (8, group), (16, u32::MAX), (32, u32::MAX)]
        {
            value.extend([tag, 0, 7, 0]);
            value.extend(number.to_le_bytes());
        }
        value
    };
    let id = tree.lookup(b"etc/skel/.profile").unwrap();
    let meta = &mut tree.node_mut(id).meta;
    (meta.uid, meta.gid) = (1, 1);
    let name: &[u8] = b"system.posix_acl_access";
    meta.xattrs.get_or_insert_default().insert(name.into(), acl(1, 1).into());
    let other = tree.lookup(b"home").unwrap();
    tree.node_mut(other).meta.gid = 27;
    let users = [UserSpec { uid: Some(5432), ..user("daemon") }];
    run(&mut tree, &[GroupSpec { gid: Some(5433), ..group("daemon") }], &users).unwrap();
    assert!(text(&tree, "/etc/passwd").contains("\ndaemon:x:5432:5433::/usr/sbin:/usr/sbin/nologin\n"));
    assert!(text(&tree, "/etc/group").contains("\ndaemon:x:5433:\n"));
    let meta = &tree.node(id).meta;
    assert_eq!((meta.uid, meta.gid), (5432, 5433));
    assert_eq!(meta.xattrs.as_ref().unwrap()[name][..], acl(5432, 5433)[..]);
    assert_eq!(tree.node(other).meta.gid, 27, "files of other accounts are not changed");
    // A number of another account is refused.
    let users = [UserSpec { uid: Some(5432), ..user("root") }];
    assert!(refusal(&tree, &[], &users).contains("root"));
    let group = [GroupSpec { gid: Some(42), ..group("sudo") }];
    assert!(refusal(&tree, &group, &[]).contains("gid 42 belongs to `shadow`"));
}
