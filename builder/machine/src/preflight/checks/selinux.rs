//! Whether a system with SELinux can start: it has the policy that it is configured for, and its files are labelled.
//!
//! Follows `selinux_config(5)` and systemd's `mac_selinux_setup`, which halts a machine that is to enforce a policy that cannot
//! be loaded.

use amiforge_formats::tree::{NodeKind, Printable};
use amiforge_rootfs::steps::selinux::{SELINUX_XATTR, SelinuxConfig, SelinuxMode};

use super::{Findings, System};

/// Folders in which the kernel or the machine labels what it makes; policies give most of their files no label.
const MADE_LATER: [&str; 10] =
    ["dev", "lost+found", "media", "mnt", "proc", "run", "sys", "tmp", "var/run", "var/tmp"];

/// Files that the first programs of a machine read: without labels in enforcing mode no user can log in.
const NEEDED: [&str; 3] = ["etc/passwd", "etc/ld.so.cache", "usr/lib/systemd/systemd"];

/// The most paths that a finding names.
const NAMED: usize = 3;

pub(super) fn check(system: &System<'_>, findings: &mut Findings) {
    let Some(text) = system.files.text("/etc/selinux/config") else { return };
    let config = SelinuxConfig::parse(&text);
    let arguments = system.chain.cmdline.as_deref().unwrap_or_default();
    let has = |argument: &str| arguments.split_whitespace().any(|word| word == argument);
    if config.mode == SelinuxMode::Disabled || has("selinux=0") {
        return;
    }
    let enforcing = config.mode == SelinuxMode::Enforcing && !has("enforcing=0") || has("enforcing=1");
    check_policy(system, &config.policy, enforcing, findings);
    check_labels(system, enforcing, findings);
}

fn check_policy(system: &System<'_>, policy: &str, enforcing: bool, findings: &mut Findings) {
    let folder = format!("/etc/selinux/{policy}/policy");
    if system.files.names(&folder).iter().any(|name| name.starts_with("policy.")) {
        return;
    }
    let what = format!(
        "SELinux is to use the policy `{}`, and there is no {folder}/policy.*",
        policy.escape_debug()
    );
    let remedy = format!(
        "add the package selinux-policy-{policy} with its scripts run, or write `SELINUX=disabled` to /etc/selinux/config"
    );
    if enforcing {
        findings.failure("selinux", format!("{what}: systemd halts the machine"), remedy);
    } else {
        findings.warning("selinux", what, remedy);
    }
}

fn check_labels(system: &System<'_>, enforcing: bool, findings: &mut Findings) {
    let tree = &system.root.tree;
    let is_labelled =
        |id| tree.node(id).meta.xattrs.as_ref().is_some_and(|xattrs| xattrs.contains_key(SELINUX_XATTR));
    let is_made_later = |path: &[u8]| {
        MADE_LATER.iter().any(|folder| {
            let rest = path.strip_prefix(folder.as_bytes());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
        })
    };
    let ours = |kind: &NodeKind| matches!(kind, NodeKind::Dir(_) | NodeKind::File(_));
    let unlabelled: Vec<_> = tree
        .walk()
        .filter(|entry| {
            ours(&tree.node(entry.id).kind) && !is_labelled(entry.id) && !is_made_later(&entry.path)
        })
        .map(|entry| entry.path)
        .collect();
    if unlabelled.is_empty() {
        return;
    }
    let named = unlabelled.iter().take(NAMED).map(|path| format!("`/{}`", Printable(path)));
    let named = named.collect::<Vec<_>>().join(", ");
    let more = if unlabelled.len() > NAMED { " and others" } else { "" };
    let count = unlabelled.len();
    let what = format!("SELinux is on, and {count} of the files and folders have no label: {named}{more}");
    let remedy =
        "keep the rule `selinux-labels` of `[normalize]` and have the policy's file_contexts in the image";
    let needed = unlabelled.iter().any(|path| NEEDED.iter().any(|needed| needed.as_bytes() == path));
    // The machine labels everything itself before it goes on, and starts a second time.
    let relabels = system.files.is_file("/.autorelabel");
    if enforcing && needed && !relabels {
        findings.failure("selinux", what, remedy);
    } else {
        findings.warning("selinux", what, remedy);
    }
}

#[cfg(test)]
mod tests {
    use amiforge_formats::tree::Tree;

    use crate::preflight::testing::{findings, tree};
    use crate::preflight::{PreflightFinding, PreflightSeverity};

    const CONFIG: &str = "etc/selinux/config";

    fn system(config: &str) -> Tree {
        tree(&[
            (CONFIG, config),
            ("etc/selinux/targeted/policy/policy.33", "x"),
            ("etc/passwd", "root:x:0:0::/root:/bin/sh\n"),
            ("dev/null2", "x"),
        ])
    }

    fn label(mut tree: Tree) -> Tree {
        let ids: Vec<_> = tree.walk().map(|entry| entry.id).collect();
        for id in ids {
            let xattrs = tree.node_mut(id).meta.xattrs.get_or_insert_default();
            xattrs.insert(b"security.selinux".as_slice().into(), b"u:r:t:s0\0".as_slice().into());
        }
        tree
    }

    fn found(tree: Tree, cmdline: &str) -> Vec<(PreflightSeverity, String)> {
        let of = |finding: PreflightFinding| (finding.severity, finding.what);
        findings(tree, cmdline, &["selinux"]).into_iter().map(of).collect()
    }

    #[test]
    fn an_enforcing_system_needs_labels() {
        let enforcing = "SELINUX=enforcing\nSELINUXTYPE=targeted\n";
        assert_eq!(found(label(system(enforcing)), ""), []);
        let [(severity, what)] = &found(system(enforcing), "")[..] else { panic!("one finding") };
        assert_eq!(*severity, PreflightSeverity::Failure);
        assert!(what.contains("of the files and folders have no label: `/`, "), "{what}");
        for (config, cmdline, expected) in [
            (enforcing, "enforcing=0", vec![PreflightSeverity::Warning]),
            ("SELINUX=permissive\n", "", vec![PreflightSeverity::Warning]),
            ("SELINUX=permissive\n", "enforcing=1", vec![PreflightSeverity::Failure]),
            ("SELINUX=disabled\n", "", vec![]),
            (enforcing, "ro selinux=0", vec![]),
        ] {
            let severities: Vec<_> =
                found(system(config), cmdline).into_iter().map(|(severity, _)| severity).collect();
            assert_eq!(severities, expected, "{config} {cmdline}");
        }
    }

    #[test]
    fn a_relabel_at_the_first_boot_is_no_failure() {
        let tree = tree(&[
            (CONFIG, "SELINUX=enforcing\n"),
            ("etc/selinux/targeted/policy/policy.33", "x"),
            ("etc/passwd", "x"),
            (".autorelabel", ""),
        ]);
        let found = found(tree, "");
        assert!(matches!(&found[..], [(PreflightSeverity::Warning, _)]), "{found:?}");
    }

    #[test]
    fn a_policy_that_is_not_there_halts_the_machine() {
        let found =
            found(label(tree(&[(CONFIG, "SELINUX=enforcing\nSELINUXTYPE=mls\n"), ("etc/passwd", "x")])), "");
        let [(PreflightSeverity::Failure, what)] = &found[..] else { panic!("{found:?}") };
        assert!(what.contains("/etc/selinux/mls/policy/policy.*"), "{what}");
    }
}
