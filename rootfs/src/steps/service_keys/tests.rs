//! The keys that are removed from a tree, and those that the script makes on a machine.

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

fn removed(tree: &mut Tree, keep: &[&str]) -> Vec<String> {
    let changes = apply(tree, &NoSources, &|path| keep.contains(&path), NOW).unwrap();
    changes.into_iter().map(|change| String::from_utf8(change.path).unwrap()).collect()
}

#[test]
fn keys_that_a_unit_of_the_distribution_makes_again_are_only_removed() {
    let keys = ["/etc/pki/tls/certs/localhost.crt", "/etc/pki/tls/private/localhost.key"];
    let mut tree = tree(&[
        (keys[0], "file 0644 x"),
        (keys[1], "file 0600 x"),
        ("/etc/rndc.key", "file 0640 x"),
        ("/usr/lib/systemd/system/httpd-init.service", "file 0644 x"),
    ]);
    assert_eq!(removed(&mut tree, &[keys[0]]), [""; 0], "the unit makes both or none");
    assert_eq!(removed(&mut tree, &[]), keys);
    assert_eq!(shape(&tree, "/etc/rndc.key"), "file 0640 0:0", "nothing would make it again");
    assert_eq!(shape(&tree, LIST), "-", "nothing is left to the unit of amiforge");
}

#[test]
fn keys_that_can_be_made_again_are_removed_and_a_unit_is_enabled() {
    let mut tree = system();
    let expected = [
        "/etc/bind/rndc.key",
        "/etc/munge/munge.key",
        "/etc/nvme/hostid",
        "/etc/nvme/hostnqn",
        "/var/lib/rabbitmq/.erlang.cookie",
    ];
    assert_eq!(removed(&mut tree, &[]), expected);
    for path in expected {
        assert_eq!(shape(&tree, path), "-", "{path}");
    }
    // This tree has no program that makes the name of the initiator.
    assert_eq!(shape(&tree, "/etc/iscsi/initiatorname.iscsi"), "file 0600 0:0");
    assert_eq!(shape(&tree, "/etc/bind/named.conf"), "file 0644 0:0");
    let list = "rndc 0640 0:0 17 /etc/bind/rndc.key\nbytes 0400 0:0 16 /etc/munge/munge.key\nline 0400 0:0 6 \
                /var/lib/rabbitmq/.erlang.cookie\nnvme-hostid 0644 0:0 2 /etc/nvme/hostid\nnvme-hostnqn 0644 0:0 3 \
                /etc/nvme/hostnqn\n";
    assert_eq!(text(&tree, LIST), list);
    let link = format!("/etc/systemd/system/sysinit.target.wants/{UNIT}");
    assert!(shape(&tree, &link).starts_with("symlink "), "{}", shape(&tree, &link));
    assert_eq!(removed(&mut tree, &[]), [""; 0], "a second run removes nothing");
}

#[test]
fn keys_of_the_user_and_keys_that_cannot_be_made_again_are_kept() {
    let mut own = system();
    let keep = ["/etc/munge/munge.key", "/etc/nvme/hostid"];
    assert_eq!(removed(&mut own, &keep), ["/etc/bind/rndc.key", "/var/lib/rabbitmq/.erlang.cookie"]);
    for missing in ["/usr/lib/systemd/systemd", "/usr/bin/base64"] {
        let mut tree = system();
        let (dir, name) = missing.rsplit_once('/').unwrap();
        let dir = tree.lookup(dir.as_bytes()).unwrap();
        tree.unlink(dir, name.as_bytes());
        assert_eq!(removed(&mut tree, &[]), [""; 0], "without {missing}");
        assert_eq!(shape(&tree, "/etc/munge/munge.key"), "file 0400 0:0");
    }
}

/// Runs the script with a folder in place of the root directory; returns its status and errors, then each file that it made.
fn run_script(list: &str, folder: &std::path::Path) -> Vec<String> {
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
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    let mut all = vec![format!("{} {errors}", output.status.code().unwrap())];
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
fn the_script_makes_missing_keys_and_keeps_existing_ones() {
    let list = "rndc 0640 OWNER 18 /etc/rndc.key\nbytes 0400 OWNER 1024 /etc/munge.key\nline 0400 OWNER 57 /etc/cookie\n\
                nvme-hostid 0644 OWNER 37 /etc/hostid\nnvme-hostnqn 0644 OWNER 69 /etc/hostnqn\n";
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let [first, second] = [&folders[0], &folders[1]].map(|folder| run_script(list, folder.path()));
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
        amiforge_formats::private_key::identify_text(rndc.as_bytes()).map(crate::secrets::KeyKind::name),
        Some("tsig-key")
    );
    let id = first[2].rsplit(' ').next().unwrap();
    assert!(first[3].ends_with(id), "one host has one id: {first:?}");
    for (one, other) in first[1..].iter().zip(&second[1..]) {
        assert_ne!(one, other, "two machines have the same key");
    }
    let again = run_script(&format!("{list}odd 0644 OWNER 1 /etc/odd\n"), folders[0].path());
    assert!(again[0].starts_with("1 cannot make "), "{}", again[0]);
    assert_eq!(again[1..], first[1..]);
}

#[test]
fn the_shell_and_shellcheck_accept_the_script() {
    for (program, arguments) in [("sh", &["-n"][..]), ("shellcheck", &["-"])] {
        let child = Command::new(program).args(arguments).stdin(std::process::Stdio::piped()).spawn();
        let Ok(mut child) = child else { continue };
        let mut input = child.stdin.take().unwrap();
        std::io::Write::write_all(&mut input, FILES[0].1.as_bytes()).unwrap();
        drop(input);
        assert!(child.wait().unwrap().success(), "{program}");
    }
}
