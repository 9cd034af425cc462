//! Marking a package for installation, with what it needs and without what it conflicts with.

use super::super::ResolveError;
use super::super::providers::{PackageMarks, sort};
use super::super::universe::{Dep, Pkg, Ver};
use super::{By, Done, MarkFindings, MarkMode, Marks, NeedsPolicy, PackageState};

impl<'a> Marks<'_, 'a> {
    pub(super) fn mark_install(&mut self, pkg: Pkg, needs: NeedsPolicy, depth: usize, by: By) -> Done {
        let state = *self.state(pkg);
        let Some(ver) = state.candidate else { return Ok(false) };
        let only_protects = state.protected && state.mode == MarkMode::Keep && state.current == Some(ver);
        if !only_protects && !self.may_become(MarkMode::Install, pkg, depth, by) {
            return Ok(false);
        }
        if !state.protected && self.is_whole(pkg)? {
            if state.current == Some(ver) {
                return Ok(state.install.is_some() || self.mark_keep(pkg, depth));
            }
            if state.mode == MarkMode::Install {
                return Ok(true);
            }
        }
        if !self.is_installable(pkg, ver, needs, by)? {
            return Ok(false);
        }
        if by == By::Request {
            self.change(pkg);
        }
        let fails_early = !state.protected && by != By::Request;
        let mut failed = false;
        let mut found = MarkFindings::default();
        if needs == NeedsPolicy::Mark {
            self.collect(ver, state.protected, &mut found)?;
            failed = !self.drop_conflicting(ver, depth, state.protected, by, &mut found);
            if failed && fails_early {
                return Ok(false);
            }
        }
        if by != By::Request {
            self.change(pkg);
        }
        if needs == NeedsPolicy::Leave {
            return Ok(!failed);
        }
        // While its needs are marked, nothing may take it away again.
        self.at(pkg).protected = true;
        let whole = self.mark_needs(pkg, ver, depth, state.protected, by, &found.install);
        let whole =
            whole.map(|whole| whole && found.delayed.iter().all(|other| self.mark_delete(*other, depth)));
        self.at(pkg).protected = state.protected;
        failed |= !whole?;
        if failed && fails_early {
            self.discard(pkg);
            return Ok(false);
        }
        Ok(!failed)
    }

    /// Its conflicts that something marked is in the way of (all of them where it is protected), and its needs.
    fn collect(&self, ver: Ver, protected: bool, found: &mut MarkFindings<'a>) -> Result<(), ResolveError> {
        for dep in self.universe.deps(ver)?.iter() {
            if !self.is_important(dep.kind) || (!protected && self.met(ver, dep)) {
                continue;
            }
            let list = if dep.kind.is_negative() { &mut found.remove } else { &mut found.install };
            list.push(dep.clone());
        }
        Ok(())
    }

    /// Whether a version can be installed at all: each of its needs has an answer among the candidates, and its
    /// siblings of other architectures are of the same version. Else it is no candidate any more.
    fn is_installable(&mut self, pkg: Pkg, ver: Ver, needs: NeedsPolicy, by: By) -> Done {
        if by == By::Dependency && !self.is_in_step(pkg, ver) {
            return Ok(false);
        }
        if needs == NeedsPolicy::Leave || self.state(pkg).current == Some(ver) {
            return Ok(true);
        }
        for dep in self.universe.deps(ver)?.iter() {
            let answered = |target| {
                let answers = |chosen: &dyn Fn(Pkg) -> Option<Ver>| {
                    !self.universe.answers(ver, dep.kind, target, chosen).is_empty()
                };
                answers(&|pkg| self.installed(pkg)) || answers(&|pkg| self.state(pkg).candidate)
            };
            if dep.kind.is_critical() && !dep.kind.is_negative() && !dep.targets.iter().any(answered) {
                let state = self.at(pkg);
                if !state.protected {
                    state.candidate = state.current;
                    state.install = state.current;
                    state.mode = MarkMode::Keep;
                }
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// `Multi-Arch: same` packages have one version on all architectures.
    fn is_in_step(&self, pkg: Pkg, ver: Ver) -> bool {
        let record = self.universe.ver(ver).record;
        if record.multi_arch != crate::deb::index::MultiArch::Same {
            return true;
        }
        self.universe.siblings_of(pkg).all(|sibling| {
            let state = self.state(sibling);
            let other = state.current.and(state.candidate).map(|ver| self.universe.ver(ver).record.version);
            other.is_none_or(|version| version == record.version)
        })
    }

    /// Takes what a version conflicts with out of the choice: what is marked is unmarked, and where the version is
    /// protected the other is no candidate any more.
    fn drop_conflicting(
        &mut self,
        ver: Ver,
        depth: usize,
        protected: bool,
        by: By,
        found: &mut MarkFindings<'a>,
    ) -> bool {
        let mut whole = true;
        for dep in std::mem::take(&mut found.remove) {
            for other in self.solutions(ver, &dep, |state| state.candidate) {
                let pkg = self.universe.ver(other).pkg;
                let state = *self.state(pkg);
                if state.candidate != Some(other) {
                    continue;
                }
                if state.current == Some(other) {
                    whole &= self.drop_current(pkg, depth, protected, &mut found.delayed);
                } else if state.mode == MarkMode::Install && !self.mark_keep(pkg, depth) {
                    whole = false;
                } else if protected {
                    let state = self.at(pkg);
                    state.candidate = state.install;
                    state.protected |= state.current.is_none();
                }
                if !whole && !protected && by != By::Request {
                    return false;
                }
            }
        }
        whole
    }

    fn drop_current(&mut self, pkg: Pkg, depth: usize, protected: bool, delayed: &mut Vec<Pkg>) -> bool {
        if !protected {
            if self.state(pkg).mode == MarkMode::Delete {
                return true;
            }
            let may = self.may_become(MarkMode::Delete, pkg, depth, By::Dependency);
            if may {
                delayed.push(pkg);
            }
            return may;
        }
        if self.state(pkg).mode != MarkMode::Delete && !self.mark_delete(pkg, depth) {
            return false;
        }
        let state = self.at(pkg);
        state.candidate = state.install;
        state.protected = true;
        true
    }

    /// Marks what a package needs, each need by the first of its answers that can be had.
    fn mark_needs(
        &mut self,
        pkg: Pkg,
        ver: Ver,
        depth: usize,
        protected: bool,
        by: By,
        needs: &[Dep<'a>],
    ) -> Done {
        let mut whole = true;
        for dep in needs {
            if self.met(ver, dep) {
                if protected && dep.kind.is_critical() {
                    whole &= self.protect_only_answer(ver, dep, depth)?;
                }
                continue;
            }
            // A recommendation that was not followed when it was installed is not followed later.
            if self.state(pkg).current.is_some() && !dep.kind.is_critical() {
                continue;
            }
            if !self.mark_answer(ver, dep, depth, protected)? && dep.kind.is_critical() {
                whole = false;
                if !protected && by != By::Request {
                    break;
                }
            }
        }
        Ok(whole)
    }

    fn mark_answer(&mut self, ver: Ver, dep: &Dep<'a>, depth: usize, protected: bool) -> Done {
        let solutions = self.solutions(ver, dep, |state| state.candidate);
        for answer in &solutions {
            let other = self.universe.ver(*answer).pkg;
            if self.state(other).candidate != Some(*answer) {
                continue;
            }
            if protected && dep.kind.is_critical() && solutions.len() == 1 {
                if !self.mark_install(other, NeedsPolicy::Leave, depth + 1, By::Dependency)? {
                    continue;
                }
                self.at(other).protected = true;
            }
            if self.mark_install(other, NeedsPolicy::Mark, depth + 1, By::Dependency)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The only package that satisfies a dependency of a protected one is protected too.
    fn protect_only_answer(&mut self, ver: Ver, dep: &Dep<'a>, depth: usize) -> Done {
        let mut answers = self.solutions(ver, dep, |state| state.candidate);
        answers.extend(self.solutions(ver, dep, |state| state.current));
        answers.sort_unstable();
        answers.dedup();
        let [answer] = answers.as_slice() else { return Ok(true) };
        let other = self.universe.ver(*answer).pkg;
        if self.state(other).protected {
            return Ok(true);
        }
        self.at(other).protected = true;
        self.mark_install(other, NeedsPolicy::Mark, depth + 1, By::Dependency)
    }

    /// The answers to a dependency, alternative by alternative, the likeliest provider first; those that are there
    /// already before all others.
    fn solutions(&self, of: Ver, dep: &Dep<'a>, chosen: impl Fn(&PackageState) -> Option<Ver>) -> Vec<Ver> {
        let (mut there, mut fresh) = (Vec::new(), Vec::new());
        for target in &dep.targets {
            let mut answers = self.universe.answers(of, dep.kind, target, |pkg| chosen(self.state(pkg)));
            let standing = |pkg: Pkg| {
                let state = self.state(pkg);
                PackageMarks { protected: state.protected, current: state.current.is_some() }
            };
            sort(self.universe, target.pkg, &mut answers, standing);
            for answer in answers {
                let state = self.state(self.universe.ver(answer).pkg);
                // A package that the request excludes.
                let barred = state.protected
                    && (state.mode == MarkMode::Delete
                        || (state.mode == MarkMode::Keep && state.current.is_none()));
                if barred && !dep.kind.is_negative() {
                    continue;
                }
                if state.current.is_some() { there.push(answer) } else { fresh.push(answer) }
            }
        }
        there.extend(fresh);
        there.dedup();
        there
    }
}
