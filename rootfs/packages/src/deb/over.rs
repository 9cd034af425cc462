//! Debian packages over a system that exists already: what the lock reads of its dpkg database, and their installation by the
//! system's own apt and dpkg, in the sandbox, where scripts see an upgrade where it is one.
//!
//! apt-get(8), dpkg(1). apt gets the files of the lock and no archive, so it chooses nothing: it orders.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;

use amiforge_formats::plan::Sources;
use amiforge_formats::tree::Tree;
use amiforge_progress::Monitor;
use amiforge_rootfs::version;
use amiforge_sandbox::{Sandbox, SandboxError, SandboxJob, SandboxStep};
use amiforge_store::blobs::Blobs;

use super::configure::deferred::IMPORTS_COMPILE_NOTHING;
use super::configure::run::REMOVED;
use super::index::{IndexError, Package, PackageIndex};
use super::installed;
use crate::backend::{PackageFile, ScriptSettings};
use crate::configure::account_ids::AccountShims;
use crate::configure::machine_id;
use crate::configure::shim::{self, STARTS_NOTHING};
use crate::locked::{LockReason, PackageId};
use crate::over::UpgradePolicy;
use crate::placed::place;

/// Where the packages are while they are installed; removed afterwards.
const FOLDER: &str = "usr/.amiforge-packages";

/// Options of apt-get: no question, no archive, the configuration of the system stays.
const APT: &[&str] = &[
    "apt-get",
    "--yes",
    "--no-install-recommends",
    "--allow-downgrades",
    "--option=Dir::Etc::SourceList=/dev/null",
    "--option=Dir::Etc::SourceParts=/dev/null",
    "--option=Dir::Cache::pkgcache=",
    "--option=Dir::Cache::srcpkgcache=",
    "--option=APT::Sandbox::User=root",
    "--option=Dpkg::Use-Pty=0",
    "--option=Dpkg::Options::=--force-confdef",
    "--option=Dpkg::Options::=--force-confold",
    "--option=Dpkg::Options::=--force-unsafe-io",
];

/// What apt leaves besides what dpkg does.
const OF_APT: &[&[u8]] = &[
    b"var/log/apt/eipp.log.xz",
    b"var/log/apt/history.log",
    b"var/log/apt/term.log",
    b"var/cache/apt/pkgcache.bin",
    b"var/cache/apt/srcpkgcache.bin",
    b"var/cache/apt/archives/lock",
    b"var/lib/apt/lists/lock",
];

/// The status of a tree's dpkg; `None` where it has no dpkg database.
///
/// # Errors
/// A read error of the medium.
pub(super) fn status(tree: &Tree, sources: &dyn Sources) -> io::Result<Option<Vec<u8>>> {
    let file = installed::file(tree, b"var/lib/dpkg/status");
    file.map(|content| installed::bytes(content, sources)).transpose()
}

/// Why the database of an image's dpkg cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum DpkgStatusError {
    /// It cannot be read as one.
    #[error(
        "its `/var/lib/dpkg/status` is damaged; dpkg keeps the one before as `/var/lib/dpkg/status-old`: mend it where the image \
         was made"
    )]
    Damaged(#[source] IndexError),
    /// dpkg was stopped in the middle of something.
    #[error(transparent)]
    Unfinished(IndexError),
    /// There is no package in it, not even dpkg.
    #[error(
        "its `/var/lib/dpkg/status` has no package, so what is installed is not known: mend it where the image was made"
    )]
    Empty,
}

/// The packages that dpkg's status says are installed.
///
/// # Errors
/// [`DpkgStatusError`].
pub(super) fn installed_packages(status: &[u8]) -> Result<PackageIndex<'_>, DpkgStatusError> {
    match PackageIndex::parse_status(status) {
        Ok(index) if index.packages.is_empty() => Err(DpkgStatusError::Empty),
        Ok(index) => Ok(index),
        Err(error @ IndexError::State { .. }) => Err(DpkgStatusError::Unfinished(error)),
        Err(error) => Err(DpkgStatusError::Damaged(error)),
    }
}

/// The versions that installed packages are to have; those that may change at will are left out. `archives` are the packages
/// of each suite, with whether it has security updates.
pub(super) fn preferred(
    installed: &[Package<'_>],
    archives: &[(bool, &[PackageIndex<'_>])],
    upgrade: UpgradePolicy,
) -> Vec<PackageId> {
    let mut newer: BTreeMap<(&str, &str), &str> = BTreeMap::new();
    for (is_security, indexes) in archives {
        if upgrade == UpgradePolicy::Security && !is_security {
            continue;
        }
        for package in indexes.iter().flat_map(|index| &index.packages) {
            let best = newer.entry((package.name, package.arch)).or_insert(package.version);
            if version::compare(best, package.version).is_lt() {
                *best = package.version;
            }
        }
    }
    let wish = |package: &Package<'_>| {
        let newest = newer.get(&(package.name, package.arch)).copied();
        let newest = newest.filter(|newest| version::compare(package.version, newest).is_lt());
        let version = match upgrade {
            UpgradePolicy::All if !package.held && newest.is_some() => return None,
            UpgradePolicy::Security if !package.held => newest.unwrap_or(package.version),
            // With nothing newer it is never an older one.
            UpgradePolicy::Keep | UpgradePolicy::Security | UpgradePolicy::All => package.version,
        };
        let (name, arch) = (package.name.to_owned(), package.arch.to_owned());
        Some(PackageId { name, version: version.to_owned(), arch })
    };
    installed.iter().filter_map(wish).collect()
}

/// Installs packages over a system, and removes those installed ones that `without` names.
///
/// # Errors
/// [`SandboxError::Step`] when apt, dpkg or a script fails, with what it wrote last.
pub(super) fn install(
    tree: &Tree,
    (files, without): (&[PackageFile<'_>], &[String]),
    settings: &ScriptSettings<'_>,
    sandbox: &Sandbox,
    blobs: &mut Blobs,
    monitor: Monitor<'_>,
) -> Result<Tree, SandboxError> {
    let mut tree = tree.clone();
    let idle: Vec<_> =
        STARTS_NOTHING.iter().filter_map(|one| one.install(&mut tree, settings.epoch)).collect();
    let account_shims = AccountShims::prepare(&mut tree, settings.accounts, settings.epoch);
    let paths = place(&mut tree, (FOLDER, "deb"), files, settings.epoch, blobs)
        .map_err(|source| SandboxError::Inside { what: "preparing the packages".to_owned(), source })?;
    let first = account_shims.step().into_iter().chain(answers(settings));
    let steps = first.chain(steps(&tree, files, &paths, without)).collect();
    let mut job = SandboxJob::new(steps, settings.epoch);
    (job.limits, job.on_failure, job.clock) = (settings.limits, settings.on_failure, settings.clock);
    (job.seed, job.now) = (settings.seed, settings.now);
    job.env = variables();
    let mut after = sandbox.run(&tree, blobs, &job, monitor)?.tree;
    for placed in idle {
        placed.restore(&mut after);
    }
    account_shims.restore(&mut after);
    for path in REMOVED.iter().chain(OF_APT) {
        shim::remove(&mut after, path);
    }
    shim::remove(&mut after, FOLDER.as_bytes());
    machine_id::forget(&mut after, settings.epoch);
    Ok(after)
}

/// Sets the answers of debconf before any script runs.
fn answers(settings: &ScriptSettings<'_>) -> Option<SandboxStep> {
    if settings.answers.is_empty() {
        return None;
    }
    // The type is that of the template, once a package has brought it.
    let mut text = String::new();
    for (question, answer) in settings.answers {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "amiforge {question} string {answer}");
    }
    let step =
        SandboxStep::shell("the answers of `[debconf]`", "printf %s \"$ANSWERS\" | debconf-set-selections");
    Some(step.env("ANSWERS", text))
}

fn variables() -> BTreeMap<String, String> {
    let fixed = [
        ("DEBIAN_FRONTEND", "noninteractive"),
        ("DEBCONF_NONINTERACTIVE_SEEN", "true"),
        ("DEBCONF_NOWARNINGS", "yes"),
        ("UCF_FORCE_CONFFOLD", "1"),
        ("NEEDRESTART_SUSPEND", "1"),
        IMPORTS_COMPILE_NOTHING,
    ];
    fixed.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// The commands: apt where the system has it, else dpkg, which takes the packages in an order that suits it.
fn steps(tree: &Tree, files: &[PackageFile<'_>], paths: &[String], without: &[String]) -> Vec<SandboxStep> {
    let has_apt = tree.lookup(b"usr/bin/apt-get").is_some();
    let mut steps = Vec::new();
    let words = |program: &[&str], words: &[&str], more: &[String]| {
        let fixed = program.iter().chain(words).map(|word| (*word).to_owned());
        fixed.chain(more.iter().cloned()).collect::<Vec<_>>()
    };
    let dpkg = ["dpkg", "--force-confdef", "--force-confold", "--force-unsafe-io"];
    let installed: Vec<String> = without.iter().filter(|name| is_known(tree, name)).cloned().collect();
    if !installed.is_empty() {
        let argv =
            if has_apt { words(APT, &["purge"], &installed) } else { words(&dpkg, &["--purge"], &installed) };
        steps.push(SandboxStep::new("removing packages", argv));
    }
    if paths.is_empty() {
        return steps;
    }
    let argv = if has_apt {
        words(APT, &["--no-remove", "install"], paths)
    } else {
        words(&dpkg, &["--install"], paths)
    };
    steps.push(SandboxStep::new("installing packages", argv));
    let automatic = files.iter().filter(|file| file.package.reason == LockReason::Dependency);
    let automatic: Vec<String> = automatic.map(qualified).collect();
    if has_apt && !automatic.is_empty() {
        let argv = words(&["apt-mark"], &["auto"], &automatic);
        steps.push(SandboxStep::new("noting which packages came as dependencies", argv));
    }
    steps
}

/// A package's name as apt-mark takes it where there may be several architectures of it.
fn qualified(file: &PackageFile<'_>) -> String {
    match file.package.arch.as_str() {
        "all" => file.package.name.clone(),
        arch => format!("{}:{arch}", file.package.name),
    }
}

/// Whether dpkg knows a package: its list of files is there.
fn is_known(tree: &Tree, name: &str) -> bool {
    let (name, arch) = name.split_once(':').unwrap_or((name, ""));
    let folder = tree.lookup(b"var/lib/dpkg/info");
    let lists = folder.and_then(|folder| tree.entries(folder)).into_iter().flatten();
    let prefix = if arch.is_empty() { format!("{name}:") } else { format!("{name}:{arch}.") };
    let exact = format!("{name}.list");
    lists
        .map(|(list, _)| list.as_bytes())
        .any(|list| list == exact.as_bytes() || list.starts_with(prefix.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::super::testing::status_of;
    use super::*;

    #[test]
    fn versions_stay_change_for_security_or_change_at_will_but_never_go_back() {
        let installed = status_of(&[
            ("a", "1", "install"),
            ("b", "1", "install"),
            ("c", "9", "install"),
            ("d", "1", "hold"),
        ]);
        let installed = PackageIndex::parse_status(installed.as_bytes()).unwrap();
        let main = super::super::testing::index_of(&[("a", "2"), ("b", "3"), ("c", "2"), ("d", "2")]);
        let security = super::super::testing::index_of(&[("a", "1.1")]);
        let main = [PackageIndex::parse(main.as_bytes()).unwrap()];
        let security = [PackageIndex::parse(security.as_bytes()).unwrap()];
        let archives = [(false, main.as_slice()), (true, security.as_slice())];
        let wishes = |upgrade| {
            let wishes = preferred(&installed.packages, &archives, upgrade);
            wishes.iter().map(|wish| format!("{} {}", wish.name, wish.version)).collect::<Vec<_>>()
        };
        assert_eq!(wishes(UpgradePolicy::Keep), ["a 1", "b 1", "c 9", "d 1"]);
        assert_eq!(wishes(UpgradePolicy::Security), ["a 1.1", "b 1", "c 9", "d 1"]);
        assert_eq!(wishes(UpgradePolicy::All), ["c 9", "d 1"]);
    }
}
