//! Fuzzes the reader of SELinux policies: whatever bytes its files have, a tree is labelled or a line is refused, without a
//! panic, a hang or unbounded memory.
#![no_main]

use amiforge_formats::path;
use amiforge_formats::plan::NoSources;
use amiforge_formats::time::Time;
use amiforge_formats::tree::{Meta, Tree};
use amiforge_rootfs::steps::selinux::FileLabels;
use libfuzzer_sys::fuzz_target;

/// Paths of a system, for rules to match.
const PATHS: [&str; 8] = [
    "etc/passwd",
    "usr/bin/sudo",
    "usr/lib64/libc.so.6",
    "usr/lib/systemd/system/sshd.service",
    "var/log/messages",
    "home/ec2-user/.ssh/authorized_keys",
    "lost+found/x",
    "srv/a b/\u{e4}.txt",
];

fuzz_target!(|bytes: &[u8]| {
    let mut tree = Tree::new(Meta::root_owned(0o755, Time::EPOCH));
    let mut put = |path: &str, bytes: &[u8]| {
        let _ = path::write(&mut tree, path.as_bytes(), bytes, 0o644, Time::EPOCH);
    };
    PATHS.iter().for_each(|path| put(path, b""));
    put("etc/selinux/config", b"SELINUX=enforcing\n");
    // The parts go to the files of a policy in turn.
    let mut parts = bytes.split(|&byte| byte == 0);
    for name in ["file_contexts", "file_contexts.homedirs", "file_contexts.subs_dist", "file_contexts.subs"] {
        put(&format!("etc/selinux/targeted/contexts/files/{name}"), parts.next().unwrap_or_default());
    }
    if let Ok(Some(labels)) = FileLabels::read(&tree, &NoSources) {
        let entries = tree.walk().count() as u64;
        if let Ok(count) = labels.apply(&mut tree, "/", &|_| false) {
            assert!(count.labelled + count.without <= entries);
        }
    }
});
