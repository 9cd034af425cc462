//! The installation by the system's own rpm.
//!
//! rpm(8). What is erased goes first, in a transaction of its own: no command of rpm erases and installs at once but what is
//! replaced. The rest comes by one `rpm -U`, or for packages of which several versions may be there by one `rpm -i`. This
//! needs of the system nothing but its rpm and a shell; its dnf, where there is one, would choose anew.

use std::collections::BTreeSet;

use amiforge_formats::path;
use amiforge_formats::tree::Tree;
use amiforge_progress::Monitor;
use amiforge_sandbox::{Sandbox, SandboxError, SandboxJob, SandboxStep};
use amiforge_store::blobs::Blobs;

use super::error::RpmOverError;
use super::settle::{self, SettledSystem};
use crate::backend::ScriptSettings;
use crate::backend::SystemChange;
use crate::configure::account_ids::AccountShims;
use crate::configure::shim;
use crate::locked::PackageId;
use crate::over::other_packages;
use crate::placed::place;
use crate::rpm::configure::run::{self, LeftOut, SCRIPT_FOLDER};
use crate::rpm::database::identity::text;
use crate::rpm::database::{self, RpmDatabase};
use crate::rpm::evr::Evr;
use crate::rpm::header::tag;
use crate::rpm::relation::RpmDependency;
use crate::rpm::resolve::is_install_only_name;
use crate::rpm::stated::relations;

/// Runs rpm and finds failed scripts in what it says.
const WATCHED: &str = include_str!("install.sh");

/// Options of every transaction: the lock has checked the signatures, which need keys that the system may not have; what plugins
/// do (log, inhibit a shutdown, ask a policy of the machine that builds) is not for an image, and the labels come later.
const OPTIONS: [&str; 3] = ["--nosignature", "--noplugins", "--ignoresize"];

/// Installs packages over a system, and erases those that the lock names. `wished` are the packages that the recipe names.
///
/// # Errors
/// [`SandboxError::Step`] when rpm or a script fails, with what it wrote last.
pub(in crate::rpm) fn install(
    tree: &Tree,
    (change, wished): (SystemChange<'_>, &[String]),
    settings: &ScriptSettings<'_>,
    sandbox: &Sandbox,
    blobs: &mut Blobs,
    monitor: Monitor<'_>,
) -> Result<Tree, SandboxError> {
    let before = read(tree, blobs)?;
    let mut tree = tree.clone();
    let account_shims = AccountShims::prepare(&mut tree, settings.accounts, settings.epoch);
    let left_out = LeftOut::prepare(&mut tree, settings.epoch);
    let paths = place(&mut tree, (SCRIPT_FOLDER, "rpm"), change.files, settings.epoch, blobs)
        .map_err(|source| SandboxError::Inside { what: "preparing the packages".to_owned(), source })?;
    let commands = commands(&tree, &before, change, &paths)?;
    let mut after = tree;
    if !commands.is_empty() {
        let steps = account_shims.step().into_iter().chain(commands).collect();
        let mut job = SandboxJob::new(steps, settings.epoch);
        (job.limits, job.on_failure, job.clock) = (settings.limits, settings.on_failure, settings.clock);
        (job.seed, job.now) = (settings.seed, settings.now);
        job.env = run::variables();
        after = sandbox.run(&after, blobs, &job, monitor)?.tree;
    }
    account_shims.restore(&mut after);
    // What they called for is the image's own: see `run`.
    let _ = left_out.restore(&mut after, blobs);
    shim::remove(&mut after, format!("/{SCRIPT_FOLDER}").as_bytes());
    let settled = SettledSystem { before: &before, change, wished, at: settings.epoch };
    settle::settle(&mut after, settled, blobs)?;
    run::finish(&mut after, blobs, settings).map_err(RpmOverError::Finish)?;
    Ok(after)
}

/// The database of a system that has one.
fn read(tree: &Tree, blobs: &Blobs) -> Result<RpmDatabase, RpmOverError> {
    database::read(tree, blobs)?.ok_or_else(|| RpmOverError::NoDatabase(other_packages(tree)))
}

/// The transactions, in their order.
fn commands(
    tree: &Tree,
    before: &RpmDatabase,
    change: SystemChange<'_>,
    paths: &[String],
) -> Result<Vec<SandboxStep>, RpmOverError> {
    let is_there = |path: &&str| path::find(tree, path.as_bytes()).ok().flatten().is_some();
    let rpm = ["/usr/bin/rpm", "/bin/rpm"].into_iter().find(is_there).ok_or(RpmOverError::NoRpm)?;
    let beside = several(before);
    let is_beside =
        |at: &usize| change.files.get(*at).is_some_and(|file| beside.contains(&file.package.name));
    let (beside, others): (Vec<usize>, Vec<usize>) = (0..paths.len()).partition(is_beside);
    let files = |of: Vec<usize>| of.into_iter().filter_map(|at| paths.get(at).cloned()).collect();
    let transactions: [(&str, &[&str], Vec<String>); 3] = [
        ("erasing packages", &["--erase", "--noplugins"], change.removed.iter().map(label).collect()),
        ("installing packages", &["--upgrade"], files(others)),
        ("installing packages beside others of their names", &["--install"], files(beside)),
    ];
    let step = |(name, options, arguments): (&str, &[&str], Vec<String>)| {
        let more: &[&str] = if options.contains(&"--erase") { &[] } else { &OPTIONS };
        let words = ["/bin/sh", "-c", WATCHED, "sh", rpm].into_iter();
        let words = words.chain(options.iter().copied()).chain(more.iter().copied());
        SandboxStep::new(name, words.map(str::to_owned).chain(arguments))
    };
    let some = transactions.into_iter().filter(|(_, _, arguments)| !arguments.is_empty());
    Ok(some.map(step).collect())
}

/// Names of installed packages of which several versions may be there.
fn several(before: &RpmDatabase) -> BTreeSet<String> {
    let several = |header| {
        let name = text(header, tag::NAME);
        let provides = relations(header, tag::PROVIDENAME, tag::PROVIDEFLAGS, tag::PROVIDEVERSION);
        let mut names = provides.iter().flat_map(RpmDependency::capabilities);
        (is_install_only_name(&name) || names.any(|one| is_install_only_name(&one.name))).then_some(name)
    };
    before.headers.iter().filter_map(|stored| several(&stored.header)).collect()
}

/// A package as rpm(8) takes it: without its epoch.
fn label(package: &PackageId) -> String {
    let Evr { version, release, .. } = Evr::parse(&package.version);
    format!("{}-{version}-{}.{}", package.name, release.unwrap_or_default(), package.arch)
}
