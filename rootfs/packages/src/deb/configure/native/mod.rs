//! Configuring packages without running any of their code: what their scripts certainly do is done here, and what
//! cannot be known is reported. Independent of the host's architecture.
//!
//! The parts: [`script`] reads maintainer scripts, `commands` does what the commands in them do, `system` is the tree as
//! they see it; the rest are the things that commands make (accounts, alternatives, units, caches).

#![expect(
    clippy::format_push_string,
    clippy::format_collect,
    reason = "texts of a few lines, each written once per package"
)]
#![expect(clippy::match_same_arms, reason = "arms are sorted by what they are about")]

mod alternatives;
mod ca;
mod commands;
mod deb_systemd;
mod kernel;
mod pam;
mod report;
mod shells;
mod system;

use std::collections::{BTreeMap, BTreeSet};

use amiforge_formats::arch::Arch;
use amiforge_formats::plan::Sources;
use amiforge_formats::time::Time;
use amiforge_formats::tree::Tree;
use md5::{Digest, Md5};

pub use self::report::{NativeError, NativeReport};
use self::system::{DebSystem, ScriptScope};
use super::order::PackageNeeds;
use crate::configure::account_ids::AccountIds;
use crate::configure::effects::caches;
use crate::configure::effects::report::is_of_accounts;
pub use crate::configure::effects::report::{SkipReason, SkippedCommand};
use crate::configure::effects::system::TargetSystem;
use crate::configure::script;
use crate::deb::database::{self, Architectures, DatabaseState};
use crate::deb::diversions::Diversion;
use crate::deb::unpack::UnpackedPackage;
use amiforge_progress::Monitor;

/// The input of a configuration.
#[derive(Debug, Clone, Copy)]
pub struct NativeSetup<'a> {
    /// The unpacked packages.
    pub packages: &'a [UnpackedPackage],
    /// Diversions that they made.
    pub diversions: &'a [Diversion],
    /// The architectures of the package database.
    pub architectures: &'a Architectures,
    /// Answers to questions of debconf by name; others are answered by their defaults.
    pub answers: &'a BTreeMap<String, String>,
    /// Numbers of users and groups that the packages make.
    pub accounts: &'a AccountIds,
}

/// Configures unpacked packages: the tree is then what it would be after `dpkg --configure --pending`, apart from what
/// the report lists. Writes the package database, in which packages with something left to do are half configured.
///
/// # Errors
/// A file of the tree that cannot be read, or the database; [`NativeError::Interrupted`].
pub fn configure(
    tree: &mut Tree,
    sources: &dyn Sources,
    setup: NativeSetup<'_>,
    epoch: Time,
    monitor: Monitor<'_>,
) -> Result<NativeReport, NativeError> {
    let NativeSetup { packages, diversions, architectures, answers: given, accounts } = setup;
    database::write(tree, packages, diversions, DatabaseState::Installed, architectures, epoch, sources)?;
    let mut deb = DebSystem {
        system: TargetSystem::new(tree, sources, machine(&architectures.native), accounts, epoch),
        package: String::new(),
        arch: architectures.native.clone(),
        native: architectures.native.clone(),
        installed: packages.iter().map(|package| package.locked.name.clone()).collect::<BTreeSet<_>>(),
        owned: packages.iter().flat_map(|package| &package.files).map(Vec::as_slice).collect(),
        answers: answers(packages, given),
        diversions: diversions.to_vec(),
        overrides: BTreeMap::new(),
        scope: ScriptScope::All,
    };
    let mut skipped = Vec::new();
    for package in PackageNeeds::of(packages).order().into_iter().filter_map(|at| packages.get(at)) {
        // The work of one package is bounded (`script::interpret`).
        if monitor.cancel.is_cancelled() {
            return Err(NativeError::Interrupted);
        }
        configure_package(&mut deb, package, &mut skipped);
        if let Some(error) = deb.system.error.take() {
            return Err(NativeError::Read { package: package.locked.name.clone(), source: error });
        }
    }
    finish(&mut deb)?;
    let done = deb.system.done;
    database::mark_half_configured(tree, &unfinished(&skipped), epoch, sources)?;
    Ok(NativeReport { done, skipped })
}

/// The packages of which something is left to do, so that the machine's own dpkg does it.
fn unfinished(skipped: &[SkippedCommand]) -> BTreeSet<&str> {
    let left = skipped.iter().filter(|skipped| !matches!(skipped.reason, SkipReason::LeftOut(_)));
    left.map(|skipped| skipped.package.as_str()).collect()
}

/// Answers to the questions of debconf: the given ones, else their defaults.
fn answers(
    packages: &[UnpackedPackage],
    given: &BTreeMap<String, String>,
) -> BTreeMap<String, Option<String>> {
    let mut answers = BTreeMap::new();
    for member in packages.iter().filter_map(|package| package.members.get("templates")) {
        let text = String::from_utf8_lossy(&member.bytes);
        let mut question: Option<String> = None;
        for line in text.lines() {
            if let Some(name) = line.strip_prefix("Template:") {
                let name = name.trim().to_owned();
                answers.insert(name.clone(), Some(String::new()));
                question = Some(name);
            } else if let (Some(value), Some(name)) = (line.strip_prefix("Default:"), &question) {
                answers.insert(name.clone(), Some(value.trim().to_owned()));
            }
        }
    }
    // The answers of the configuration script of tzdata where no time zone is set yet.
    for (question, answer) in [("tzdata/Areas", "Etc"), ("tzdata/Zones/Etc", "UTC")] {
        if answers.get(question) == Some(&Some(String::new())) {
            answers.insert(question.to_owned(), Some(answer.to_owned()));
        }
    }
    answers.extend(given.iter().map(|(question, value)| (question.clone(), Some(value.clone()))));
    answers
}

/// Follows the scripts of a package in the order in which dpkg calls them.
fn configure_package(deb: &mut DebSystem<'_>, package: &UnpackedPackage, skipped: &mut Vec<SkippedCommand>) {
    let name = package.locked.name.as_str();
    name.clone_into(&mut deb.package);
    deb.arch = match package.locked.arch.as_str() {
        "all" => deb.native.clone(),
        arch => arch.to_owned(),
    };
    if name == "ca-certificates" {
        // Its script is a loop over lines that nothing could follow.
        ca::configure(&mut deb.system);
        return;
    }
    for (member, argument, scope) in [
        ("config", "configure", ScriptScope::Answers),
        // It ran before the files were there: what it would find now is not what it would have found.
        ("preinst", "install", ScriptScope::Accounts),
        ("postinst", "configure", ScriptScope::All),
    ] {
        // It reads the time zone of a running system.
        if (name, member) == ("tzdata", "config") {
            continue;
        }
        let Some(text) = package.script(member) else { continue };
        if !is_shell(text) {
            let command = format!("the {member}");
            skipped.push(SkippedCommand { package: name.to_owned(), command, reason: SkipReason::Language });
            continue;
        }
        deb.scope = scope;
        deb.system.begin_script();
        let arch = deb.arch.clone();
        let variables = [
            ("DPKG_ROOT", ""),
            ("DPKG_ADMINDIR", "/var/lib/dpkg"),
            ("DPKG_MAINTSCRIPT_PACKAGE", name),
            ("DPKG_MAINTSCRIPT_NAME", member),
            ("DPKG_MAINTSCRIPT_ARCH", &arch),
            ("DEBIAN_FRONTEND", "noninteractive"),
            ("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"),
            ("HOME", "/root"),
        ];
        let unresolved = script::interpret(deb, text, &[argument, ""], &variables);
        deb.scope = ScriptScope::All;
        match unresolved {
            Ok(unresolved) if scope == ScriptScope::All => {
                skipped.extend(unresolved.into_iter().map(|unresolved| SkippedCommand::of(name, unresolved)));
            }
            Ok(unresolved) => {
                let of_accounts =
                    unresolved.into_iter().filter(|unresolved| is_of_accounts(&unresolved.command));
                skipped.extend(of_accounts.map(|unresolved| SkippedCommand::of(name, unresolved)));
            }
            Err(error) => {
                let command = format!("the {member}");
                let reason = SkipReason::Syntax { line: error.line, expected: error.reason };
                skipped.push(SkippedCommand { package: name.to_owned(), command, reason });
            }
        }
    }
}

fn is_shell(text: &[u8]) -> bool {
    let line = text.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    let program = line.strip_prefix("#!").unwrap_or_default().split_whitespace().next().unwrap_or_default();
    matches!(program.rsplit('/').next(), Some("sh" | "dash" | "bash"))
}

/// The effects of dpkg's triggers, once for all packages, and the rest of the package database.
fn finish(deb: &mut DebSystem<'_>) -> Result<(), NativeError> {
    let system = &mut deb.system;
    caches::libraries(system).map_err(NativeError::Libraries)?;
    caches::modules(system).map_err(NativeError::Modules)?;
    system.remove_temporary();
    let diversions: Vec<u8> = deb
        .diversions
        .iter()
        .flat_map(|diversion| {
            let package = diversion.package.as_deref().unwrap_or(":");
            [&diversion.from[..], b"\n", &diversion.to, b"\n", package.as_bytes(), b"\n"].concat()
        })
        .collect();
    system.write_deep("/var/lib/dpkg/diversions", &diversions);
    let overrides: String = deb
        .overrides
        .iter()
        .map(|(path, (user, group, mode))| format!("{user} {group} {mode} {path}\n"))
        .collect();
    system.write_deep("/var/lib/dpkg/statoverride", overrides.as_bytes());
    match system.error.take() {
        Some(error) => Err(NativeError::Libraries(error)),
        None => Ok(()),
    }
}

/// The machine of an architecture of Debian, as `uname -m` names it.
fn machine(native: &str) -> &'static str {
    Arch::by_deb_name(native).map_or("unknown", Arch::name)
}

/// The MD5 of bytes in hexadecimal, as ucf keeps it.
fn md5(bytes: &[u8]) -> String {
    Md5::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
