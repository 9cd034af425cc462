//! The order of decisions, as in libsolv (`solver_run_sat`): requests first, then what is installed, then what all of it
//! requires, then weak dependencies, round by round; in the end, a choice that another decision made needless is taken back.

use super::assignment::{Assignment, PackageLiteral};
use super::formula::Formula;
use super::policy;
use super::pool::RpmPool;
use super::request::RpmRequest;
use super::search::{Branch, ClauseSearch, SearchFailure};
use super::universe::RpmIndex;
use super::wishes::{Wishes, is_met, open_wishes};

/// What a part of the search came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Round {
    /// There was nothing left to do.
    Done,
    /// Something was decided, or a contradiction went back before where it began: all parts are to be gone through again.
    Again,
}

type Rounds = Result<Round, SearchFailure>;

/// The packages that are chosen, in the order of the decisions.
pub(super) fn choose<'u>(
    pool: &RpmPool<'u>,
    formula: &mut Formula<'u>,
    request: &RpmRequest,
) -> Result<Vec<RpmIndex>, SearchFailure> {
    let search = ClauseSearch::new(formula, pool.universe.len());
    let mut chooser = Chooser { pool, request, search };
    chooser.search.begin()?;
    while chooser.requests()? == Round::Again
        || chooser.installed()? == Round::Again
        || chooser.requirements()? == Round::Again
        || request.weak && chooser.weak()? == Round::Again
        || chooser.minimise()? == Round::Again
    {}
    Ok(chooser.search.assignment.packages_in().collect())
}

struct Chooser<'p, 'f, 'u> {
    pool: &'p RpmPool<'u>,
    request: &'p RpmRequest,
    search: ClauseSearch<'f, 'u>,
}

impl<'u> Chooser<'_, '_, 'u> {
    fn assignment(&self) -> &Assignment {
        &self.search.assignment
    }

    /// The packages among which a clause leaves a choice; none where it is met or does not apply.
    fn open_choice(&self, clause: u32) -> Vec<RpmIndex> {
        let literals = &self.search.formula.clauses[clause as usize].literals;
        let mut open = Vec::new();
        for literal in literals.iter().copied() {
            match literal.installed() {
                _ if self.assignment().holds(literal) => return Vec::new(),
                None if !self.assignment().fails(literal) => return Vec::new(),
                Some(package) if self.assignment().is_open(package) => open.push(package),
                _ => {}
            }
        }
        open
    }

    /// Takes the likeliest of the candidates and remembers the others.
    fn take(&mut self, candidates: &[RpmIndex]) -> Result<(), SearchFailure> {
        let ranked = policy::ranked(self.pool, self.assignment(), candidates);
        let Some(first) = ranked.first().copied() else { return Ok(()) };
        if ranked.len() > 1 {
            let options = ranked.into_iter().map(|package| (package, package == first)).collect();
            self.search.branches.push(Branch { level: self.search.level, options });
        }
        self.search.decide(first)
    }

    fn requests(&mut self) -> Rounds {
        for at in 0..self.search.formula.requests.len() {
            let mut candidates = self.open_choice(self.search.formula.requests[at]);
            let installed = |index: &RpmIndex| self.pool.universe.is_installed(*index);
            if candidates.iter().any(|index| installed(index) && !self.updates(*index)) {
                candidates.retain(installed);
            }
            if candidates.is_empty() {
                continue;
            }
            let before = self.search.level;
            self.take(&candidates)?;
            if self.search.level <= before {
                return Ok(Round::Again);
            }
        }
        Ok(Round::Done)
    }

    fn updates(&self, index: RpmIndex) -> bool {
        self.request.installed.updates(&self.pool.universe.package(index).name)
    }

    /// Takes the best version of what is to be updated, then keeps the rest. What cannot be kept is a requirement like others.
    fn installed(&mut self) -> Rounds {
        let universe = self.pool.universe;
        let (update, keep): (Vec<RpmIndex>, Vec<RpmIndex>) =
            universe.installed().partition(|index| self.updates(*index));
        for index in update.into_iter().chain(keep) {
            let mut candidates = vec![index];
            if self.updates(index) {
                candidates.extend(policy::successors(self.pool, index));
            }
            if candidates.iter().any(|package| self.assignment().is_in(*package)) {
                continue;
            }
            candidates.retain(|package| self.assignment().is_open(*package));
            if candidates.is_empty() {
                continue;
            }
            let before = self.search.level;
            self.take(&candidates)?;
            if self.search.level <= before {
                return Ok(Round::Again);
            }
        }
        Ok(Round::Done)
    }

    /// Decides every requirement; those that leave no choice after all come first.
    fn requirements(&mut self) -> Rounds {
        let start = self.search.level;
        let (mut at, mut looked, mut postponed) = (0, 0, None);
        let mut choosing = false;
        loop {
            let count = self.search.choices.len();
            if looked >= count {
                match postponed {
                    Some(first) if !choosing => {
                        (at, looked, choosing) = (first, 0, true);
                        continue;
                    }
                    _ => return Ok(Round::Done),
                }
            }
            let here = at % count;
            (at, looked) = (here + 1, looked + 1);
            let candidates = self.open_choice(self.search.choices[here]);
            if candidates.is_empty() {
                continue;
            }
            let left = policy::narrowed(self.pool, self.assignment(), &candidates);
            if left.len() > 1 && !choosing {
                postponed = postponed.or(Some(here));
                continue;
            }
            self.take(&candidates)?;
            if self.search.level < start {
                return Ok(Round::Again);
            }
            looked = 0;
        }
    }

    /// One round of weak dependencies: all that are recommended or supplemented now.
    fn weak(&mut self) -> Rounds {
        let (recommended, mut supplements) = self.wished();
        let mut all = recommended;
        all.extend(supplements.iter().copied());
        let mut unique = Vec::new();
        for package in all {
            if !unique.contains(&package) {
                unique.push(package);
            }
        }
        match unique.as_slice() {
            [] => return Ok(Round::Done),
            [only] => {
                self.search.decide(*only)?;
                return Ok(Round::Again);
            }
            _ => {}
        }
        let best = policy::best(self.pool, &unique);
        supplements.retain(|package| best.contains(package));
        policy::order_supplements(self.pool, self.assignment(), &mut supplements);
        let decided = self.assignment().trail().len();
        for package in supplements {
            if self.assignment().is_open(package) {
                let before = self.search.level;
                self.search.decide(package)?;
                if self.search.level <= before {
                    return Ok(Round::Again);
                }
            }
        }
        self.recommended(decided, &best)?;
        Ok(Round::Again)
    }

    /// The packages that those that are there recommend, and those whose own *Supplements* are met.
    fn wished(&self) -> (Vec<RpmIndex>, Vec<RpmIndex>) {
        let universe = self.pool.universe;
        let wishes = Wishes::recommended(self.pool, self.assignment());
        let (mut recommended, mut supplements) = (Vec::new(), Vec::new());
        for index in universe.all() {
            let package = universe.package(index);
            if self.assignment().is_in(index) && !universe.is_installed(index) {
                let wanted = package.recommends.iter();
                recommended.extend(wanted.flat_map(|wish| open_wishes(self.pool, self.assignment(), wish)));
            }
            let same_name =
                || universe.named(&package.name).iter().any(|other| self.assignment().is_in(*other));
            if self.assignment().is_open(index)
                && self.search.formula.reached[index as usize]
                && self.is_newly_supplemented(index, &wishes)
                && !same_name()
            {
                supplements.push(index);
            }
        }
        (recommended, supplements)
    }

    /// Whether a package's own *Supplements* are met, and were not by what is installed alone.
    fn is_newly_supplemented(&self, index: RpmIndex, wishes: &Wishes<'_, 'u>) -> bool {
        let universe = self.pool.universe;
        if universe.installed().is_empty() || !wishes.supplements(index) {
            return wishes.supplements(index);
        }
        let mut before = Assignment::new(universe.len());
        universe.installed().for_each(|index| before.set(PackageLiteral::install(index), 1));
        let mut own = universe.package(index).supplements.iter();
        !own.any(|wish| is_met(self.pool, &before, wish))
    }

    /// Takes one of the best packages for every recommendation, in the order in which the packages came that make it.
    fn recommended(&mut self, decided: usize, best: &[RpmIndex]) -> Result<(), SearchFailure> {
        let universe = self.pool.universe;
        let there: Vec<RpmIndex> = self
            .assignment()
            .trail()
            .iter()
            .take(decided)
            .filter_map(|literal| literal.installed())
            .collect();
        for index in there.into_iter().filter(|index| !universe.is_installed(*index)) {
            for wish in &universe.package(index).recommends {
                let mut candidates = open_wishes(self.pool, self.assignment(), wish);
                candidates.retain(|package| best.contains(package));
                if candidates.is_empty() {
                    continue;
                }
                let before = self.search.level;
                self.take(&candidates)?;
                if self.search.level <= before || self.assignment().trail().len() < decided {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Takes a choice again where one of its alternatives came later anyway, or is recommended and the choice is not.
    fn minimise(&mut self) -> Rounds {
        let wishes = Wishes::recommended(self.pool, self.assignment());
        let wished = |package: RpmIndex| wishes.contains(package) || wishes.supplements(package);
        let mut again = None;
        for (at, branch) in self.search.branches.iter().enumerate().rev() {
            let untried = || branch.options.iter().filter(|(_, tried)| !tried).map(|(package, _)| *package);
            let chosen = branch.options.iter().find(|(package, tried)| {
                *tried
                    && self.assignment().is_in(*package)
                    && self.assignment().level(*package) == branch.level + 1
            });
            let came = untried().find(|package| {
                self.assignment().is_in(*package) && self.assignment().level(*package) > branch.level
            });
            let better = || untried().find(|package| wished(*package));
            let may_change =
                chosen.is_some_and(|(package, _)| !wished(*package) && !self.pool.is_preferred(*package));
            if let Some(package) = came.or_else(|| better().filter(|_| may_change)) {
                again = Some((at, package));
            }
        }
        let Some((at, package)) = again else { return Ok(Round::Done) };
        let mut branch = self.search.branches[at].clone();
        for (option, tried) in &mut branch.options {
            *tried |= *option == package;
        }
        self.search.revert(branch.level);
        self.search.branches.push(branch);
        self.search.decide(package)?;
        Ok(Round::Again)
    }
}
