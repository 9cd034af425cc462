//! Every package, version, provision and dependency of the suites, in the order in which apt meets them: that order
//! breaks ties between providers. Decides nothing.
//!
//! Dependencies are read when a version is first looked at: a resolution looks at a hundredth of an archive.

mod build;

use std::cell::OnceCell;
use std::collections::HashMap;
use std::rc::Rc;

use crate::deb::index::{MultiArch, Package};
use crate::deb::relation::{self, Relation, RelationError};

use super::{ResolveError, Suite};

/// A name and an architecture, numbered in the order in which they were met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Pkg(pub(super) u32);

/// A version of a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Ver(pub(super) u32);

/// An architecture by its index in the list, the image's own being 0; or `any`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum ArchIndex {
    Of(u8),
    Any,
}

/// The architecture of the image, and of packages for all.
pub(super) const NATIVE: ArchIndex = ArchIndex::Of(0);

/// A package: real if it has versions, virtual if others provide it.
#[derive(Debug, Clone)]
pub(super) struct NamedPackage<'a> {
    pub(super) name: &'a str,
    pub(super) arch: ArchIndex,
    /// Newest first; of equal ones, the first met.
    pub(super) versions: Vec<Ver>,
    pub(super) provided: Vec<Provided<'a>>,
}

/// That a version provides a package.
#[derive(Debug, Clone, Copy)]
pub(super) struct Provided<'a> {
    pub(super) by: Ver,
    pub(super) version: Option<&'a str>,
}

/// A version, with the suites that have it.
#[derive(Debug, Clone)]
pub(super) struct CandidateVersion<'a> {
    pub(super) pkg: Pkg,
    pub(super) record: &'a Package<'a>,
    /// Places of the suites in the request, ascending.
    pub(super) suites: Vec<usize>,
    deps: OnceCell<Rc<[Dep<'a>]>>,
}

/// A kind of dependency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DependencyKind {
    PreDepends,
    Depends,
    Conflicts,
    Breaks,
    Recommends,
    Suggests,
}

impl DependencyKind {
    /// The field of it.
    pub(super) fn field(self) -> &'static str {
        match self {
            Self::PreDepends => "Pre-Depends",
            Self::Depends => "Depends",
            Self::Conflicts => "Conflicts",
            Self::Breaks => "Breaks",
            Self::Recommends => "Recommends",
            Self::Suggests => "Suggests",
        }
    }

    pub(super) fn is_negative(self) -> bool {
        matches!(self, Self::Conflicts | Self::Breaks)
    }

    /// Whether a package is broken without it.
    pub(super) fn is_critical(self) -> bool {
        !matches!(self, Self::Recommends | Self::Suggests)
    }
}

/// A dependency: any of the targets will do, or (negative) the only one must not be.
#[derive(Debug, Clone)]
pub(super) struct Dep<'a> {
    pub(super) kind: DependencyKind,
    pub(super) targets: Vec<DependencyTarget<'a>>,
}

/// The target of a dependency.
#[derive(Debug, Clone, Copy)]
pub(super) struct DependencyTarget<'a> {
    pub(super) pkg: Pkg,
    required: WantedVersion<'a>,
}

#[derive(Debug, Clone, Copy)]
enum WantedVersion<'a> {
    /// Declared by the archive.
    Said(Relation<'a>),
    /// Of another architecture and not this version (`Multi-Arch: same`), or at all: an implicit rule.
    Sibling { not: Option<&'a str> },
}

impl WantedVersion<'_> {
    fn admits(&self, version: Option<&str>) -> bool {
        match self {
            Self::Said(relation) => relation.admits(version),
            Self::Sibling { not } => not.is_none() || *not != version,
        }
    }
}

/// All that may be chosen from.
#[derive(Debug)]
pub(super) struct Universe<'a> {
    archs: Vec<&'a str>,
    ids: HashMap<(&'a str, ArchIndex), Pkg>,
    pkgs: Vec<NamedPackage<'a>>,
    vers: Vec<CandidateVersion<'a>>,
}

impl<'a> Universe<'a> {
    /// The universe of these suites; packages of other architectures are left out.
    pub(super) fn new(
        suites: &[Suite<'a>],
        arch: &'a str,
        foreign: &'a [String],
    ) -> Result<Self, ResolveError> {
        let archs = std::iter::once(arch).chain(foreign.iter().map(String::as_str)).collect();
        let mut universe = Self { archs, ids: HashMap::new(), pkgs: Vec::new(), vers: Vec::new() };
        for (index, suite) in suites.iter().enumerate() {
            for package in suite.indexes.iter().flat_map(|index| &index.packages) {
                universe.add(package, index)?;
            }
        }
        for at in 0..universe.vers.len() {
            universe.add_multi_arch(Ver(at as u32));
        }
        Ok(universe)
    }

    /// The architecture of a package: its own number, the image's for `all`, none if it is not requested.
    pub(super) fn arch(&self, arch: &str) -> Option<ArchIndex> {
        if arch == "all" {
            return Some(NATIVE);
        }
        self.archs.iter().position(|known| *known == arch).map(|at| ArchIndex::Of(at as u8))
    }

    /// Every architecture, the image's own first.
    pub(super) fn archs(&self) -> Vec<ArchIndex> {
        (0..self.archs.len()).map(|at| ArchIndex::Of(at as u8)).collect()
    }

    /// The architecture that a relation in a package of architecture `own` means.
    fn target_arch(&self, qualifier: Option<&str>, own: ArchIndex) -> Option<ArchIndex> {
        match qualifier {
            None => Some(own),
            Some("any") => Some(ArchIndex::Any),
            Some("native") => Some(NATIVE),
            Some(arch) => self.arch(arch),
        }
    }

    /// The package of that name and architecture, if anybody has it or speaks of it.
    pub(super) fn find(&self, name: &str, arch: ArchIndex) -> Option<Pkg> {
        self.ids.get(&(name, arch)).copied()
    }

    pub(super) fn pkg(&self, pkg: Pkg) -> &NamedPackage<'a> {
        &self.pkgs[pkg.0 as usize]
    }

    pub(super) fn ver(&self, ver: Ver) -> &CandidateVersion<'a> {
        &self.vers[ver.0 as usize]
    }

    pub(super) fn pkgs(&self) -> impl Iterator<Item = Pkg> + use<> {
        (0..self.pkgs.len() as u32).map(Pkg)
    }

    /// `name`, or `name:arch` where it is not the image's architecture.
    pub(super) fn label(&self, pkg: Pkg) -> String {
        let named = self.pkg(pkg);
        match named.arch {
            ArchIndex::Of(0) => named.name.to_owned(),
            ArchIndex::Of(at) => {
                format!("{}:{}", named.name, self.archs.get(usize::from(at)).unwrap_or(&"any"))
            }
            ArchIndex::Any => format!("{}:any", named.name),
        }
    }

    /// `name (= version)`.
    pub(super) fn label_ver(&self, ver: Ver) -> String {
        format!("{} (= {})", self.label(self.ver(ver).pkg), self.ver(ver).record.version)
    }

    /// A target declared by the archive.
    pub(super) fn label_target(&self, target: &DependencyTarget<'_>) -> String {
        match target.required {
            WantedVersion::Said(relation) => relation.to_string(),
            WantedVersion::Sibling { not: None } => self.label(target.pkg),
            WantedVersion::Sibling { not: Some(version) } => {
                format!("{} in another version than {version}", self.label(target.pkg))
            }
        }
    }

    /// The dependencies of a version, in apt's order of fields.
    pub(super) fn deps(&self, ver: Ver) -> Result<Rc<[Dep<'a>]>, ResolveError> {
        let version = self.ver(ver);
        if let Some(deps) = version.deps.get() {
            return Ok(Rc::clone(deps));
        }
        let read = self.read_deps(version)?;
        Ok(Rc::clone(version.deps.get_or_init(|| read.into())))
    }

    fn read_deps(&self, version: &CandidateVersion<'a>) -> Result<Vec<Dep<'a>>, ResolveError> {
        let record = version.record;
        let own = self.pkg(version.pkg).arch;
        let mut deps = Vec::new();
        for (kind, field) in [
            (DependencyKind::PreDepends, record.pre_depends),
            (DependencyKind::Depends, record.depends),
            (DependencyKind::Conflicts, record.conflicts),
            (DependencyKind::Breaks, record.breaks),
            (DependencyKind::Recommends, record.recommends),
            (DependencyKind::Suggests, record.suggests),
        ] {
            for group in relation::groups(field) {
                let group = group.map_err(|source| relation_error(record, kind.field(), source))?;
                let targets = group.iter().flat_map(|relation| self.targets(kind, relation, own));
                if kind.is_negative() {
                    deps.extend(targets.map(|target| Dep { kind, targets: vec![target] }));
                } else {
                    deps.push(Dep { kind, targets: targets.collect() });
                }
            }
        }
        deps.extend(self.siblings(version));
        Ok(deps)
    }

    /// The packages that a relation names: one, but a conflict without architecture is with all of them.
    fn targets(
        &self,
        kind: DependencyKind,
        relation: &Relation<'a>,
        own: ArchIndex,
    ) -> Vec<DependencyTarget<'a>> {
        let required = WantedVersion::Said(*relation);
        let found =
            |arch: ArchIndex| self.find(relation.name, arch).map(|pkg| DependencyTarget { pkg, required });
        if kind.is_negative() && relation.arch.is_none() {
            return (0..self.archs.len()).filter_map(|at| found(ArchIndex::Of(at as u8))).collect();
        }
        self.target_arch(relation.arch, own).and_then(found).into_iter().collect()
    }

    /// Versions of one name for several architectures exclude each other, but for `Multi-Arch: same` in one version.
    fn siblings(&self, version: &CandidateVersion<'a>) -> Vec<Dep<'a>> {
        let (kind, not) = match version.record.multi_arch {
            MultiArch::Same => (DependencyKind::Breaks, Some(version.record.version)),
            _ => (DependencyKind::Conflicts, None),
        };
        self.siblings_of(version.pkg)
            .map(|pkg| Dep {
                kind,
                targets: vec![DependencyTarget { pkg, required: WantedVersion::Sibling { not } }],
            })
            .collect()
    }

    /// The real packages of the same name for other architectures.
    pub(super) fn siblings_of(&self, pkg: Pkg) -> impl Iterator<Item = Pkg> + '_ {
        let named = self.pkg(pkg);
        (0..self.archs.len())
            .map(|at| ArchIndex::Of(at as u8))
            .filter(|arch| *arch != named.arch)
            .filter_map(|arch| self.find(named.name, arch))
            .filter(|pkg| !self.pkg(*pkg).versions.is_empty())
    }

    /// The versions among those that `chosen` gives that answer a target of a dependency of `of`: the package of that
    /// name first, then those that provide it. What a package conflicts with is never itself.
    pub(super) fn answers(
        &self,
        of: Ver,
        kind: DependencyKind,
        target: &DependencyTarget<'a>,
        chosen: impl Fn(Pkg) -> Option<Ver>,
    ) -> Vec<Ver> {
        let owner = self.ver(of);
        let name = self.pkg(owner.pkg).name;
        let same = owner.record.multi_arch == MultiArch::Same;
        let sibling = matches!(target.required, WantedVersion::Sibling { .. });
        let named = self.pkg(target.pkg);
        let ignored =
            kind.is_negative() && named.name == name && (target.pkg == owner.pkg || (same && !sibling));
        let mut answers = Vec::new();
        if let Some(ver) = chosen(target.pkg).filter(|_| !ignored)
            && target.required.admits(Some(self.ver(ver).record.version))
        {
            answers.push(ver);
        }
        for provided in &named.provided {
            let by = self.ver(provided.by).pkg;
            if (kind.is_negative() && (sibling || self.pkg(by).name == name))
                || chosen(by) != Some(provided.by)
                || !target.required.admits(provided.version)
                || answers.contains(&provided.by)
            {
                continue;
            }
            answers.push(provided.by);
        }
        answers
    }
}

fn relation_error(record: &Package<'_>, field: &'static str, source: RelationError) -> ResolveError {
    ResolveError::Relation { package: format!("{} {}", record.name, record.version), field, source }
}
