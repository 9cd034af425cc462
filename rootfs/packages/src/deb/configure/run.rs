//! `scripts = "run"`: the tree's own dpkg configures the unpacked packages, in the sandbox.
//!
//! The part of dpkg's unpacking that native unpacking omits comes first: the `preinst`
//! scripts. Then come the essential packages, which every other may use without a dependency, then the rest; scripts
//! that need other packages configured before they run (`Pre-Depends`) have them so; last the deferred work. No
//! service is started. What exists only for this (a policy, shims of some programs) is removed again, and so is what
//! would differ from run to run.
//!
//! Debian policy chapters 6 and 9.3.3, dpkg(1), `invoke-rc.d(8)`.

use std::collections::BTreeMap;

use amiforge_formats::tree::Tree;
use amiforge_progress::Monitor;
use amiforge_sandbox::{Captured, Sandbox, SandboxError, SandboxJob, SandboxStep};
use amiforge_store::blobs::Blobs;

use super::attribution::attribute;
use super::debconf;
use super::deferred::{DeferredPrograms, IMPORTS_COMPILE_NOTHING};
use super::order::PackageNeeds;
use crate::backend::ScriptSettings;
use crate::configure::account_ids::AccountShims;
use crate::configure::machine_id;
use crate::configure::shim::{self, STARTS_NOTHING};
use crate::deb::unpack::UnpackedPackage;

/// dpkg without prompts, and without a sync of files that are in memory.
const DPKG: &[&str] = &["dpkg", "--force-confdef", "--force-confnew", "--force-unsafe-io"];

/// Removed afterwards: files that differ from run to run, or that dpkg leaves for its next run.
pub(in crate::deb) const REMOVED: &[&[u8]] = &[
    b"var/cache/ldconfig/aux-cache",
    b"var/cache/debconf/config.dat-old",
    b"var/cache/debconf/passwords.dat-old",
    b"var/cache/debconf/templates.dat-old",
    b"var/lib/dpkg/available-old",
    b"var/lib/dpkg/diversions-old",
    b"var/lib/dpkg/lock",
    b"var/lib/dpkg/lock-frontend",
    b"var/lib/dpkg/statoverride-old",
    b"var/lib/dpkg/status-old",
    b"var/lib/dpkg/triggers/Lock",
    b"var/lib/dbus/machine-id",
    b"var/log/alternatives.log",
    b"var/log/dpkg.log",
];

/// Configures every package that the dpkg database of a tree lists as unpacked.
///
/// # Errors
/// [`SandboxError::Step`] when a script fails, with what it wrote last.
pub fn configure(
    tree: &Tree,
    packages: &[UnpackedPackage],
    settings: &ScriptSettings<'_>,
    sandbox: &Sandbox,
    blobs: &mut Blobs,
    monitor: Monitor<'_>,
) -> Result<Captured, SandboxError> {
    let mut tree = tree.clone();
    let idle: Vec<_> =
        STARTS_NOTHING.iter().filter_map(|one| one.install(&mut tree, settings.epoch)).collect();
    let account_shims = AccountShims::prepare(&mut tree, settings.accounts, settings.epoch);
    let deferred = DeferredPrograms::prepare(&mut tree, packages, settings.epoch);
    let answers = debconf::selections(packages, settings.answers).text;
    let first = account_shims.step().into_iter().chain(answer(&answers));
    let mut job = SandboxJob::new(first.chain(steps(packages, &deferred)).collect(), settings.epoch);
    (job.limits, job.on_failure, job.clock) = (settings.limits, settings.on_failure, settings.clock);
    (job.seed, job.now) = (settings.seed, settings.now);
    job.env = variables();
    let mut captured = sandbox.run(&tree, blobs, &job, monitor).map_err(attribute)?;
    let after = &mut captured.tree;
    for placed in idle {
        placed.restore(after);
    }
    deferred.restore(after);
    account_shims.restore(after);
    for path in REMOVED {
        shim::remove(after, path);
    }
    machine_id::forget(after, settings.epoch);
    Ok(captured)
}

/// Variables of every script.
fn variables() -> BTreeMap<String, String> {
    let fixed = [
        ("DEBIAN_FRONTEND", "noninteractive"),
        ("DEBCONF_NONINTERACTIVE_SEEN", "true"),
        ("DEBCONF_NOWARNINGS", "yes"),
        ("DPKG_ADMINDIR", "/var/lib/dpkg"),
        ("UCF_FORCE_CONFFNEW", "1"),
        IMPORTS_COMPILE_NOTHING,
    ];
    fixed.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// Sets the answers of debconf before any script runs.
fn answer(answers: &str) -> Option<SandboxStep> {
    if answers.is_empty() {
        return None;
    }
    let step =
        SandboxStep::shell("the answers of `[debconf]`", "printf %s \"$ANSWERS\" | debconf-set-selections");
    Some(step.env("ANSWERS", answers))
}

fn steps(packages: &[UnpackedPackage], deferred: &DeferredPrograms) -> Vec<SandboxStep> {
    let needs = PackageNeeds::of(packages);
    let base = needs.base();
    let mut steps = Vec::new();
    let mut dependent = Vec::new();
    for at in needs.order() {
        let Some(preinst) = preinst(&packages[at]) else { continue };
        // The dependencies of an essential package are only unpacked, which has to be sufficient.
        let before: Vec<_> = needs.before(at).difference(&base).map(|&at| qualified(&packages[at])).collect();
        if before.is_empty() || base.contains(&at) {
            steps.push(preinst);
        } else {
            dependent.push(configure_first(&packages[at], &before));
            dependent.push(preinst);
        }
    }
    let essential: Vec<String> =
        packages.iter().filter(|package| package.is_essential()).map(qualified).collect();
    if !essential.is_empty() {
        let options = ["--no-triggers", "--force-configure-any", "--configure"];
        let words = DPKG.iter().chain(&options).map(|word| (*word).to_owned());
        steps.push(SandboxStep::new("configuring the essential packages", words.chain(essential)));
    }
    steps.append(&mut dependent);
    let words = DPKG.iter().chain(&["--configure", "--pending"]).copied();
    steps.push(SandboxStep::new("configuring the packages", words));
    steps.extend(deferred.steps());
    steps
}

/// Configures what a package pre-depends on. dpkg refuses a package that is configured already, so its state is queried first.
fn configure_first(package: &UnpackedPackage, before: &[String]) -> SandboxStep {
    let script = format!(
        "set -- $(dpkg-query -W -f '${{db:Status-Status}} ${{binary:Package}}\n' {} | sed -n 's/^unpacked //p')\n\
         [ $# = 0 ] || {} --no-triggers --configure \"$@\"",
        before.join(" "),
        DPKG.join(" "),
    );
    SandboxStep::shell(format!("configuring what `{}` pre-depends on", package.locked.name), script)
}

/// The step that dpkg runs before it unpacks a package.
fn preinst(package: &UnpackedPackage) -> Option<SandboxStep> {
    package.script("preinst")?;
    let script = format!("/var/lib/dpkg/info/{}.preinst", package.info_name());
    let step =
        SandboxStep::new(format!("the package `{}`", package.locked.name), [script.as_str(), "install"]);
    let step = step.env("DPKG_MAINTSCRIPT_PACKAGE", &package.locked.name);
    let step = step.env("DPKG_MAINTSCRIPT_ARCH", &package.locked.arch);
    let step = step.env("DPKG_MAINTSCRIPT_NAME", "preinst").env("DPKG_MAINTSCRIPT_PACKAGE_REFCOUNT", "1");
    Some(step.env("DPKG_MAINTSCRIPT_DEBUG", "0").env("DPKG_RUNNING_VERSION", "1.21.22").env("DPKG_ROOT", ""))
}

/// A package's name as dpkg takes it where there may be several architectures of it.
fn qualified(package: &UnpackedPackage) -> String {
    match package.locked.arch.as_str() {
        "all" => package.locked.name.clone(),
        arch => format!("{}:{arch}", package.locked.name),
    }
}
