//! `scripts = "native"`: what the packages' scripts certainly do is done to the tree, and nothing is run. What cannot be known
//! is listed. The scripts come in the order and with the arguments of rpm's plan.

mod alternatives;
mod commands;
mod error;
mod lua;
mod presets;
mod system;

use amiforge_formats::plan::Sources;
use amiforge_formats::tree::Tree;
use amiforge_progress::Monitor;

pub use self::error::RpmNativeError;
use self::system::{RpmScriptScope, RpmSystem};
use super::order::order;
use super::owners::{AccountNumbers, OwnedFile, owned_files};
use super::plan::{RpmAction, ScriptCall, plan};
use super::{accounts, kernels};
use crate::backend::NativeSettings;
use crate::configure::effects::caches;
use crate::configure::effects::report::{SkipReason, SkippedCommand, is_of_accounts};
use crate::configure::effects::system::TargetSystem;
use crate::configure::script;
use crate::rpm::package::UnpackedRpm;

/// What native configuration did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RpmNativeReport {
    /// Actions in order: accounts, alternatives, units, caches.
    pub done: Vec<String>,
    /// Commands of scripts that were not done, in the order of the packages.
    pub skipped: Vec<SkippedCommand>,
}

/// Configures unpacked packages of a machine (as `uname -m` names it) without running anything.
///
/// # Errors
/// [`RpmNativeError`].
pub fn configure(
    tree: &mut Tree,
    packages: &[UnpackedRpm],
    machine: &'static str,
    settings: &NativeSettings<'_>,
    sources: &dyn Sources,
    monitor: Monitor<'_>,
) -> Result<RpmNativeReport, RpmNativeError> {
    let actions = plan(packages)?;
    let owned = owned_files(tree, packages).map_err(RpmNativeError::Tree)?;
    let mut late = Vec::new();
    let mut skipped = Vec::new();
    let target = TargetSystem::new(tree, sources, machine, settings.accounts, settings.epoch);
    let mut rpm = RpmSystem::new(target, packages);
    accounts::make(&mut rpm.system, packages, &order(packages));
    for action in actions {
        // The work of one script is bounded (`script::interpret`).
        if monitor.cancel.is_cancelled() {
            return Err(RpmNativeError::Interrupted);
        }
        match action {
            RpmAction::Own(at) => {
                let files = owned.iter().filter(|file| file.package == at);
                late.extend(own(&mut rpm.system, packages, files)?);
            }
            RpmAction::Run(call) => follow(&mut rpm, packages, &call, &mut skipped),
        }
        if let Some(error) = rpm.system.error.take() {
            return Err(RpmNativeError::Tree(error));
        }
    }
    finish(&mut rpm, packages, &late)?;
    Ok(RpmNativeReport { done: rpm.system.done, skipped })
}

/// Gives files their owners; returns those whose do not exist yet.
fn own<'f, 'p: 'f>(
    system: &mut TargetSystem<'_>,
    packages: &[UnpackedRpm],
    files: impl Iterator<Item = &'f OwnedFile<'p>>,
) -> Result<Vec<&'f OwnedFile<'p>>, RpmNativeError> {
    let mut files = files.peekable();
    if files.peek().is_none() {
        return Ok(Vec::new());
    }
    let numbers = AccountNumbers::read(system.tree, system.sources).map_err(RpmNativeError::Tree)?;
    let mut late = Vec::new();
    for file in files {
        match numbers.of(file, packages) {
            Ok((uid, gid)) => {
                let meta = &mut system.tree.node_mut(file.node).meta;
                (meta.uid, meta.gid) = (uid, gid);
            }
            Err(_) => late.push(file),
        }
    }
    Ok(late)
}

/// Follows a script.
fn follow(
    rpm: &mut RpmSystem<'_>,
    packages: &[UnpackedRpm],
    call: &ScriptCall,
    skipped: &mut Vec<SkippedCommand>,
) {
    let package = packages.get(call.package).map_or("", |one| one.locked.name.as_str());
    let whole = |reason| SkippedCommand {
        package: package.to_owned(),
        command: format!("the {} script", call.slot),
        reason,
    };
    rpm.system.begin_script();
    // What ran before its files were there would find something else now.
    let early = matches!(call.slot, "%pretrans" | "%pre" | "%triggerprein");
    rpm.scope = if early { RpmScriptScope::Accounts } else { RpmScriptScope::All };
    let words: Vec<String> =
        call.script.program.iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect();
    let arguments: Vec<String> = call.arguments.iter().map(u32::to_string).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let text = match &call.script.body {
        None => words.join(" ").into_bytes(),
        Some(body) if call.script.is_shell() => body.clone(),
        Some(body) => {
            if !(call.script.is_lua() && lua::follow(rpm, &String::from_utf8_lossy(body))) {
                skipped.push(whole(SkipReason::Language));
            }
            return;
        }
    };
    let variables = [("PATH", "/sbin:/bin:/usr/sbin:/usr/bin:/usr/X11R6/bin"), ("HOME", "/root")];
    match script::interpret(rpm, &text, &arguments, &variables) {
        Ok(unresolved) => {
            let listed = unresolved.into_iter().filter(|one| !early || is_of_accounts(&one.command));
            skipped.extend(listed.map(|one| SkippedCommand::of(package, one)));
        }
        Err(error) => {
            skipped.push(whole(SkipReason::Syntax { line: error.line, expected: error.reason }));
        }
    }
}

/// What is done once for all packages.
fn finish(
    rpm: &mut RpmSystem<'_>,
    packages: &[UnpackedRpm],
    late: &[&OwnedFile<'_>],
) -> Result<(), RpmNativeError> {
    let numbers = AccountNumbers::read(rpm.system.tree, rpm.system.sources).map_err(RpmNativeError::Tree)?;
    for file in late {
        let (uid, gid) = numbers.of(file, packages)?;
        let meta = &mut rpm.system.tree.node_mut(file.node).meta;
        (meta.uid, meta.gid) = (uid, gid);
    }
    presets::apply(rpm);
    kernels::copy_to_boot(&mut rpm.system);
    caches::libraries(&mut rpm.system).map_err(RpmNativeError::Tree)?;
    caches::modules(&mut rpm.system).map_err(RpmNativeError::Modules)?;
    rpm.system.remove_temporary();
    rpm.system.error.take().map_or(Ok(()), |error| Err(RpmNativeError::Tree(error)))
}
