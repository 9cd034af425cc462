//! `scripts = "run"`: the packages' scripts run in the sandbox, in the order and with the arguments and input that rpm would give
//! them. Not rpm runs them, which would unpack the files again: all are there, and the database is ours. Only scripts in Lua are
//! left to the tree's own rpm, because its library is part of them.
//!
//! What differs from rpm: all files are there before the first script, so a `%pretrans` or `%pre` that asks whether a path exists finds
//! that of its own package, where rpm's would find nothing in an empty root. A script that fails ends the build, where dnf warns
//! and goes on. What would describe the machine that builds (initrds, entries of boot loaders) is left out and listed.

mod error;
mod left_out;
mod scripts;
mod steps;

use std::collections::BTreeMap;

use amiforge_formats::path;
use amiforge_formats::plan::Sources;
use amiforge_formats::tree::{NodeKind, Tree};
use amiforge_progress::Monitor;
use amiforge_sandbox::{Sandbox, SandboxJob};
use amiforge_store::blobs::Blobs;

pub use self::error::RpmRunError;
pub(in crate::rpm) use self::left_out::LeftOut;
pub(in crate::rpm) use self::scripts::FOLDER as SCRIPT_FOLDER;
use self::scripts::ScriptFolder;
use super::order::order;
use super::owners::{AccountNumbers, OwnedFile, owned_files};
use super::plan::plan;
use super::{accounts, kernels};
use crate::backend::ScriptSettings;
use crate::configure::account_ids::{AccountIds, AccountShims};
use crate::configure::effects::caches;
use crate::configure::effects::system::TargetSystem;
use crate::configure::{machine_id, shim};
use crate::rpm::package::UnpackedRpm;

/// Removed afterwards: files that differ from run to run.
const REMOVED: &[&[u8]] =
    &[b"var/cache/ldconfig/aux-cache", b"var/lib/systemd/random-seed", b"var/lib/dbus/machine-id"];

/// A configured tree.
#[derive(Debug)]
pub struct RpmScriptsDone {
    /// The tree.
    pub tree: Tree,
    /// What scripts asked for and was left out, a line each.
    pub left_out: Vec<String>,
}

/// Runs the scripts of unpacked packages.
///
/// # Errors
/// [`RpmRunError`]: scripts that cannot be read, a script that failed, an owner that does not exist.
pub fn run(
    tree: &Tree,
    packages: &[UnpackedRpm],
    settings: &ScriptSettings<'_>,
    sandbox: &Sandbox,
    blobs: &mut Blobs,
    monitor: Monitor<'_>,
) -> Result<RpmScriptsDone, RpmRunError> {
    let actions = plan(packages)?;
    let mut tree = tree.clone();
    let mut system = TargetSystem::new(&mut tree, blobs, "", settings.accounts, settings.epoch);
    accounts::make(&mut system, packages, &order(packages));
    checked(&mut system)?;
    let late = resolve_known(&mut tree, packages, blobs)?;
    let folder = ScriptFolder::prepare(&mut tree, packages, &actions, settings.epoch)?;
    let account_shims = AccountShims::prepare(&mut tree, settings.accounts, settings.epoch);
    let left_out = LeftOut::prepare(&mut tree, settings.epoch);
    let (mut steps, labels) = steps::of(&tree, packages, actions, &folder, &late);
    if !steps.is_empty()
        && let Some(step) = account_shims.step()
    {
        steps.insert(0, step);
    }
    if !steps.is_empty() {
        let mut job = SandboxJob::new(steps, settings.epoch);
        (job.limits, job.on_failure, job.clock) = (settings.limits, settings.on_failure, settings.clock);
        (job.seed, job.now) = (settings.seed, settings.now);
        job.env = variables();
        let captured = sandbox.run(&tree, blobs, &job, monitor).map_err(|error| labels.attribute(error))?;
        let before = std::mem::replace(&mut tree, captured.tree);
        finish_owners(&before, &mut tree, packages, &late, blobs)?;
    }
    account_shims.restore(&mut tree);
    let left_out = left_out.restore(&mut tree, blobs);
    ScriptFolder::remove(&mut tree);
    finish(&mut tree, blobs, settings)?;
    Ok(RpmScriptsDone { tree, left_out })
}

/// Variables of every script: rpm's `%_install_script_path`, and what programs of systemd take for "not a running system"
/// (systemctl(1)).
pub(in crate::rpm) fn variables() -> BTreeMap<String, String> {
    let fixed = [("PATH", "/sbin:/bin:/usr/sbin:/usr/bin:/usr/X11R6/bin"), ("SYSTEMD_OFFLINE", "1")];
    fixed.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn checked(system: &mut TargetSystem<'_>) -> Result<(), RpmRunError> {
    system.error.take().map_or(Ok(()), |error| Err(RpmRunError::Tree(error)))
}

/// Gives files the owners that exist before any script, and returns the others.
fn resolve_known<'a>(
    tree: &mut Tree,
    packages: &'a [UnpackedRpm],
    sources: &dyn Sources,
) -> Result<Vec<OwnedFile<'a>>, RpmRunError> {
    let numbers = AccountNumbers::read(tree, sources).map_err(RpmRunError::Tree)?;
    let mut late = Vec::new();
    for file in owned_files(tree, packages).map_err(RpmRunError::Tree)? {
        match numbers.of(&file, packages) {
            Ok((uid, gid)) => {
                let meta = &mut tree.node_mut(file.node).meta;
                (meta.uid, meta.gid) = (uid, gid);
            }
            Err(_) => late.push(file),
        }
    }
    Ok(late)
}

/// Gives files whose owners the scripts made their numbers, and the attributes that a change of owner takes away
/// (`chown(2)`).
fn finish_owners(
    before: &Tree,
    tree: &mut Tree,
    packages: &[UnpackedRpm],
    late: &[OwnedFile<'_>],
    sources: &dyn Sources,
) -> Result<(), RpmRunError> {
    let numbers = AccountNumbers::read(tree, sources).map_err(RpmRunError::Tree)?;
    for file in late {
        let (uid, gid) = numbers.of(file, packages).map_err(RpmRunError::Owner)?;
        let found = path::resolve(tree, file.path, path::Last::Keep).map_err(RpmRunError::Tree)?;
        let Some(node) = found.and_then(|found| found.node) else { continue };
        let old = before.node(file.node);
        let new = tree.node_mut(node);
        // What a script has replaced or given to another is its own.
        if std::mem::discriminant(&old.kind) != std::mem::discriminant(&new.kind) {
            continue;
        }
        if (new.meta.uid, new.meta.gid) == (0, 0) {
            (new.meta.uid, new.meta.gid) = (uid, gid);
        }
        let capability = old.meta.xattrs.as_ref().and_then(|all| all.get(&b"security.capability"[..]));
        if let (Some(value), NodeKind::File(_)) = (capability, &new.kind) {
            let all = new.meta.xattrs.get_or_insert_default();
            all.entry(b"security.capability".as_slice().into()).or_insert_with(|| value.clone());
        }
    }
    Ok(())
}

/// What is made once for all packages, and what would differ from run to run.
pub(in crate::rpm) fn finish(
    tree: &mut Tree,
    sources: &dyn Sources,
    settings: &ScriptSettings<'_>,
) -> Result<(), RpmRunError> {
    for path in REMOVED {
        shim::remove(tree, path);
    }
    machine_id::forget(tree, settings.epoch);
    let none = AccountIds::default();
    let mut system = TargetSystem::new(tree, sources, "", &none, settings.epoch);
    kernels::copy_to_boot(&mut system);
    caches::modules(&mut system).map_err(RpmRunError::Modules)?;
    checked(&mut system)
}
