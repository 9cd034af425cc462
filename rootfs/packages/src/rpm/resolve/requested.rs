//! The packages that a request may mean: by name, architecture and version, then by what is provided, then by path, as dnf reads
//! its command line.

use super::error::RpmResolveError;
use super::pattern::{is_pattern, matches};
use super::pool::RpmPool;
use super::request::{RequestNeed, RequestedRpm, RpmRequest};
use super::universe::{RpmIndex, RpmUniverse};
use crate::locked::LockReason;
use crate::rpm::evr::Evr;
use crate::rpm::relation::RpmDependency;

/// One of these is wanted.
#[derive(Debug, Clone)]
pub(super) struct WantedRpm {
    /// As the request writes it.
    pub(super) text: String,
    /// Ascending.
    pub(super) candidates: Vec<RpmIndex>,
    /// Only with any of these.
    pub(super) condition: Option<Vec<RpmIndex>>,
    pub(super) need: RequestNeed,
    pub(super) reason: LockReason,
}

/// Reads the requests, in their order; a pattern stands for one of each name that fits.
pub(super) fn read(pool: &RpmPool<'_>, request: &RpmRequest) -> Result<Vec<WantedRpm>, RpmResolveError> {
    let mut wanted = Vec::new();
    for requested in &request.packages {
        let meant = Meant::of(pool.universe, requested.text.trim());
        let groups = meant.groups(pool);
        if groups.is_empty() {
            if requested.need == RequestNeed::Required {
                return Err(unknown(pool, requested, &meant));
            }
            continue;
        }
        wanted.extend(groups.into_iter().map(|candidates| WantedRpm {
            text: requested.text.clone(),
            candidates,
            condition: requested.condition.as_ref().map(|name| usable_named(pool, name)),
            need: requested.need,
            reason: requested.reason,
        }));
    }
    Ok(wanted)
}

fn usable_named(pool: &RpmPool<'_>, name: &str) -> Vec<RpmIndex> {
    pool.universe.named(name).iter().copied().filter(|index| pool.is_usable(*index)).collect()
}

/// What a text of a request means.
struct Meant {
    /// Every package that it may stand for, ascending.
    packages: Vec<RpmIndex>,
    /// Whether it is a plain name: then what takes the place of such a package will do as well.
    just_name: bool,
    /// Whether one is wanted of every name (or with an architecture: of every name and architecture).
    one_of_each: bool,
}

impl Meant {
    fn of(universe: &RpmUniverse, text: &str) -> Self {
        for form in RequestForm::ALL {
            if let Some(parts) = form.split(text) {
                let packages: Vec<RpmIndex> =
                    universe.all().filter(|index| parts.fit(universe, *index)).collect();
                if !packages.is_empty() {
                    return Self {
                        packages,
                        just_name: form == RequestForm::Name,
                        one_of_each: is_pattern(text) || parts.arch.is_some(),
                    };
                }
            }
        }
        Self { packages: provided(universe, text), just_name: false, one_of_each: is_pattern(text) }
    }

    /// The candidates: one list, or one of each name.
    fn groups(&self, pool: &RpmPool<'_>) -> Vec<Vec<RpmIndex>> {
        let usable = self.packages.iter().copied().filter(|index| pool.is_usable(*index));
        let mut groups: Vec<Vec<RpmIndex>> = Vec::new();
        let key = |index: RpmIndex| {
            let package = pool.universe.package(index);
            (package.name.as_str(), package.arch.as_str())
        };
        for index in usable {
            let together = |group: &&mut Vec<RpmIndex>| !self.one_of_each || key(group[0]).0 == key(index).0;
            match groups.iter_mut().find(together) {
                Some(group) => group.push(index),
                None => groups.push(vec![index]),
            }
        }
        for group in &mut groups {
            if self.just_name {
                group.extend(replacing(pool, group));
                group.sort_unstable();
                group.dedup();
            }
        }
        groups
    }
}

/// The packages that take the place of any of these.
fn replacing(pool: &RpmPool<'_>, of: &[RpmIndex]) -> Vec<RpmIndex> {
    let universe = pool.universe;
    let replaces = |other: &RpmIndex| {
        let mut obsoletes = universe.package(*other).obsoletes.iter();
        obsoletes.any(|obsoleted| of.iter().any(|index| universe.is_called(*index, obsoleted)))
    };
    universe
        .all()
        .filter(|other| pool.is_usable(*other) && !universe.is_installed(*other))
        .filter(replaces)
        .collect()
}

/// The packages that provide what a text names, or have such a path.
fn provided(universe: &RpmUniverse, text: &str) -> Vec<RpmIndex> {
    let found = if is_pattern(text) {
        let fits = |index: &RpmIndex| {
            universe.package(*index).provides.iter().any(|provided| matches(text, &provided.name))
        };
        universe.all().filter(fits).collect()
    } else {
        match RpmDependency::parse(text) {
            Ok(RpmDependency::Capability(capability)) => universe.providers(&capability),
            _ => Vec::new(),
        }
    };
    if found.is_empty() && is_pattern(text) && text.starts_with(['/', '*']) {
        let fits = |index: &RpmIndex| universe.package(*index).files.iter().any(|file| matches(text, file));
        return universe.all().filter(fits).collect();
    }
    found
}

/// The ways to read a text as a package, in dnf's order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RequestForm {
    NameVersionReleaseArch,
    NameArch,
    Name,
    NameVersionRelease,
    NameVersion,
}

/// The parts of a text, each a pattern.
struct RequestParts<'t> {
    name: &'t str,
    epoch: Option<&'t str>,
    version: Option<&'t str>,
    release: Option<&'t str>,
    arch: Option<&'t str>,
}

impl RequestForm {
    const ALL: [Self; 5] = [
        Self::NameVersionReleaseArch,
        Self::NameArch,
        Self::Name,
        Self::NameVersionRelease,
        Self::NameVersion,
    ];

    /// The parts of a text in this form, if it can be read so.
    fn split(self, text: &str) -> Option<RequestParts<'_>> {
        let (text, arch) = match self {
            Self::NameVersionReleaseArch | Self::NameArch => {
                let (text, arch) = text.rsplit_once('.')?;
                (text, Some(arch))
            }
            _ => (text, None),
        };
        let (text, release) = match self {
            Self::NameVersionReleaseArch | Self::NameVersionRelease => {
                let (text, release) = text.rsplit_once('-')?;
                (text, Some(release))
            }
            _ => (text, None),
        };
        let (name, version) = match self {
            Self::NameArch | Self::Name => (text, None),
            _ => {
                let (name, version) = text.rsplit_once('-')?;
                (name, Some(version))
            }
        };
        let (epoch, version) = match version.and_then(|version| version.split_once(':')) {
            Some((epoch, version)) => (Some(epoch), Some(version)),
            None => (None, version),
        };
        let parts = [Some(name), version, release, arch];
        let unfit = |part: &str| part.is_empty() || part.contains([':', '(', '/', '=', '<', '>', ' ']);
        let whole = !parts.into_iter().flatten().any(unfit);
        whole.then_some(RequestParts { name, epoch, version, release, arch })
    }
}

impl RequestParts<'_> {
    fn fit(&self, universe: &RpmUniverse, index: RpmIndex) -> bool {
        let package = universe.package(index);
        let Evr { epoch, version, release } = &package.evr;
        let same = |pattern: Option<&str>, text: &str| pattern.is_none_or(|pattern| matches(pattern, text));
        same(Some(self.name), &package.name)
            && self.epoch.is_none_or(|wanted| wanted == epoch.unwrap_or(0).to_string())
            && same(self.version, version)
            && same(self.release, release.as_deref().unwrap_or_default())
            && same(self.arch, &package.arch)
    }
}

/// Why a request means nothing that can be installed.
fn unknown(pool: &RpmPool<'_>, requested: &RequestedRpm, meant: &Meant) -> RpmResolveError {
    let name = requested.text.clone();
    let universe = pool.universe;
    if let Some(first) = meant.packages.first().copied() {
        let class = universe.arch_class(&universe.package(first).arch);
        let why = match class {
            Some(_) => "it is left out by `without`".to_owned(),
            None => format!("it is for {}, the image for {}", universe.package(first).arch, universe.arch()),
        };
        return RpmResolveError::NotUsable { name, why };
    }
    if name.starts_with('/') && universe.is_beyond_primary(&name) {
        return RpmResolveError::NeedsFileLists(vec![name]);
    }
    let near = universe.all().map(|index| universe.package(index).name.as_str());
    let near = near.filter(|known| is_near(known, &name)).min();
    let hint = near
        .map_or_else(|| ": is a repository missing?".to_owned(), |near| format!(": did you mean `{near}`?"));
    RpmResolveError::UnknownPackage { name, hint }
}

/// Whether one letter more, less or otherwise makes one name the other.
fn is_near(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    let same = one.iter().zip(other).take_while(|(a, b)| a == b).count();
    let (a, b) = (one.get(same..).unwrap_or_default(), other.get(same..).unwrap_or_default());
    let rest = |bytes: &[u8]| bytes.get(1..).unwrap_or_default().to_vec();
    one.len() > 2 && (rest(a) == rest(b) || rest(a) == b || a == rest(b))
}
