//! Packages into a system: unpacked into a tree, entered into its package database, and configured as the recipe says.

use amiforge_formats::time::Time;
use amiforge_formats::tree::Tree;
use amiforge_packages::PackageSource;
use amiforge_packages::backend::{NativeSettings, PackageFile, ScriptSettings, Scripts, UnpackedPackages};
use amiforge_packages::configure::AccountIds;
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
use crate::recipe::Recipe;

/// A system, and the checks of what it was made from, which are under way.
pub(super) struct Made {
    pub(super) system: PackageSystem,
    pub(super) checks: Settling,
}

/// Unpacks packages and configures them.
pub(super) fn make(
    workshop: &Workshop<'_>,
    source: &PackageSource,
    (packages, purpose): (&[LockedPackage], For),
    blobs: &mut Blobs,
) -> Result<Made, BuildError> {
    let mut files = Vec::with_capacity(packages.len());
    for package in packages {
        let label = format!("{} {} {}", package.name, package.version, package.arch);
        files.push(PackageFile { package, path: workshop.object(package.sha256, package.size, &label)? });
    }
    let accounts = accounts(workshop.recipe, purpose);
    let (store, watch) = (workshop.store, workshop.watching);
    let mut unpacked = source.backend().unpack(&files, &accounts, store, blobs, watch)?;
    // Scripts leave a core to spare.
    let checks = unpacked.take_outstanding().start();
    let digesting = Digesting::start(unpacked.tree(), blobs);
    let newest = unpacked.newest();
    let mut notes = Notes { newest: (newest.secs, newest.nanos), skipped: Vec::new(), random: Vec::new() };
    // What a recipe answers is for the image; tools of a stage may ask the same.
    let unknown = unpacked.unknown_answer(&workshop.recipe.debconf);
    if let (For::Image, Some(question)) = (purpose, unknown) {
        return Err(BuildError::UnknownQuestion { question: question.to_owned() });
    }
    let tree = configure(workshop, source.backend().scripts(), (&mut *unpacked, purpose), &mut notes, blobs)?;
    digesting.finish(blobs).map_err(BuildError::Sbom)?;
    Ok(Made { system: PackageSystem { tree, notes }, checks })
}

/// Configures what was unpacked.
fn configure(
    workshop: &Workshop<'_>,
    scripts: Scripts,
    (unpacked, purpose): (&mut dyn UnpackedPackages, For),
    notes: &mut Notes,
    blobs: &mut Blobs,
) -> Result<Tree, BuildError> {
    let epoch = workshop.epoch(unpacked.newest())?;
    let accounts = accounts(workshop.recipe, purpose);
    let answers = &workshop.recipe.debconf;
    if scripts == Scripts::Native {
        let settings = NativeSettings { answers, accounts: &accounts, epoch };
        let (tree, skipped) = unpacked.configure_natively(&settings, blobs, workshop.watching)?;
        notes.skipped = skipped;
        return Ok(tree);
    }
    let tree = unpacked.write_database(epoch, blobs)?;
    if scripts == Scripts::None {
        return Ok(tree);
    }
    workshop.watching.progress.begin("configuring packages", None);
    let settings = ScriptSettings {
        answers,
        accounts: &accounts,
        limits: workshop.recipe.limits,
        epoch: Time::from_secs(epoch.secs),
        on_failure: workshop.on_failure(),
        clock: workshop.recipe.clock,
        seed: workshop.seed(purpose),
    };
    let sandbox = workshop.sandbox()?;
    let unpacked = &*unpacked;
    let once =
        |settings: ScriptSettings, blobs: &mut Blobs, watch: &dyn Watch| -> Result<Tree, SandboxError> {
            unpacked.run_scripts(&tree, &settings, &sandbox, blobs, watch)
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
                once(ScriptSettings { seed, on_failure, ..settings }, blobs, watch)
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
