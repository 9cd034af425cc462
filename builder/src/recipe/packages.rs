//! The `[[source]]` of packages: from keys to specs.

use std::collections::{BTreeMap, BTreeSet};

use amiforge_packages::backend::Scripts;
use amiforge_packages::deb::DebSource;
use amiforge_packages::deb::resolve::BasePackages;
use amiforge_packages::deb::source::{
    ArchiveRole, DebArchive, PinTarget, SignerKeys, VersionPin, WhenExpired,
};
use amiforge_packages::{PackageKind, PackageSource};

use super::checker::Checker;
use super::diagnostic::KeyPath;
use super::keys::{AnswerKey, ArchiveKeys, PinKeys, SourceKeys, SourceKindKey};
use super::package_filters::{filters, recommends};
use super::{Arch, debian_syntax, rpm_source};

/// Priority of a pin without one: above the priority that any version has without pins.
const PRIORITY: i16 = 990;

/// The kind of the packages that a source is made of; none for a source of files.
pub(super) fn kind(source: SourceKindKey) -> Option<PackageKind> {
    match source {
        SourceKindKey::Deb => Some(PackageKind::Deb),
        SourceKindKey::Rpm => Some(PackageKind::Rpm),
        SourceKindKey::Dir | SourceKindKey::Tar | SourceKindKey::Oci | SourceKindKey::Image => None,
    }
}

/// A source of a kind in messages.
pub(super) fn named(kind: PackageKind) -> &'static str {
    match kind {
        PackageKind::Deb => "a `deb` source",
        PackageKind::Rpm => "an `rpm` source",
    }
}

/// The given keys that are for packages of another kind than the source's, or for packages where it has none; each with the
/// kinds that it is for.
pub(super) fn misplaced(keys: &SourceKeys) -> impl Iterator<Item = (&'static str, &'static str)> {
    let own = kind(keys.kind);
    let of_deb = [
        ("suites", !keys.suites.is_empty()),
        ("components", keys.components.is_some()),
        ("base", keys.base.is_some()),
        ("architectures", !keys.architectures.is_empty()),
        ("apt-mirror", keys.apt_mirror.is_some()),
        ("apt-sources", keys.apt_sources.is_some()),
        ("allow-expired", keys.allow_expired.is_some()),
        ("archive", !keys.archive.is_empty()),
        ("pin", !keys.pin.is_empty()),
    ];
    let of_rpm = [
        ("release", keys.release.is_some()),
        ("repo-files", keys.repo_files.is_some()),
        ("repository", !keys.repository.is_empty()),
    ];
    let of_both = [
        ("distribution", keys.distribution.is_some()),
        ("packages", !keys.packages.is_empty()),
        ("without", !keys.without.is_empty()),
        ("recommends", keys.recommends.is_some()),
        ("mirror", keys.mirror.is_some()),
        ("keyring", keys.keyring.is_some()),
        ("scripts", keys.scripts.is_some()),
        ("upgrade", keys.upgrade.is_some()),
        ("include", !keys.include.is_empty()),
        ("docs", keys.docs.is_some()),
        ("man", keys.man.is_some()),
        ("locales", keys.locales.is_some()),
    ];
    let deb = of_deb.map(|(key, given)| (key, given && own != Some(PackageKind::Deb), "a `deb` source"));
    let rpm = of_rpm.map(|(key, given)| (key, given && own != Some(PackageKind::Rpm), "an `rpm` source"));
    let both = of_both.map(|(key, given)| (key, given && own.is_none(), "a `deb` or `rpm` source"));
    let all = deb.into_iter().chain(rpm).chain(both);
    all.filter(|(_, misplaced, _)| *misplaced).map(|(key, _, kinds)| (key, kinds))
}

/// Checks a source of packages.
pub(super) fn check(
    kind: PackageKind,
    keys: &SourceKeys,
    arch: Arch,
    at: &KeyPath,
    checker: &mut Checker<'_>,
) -> PackageSource {
    match kind {
        PackageKind::Deb => PackageSource::Deb(deb(keys, arch, at, checker)),
        PackageKind::Rpm => PackageSource::Rpm(rpm_source::check(keys, arch, at, checker)),
    }
}

/// Checks the packages that a stage names, which come from the archives of the image's source.
pub(super) fn tools(source: &PackageSource, all: &[String], at: &KeyPath, checker: &mut Checker<'_>) {
    match source {
        PackageSource::Deb(deb) => {
            let suites = deb.archives.iter().flat_map(|archive| archive.suites.iter().map(String::as_str));
            requests(all, &suites.collect(), at, checker);
        }
        PackageSource::Rpm(_) => rpm_source::requests(all, at, checker),
    }
}

/// Checks a source of Debian packages.
fn deb(keys: &SourceKeys, arch: Arch, at: &KeyPath, checker: &mut Checker<'_>) -> DebSource {
    let archives = archives(keys, at, checker);
    let suites: BTreeSet<&str> =
        archives.iter().flat_map(|archive| archive.suites.iter().map(String::as_str)).collect();
    requests(&keys.packages, &suites, &at.key("packages"), checker);
    without(keys, at, checker);
    let arch = arch.deb_name();
    let pins = keys.pin.iter().enumerate();
    let pins = pins.filter_map(|(index, pin)| pinned(pin, &suites, &at.key("pin").index(index), checker));
    DebSource {
        pins: pins.collect(),
        arch: arch.to_owned(),
        foreign: foreign(keys, arch, at, checker),
        base: keys.base.unwrap_or(BasePackages::Required),
        packages: keys.packages.clone(),
        without: keys.without.clone(),
        recommends: recommends(keys.recommends.unwrap_or(false)),
        expired: if keys.allow_expired == Some(true) { WhenExpired::Accept } else { WhenExpired::Refuse },
        scripts: keys.scripts.unwrap_or(Scripts::Run),
        filters: filters(keys, at, checker),
        apt_sources: keys.apt_sources.unwrap_or(true),
        archives,
    }
}

/// Checks requested packages; `suites` are the suites of the recipe.
fn requests(all: &[String], suites: &BTreeSet<&str>, at: &KeyPath, checker: &mut Checker<'_>) {
    for (index, text) in all.iter().enumerate() {
        let Some(request) = checker.accept(at.index(index), debian_syntax::package_request(text)) else {
            continue;
        };
        if let Some(suite) = request.suite.filter(|suite| !suites.contains(suite)) {
            checker.reject(at.index(index), format!("`{suite}` is none of the `suites` of this recipe"));
        }
    }
}

/// Checks debconf answers: each must fit on a line of `debconf-set-selections`.
pub(super) fn answers(
    all: &BTreeMap<String, AnswerKey>,
    source: Option<&PackageSource>,
    at: &KeyPath,
    checker: &mut Checker<'_>,
) -> BTreeMap<String, String> {
    if !all.is_empty() && !matches!(source, Some(PackageSource::Deb(_))) {
        checker.reject_key(at.clone(), "answers are for packages, and there is no `deb` source");
    }
    let mut answers = BTreeMap::new();
    for (question, answer) in all {
        if !question.contains('/') || question.contains(|c: char| c.is_whitespace() || c.is_control()) {
            let message = format!("`{question}` is not the name of a question, such as `tzdata/Areas`");
            checker.reject_key(at.key(question), message);
        }
        let answer = match answer {
            AnswerKey::Switch(answer) => answer.to_string(),
            AnswerKey::Text(answer) => answer.clone(),
        };
        if answer.contains(|c: char| c.is_control()) {
            checker.reject(at.key(question), "an answer is one line, without control characters");
        }
        answers.insert(question.clone(), answer);
    }
    answers
}

fn archives(keys: &SourceKeys, at: &KeyPath, checker: &mut Checker<'_>) -> Vec<DebArchive> {
    let mut archives = of_distribution(keys, at, checker);
    let mut names: BTreeSet<String> = archives.iter().map(|archive| archive.name.clone()).collect();
    for (index, further) in keys.archive.iter().enumerate() {
        let at = at.key("archive").index(index);
        if let Some(name) = checker.accept(at.key("name"), debian_syntax::archive_name(&further.name))
            && !names.insert(name.clone())
        {
            checker.reject(at.key("name"), format!("there is another archive named `{name}`"));
        }
        archives.push(archive(further, &at, checker));
    }
    if archives.is_empty() {
        checker.reject(at.clone(), "a `deb` source needs `suites`, or a `[[source.archive]]` that has some");
    }
    archives
}

/// The archives of the distribution itself.
fn of_distribution(keys: &SourceKeys, at: &KeyPath, checker: &mut Checker<'_>) -> Vec<DebArchive> {
    let Some(name) = &keys.distribution else {
        checker.reject(at.key("distribution"), "a `deb` source needs a `distribution`, such as `\"debian\"`");
        return Vec::new();
    };
    checker.accept(at.key("distribution"), debian_syntax::archive_name(name));
    let suites = self::suites(&keys.suites, &at.key("suites"), checker);
    let components = components(keys.components.as_deref(), &at.key("components"), checker);
    let mirror = checker.accept_optional(at.key("mirror"), keys.mirror.as_ref(), debian_syntax::mirror);
    let keyring = match &keys.keyring {
        Some(name) => {
            SignerKeys::File { path: checker.host_path(at.key("keyring"), name), name: name.clone() }
        }
        None => SignerKeys::Host { distribution: name.clone() },
    };
    // Debian publishes its security updates in a separate archive, which has this name on every mirror.
    let apart =
        |suite: &String| name == "debian" && (suite.ends_with("-security") || suite.ends_with("/updates"));
    let (security, own): (Vec<String>, Vec<String>) = suites.into_iter().partition(apart);
    let apt_mirror =
        checker.accept_optional(at.key("apt-mirror"), keys.apt_mirror.as_ref(), debian_syntax::mirror);
    let beside = |mirror: &Option<String>| mirror.as_ref().map(|mirror| format!("{mirror}-security"));
    let apart_mirrors = (beside(&mirror), beside(&apt_mirror));
    let both = [
        (name.clone(), ArchiveRole::Distribution, own, (mirror, apt_mirror)),
        ("debian-security".to_owned(), ArchiveRole::Security, security, apart_mirrors),
    ];
    let archive = |(name, role, suites, (mirror, apt_mirror))| DebArchive {
        name,
        role,
        suites,
        components: components.clone(),
        mirror,
        apt_mirror,
        keys: keyring.clone(),
    };
    both.into_iter().map(archive).filter(|archive: &DebArchive| !archive.suites.is_empty()).collect()
}

fn archive(keys: &ArchiveKeys, at: &KeyPath, checker: &mut Checker<'_>) -> DebArchive {
    let suites = self::suites(&keys.suites, &at.key("suites"), checker);
    if keys.suites.is_empty() {
        checker.reject(at.key("suites"), "an archive without suites has no packages");
    }
    let keyring = match (&keys.keyring, keys.trusted) {
        (Some(_), true) => {
            checker.reject_key(
                at.key("keyring"),
                "a `trusted` archive is taken unsigned; leave one of both out",
            );
            SignerKeys::Unsigned
        }
        (Some(name), false) => {
            SignerKeys::File { path: checker.host_path(at.key("keyring"), name), name: name.clone() }
        }
        (None, true) => SignerKeys::Unsigned,
        (None, false) => SignerKeys::Host { distribution: keys.name.clone() },
    };
    DebArchive {
        name: keys.name.clone(),
        role: ArchiveRole::Further,
        suites,
        components: components(keys.components.as_deref(), &at.key("components"), checker),
        mirror: checker.accept_optional(at.key("mirror"), keys.mirror.as_ref(), debian_syntax::mirror),
        apt_mirror: checker.accept_optional(
            at.key("apt-mirror"),
            keys.apt_mirror.as_ref(),
            debian_syntax::mirror,
        ),
        keys: keyring,
    }
}

fn suites(all: &[String], at: &KeyPath, checker: &mut Checker<'_>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    for (index, suite) in all.iter().enumerate() {
        checker.accept(at.index(index), debian_syntax::suite(suite));
        if !seen.insert(suite) {
            checker.reject(at.index(index), format!("`{suite}` is named twice"));
        }
    }
    all.to_vec()
}

fn components(all: Option<&[String]>, at: &KeyPath, checker: &mut Checker<'_>) -> Vec<String> {
    let Some(all) = all else { return vec!["main".to_owned()] };
    for (index, component) in all.iter().enumerate() {
        checker.accept(at.index(index), debian_syntax::component(component));
    }
    if all.is_empty() {
        checker.reject(at.clone(), "no component has no packages; `[\"main\"]` is what most archives have");
    }
    all.to_vec()
}

fn without(keys: &SourceKeys, at: &KeyPath, checker: &mut Checker<'_>) {
    for (index, name) in keys.without.iter().enumerate() {
        let at = at.key("without").index(index);
        checker.accept(at.clone(), debian_syntax::package_name(name));
        if keys.packages.contains(name) {
            checker.reject(at, format!("`{name}` is among the `packages`, too"));
        }
    }
}

fn foreign(keys: &SourceKeys, own: &str, at: &KeyPath, checker: &mut Checker<'_>) -> Vec<String> {
    let mut foreign = BTreeSet::new();
    for (index, arch) in keys.architectures.iter().enumerate() {
        let at = at.key("architectures").index(index);
        checker.accept(at.clone(), debian_syntax::architecture(arch));
        if arch == own || arch == "all" {
            checker.reject(at, format!("`{arch}` is not foreign: the image is `{own}`"));
        }
        foreign.insert(arch.clone());
    }
    foreign.into_iter().collect()
}

fn pinned(
    keys: &PinKeys,
    suites: &BTreeSet<&str>,
    at: &KeyPath,
    checker: &mut Checker<'_>,
) -> Option<VersionPin> {
    checker.accept(at.key("package"), debian_syntax::package_glob(&keys.package));
    let to = match (&keys.version, &keys.suite) {
        (Some(version), None) => {
            checker.accept(at.key("version"), debian_syntax::version(version)).map(PinTarget::Version)
        }
        (None, Some(suite)) => {
            if !suites.contains(suite.as_str()) {
                checker.reject(at.key("suite"), format!("`{suite}` is none of the `suites` of this recipe"));
            }
            Some(PinTarget::Suite(suite.clone()))
        }
        _ => {
            checker.reject(at.clone(), "a `[[source.pin]]` needs one of `version` and `suite`");
            None
        }
    };
    let priority = keys.priority.and_then(|priority| i16::try_from(priority).ok()).unwrap_or(PRIORITY);
    if priority == 0 {
        checker.reject(
            at.key("priority"),
            "0 is no priority; below 0 is for never, 1 for if nothing else is there",
        );
    }
    Some(VersionPin { package: keys.package.clone(), to: to?, priority })
}
