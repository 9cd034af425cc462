//! Packages into a system: unpacked into a tree, entered into dpkg's database, and configured as the recipe says.

use amiforge_formats::time::Time;
use amiforge_formats::tree::Tree;
use amiforge_packages::configure::AccountIds;
use amiforge_packages::deb::configure::native::{self, NativeError, NativeSetup};
use amiforge_packages::deb::configure::{debconf, run};
use amiforge_packages::deb::database::{self, Architectures, DatabaseState};
use amiforge_packages::deb::unpack::{DebFile, Unpacked, unpack};
use amiforge_packages::filters::{DocOptions, Filters, KeepChoice};
use amiforge_packages::locked::LockedPackage;
use amiforge_rootfs::secrets::order;
use amiforge_sandbox::SandboxError;
use amiforge_store::blobs::Blobs;
use amiforge_store::checks::Settling;
use amiforge_store::digests::Digesting;
use amiforge_store::watch::Watch;

use super::BuildError;
use super::secrets;
use super::workshop::{For, Notes, PackageSystem, Workshop};
use crate::recipe::{DebFilters, DebSource, Recipe, Scripts, Stays};

/// A system, and the checks of what it was made from, which are under way.
pub(super) struct Made {
    pub(super) system: PackageSystem,
    pub(super) checks: Settling,
}

/// Unpacks packages and configures them.
pub(super) fn make(
    workshop: &Workshop<'_>,
    deb: &DebSource,
    (packages, purpose): (&[LockedPackage], For),
    blobs: &mut Blobs,
) -> Result<Made, BuildError> {
    let mut debs = Vec::with_capacity(packages.len());
    for package in packages {
        let label = format!("{} {} {}", package.name, package.version, package.arch);
        debs.push(DebFile { package, path: workshop.object(package.sha256, package.size, &label)? });
    }
    let filters = filters(&deb.filters)?;
    let mut unpacked = unpack(&debs, &filters, workshop.store, blobs, workshop.watching)?;
    // Scripts leave a core to spare.
    let checks = std::mem::take(&mut unpacked.outstanding).start();
    let digesting = Digesting::start(&unpacked.tree, blobs);
    let mut notes = Notes {
        newest: (unpacked.newest.secs, unpacked.newest.nanos),
        skipped: Vec::new(),
        random: Vec::new(),
    };
    let answers = debconf::selections(&unpacked.packages, &workshop.recipe.debconf);
    // What a recipe answers is for the image; tools of a stage may ask the same.
    if let (For::Image, Some(question)) = (purpose, answers.unknown.into_iter().next()) {
        return Err(BuildError::UnknownQuestion { question });
    }
    let tree = configure(workshop, deb, (&mut unpacked, purpose), &answers.text, &mut notes, blobs)?;
    digesting.finish(blobs).map_err(BuildError::Sbom)?;
    Ok(Made { system: PackageSystem { tree, notes }, checks })
}

/// Configures what was unpacked.
fn configure(
    workshop: &Workshop<'_>,
    deb: &DebSource,
    (unpacked, purpose): (&mut Unpacked, For),
    answers: &str,
    notes: &mut Notes,
    blobs: &mut Blobs,
) -> Result<Tree, BuildError> {
    let epoch = workshop.epoch(unpacked.newest)?;
    let architectures = Architectures { native: deb.arch.clone(), foreign: deb.foreign.clone() };
    let empty = Tree::new(unpacked.tree.node(unpacked.tree.root()).meta.clone());
    let mut tree = std::mem::replace(&mut unpacked.tree, empty);
    let Unpacked { packages, diversions, .. } = unpacked;
    let accounts = accounts(workshop.recipe, purpose);
    if deb.scripts == Scripts::Native {
        let answers = &workshop.recipe.debconf;
        let setup =
            NativeSetup { packages, diversions, architectures: &architectures, answers, accounts: &accounts };
        let report = native::configure(&mut tree, blobs, setup, epoch, workshop.watching);
        let report = report.map_err(|error| match error {
            NativeError::Interrupted => BuildError::Interrupted,
            error => error.into(),
        })?;
        let skipped = report.skipped.iter();
        notes.skipped =
            skipped.map(|one| format!("{}: `{}`: {}", one.package, one.command, one.reason)).collect();
        return Ok(tree);
    }
    database::write(&mut tree, packages, diversions, DatabaseState::Unpacked, &architectures, epoch, blobs)?;
    if deb.scripts == Scripts::None {
        return Ok(tree);
    }
    workshop.watching.progress.begin("configuring packages", None);
    let settings = run::ConfigureSettings {
        answers,
        accounts: &accounts,
        limits: workshop.recipe.limits,
        epoch: Time::from_secs(epoch.secs),
        on_failure: workshop.on_failure(),
        clock: workshop.recipe.clock,
        seed: workshop.seed(purpose),
    };
    let sandbox = workshop.sandbox()?;
    let packages = &*packages;
    let once = |settings: run::ConfigureSettings,
                blobs: &mut Blobs,
                watch: &dyn Watch|
     -> Result<Tree, SandboxError> {
        Ok(run::configure(&tree, packages, &settings, &sandbox, blobs, watch)?.tree)
    };
    let failed = |source| BuildError::Configure(Box::new(source));
    let made = match purpose {
        // None of them goes into the image.
        For::Tools => once(settings, blobs, workshop.watching).map_err(failed).map(|tree| (tree, Vec::new())),
        For::Image => secrets::make(
            workshop,
            blobs,
            (settings.seed, order(&tree)),
            |seed, on_failure, blobs, watch| {
                once(run::ConfigureSettings { seed, on_failure, ..settings }, blobs, watch)
            },
            failed,
        ),
    };
    workshop.watching.progress.end();
    let (tree, random) = made?;
    notes.random = random;
    Ok(tree)
}

/// Numbers of users and groups that packages make; those of a recipe are for the image.
pub(super) fn accounts(recipe: &Recipe, purpose: For) -> AccountIds {
    match purpose {
        For::Image => AccountIds::of(&recipe.groups, &recipe.users),
        For::Tools => AccountIds::default(),
    }
}

/// The filters of a recipe.
fn filters(wanted: &DebFilters) -> Result<Filters, BuildError> {
    let keep = |stays| match stays {
        Stays::Yes => KeepChoice::All,
        Stays::No => KeepChoice::None,
    };
    let presets =
        DocOptions { docs: keep(wanted.docs), man: keep(wanted.man), locales: wanted.locales.clone() };
    let (mut exclude, mut include) = presets.globs();
    exclude.extend_from_slice(&wanted.exclude);
    include.extend_from_slice(&wanted.include);
    let filters = Filters::new(exclude.iter().map(String::as_str), include.iter().map(String::as_str));
    filters.map_err(BuildError::Filters)
}
