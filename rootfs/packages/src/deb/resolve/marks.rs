//! Choosing as apt chooses: packages are marked one after the other, each with what it needs, alternatives from left to
//! right, and nothing that was marked is reconsidered but for conflicts (apt's *pkgDepCache*, as of apt 2.6; later
//! versions before 3.0 agree). Where that leaves something broken, [`super::solve`] goes on.
//!
//! *Current* is what an earlier phase installed; a package is *protected* when it was requested, or when nothing else
//! satisfies a request.

mod install;

use super::ResolveError;
use super::universe::{Dep, DependencyKind, Pkg, Universe, Ver};

/// No archive has a chain of dependencies this long; the stack would not hold a longer one.
const DEEPEST: usize = 600;

/// The mark of a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum MarkMode {
    /// It stays as it is: there or not there.
    #[default]
    Keep,
    Install,
    Delete,
}

/// Whether what a package needs comes along.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NeedsPolicy {
    Mark,
    Leave,
}

/// The reason of a mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    Request,
    Dependency,
}

/// The state of a package.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct PackageState {
    pub(super) candidate: Option<Ver>,
    pub(super) install: Option<Ver>,
    pub(super) current: Option<Ver>,
    pub(super) mode: MarkMode,
    pub(super) protected: bool,
}

/// Which dependencies are followed beside those without which a package is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Recommended {
    Install,
    Leave,
}

/// The state of every package.
#[derive(Debug)]
pub(super) struct Marks<'u, 'a> {
    universe: &'u Universe<'a>,
    recommended: Recommended,
    states: Vec<PackageState>,
}

/// The findings of marking one package before it is marked.
#[derive(Default)]
struct MarkFindings<'a> {
    install: Vec<Dep<'a>>,
    remove: Vec<Dep<'a>>,
    delayed: Vec<Pkg>,
}

type Done = Result<bool, ResolveError>;

impl<'u, 'a> Marks<'u, 'a> {
    /// Nothing marked yet; `candidates` has the version that may be installed of every package.
    pub(super) fn new(
        universe: &'u Universe<'a>,
        candidates: &[Option<Ver>],
        recommended: Recommended,
    ) -> Self {
        let states = candidates
            .iter()
            .map(|candidate| PackageState { candidate: *candidate, ..PackageState::default() });
        Self { universe, recommended, states: states.collect() }
    }

    /// Installs the requested packages, in the order given, on top of what earlier phases did. Afterwards [`Marks::broken`] shows whether it
    /// went well.
    pub(super) fn phase(
        &mut self,
        requested: &[Ver],
        candidates: &[Option<Ver>],
    ) -> Result<(), ResolveError> {
        for (state, candidate) in self.states.iter_mut().zip(candidates) {
            let current = state.install;
            let candidate = current.or(*candidate);
            *state = PackageState { candidate, install: current, current, ..PackageState::default() };
        }
        for ver in requested {
            let pkg = self.universe.ver(*ver).pkg;
            self.at(pkg).candidate = Some(*ver);
            self.at(pkg).protected = true;
            self.mark_install(pkg, NeedsPolicy::Leave, 0, By::Request)?;
        }
        for ver in requested {
            self.mark_install(self.universe.ver(*ver).pkg, NeedsPolicy::Mark, 0, By::Request)?;
        }
        Ok(())
    }

    /// From now on, which dependencies are followed beside those without which a package is broken.
    pub(super) fn follow(&mut self, recommended: Recommended) {
        self.recommended = recommended;
    }

    /// The version that is installed of a package.
    pub(super) fn installed(&self, pkg: Pkg) -> Option<Ver> {
        self.state(pkg).install
    }

    /// Every version that is installed.
    pub(super) fn all_installed(&self) -> impl Iterator<Item = Ver> + '_ {
        self.states.iter().filter_map(|state| state.install)
    }

    /// The first dependency that is not met, or conflict that is, with whose it is.
    pub(super) fn broken(&self) -> Result<Option<(Ver, Dep<'a>)>, ResolveError> {
        for ver in self.all_installed() {
            for dep in self.universe.deps(ver)?.iter() {
                if dep.kind.is_critical() && !self.met(ver, dep) {
                    return Ok(Some((ver, dep.clone())));
                }
            }
        }
        Ok(None)
    }

    /// Takes away what was marked for something that did not come in the end. What is needed, recommended or suggested
    /// by what is there stays, as apt has it.
    pub(super) fn sweep(&mut self, requested: &[Ver]) -> Result<(), ResolveError> {
        let mut required = vec![false; self.states.len()];
        let current = self.states.iter().filter_map(|state| state.current);
        let mut heap: Vec<Ver> = requested.iter().copied().chain(current).collect();
        while let Some(ver) = heap.pop() {
            let pkg = self.universe.ver(ver).pkg;
            if std::mem::replace(&mut required[pkg.0 as usize], true) || self.installed(pkg) != Some(ver) {
                continue;
            }
            for dep in self.universe.deps(ver)?.iter().filter(|dep| !dep.kind.is_negative()) {
                for target in &dep.targets {
                    heap.extend(self.universe.answers(ver, dep.kind, target, |pkg| self.installed(pkg)));
                }
            }
        }
        for (state, required) in self.states.iter_mut().zip(required) {
            if !required && state.current.is_none() {
                state.install = None;
                state.mode = MarkMode::Keep;
            }
        }
        Ok(())
    }

    fn at(&mut self, pkg: Pkg) -> &mut PackageState {
        &mut self.states[pkg.0 as usize]
    }

    fn state(&self, pkg: Pkg) -> &PackageState {
        &self.states[pkg.0 as usize]
    }

    fn is_important(&self, kind: DependencyKind) -> bool {
        kind.is_critical() || (kind == DependencyKind::Recommends && self.recommended == Recommended::Install)
    }

    /// Whether what is marked meets a dependency, or avoids a conflict.
    fn met(&self, of: Ver, dep: &Dep<'a>) -> bool {
        let any = dep
            .targets
            .iter()
            .any(|target| !self.universe.answers(of, dep.kind, target, |pkg| self.installed(pkg)).is_empty());
        any != dep.kind.is_negative()
    }

    fn is_whole(&self, pkg: Pkg) -> Done {
        let Some(ver) = self.installed(pkg) else { return Ok(true) };
        let deps = self.universe.deps(ver)?;
        Ok(deps.iter().all(|dep| !self.is_important(dep.kind) || self.met(ver, dep)))
    }

    fn may_become(&self, mode: MarkMode, pkg: Pkg, depth: usize, by: By) -> bool {
        let state = self.state(pkg);
        let named = self.universe.pkg(pkg);
        if depth > DEEPEST || named.versions.is_empty() {
            return false;
        }
        if by == By::Request || state.mode == mode {
            return true;
        }
        let stays = |ver: &Ver| {
            let record = self.universe.ver(*ver).record;
            record.essential || record.protected
        };
        !(state.protected || mode == MarkMode::Delete && named.versions.iter().any(stays))
    }

    fn change(&mut self, pkg: Pkg) {
        let state = self.at(pkg);
        if state.protected && state.install == state.candidate {
            return;
        }
        state.install = state.candidate;
        state.mode = if state.candidate == state.current { MarkMode::Keep } else { MarkMode::Install };
    }

    fn mark_keep(&mut self, pkg: Pkg, depth: usize) -> bool {
        if !self.may_become(MarkMode::Keep, pkg, depth, By::Dependency) {
            return false;
        }
        let state = self.at(pkg);
        state.mode = MarkMode::Keep;
        state.install = state.current;
        true
    }

    fn mark_delete(&mut self, pkg: Pkg, depth: usize) -> bool {
        if !self.may_become(MarkMode::Delete, pkg, depth, By::Dependency) {
            return false;
        }
        let state = self.at(pkg);
        if state.install.is_some() {
            state.mode = MarkMode::Delete;
            state.install = None;
        }
        true
    }

    /// Forgets a package whose needs could not be met, for good.
    fn discard(&mut self, pkg: Pkg) {
        let state = self.at(pkg);
        state.install = state.current;
        state.mode = MarkMode::Keep;
        state.candidate = state.current;
    }
}
