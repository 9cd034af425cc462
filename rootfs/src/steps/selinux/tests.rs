//! Labels of a small tree by a policy with every kind of rule, and of 84,000 paths by a real policy as libselinux gives
//! them.

use std::io::Read as _;
use std::path::Path;
use std::process::Command;

use amiforge_formats::plan::NoSources;

use super::*;
use crate::steps::testing::{NOW, add, empty, input, oracle, skip, text, tree};

const FILES: &str = "/etc/selinux/targeted/contexts/files";

fn label(tree: &Tree, path: &str) -> String {
    let id = tree.lookup(path.as_bytes()).unwrap();
    let xattrs = tree.node(id).meta.xattrs.as_deref();
    let value = xattrs.and_then(|xattrs| xattrs.get(SELINUX_XATTR));
    value.map_or_else(|| "-".to_owned(), |value| String::from_utf8(value.to_vec()).unwrap())
}

fn with_policy(entries: &[(&str, &str)]) -> Tree {
    let mut tree = tree(&[
        ("/etc/selinux/config", "file 0644 # c\nSELINUX=enforcing\nSELINUXTYPE=targeted \n"),
        (
            "/etc/selinux/targeted/contexts/files/file_contexts",
            "file 0644 /.* u:r:default_t:s0\n/ u:r:root_t:s0\n/etc(/.*)? u:r:etc_t:s0\n\
             /etc/shadow.* -- u:r:shadow_t:s0\n/etc/sh.* u:r:late_t:s0\n\
             /usr/(s)?bin(/.*)? u:r:bin_t:s0\n/usr/bin/passwd -- u:r:passwd_exec_t:s0\n\
             /proc <<none>>\n/dev/null -c u:r:null_device_t:s0\n/dev(/.*)? u:r:device_t:s0\n\
             /var/log -d u:r:var_log_t:s0\n/a\\.b u:r:dot_t:s0\n/lost\\+found -d u:r:lost_found_t:s0\n\
             /boot u:r:boot_t:s0\n/boot/.* u:r:boot_file_t:s0\n/boot/lost\\+found -d u:r:lost_found_t:s0\n",
        ),
        (
            "/etc/selinux/targeted/contexts/files/file_contexts.homedirs",
            "file 0644 /home/[^/]+ -d u:r:user_home_dir_t:s0\n/home/[^/]+/.+ u:r:user_home_t:s0\n",
        ),
        ("/etc/selinux/targeted/contexts/files/file_contexts.local", "file 0644 /srv(/.*)? u:r:local_t:s0\n"),
        ("/etc/selinux/targeted/contexts/files/file_contexts.subs_dist", "file 0644 /sbin /usr/bin\n"),
        ("/etc/selinux/targeted/contexts/files/file_contexts.subs", "file 0644 /data /srv\n"),
    ]);
    for (path, entry) in entries {
        add(&mut tree, path, entry);
    }
    tree
}

fn labelled(tree: &mut Tree) -> LabelCount {
    let labels = FileLabels::read(tree, &NoSources).unwrap().unwrap();
    labels.apply(tree, "/", &|path| path == b"/etc/kept").unwrap()
}

#[test]
fn every_kind_of_rule_labels_what_it_is_for() {
    let mut tree = with_policy(&[
        ("/etc/shadow", "file 0600 x"),
        ("/etc/shadow.d", "dir 0755"),
        ("/etc/kept", "file 0644 x"),
        ("/usr/bin/passwd", "file 0755 x"),
        ("/usr/sbin/x", "link ../bin/passwd"),
        ("/sbin/passwd", "file 0755 x"),
        ("/proc", "dir 0555"),
        ("/dev/null", "null"),
        ("/var/log", "file 0644 x"),
        ("/a.b", "file 0644 x"),
        ("/acb", "file 0644 x"),
        ("/home/a/.ssh", "dir 0700"),
        ("/data/x", "file 0644 x"),
    ]);
    let count = labelled(&mut tree);
    for (path, expected) in [
        ("", "root_t"),
        ("etc", "etc_t"),
        // The last pattern that matches has precedence, whatever its type.
        ("etc/shadow", "late_t"),
        ("etc/shadow.d", "late_t"),
        ("usr/bin/passwd", "passwd_exec_t"),
        ("usr/sbin/x", "bin_t"),
        ("sbin/passwd", "passwd_exec_t"),
        ("dev/null", "null_device_t"),
        // The rule is for directories.
        ("var/log", "default_t"),
        ("a.b", "dot_t"),
        ("acb", "default_t"),
        ("home/a", "user_home_dir_t"),
        ("home/a/.ssh", "user_home_t"),
        ("data/x", "local_t"),
    ] {
        assert_eq!(label(&tree, path), format!("u:r:{expected}:s0\0"), "{path}");
    }
    assert_eq!((label(&tree, "proc"), label(&tree, "etc/kept")), ("-".to_owned(), "-".to_owned()));
    let names = tree.walk().count() as u64;
    assert_eq!(count, LabelCount { labelled: names - 2, without: 1 });
    let again = amiforge_formats::dump::to_string(&tree);
    labelled(&mut tree);
    assert_eq!(amiforge_formats::dump::to_string(&tree), again, "a second run changes nothing");
}

#[test]
fn labels_of_other_names_and_mount_points_are_those_of_the_machine() {
    let mut tree = with_policy(&[("/usr/bin/passwd", "file 0755 x"), ("/etc", "dir 0755")]);
    let (etc, passwd) = (tree.lookup(b"etc").unwrap(), tree.lookup(b"usr/bin/passwd").unwrap());
    tree.link(etc, Name::new(b"passwd").unwrap(), passwd).unwrap();
    labelled(&mut tree);
    assert_eq!(label(&tree, "etc/passwd"), "u:r:passwd_exec_t:s0\0");
    let labels = FileLabels::read(&tree, &NoSources).unwrap().unwrap();
    let mut boot = empty();
    add(&mut boot, "/vmlinuz", "file 0644 x");
    add_lost_found(&mut boot, NOW).unwrap();
    add_lost_found(&mut boot, NOW).unwrap();
    labels.apply(&mut boot, "/boot/", &|_| false).unwrap();
    let all = ["", "vmlinuz", "lost+found"].map(|path| label(&boot, path));
    assert_eq!(all, ["boot_t", "boot_file_t", "lost_found_t"].map(|name| format!("u:r:{name}:s0\0")));
}

#[test]
fn programs_of_amiforge_have_the_labels_of_programs() {
    let mut tree = with_policy(&[]);
    assert!(!add_own_programs(&mut tree, &NoSources, NOW).unwrap(), "there are none");
    add(&mut tree, "/usr/lib/amiforge/update-boot", "file 0755 x");
    let rules = format!("{FILES}/file_contexts.local");
    add(&mut tree, &rules, "file 0644 /usr/libexec(/.*)? u:r:bin_t:s0\n");
    labelled(&mut tree);
    assert_eq!(label(&tree, "usr/lib/amiforge/update-boot"), "u:r:default_t:s0\0");
    assert!(add_own_programs(&mut tree, &NoSources, NOW).unwrap());
    assert!(!add_own_programs(&mut tree, &NoSources, NOW).unwrap(), "the line is there");
    labelled(&mut tree);
    assert_eq!(label(&tree, "usr/lib/amiforge/update-boot"), "u:r:bin_t:s0\0");
    assert_eq!(
        text(&tree, &format!("{FILES}/file_contexts.subs")),
        "/data /srv\n/usr/lib/amiforge /usr/libexec/amiforge\n"
    );
    add(&mut tree, "/etc/selinux/config", "file 0644 SELINUX=disabled\n");
    assert!(!add_own_programs(&mut tree, &NoSources, NOW).unwrap());
}

#[test]
fn without_a_policy_that_is_used_there_are_no_labels() {
    let config = |text: &str| ("/etc/selinux/config", format!("file 0644 {text}"));
    let policy = |tree: &mut Tree, (path, entry): (&str, String)| {
        add(tree, path, &entry);
        FileLabels::read(tree, &NoSources)
    };
    let mut tree = with_policy(&[]);
    assert!(policy(&mut tree, config("SELINUX=Disabled\nSELINUX=enforcing\n")).unwrap().is_none());
    assert!(policy(&mut tree, config("SELINUX=permissive\nSELINUXTYPE=mls\n")).unwrap().is_none());
    assert!(policy(&mut tree, config("#SELINUX=disabled\n")).unwrap().is_some(), "targeted is the default");
    let wrong = policy(&mut tree, config("SELINUXTYPE=../x\n"));
    assert!(matches!(wrong, Err(SelinuxError::PolicyName { .. })));
    assert!(FileLabels::read(&empty(), &NoSources).unwrap().is_none());
    add(&mut tree, "/etc/selinux/config", "file 0644 SELINUX=enforcing\n");
    add(&mut tree, &format!("{FILES}/file_contexts.local"), "file 0644 /(?=x) u:r:t:s0\n");
    let error = FileLabels::read(&tree, &NoSources).unwrap_err().to_string();
    assert!(
        error.starts_with(&format!("{FILES}/file_contexts.local:1: the pattern has a look-around")),
        "{error}"
    );
}

/// The paths of a list of files of a repository of rpm packages, with whether each is a directory.
fn listed_paths(file: &Path) -> Vec<(String, bool)> {
    let mut text = String::new();
    flate2::read::MultiGzDecoder::new(std::fs::File::open(file).unwrap()).read_to_string(&mut text).unwrap();
    let mut paths: Vec<_> = text
        .lines()
        .filter_map(|line| {
            let (attributes, rest) = line.trim().strip_prefix("<file")?.split_once('>')?;
            let path = rest.strip_suffix("</file>")?.replace("&amp;", "&").replace("&lt;", "<");
            Some((path, attributes.contains("dir")))
        })
        .collect();
    paths.sort_unstable();
    paths.dedup();
    paths
}

/// Paths to label: those of a distribution's repository where it is there, else those of this system.
fn many_paths() -> Vec<(String, bool)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let shared = root.join("../shared/data/centos9-baseos/repodata");
    let shared = shared.is_dir().then(|| shared.into_os_string());
    if let Some(folder) = std::env::var_os("AMIFORGE_RPM_REPODATA").or(shared) {
        let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let list = names.into_iter().find(|path| path.to_string_lossy().ends_with("filelists.xml.gz"));
        return listed_paths(&list.unwrap());
    }
    let mut paths = Vec::new();
    let mut pending = ["/usr", "/etc", "/var", "/root", "/boot"].map(std::path::PathBuf::from).to_vec();
    while let Some(folder) = pending.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let Ok(kind) = entry.file_type() else { continue };
            let (Some(path), false) = (entry.path().to_str().map(str::to_owned), kind.is_symlink()) else {
                continue;
            };
            if kind.is_dir() {
                pending.push(entry.path());
            }
            paths.push((path, kind.is_dir()));
        }
    }
    paths.sort_unstable();
    paths
}

/// What matchpathcon prints for the paths, all directories or all files.
fn matchpathcon(contexts: &Path, mode: &str, paths: &[&str]) -> Vec<String> {
    let mut lines = Vec::new();
    for chunk in paths.chunks(1500) {
        let mut command = Command::new("matchpathcon");
        command
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .args(["-N", "-n", "-m", mode, "-f"])
            .arg(contexts);
        let output = command.args(chunk).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        lines.extend(String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned));
    }
    lines
}

#[test]
fn labels_are_those_of_libselinux() {
    let Some(folder) = input("selinux") else { return };
    if oracle("matchpathcon", &["-V", "/"]).is_none() {
        return;
    }
    let paths: Vec<_> = many_paths().into_iter().filter(|(path, _)| !path.contains(['\n', ' '])).collect();
    if paths.len() < 20_000 {
        skip("this system has fewer than 20,000 files, and AMIFORGE_RPM_REPODATA names no list of more");
    }
    let read = |name: &str| std::fs::read(folder.join(name)).unwrap_or_default();
    let files = ["file_contexts", "file_contexts.homedirs", "file_contexts.local"];
    let files =
        files.map(|name| PolicyFile { path: name.to_owned(), bytes: read(name) }).into_iter().collect();
    let substitutions = ["file_contexts.subs_dist", "file_contexts.subs"];
    let substitutions = substitutions.map(|name| Substitutions::parse(&read(name)));
    let start = std::time::Instant::now();
    let matcher = LabelMatcher::new(files, substitutions).unwrap();
    let loaded = start.elapsed();
    let own = |path: &str, is_dir: bool| {
        let kind = if is_dir { RuleFileType::Directory } else { RuleFileType::Regular };
        let rule = matcher.find(path.as_bytes(), kind).unwrap();
        let context = rule.and_then(|rule| rule.context).unwrap_or(b"<<none>>");
        String::from_utf8(context.to_vec()).unwrap()
    };
    let labels: Vec<_> = paths.iter().map(|(path, is_dir)| own(path, *is_dir)).collect();
    println!("{} paths: rules {loaded:?}, all {:?}", paths.len(), start.elapsed());
    for (mode, dirs) in [("file", false), ("dir", true)] {
        let of_mode = || paths.iter().zip(&labels).filter(|((_, is_dir), _)| *is_dir == dirs);
        let names: Vec<_> = of_mode().map(|((path, _), _)| path.as_str()).collect();
        let expected = matchpathcon(&folder.join("file_contexts"), mode, &names);
        assert_eq!(expected.len(), names.len());
        let different: Vec<_> =
            of_mode().zip(&expected).filter(|((_, own), theirs)| own != theirs).take(8).collect();
        assert_eq!(different, [], "{mode}");
    }
}

/// Writes a plan without sources to a file.
fn write_plan(plan: &amiforge_formats::plan::Plan, path: &Path) -> String {
    let mut bytes = vec![0; plan.len() as usize];
    plan.read_exact_at(&NoSources, 0, &mut bytes).unwrap();
    std::fs::write(path, bytes).unwrap();
    path.display().to_string()
}

#[test]
fn labels_are_in_the_file_systems_that_are_written() {
    let mut tree =
        with_policy(&[("/etc/shadow", "file 0600 x"), ("/usr/bin/x", "link y"), ("/dev/null", "null")]);
    add_lost_found(&mut tree, NOW).unwrap();
    labelled(&mut tree);
    let folder = crate::steps::testing::folder();
    let (id, label) = (amiforge_formats::guid::Guid::from_u128(1), String::new());
    let options = amiforge_formats::ext4::write::Ext4Options {
        uuid: id,
        hash_seed: id,
        label: label.clone(),
        time: NOW,
        journal: amiforge_formats::ext4::write::JournalSize::None,
        reserved: 0,
    };
    let plan = amiforge_formats::ext4::write::plan(&tree, &options, 8 << 20).unwrap();
    let ext4 = write_plan(&plan, &folder.path().join("ext4"));
    for (path, expected) in [
        ("/", "root_t"),
        ("/etc/shadow", "late_t"),
        ("/usr/bin/x", "bin_t"),
        ("/dev/null", "null_device_t"),
        ("/lost+found", "lost_found_t"),
    ] {
        let Some(output) = oracle("debugfs", &["-R", &format!("ea_get {path} security.selinux"), &ext4])
        else {
            return;
        };
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        // The value with the NUL at its end, as setfiles writes it.
        assert!(text.contains(&format!("\"u:r:{expected}:s0\\000\"")), "{path}: {text}");
    }
    let options = amiforge_formats::erofs::write::ErofsOptions { uuid: id, label, time: NOW };
    let plan = amiforge_formats::erofs::write::plan(&tree, &options, 8 << 20).unwrap();
    let erofs = write_plan(&plan, &folder.path().join("erofs"));
    for path in ["/etc/shadow", "/lost+found"] {
        let Some(output) = oracle("dump.erofs", &[&format!("--path={path}"), &erofs]) else { return };
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let size = text
            .lines()
            .find_map(|line| line.split("Xattr size: ").nth(1))
            .and_then(|rest| rest.trim().parse().ok());
        assert!(size.is_some_and(|size: u32| size > 0), "{path}: {text}");
    }
}
