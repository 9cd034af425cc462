//! From the text of a recipe to its specs, with every mistake on the way.

use std::path::{Path, PathBuf};

use amiforge_formats::digest::Digest;
use amiforge_image::disk::DiskSize;
use amiforge_sandbox::SandboxClock;
use serde::Deserialize as _;
use toml::Spanned;
use toml::de::DeTable;

use super::keys::{ArchKey, ClockKey, DiskKeys, EpochKey, ImageKeys, NumberOrText, RecipeKeys};
use super::mistake::{At, KeyPart, Mistake, locate};
use super::shape::UnlocatedMistake;
use super::{
    Arch, ImageSpec, Recipe, boot, contents, packages, partitions, reference, shape, sources, stages, values,
};

/// A MiB, in which disks are laid out.
const MIB: u64 = 1 << 20;

/// Collects mistakes while values are turned into specs, and knows what they are relative to.
#[derive(Debug)]
pub(super) struct Checker<'a> {
    findings: Vec<UnlocatedMistake>,
    folder: &'a Path,
}

impl Checker<'_> {
    /// A wrong value at `at`.
    pub(super) fn wrong(&mut self, at: At, message: impl Into<String>) {
        self.findings.push((at, KeyPart::Value, message.into()));
    }

    /// A key at `at` that should not be there.
    pub(super) fn misplaced(&mut self, at: At, message: impl Into<String>) {
        self.findings.push((at, KeyPart::Key, message.into()));
    }

    /// The value, or nothing and a mistake.
    pub(super) fn accept<T>(&mut self, at: At, value: Result<T, String>) -> Option<T> {
        value.map_err(|message| self.wrong(at, message)).ok()
    }

    /// A value that may be absent, held against its language.
    pub(super) fn optional<T>(
        &mut self,
        at: At,
        text: Option<&String>,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        text.and_then(|text| self.accept(at, parse(text)))
    }

    /// A path of the host.
    pub(super) fn host_path(&mut self, at: At, text: &str) -> PathBuf {
        if text.is_empty() || text.contains('\0') {
            self.wrong(at, "an empty path names no file");
        }
        self.folder.join(text)
    }
}

/// Checks the text of a recipe.
pub(super) fn recipe(text: &str, folder: &Path) -> Result<Recipe, Vec<Mistake>> {
    let (document, faults) = DeTable::parse_recoverable(text);
    if !faults.is_empty() {
        return Err(faults.iter().map(|fault| syntax(text, fault)).collect());
    }
    let place = |findings: Vec<UnlocatedMistake>, document: &Spanned<DeTable<'_>>| -> Vec<Mistake> {
        let mistake = |(at, part, message)| Mistake::new(text, locate(document, &at, part), message);
        findings.into_iter().map(mistake).collect()
    };
    let findings = shape::findings(document.get_ref(), &reference::schema());
    if !findings.is_empty() {
        return Err(place(findings, &document));
    }
    let keys = RecipeKeys::deserialize(toml::de::Deserializer::from(document.clone()))
        .map_err(|fault| vec![syntax(text, &fault)])?;
    let mut checker = Checker { findings: Vec::new(), folder };
    match specs(&keys, Digest::of(text.as_bytes()), &mut checker) {
        Some(recipe) if checker.findings.is_empty() => Ok(recipe),
        _ => Err(place(checker.findings, &document)),
    }
}

/// A mistake that the parser of TOML tells of.
fn syntax(text: &str, fault: &toml::de::Error) -> Mistake {
    let message = fault.message().trim().replace('\n', ", ");
    Mistake::new(text, fault.span().unwrap_or(0..0), message)
}

/// Turns every part into its spec; nothing comes of it only when there was a mistake.
fn specs(keys: &RecipeKeys, digest: Digest, checker: &mut Checker<'_>) -> Option<Recipe> {
    let top = At::top();
    let arch = match keys.image.arch {
        ArchKey::X86_64 => Arch::X86_64,
        ArchKey::Aarch64 => Arch::Aarch64,
    };
    let image = image(&keys.image, arch, &top.key("image"), checker);
    let (size, guid) = disk(&keys.disk, &top.key("disk"), checker);
    let boot = keys.boot.as_ref().map(|keys| boot::check(keys, arch, &top.key("boot"), checker));
    let mode = boot.as_ref().map(|boot| boot.mode);
    let partitions = partitions::check(&keys.partition, arch, mode, &top.key("partition"), checker);
    if let Some(boot) = &boot {
        boot::partitions(boot, &partitions, &top.key("boot"), checker);
    }
    let (source_of_packages, sources) = sources::check(&keys.source, arch, &top.key("source"), checker);
    let stages = stages::check(&keys.stage, source_of_packages.as_ref(), &top.key("stage"), checker);
    let runs = stages::runs(&keys.run, &top.key("run"), checker);
    let debconf =
        packages::answers(&keys.debconf, source_of_packages.is_some(), &top.key("debconf"), checker);
    let limits = stages::limits(&keys.sandbox, &top.key("sandbox"), checker);
    let files = contents::files(&keys.file, &top.key("file"), checker);
    let groups = contents::groups(&keys.group, &top.key("group"), checker);
    let users = contents::users(&keys.user, &top.key("user"), checker);
    let (system, units, fstab) = contents::system(&keys.system, &top.key("system"), checker);
    let rules = contents::rules(&keys.normalize, &top.key("normalize"), checker);
    let secrets = contents::secrets(&keys.secrets, &top.key("secrets"), checker);
    let image = image?;
    Some(Recipe {
        digest,
        image,
        size,
        guid,
        boot,
        partitions,
        packages: source_of_packages,
        sources,
        stages,
        files,
        groups,
        users,
        system,
        units,
        fstab,
        runs,
        debconf,
        clock: match keys.sandbox.clock {
            Some(ClockKey::Real) => SandboxClock::Real,
            Some(ClockKey::Still) | None => SandboxClock::Still,
        },
        limits,
        rules,
        secrets,
    })
}

fn image(keys: &ImageKeys, arch: Arch, at: &At, checker: &mut Checker<'_>) -> Option<ImageSpec> {
    let name = checker.accept(at.key("name"), values::image_name(&keys.name, 3, 128));
    let version = checker
        .optional(at.key("version"), keys.version.as_ref(), |version| values::image_name(version, 1, 64));
    let epoch = keys.epoch.as_ref().and_then(|epoch| {
        let seconds = match epoch {
            EpochKey::Seconds(seconds) => values::seconds_in_range(*seconds),
            EpochKey::Text(text) => values::epoch(text),
            EpochKey::Toml(time) => values::moment(*time),
        };
        checker.accept(at.key("epoch"), seconds)
    });
    Some(ImageSpec { name: name?, version, arch, epoch })
}

fn disk(
    keys: &DiskKeys,
    at: &At,
    checker: &mut Checker<'_>,
) -> (DiskSize, Option<amiforge_formats::guid::Guid>) {
    if let Some(other) = keys.sector_size.filter(|&bytes| bytes != 512) {
        checker.wrong(
            at.key("sector-size"),
            format!("`{other}` is not 512, the only sector that EC2 shows to machines"),
        );
    }
    let guid = checker.optional(at.key("guid"), keys.guid.as_ref(), |text| {
        text.parse().map_err(|wrong| format!("{wrong}"))
    });
    let bytes = match &keys.size {
        None => return (DiskSize::Minimal, guid),
        Some(NumberOrText::Text(word)) if word == "minimal" => return (DiskSize::Minimal, guid),
        Some(NumberOrText::Text(text)) => values::size(text).and_then(|bytes| {
            let whole = bytes % MIB == 0;
            if whole { Ok(bytes) } else { Err(format!("`{text}` is not a whole number of MiB")) }
        }),
        Some(NumberOrText::Number(gib)) => values::size(&format!("{gib} GiB")),
    };
    let bytes = checker.accept(at.key("size"), bytes).unwrap_or(MIB);
    (DiskSize::Exact(bytes), guid)
}
