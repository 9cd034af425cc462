//! From the text of a recipe to its specs, with every mistake.

use std::path::Path;

use amiforge_formats::digest::Digest;
use amiforge_image::disk::DiskSize;
use amiforge_sandbox::SandboxClock;
use serde::Deserialize as _;
use toml::Spanned;
use toml::de::DeTable;

use super::checker::Checker;
use super::diagnostic::{Diagnostic, KeyPath, UnlocatedDiagnostic, locate};
use super::keys::{DiskKeys, EpochKey, ImageKeys, NumberOrText, RecipeKeys};
use super::lines::RecipeLines;
use super::sources::CheckedSources;
use super::{
    Arch, BootMode, ImageSpec, Recipe, RecipePartition, TrustRecipe, boot, contents, keep, packages, parse,
    partitions, reference, schema, sources, stages, trust,
};

/// A MiB, the unit in which disks are laid out.
const MIB: u64 = 1 << 20;

/// Checks the text of a recipe.
pub(super) fn recipe(text: &str, folder: &Path) -> Result<Recipe, Vec<Diagnostic>> {
    let (document, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        return Err(errors.iter().map(|error| syntax_error(text, error)).collect());
    }
    let located = |findings: Vec<UnlocatedDiagnostic>, document: &Spanned<DeTable<'_>>| -> Vec<Diagnostic> {
        let mistake = |(at, part, message)| Diagnostic::new(text, locate(document, &at, part), message);
        findings.into_iter().map(mistake).collect()
    };
    let findings = schema::violations(document.get_ref(), &reference::json_schema());
    if !findings.is_empty() {
        return Err(located(findings, &document));
    }
    let keys = RecipeKeys::deserialize(toml::de::Deserializer::from(document.clone()))
        .map_err(|error| vec![syntax_error(text, &error)])?;
    let mut checker = Checker::new(folder);
    let lines = RecipeLines::of(text, &document);
    let recipe = specs(&keys, (text, lines), &mut checker);
    match (recipe, checker.into_findings()) {
        (Some(recipe), findings) if findings.is_empty() => Ok(recipe),
        (_, findings) => Err(located(findings, &document)),
    }
}

/// A mistake in the syntax of TOML.
fn syntax_error(text: &str, error: &toml::de::Error) -> Diagnostic {
    let message = error.message().trim().replace('\n', ", ");
    Diagnostic::new(text, error.span().unwrap_or(0..0), message)
}

/// Turns every table into its spec; `None` only if there was a mistake.
fn specs(keys: &RecipeKeys, (text, lines): (&str, RecipeLines), checker: &mut Checker<'_>) -> Option<Recipe> {
    let top = KeyPath::top();
    let arch = Arch::from(keys.image.arch);
    let image = image(&keys.image, arch, &top.key("image"), checker);
    let (size, guid) = disk(&keys.disk, &top.key("disk"), checker);
    let trust = trust::check(keys, &top, checker);
    let boot = keys.boot_table().map(|keys| boot::check(keys, &trust, arch, &top.key("boot"), checker));
    let mode = boot.as_ref().map(|boot| boot.mode);
    let partitions = new_partitions(keys, arch, (mode, &trust), &top, checker);
    if let Some(boot) = &boot {
        boot::partitions(boot, &partitions, &top.key("boot"), checker);
    }
    let CheckedSources { packages: source_of_packages, upgrade, others: mut sources, snapshots } =
        sources::check(&keys.source, arch, &top.key("source"), checker);
    let stages = stages::check(&keys.stage, source_of_packages.as_ref(), &top.key("stage"), checker);
    let runs = stages::runs(&keys.run, &top.key("run"), checker);
    let debconf = packages::answers(&keys.debconf, source_of_packages.as_ref(), &top.key("debconf"), checker);
    let limits = stages::limits(&keys.sandbox, &top.key("sandbox"), checker);
    let files = contents::files(&keys.file, &top.key("file"), checker);
    let groups = contents::groups(&keys.group, &top.key("group"), checker);
    let users = contents::users(&keys.user, &top.key("user"), checker);
    let (system, units, mut fstab) = contents::system(&keys.system, &top.key("system"), checker);
    if keys.keeps_disk() {
        fstab = keep::check(keys, &mut sources, &top, checker);
    }
    let rules = contents::rules(&keys.normalize, &top.key("normalize"), checker);
    let secrets = contents::secrets(&keys.secrets, &top.key("secrets"), checker);
    let allow = contents::allowed_leaks(&keys.allow, &top.key("allow"), checker);
    let image = image?;
    Some(Recipe {
        digest: Digest::of(text.as_bytes()),
        lines,
        text: text.into(),
        image,
        size,
        guid,
        boot,
        keep: keys.keeps_disk(),
        erase_free_space: keep::erases(keys, &top, checker),
        trust,
        partitions,
        packages: source_of_packages,
        upgrade,
        sources,
        snapshots,
        stages,
        files,
        groups,
        users,
        system,
        units,
        fstab,
        runs,
        debconf,
        clock: keys.sandbox.clock.unwrap_or(SandboxClock::Still),
        limits,
        rules,
        secrets,
        allow,
    })
}

/// The partitions of a new disk; none where the disk of an image is kept.
fn new_partitions(
    keys: &RecipeKeys,
    arch: Arch,
    (mode, trust): (Option<BootMode>, &TrustRecipe),
    top: &KeyPath,
    checker: &mut Checker<'_>,
) -> Vec<RecipePartition> {
    if keys.keeps_disk() {
        return Vec::new();
    }
    partitions::check(&keys.partition, arch, (mode, trust), &top.key("partition"), checker)
}

fn image(keys: &ImageKeys, arch: Arch, at: &KeyPath, checker: &mut Checker<'_>) -> Option<ImageSpec> {
    let name = checker.accept(at.key("name"), parse::image_name(&keys.name, 3, 128));
    let version = checker.accept_optional(at.key("version"), keys.version.as_ref(), |version| {
        parse::image_name(version, 1, 64)
    });
    let epoch = keys.epoch.as_ref().and_then(|epoch| {
        let seconds = match epoch {
            EpochKey::Seconds(seconds) => parse::seconds_in_range(*seconds),
            EpochKey::Text(text) => parse::epoch(text),
            EpochKey::Toml(time) => parse::moment(*time),
        };
        checker.accept(at.key("epoch"), seconds)
    });
    let provenance = keys.provenance.unwrap_or(true);
    Some(ImageSpec { name: name?, version, arch, epoch, provenance })
}

fn disk(
    keys: &DiskKeys,
    at: &KeyPath,
    checker: &mut Checker<'_>,
) -> (DiskSize, Option<amiforge_formats::guid::Guid>) {
    if let Some(other) = keys.sector_size.filter(|&bytes| bytes != 512) {
        checker.reject(
            at.key("sector-size"),
            format!("`{other}` is not 512, the only sector that EC2 shows to machines"),
        );
    }
    let guid = checker.accept_optional(at.key("guid"), keys.guid.as_ref(), |text| {
        text.parse().map_err(|wrong| format!("{wrong}"))
    });
    let bytes = match &keys.size {
        None => return (DiskSize::Minimal, guid),
        Some(NumberOrText::Text(text)) if text == "minimal" => return (DiskSize::Minimal, guid),
        Some(NumberOrText::Text(text)) => parse::size(text).and_then(|bytes| {
            let whole = bytes % MIB == 0;
            if whole { Ok(bytes) } else { Err(format!("`{text}` is not a whole number of MiB")) }
        }),
        Some(NumberOrText::Number(gib)) => parse::size(&format!("{gib} GiB")),
    };
    let bytes = checker.accept(at.key("size"), bytes).unwrap_or(MIB);
    (DiskSize::Exact(bytes), guid)
}
