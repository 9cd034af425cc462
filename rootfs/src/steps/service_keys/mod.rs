//! The rule `service-keys` of `[normalize]`: keys and ids that packages make when they are installed, and that every
//! machine has to have its own of, are taken out of the image, and a unit makes them again at the first boot, before
//! any service. Of the programs in the table none makes its own again when it is missing, but for Erlang, whose cookie
//! would be weak.
//!
//! Follows the maintainer scripts of Debian's packages (what they make, how, for whom) and systemd.unit(5). Where the
//! system cannot run the unit, nothing is taken out.

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

/// Something that is taken out and made again.
struct ServiceKey {
    /// Its files, without the first `/`, each with the word for the script.
    paths: &'static [(&'static str, &'static str)],
    /// Programs that make it, besides those of every system.
    programs: &'static [&'static str],
}

/// The table: for each file its path and what the script makes.
const ENTRIES: [ServiceKey; 6] = [
    // bind9: `rndc-confgen -a`. Without it `named` starts and `rndc`, with which it is reloaded and stopped, is refused.
    ServiceKey { paths: &[("etc/bind/rndc.key", "rndc")], programs: &[] },
    // munge: `mungekey -c`. Without it `munged` does not start.
    ServiceKey { paths: &[("etc/munge/munge.key", "bytes")], programs: &[] },
    // rabbitmq-server: `openssl rand -base64 42`, because the cookie that Erlang makes can be guessed.
    ServiceKey { paths: &[("var/lib/rabbitmq/.erlang.cookie", "line")], programs: &[] },
    // nvme-cli: `nvme gen-hostnqn` and `uuidgen`; both name the same host.
    ServiceKey {
        paths: &[("etc/nvme/hostid", "nvme-hostid"), ("etc/nvme/hostnqn", "nvme-hostnqn")],
        programs: &[],
    },
    // open-iscsi: `iscsi-iname -p iqn.1993-08.org.debian:01`. Without it `iscsid` does not start.
    ServiceKey { paths: &[("etc/iscsi/initiatorname.iscsi", "iscsi")], programs: &["iscsi-iname"] },
    // ssl-cert: `make-ssl-cert generate-default-snakeoil`, which makes both; what uses them does not start without.
    ServiceKey {
        paths: &[
            ("etc/ssl/certs/ssl-cert-snakeoil.pem", "snakeoil"),
            ("etc/ssl/private/ssl-cert-snakeoil.key", "snakeoil"),
        ],
        programs: &["make-ssl-cert", "openssl"],
    },
];

/// Programs that the script runs.
const PROGRAMS: [&str; 7] = ["sh", "base64", "cat", "chmod", "chown", "head", "mv"];

/// Where the list of what is to be made lies.
const LIST: &str = "/usr/lib/amiforge/service-keys.list";

/// The name of the unit.
const UNIT: &str = "amiforge-service-keys.service";

/// What is installed besides the list: path, text, mode.
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

/// Takes what is in the table out of a tree, and has it made at the first boot. Files that `stays` holds for, by their
/// absolute path, are somebody's own and stay.
///
/// # Errors
/// [`StepError::ServiceKeys`] when a path of the tree cannot be followed, [`StepError::Unit`] when the unit cannot be
/// enabled.
pub fn apply(
    tree: &mut Tree,
    sources: &dyn Sources,
    stays: &dyn Fn(&str) -> bool,
    time: Time,
) -> Result<Vec<RuleChange>, StepError> {
    let mut list = String::new();
    let changes = take_out(tree, stays, &mut list).map_err(StepError::ServiceKeys)?;
    if changes.is_empty() {
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

/// Takes files out, and writes down how to make them.
fn take_out(
    tree: &mut Tree,
    stays: &dyn Fn(&str) -> bool,
    list: &mut String,
) -> Result<Vec<RuleChange>, PathError> {
    let systemd = is_file(tree, "/usr/lib/systemd/systemd")? || is_file(tree, "/lib/systemd/systemd")?;
    if !systemd || !have(tree, &PROGRAMS)? {
        return Ok(Vec::new());
    }
    let mut changes = Vec::new();
    for entry in &ENTRIES {
        let taken = |(path, _): &&(&str, &str)| !stays(&format!("/{path}"));
        if !have(tree, entry.programs)? || !entry.paths.iter().all(|path| taken(&path)) {
            continue;
        }
        for (path, word) in entry.paths {
            let Some((dir, name)) = path.rsplit_once('/') else { continue };
            let Some(dir) = tree.lookup(dir.as_bytes()) else { continue };
            let Some(id) = tree.child(dir, name.as_bytes()) else { continue };
            let Node { meta, kind: NodeKind::File(content) } = tree.node(id) else { continue };
            if content.is_empty() {
                continue;
            }
            // Writing to a text cannot fail.
            let _ = writeln!(
                list,
                "{word} {:04o} {}:{} {} /{path}",
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
    changes.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(changes)
}

/// Whether all programs are in the usual folders.
fn have(tree: &Tree, programs: &[&str]) -> Result<bool, PathError> {
    for program in programs {
        if !has_program(tree, program)? {
            return Ok(false);
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests;
