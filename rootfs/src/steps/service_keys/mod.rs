//! The rule `service-keys` of `[normalize]`: removes keys and ids that packages make at their installation and that must be
//! unique to each machine, and installs a unit that makes them again at the first boot, before any service. None of the
//! programs in the table makes a missing key itself, except Erlang, whose cookie would be weak.
//!
//! Follows the maintainer scripts of Debian's packages (which keys they make, how, and for which users) and systemd.unit(5).
//! Where the system cannot run the unit, nothing is removed.

use std::fmt::Write as _;

use amiforge_formats::path::PathError;
use amiforge_formats::plan::Sources;
use amiforge_formats::time::Time;
use amiforge_formats::tree::{Content, Node, NodeKind, Tree};

use super::error::StepError;
use super::probe::{has_program, is_file};
use super::units::{self, UnitsSpec};
use super::write::replace_file;
use crate::normalize::{NormalizeRule, PathOutcome, RuleChange};

/// A key that is removed and made again.
struct ServiceKeyEntry {
    /// Its files, without the leading `/`, each with the kind by which the script makes it.
    paths: &'static [(&'static str, &'static str)],
    /// Programs that make it, besides [`PROGRAMS`].
    programs: &'static [&'static str],
}

/// The keys that are removed: path and kind of each file.
const KEYS: [ServiceKeyEntry; 6] = [
    // bind9: `rndc-confgen -a`. Without it `named` starts but refuses `rndc`, which reloads and stops it.
    ServiceKeyEntry { paths: &[("etc/bind/rndc.key", "rndc")], programs: &[] },
    // munge: `mungekey -c`. Without it `munged` does not start.
    ServiceKeyEntry { paths: &[("etc/munge/munge.key", "bytes")], programs: &[] },
    // rabbitmq-server: `openssl rand -base64 42`, because the cookie that Erlang makes can be guessed.
    ServiceKeyEntry { paths: &[("var/lib/rabbitmq/.erlang.cookie", "line")], programs: &[] },
    // nvme-cli: `nvme gen-hostnqn` and `uuidgen`; both name the same host.
    ServiceKeyEntry {
        paths: &[("etc/nvme/hostid", "nvme-hostid"), ("etc/nvme/hostnqn", "nvme-hostnqn")],
        programs: &[],
    },
    // open-iscsi: `iscsi-iname -p iqn.1993-08.org.debian:01`. Without it `iscsid` does not start.
    ServiceKeyEntry { paths: &[("etc/iscsi/initiatorname.iscsi", "iscsi")], programs: &["iscsi-iname"] },
    // ssl-cert: `make-ssl-cert generate-default-snakeoil`, which makes both; servers configured with them do not start
    // without.
    ServiceKeyEntry {
        paths: &[
            ("etc/ssl/certs/ssl-cert-snakeoil.pem", "snakeoil"),
            ("etc/ssl/private/ssl-cert-snakeoil.key", "snakeoil"),
        ],
        programs: &["make-ssl-cert", "openssl"],
    },
];

/// A key that a service of the distribution makes again at each start at which it is missing.
struct RemadeKey {
    /// The unit that makes it, below `/usr/lib/systemd/system`.
    unit: &'static str,
    /// Its files, without the leading `/`.
    paths: &'static [&'static str],
}

/// The keys of Fedora and its kin, whose services look for them in such a unit (`ConditionPathExists=`).
const REMADE: [RemadeKey; 4] = [
    RemadeKey { unit: "named-setup-rndc.service", paths: &["etc/rndc.key"] },
    RemadeKey { unit: "iscsi-init.service", paths: &["etc/iscsi/initiatorname.iscsi"] },
    // mod_ssl of httpd.
    RemadeKey {
        unit: "httpd-init.service",
        paths: &["etc/pki/tls/certs/localhost.crt", "etc/pki/tls/private/localhost.key"],
    },
    RemadeKey {
        unit: "dovecot-init.service",
        paths: &["etc/pki/dovecot/certs/dovecot.pem", "etc/pki/dovecot/private/dovecot.pem"],
    },
];

/// Programs that the script runs.
const PROGRAMS: [&str; 7] = ["sh", "base64", "cat", "chmod", "chown", "head", "mv"];

/// Path of the list of keys for the script: a line with kind, mode, owner, length and path for each.
const LIST: &str = "/usr/lib/amiforge/service-keys.list";

/// Name of the unit.
const UNIT: &str = "amiforge-service-keys.service";

/// The files that are installed besides the list: path, text, mode.
const FILES: [(&str, &str, u16); 3] = [
    ("/usr/lib/amiforge/service-keys", include_str!("image/service-keys"), 0o755),
    (
        "/usr/lib/systemd/system/amiforge-service-keys.service",
        include_str!("image/amiforge-service-keys.service"),
        0o644,
    ),
    (
        "/usr/lib/systemd/system-preset/10-amiforge-service-keys.preset",
        include_str!("image/10-amiforge-service-keys.preset"),
        0o644,
    ),
];

/// Removes the keys of the table from a tree and installs the unit that makes them at the first boot. Files for whose
/// absolute path `keep` returns `true` are not removed, because the user provided or allowed them.
///
/// # Errors
/// [`StepError::ServiceKeys`] when a path of the tree cannot be resolved, [`StepError::Unit`] when the unit cannot be
/// enabled.
pub fn apply(
    tree: &mut Tree,
    sources: &dyn Sources,
    keep: &dyn Fn(&str) -> bool,
    time: Time,
) -> Result<Vec<RuleChange>, StepError> {
    let mut list = String::new();
    let mut changes = remove_remade(tree, keep).map_err(StepError::ServiceKeys)?;
    changes.append(&mut remove_keys(tree, keep, &mut list).map_err(StepError::ServiceKeys)?);
    changes.sort_by(|a, b| a.path.cmp(&b.path));
    if list.is_empty() {
        return Ok(changes);
    }
    let texts = FILES.into_iter().chain([(LIST, list.as_str(), 0o644)]);
    for (path, text, mode) in texts {
        let content = Content::Inline(text.as_bytes().into());
        replace_file(tree, path, content, mode, time).map_err(StepError::ServiceKeys)?;
    }
    let enable = vec![UNIT.to_owned()];
    units::apply(tree, sources, &UnitsSpec { enable, ..UnitsSpec::default() }, time)?;
    Ok(changes)
}

/// Removes the files that a unit of the distribution makes again.
fn remove_remade(tree: &mut Tree, keep: &dyn Fn(&str) -> bool) -> Result<Vec<RuleChange>, PathError> {
    let mut changes = Vec::new();
    for entry in &REMADE {
        let has_unit = is_file(tree, &format!("/usr/lib/systemd/system/{}", entry.unit))?;
        // The unit makes all of them or none.
        if !has_unit || entry.paths.iter().any(|path| keep(&format!("/{path}"))) {
            continue;
        }
        for path in entry.paths {
            let Some((dir, name)) = path.rsplit_once('/') else { continue };
            let Some(dir) = tree.lookup(dir.as_bytes()) else { continue };
            let id = tree.child(dir, name.as_bytes());
            if id.is_some_and(|id| matches!(tree.node(id).kind, NodeKind::File(_))) {
                tree.unlink(dir, name.as_bytes());
                changes.push(RuleChange {
                    path: format!("/{path}").into_bytes(),
                    rule: NormalizeRule::ServiceKeys,
                    outcome: PathOutcome::Removed,
                });
            }
        }
    }
    Ok(changes)
}

/// Removes the files and appends a line for each to `list`.
fn remove_keys(
    tree: &mut Tree,
    keep: &dyn Fn(&str) -> bool,
    list: &mut String,
) -> Result<Vec<RuleChange>, PathError> {
    let systemd = is_file(tree, "/usr/lib/systemd/systemd")? || is_file(tree, "/lib/systemd/systemd")?;
    if !systemd || !has_programs(tree, &PROGRAMS)? {
        return Ok(Vec::new());
    }
    let mut changes = Vec::new();
    for entry in &KEYS {
        let may_remove = |(path, _): &&(&str, &str)| !keep(&format!("/{path}"));
        if !has_programs(tree, entry.programs)? || !entry.paths.iter().all(|path| may_remove(&path)) {
            continue;
        }
        for (path, kind) in entry.paths {
            let Some((dir, name)) = path.rsplit_once('/') else { continue };
            let Some(dir) = tree.lookup(dir.as_bytes()) else { continue };
            let Some(id) = tree.child(dir, name.as_bytes()) else { continue };
            let Node { meta, kind: NodeKind::File(content) } = tree.node(id) else { continue };
            if content.is_empty() {
                continue;
            }
            // Cannot fail: it writes to a String.
            let _ = writeln!(
                list,
                "{kind} {:04o} {}:{} {} /{path}",
                meta.mode,
                meta.uid,
                meta.gid,
                content.len()
            );
            tree.unlink(dir, name.as_bytes());
            let path = format!("/{path}").into_bytes();
            changes.push(RuleChange {
                path,
                rule: NormalizeRule::ServiceKeys,
                outcome: PathOutcome::Removed,
            });
        }
    }
    Ok(changes)
}

/// Whether the tree has all of the programs.
fn has_programs(tree: &Tree, programs: &[&str]) -> Result<bool, PathError> {
    for program in programs {
        if !has_program(tree, program)? {
            return Ok(false);
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests;
