//! What is taken out of a tree, and what the script makes on a machine.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use amiforge_formats::plan::NoSources;

use super::*;
use crate::steps::testing::{NOW, add, shape, text, tree};

/// A system with the keys of four packages.
fn system() -> Tree {
    let mut tree = tree(&[
        ("/bin", "link usr/bin"),
        ("/usr/lib/systemd/systemd", "file 0755 x"),
        ("/etc/bind/rndc.key", "file 0640 key \"rndc-key\" {}"),
        ("/etc/bind/named.conf", "file 0644 x"),
        ("/etc/munge/munge.key", "file 0400 0123456789abcdef"),
        ("/var/lib/rabbitmq/.erlang.cookie", "file 0400 cookie"),
        ("/etc/nvme/hostnqn", "file 0644 nqn"),
        ("/etc/nvme/hostid", "file 0644 id"),
        ("/etc/iscsi/initiatorname.iscsi", "file 0600 InitiatorName=x"),
    ]);
    for program in PROGRAMS {
        add(&mut tree, &format!("/usr/bin/{program}"), "file 0755 x");
    }
    tree
}

fn taken(tree: &mut Tree, stays: &[&str]) -> Vec<String> {
    let changes = apply(tree, &NoSources, &|path| stays.contains(&path), NOW).unwrap();
    changes.into_iter().map(|change| String::from_utf8(change.path).unwrap()).collect()
}

#[test]
fn what_can_be_made_again_is_taken_out_and_a_unit_is_enabled() {
    let mut tree = system();
    let expected = [
        "/etc/bind/rndc.key",
        "/etc/munge/munge.key",
        "/etc/nvme/hostid",
        "/etc/nvme/hostnqn",
        "/var/lib/rabbitmq/.erlang.cookie",
    ];
    assert_eq!(taken(&mut tree, &[]), expected);
    for path in expected {
        assert_eq!(shape(&tree, path), "-", "{path}");
    }
    // Nothing in this tree could make the name of the initiator.
    assert_eq!(shape(&tree, "/etc/iscsi/initiatorname.iscsi"), "file 0600 0:0");
    assert_eq!(shape(&tree, "/etc/bind/named.conf"), "file 0644 0:0");
    let list = "rndc 0640 0:0 17 /etc/bind/rndc.key\nbytes 0400 0:0 16 /etc/munge/munge.key\nline 0400 0:0 6 \
                /var/lib/rabbitmq/.erlang.cookie\nnvme-hostid 0644 0:0 2 /etc/nvme/hostid\nnvme-hostnqn 0644 0:0 3 \
                /etc/nvme/hostnqn\n";
    assert_eq!(text(&tree, LIST), list);
    let link = format!("/etc/systemd/system/sysinit.target.wants/{UNIT}");
    assert!(shape(&tree, &link).starts_with("symlink "), "{}", shape(&tree, &link));
    assert_eq!(taken(&mut tree, &[]), [""; 0], "a second time there is nothing to do");
}

#[test]
fn what_is_somebodys_own_stays_and_so_does_all_where_nothing_makes_it_again() {
    let mut own = system();
    let stays = ["/etc/munge/munge.key", "/etc/nvme/hostid"];
    assert_eq!(taken(&mut own, &stays), ["/etc/bind/rndc.key", "/var/lib/rabbitmq/.erlang.cookie"]);
    for missing in ["/usr/lib/systemd/systemd", "/usr/bin/base64"] {
        let mut tree = system();
        let (dir, name) = missing.rsplit_once('/').unwrap();
        let dir = tree.lookup(dir.as_bytes()).unwrap();
        tree.unlink(dir, name.as_bytes());
        assert_eq!(taken(&mut tree, &[]), [""; 0], "without {missing}");
        assert_eq!(shape(&tree, "/etc/munge/munge.key"), "file 0400 0:0");
    }
}

/// Runs the script in a folder in the place of the root; gives what it made, by path.
fn made(list: &str, folder: &std::path::Path) -> Vec<String> {
    let at = |path: &str| format!("{}{path}", folder.display());
    fs::create_dir_all(at("/etc")).unwrap();
    let owner = Command::new("id").arg("-u").output().unwrap().stdout;
    let group = Command::new("id").arg("-g").output().unwrap().stdout;
    let owner =
        format!("{}:{}", String::from_utf8_lossy(&owner).trim(), String::from_utf8_lossy(&group).trim());
    fs::write(at("/list"), list.replace("OWNER", &owner).replace(" /etc/", &format!(" {}", at("/etc/"))))
        .unwrap();
    let script = include_str!("image/service-keys").replace(LIST, &at("/list"));
    let output = Command::new("sh").arg("-c").arg(script).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let mut all = vec![format!("{} {said}", output.status.code().unwrap())];
    let mut names: Vec<_> = fs::read_dir(at("/etc")).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    for path in names {
        let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        let bytes = fs::read(&path).unwrap();
        let name = path.file_name().unwrap().to_string_lossy();
        all.push(format!("{name} {mode:o} {} {}", bytes.len(), String::from_utf8_lossy(&bytes)));
    }
    all
}

#[test]
fn the_script_makes_each_anew_and_leaves_what_is_there() {
    let list = "rndc 0640 OWNER 18 /etc/rndc.key\nbytes 0400 OWNER 1024 /etc/munge.key\nline 0400 OWNER 57 /etc/cookie\n\
                nvme-hostid 0644 OWNER 37 /etc/hostid\nnvme-hostnqn 0644 OWNER 69 /etc/hostnqn\n";
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let [first, second] = [&folders[0], &folders[1]].map(|folder| made(list, folder.path()));
    assert_eq!(first[0], "0 ");
    let begins = [
        "cookie 400 57 ",
        "hostid 644 37 ",
        "hostnqn 644 69 nqn.2014-08.org.nvmexpress:uuid:",
        "munge.key 400 1024 ",
    ];
    for (line, begin) in first[1..].iter().zip(begins) {
        assert!(line.starts_with(begin), "{line}");
    }
    let rndc = &first[5];
    assert!(rndc.starts_with("rndc.key 640 ") && rndc.ends_with("\";\n};\n"), "{rndc}");
    assert_eq!(
        crate::secrets::keys::identify_text(rndc.as_bytes()).map(crate::secrets::KeyKind::name),
        Some("tsig-key")
    );
    let id = first[2].rsplit(' ').next().unwrap();
    assert!(first[3].ends_with(id), "one host has one id: {first:?}");
    for (one, other) in first[1..].iter().zip(&second[1..]) {
        assert_ne!(one, other, "two machines have the same");
    }
    let again = made(&format!("{list}odd 0644 OWNER 1 /etc/odd\n"), folders[0].path());
    assert!(again[0].starts_with("1 cannot make "), "{}", again[0]);
    assert_eq!(again[1..], first[1..]);
}

#[test]
fn systemd_and_the_shell_accept_them() {
    for (program, arguments) in [("sh", &["-n"][..]), ("shellcheck", &["-"])] {
        let child = Command::new(program).args(arguments).stdin(std::process::Stdio::piped()).spawn();
        let Ok(mut child) = child else { continue };
        let mut input = child.stdin.take().unwrap();
        std::io::Write::write_all(&mut input, FILES[0].1.as_bytes()).unwrap();
        drop(input);
        assert!(child.wait().unwrap().success(), "{program}");
    }
}
