//! The `[[source]]` of rpm packages: from keys to specs.

use std::collections::BTreeSet;

use amiforge_packages::backend::Scripts;
use amiforge_packages::rpm::RpmSource;
use amiforge_packages::rpm::distributions::{self, KnownDistribution, PRIORITY};
use amiforge_packages::rpm::source::{
    MetadataSignature, ModularPackages, RepositoryAddress, RepositoryRole, RepositorySigners, RpmRepository,
};

use super::Arch;
use super::checker::Checker;
use super::diagnostic::KeyPath;
use super::keys::{self, SourceKeys};
use super::package_filters::{filters, recommends};
use super::{debian_syntax, rpm_syntax};

/// Checks a source of rpm packages.
pub(super) fn check(keys: &SourceKeys, arch: Arch, at: &KeyPath, checker: &mut Checker<'_>) -> RpmSource {
    let known = distribution(keys, at, checker);
    let release = release(keys, known, at, checker);
    requests(&keys.packages, &at.key("packages"), checker);
    without(keys, at, checker);
    RpmSource {
        distribution: keys.distribution.clone().unwrap_or_default(),
        release,
        arch: arch.name().to_owned(),
        repositories: repositories(keys, known, at, checker),
        packages: keys.packages.clone(),
        without: keys.without.clone(),
        recommends: recommends(keys.recommends.unwrap_or(false)),
        scripts: keys.scripts.unwrap_or(Scripts::Run),
        filters: filters(keys, at, checker),
        mirror: checker.accept_optional(at.key("mirror"), keys.mirror.as_ref(), debian_syntax::mirror),
        repo_files: keys.repo_files.unwrap_or(true),
    }
}

/// Checks requested packages and groups.
pub(super) fn requests(all: &[String], at: &KeyPath, checker: &mut Checker<'_>) {
    for (index, text) in all.iter().enumerate() {
        checker.accept(at.index(index), rpm_syntax::package_request(text));
    }
}

/// The distribution, if it is a known one.
fn distribution(
    keys: &SourceKeys,
    at: &KeyPath,
    checker: &mut Checker<'_>,
) -> Option<&'static KnownDistribution> {
    let Some(name) = &keys.distribution else {
        checker.reject(
            at.key("distribution"),
            "an `rpm` source needs a `distribution`, such as `\"amazonlinux\"`",
        );
        return None;
    };
    checker.accept(at.key("distribution"), debian_syntax::archive_name(name));
    let known = distributions::known(name);
    if known.is_none() && keys.repository.is_empty() {
        let names: Vec<_> = distributions::names().map(|name| format!("`{name}`")).collect();
        let message = format!(
            "`{name}` is none of {}, so that it needs a `[[source.repository]]` that says where its packages are",
            names.join(", ")
        );
        checker.reject(at.key("distribution"), message);
    }
    for (key, given) in [("mirror", keys.mirror.is_some()), ("keyring", keys.keyring.is_some())] {
        if given && known.is_none() {
            let message = format!(
                "`{key}` is for the repositories of a known distribution; a `[[source.repository]]` has its own"
            );
            checker.reject_key(at.key(key), message);
        }
    }
    known
}

fn release(
    keys: &SourceKeys,
    known: Option<&KnownDistribution>,
    at: &KeyPath,
    checker: &mut Checker<'_>,
) -> String {
    let form = known.map_or("1", |known| known.release_form);
    let Some(release) = &keys.release else {
        checker.reject(at.key("release"), format!("an `rpm` source needs a `release`, such as `\"{form}\"`"));
        return String::new();
    };
    let accepted = checker.accept(at.key("release"), rpm_syntax::release(release));
    if accepted.is_some() && known.is_some_and(|known| !known.accepts(release)) {
        let message =
            format!("`{release}` is another release each time it is asked for; name one, such as `{form}`");
        checker.reject(at.key("release"), message);
    }
    release.clone()
}

fn without(keys: &SourceKeys, at: &KeyPath, checker: &mut Checker<'_>) {
    for (index, name) in keys.without.iter().enumerate() {
        let at = at.key("without").index(index);
        checker.accept(at.clone(), rpm_syntax::package_name(name));
        if keys.packages.contains(name) {
            checker.reject(at, format!("`{name}` is among the `packages`, too"));
        }
    }
}

fn repositories(
    keys: &SourceKeys,
    known: Option<&KnownDistribution>,
    at: &KeyPath,
    checker: &mut Checker<'_>,
) -> Vec<RpmRepository> {
    let keyring = keys.keyring.as_ref().map(|name| RepositorySigners::File {
        path: checker.host_path(at.key("keyring"), name),
        name: name.clone(),
        fingerprints: Vec::new(),
    });
    let mut repositories = known.map(|known| known.repositories(keyring)).unwrap_or_default();
    let mut names: BTreeSet<String> = repositories.iter().map(|one| one.name.clone()).collect();
    for (index, further) in keys.repository.iter().enumerate() {
        let at = at.key("repository").index(index);
        if let Some(name) = checker.accept(at.key("name"), debian_syntax::archive_name(&further.name))
            && !names.insert(name.clone())
        {
            checker.reject(at.key("name"), format!("there is another repository named `{name}`"));
        }
        repositories.extend(repository(further, &at, checker));
    }
    repositories
}

fn repository(keys: &keys::RepositoryKeys, at: &KeyPath, checker: &mut Checker<'_>) -> Option<RpmRepository> {
    let address = address(keys, at, checker);
    let signers = signers(keys, at, checker);
    if keys.signed_metadata == Some(true) && keys.keyring.is_none() {
        checker.reject_key(at.key("signed-metadata"), "signed metadata needs a `keyring` to check it with");
    }
    for (index, module) in keys.modules.iter().flatten().enumerate() {
        let message = format!(
            "modules cannot be enabled, so not `{module}` either; `modules = []` hides their packages"
        );
        checker.reject(at.key("modules").index(index), message);
    }
    Some(RpmRepository {
        name: keys.name.clone(),
        role: RepositoryRole::Further,
        address: address?,
        keys: signers?,
        metadata: if keys.signed_metadata == Some(true) {
            MetadataSignature::Required
        } else {
            MetadataSignature::NotRequired
        },
        priority: keys.priority.and_then(|priority| i32::try_from(priority).ok()).unwrap_or(PRIORITY),
        modules: if keys.modules.is_some() { ModularPackages::Hide } else { ModularPackages::Refuse },
        machine_url: checker.accept_optional(
            at.key("machine-url"),
            keys.machine_url.as_ref(),
            debian_syntax::mirror,
        ),
    })
}

fn address(
    keys: &keys::RepositoryKeys,
    at: &KeyPath,
    checker: &mut Checker<'_>,
) -> Option<RepositoryAddress> {
    let given = [("url", &keys.url), ("mirror-list", &keys.mirror_list), ("metalink", &keys.metalink)];
    let mut given = given.into_iter().filter_map(|(key, url)| url.as_ref().map(|url| (key, url)));
    let (Some((key, url)), None) = (given.next(), given.next()) else {
        checker
            .reject(at.clone(), "a `[[source.repository]]` needs one of `url`, `mirror-list` and `metalink`");
        return None;
    };
    let url = checker.accept(at.key(key), debian_syntax::mirror(url))?;
    Some(match key {
        "url" => RepositoryAddress::Base(url),
        "metalink" => RepositoryAddress::Metalink(url),
        _ => RepositoryAddress::MirrorList(url),
    })
}

/// The keys that sign the packages of a repository.
fn signers(
    keys: &keys::RepositoryKeys,
    at: &KeyPath,
    checker: &mut Checker<'_>,
) -> Option<RepositorySigners> {
    let mut fingerprints = Vec::new();
    for (index, text) in keys.fingerprints.iter().enumerate() {
        fingerprints
            .extend(checker.accept(at.key("fingerprints").index(index), rpm_syntax::fingerprint(text)));
    }
    match (&keys.keyring, keys.trusted) {
        (Some(_), true) => {
            checker.reject_key(
                at.key("keyring"),
                "packages of a `trusted` repository are taken unsigned; leave one of both out",
            );
            None
        }
        (Some(name), false) => Some(RepositorySigners::File {
            path: checker.host_path(at.key("keyring"), name),
            name: name.clone(),
            fingerprints,
        }),
        (None, true) => Some(RepositorySigners::Unsigned),
        (None, false) => {
            checker.reject(
                at.clone(),
                "a `[[source.repository]]` needs a `keyring` with the keys that sign its packages; `trusted = true` takes \
                 them unsigned",
            );
            None
        }
    }
}
