//! Decisions and what follows from them: clauses with one open literal decide it, and a contradiction teaches a clause that
//! keeps it from coming again (conflict-driven clause learning; complete, so no other solver is needed besides).

use super::assignment::{Assignment, PackageLiteral};
use super::formula::{Clause, ClauseOrigin, Formula};
use super::universe::RpmIndex;

/// More decisions than any real resolution takes.
const MOST_STEPS: usize = 2_000_000;

/// Why there is no solution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum SearchFailure {
    /// These clauses cannot be met together.
    Contradiction(Vec<u32>),
    /// [`MOST_STEPS`] were taken.
    TooManySteps(usize),
}

/// Alternatives among which a decision chose.
#[derive(Debug, Clone)]
pub(super) struct Branch {
    /// The level below the decision.
    pub(super) level: i32,
    /// Each with whether it was tried.
    pub(super) options: Vec<(RpmIndex, bool)>,
}

/// The state of a search.
pub(super) struct ClauseSearch<'f, 'u> {
    pub(super) formula: &'f mut Formula<'u>,
    pub(super) assignment: Assignment,
    pub(super) level: i32,
    pub(super) branches: Vec<Branch>,
    /// Clauses with several packages to choose from, in their order.
    pub(super) choices: Vec<u32>,
    /// By package: the clause that decided on it.
    causes: Vec<Option<u32>>,
    /// By literal ([`slot`]): the clauses that look at it.
    watchers: Vec<Vec<u32>>,
    /// By clause: the places of the two literals that it looks at.
    watched: Vec<(u32, u32)>,
    /// How much of the trail was followed.
    followed: usize,
    steps: usize,
}

/// The place of a literal in a table of all literals.
fn slot(literal: PackageLiteral) -> usize {
    literal.package() as usize * 2 + usize::from(literal.is_install())
}

impl<'f, 'u> ClauseSearch<'f, 'u> {
    pub(super) fn new(formula: &'f mut Formula<'u>, packages: usize) -> Self {
        let mut search = Self {
            assignment: Assignment::new(packages),
            level: 0,
            branches: Vec::new(),
            choices: Vec::new(),
            causes: vec![None; packages],
            watchers: vec![Vec::new(); packages * 2],
            watched: Vec::new(),
            followed: 0,
            steps: 0,
            formula,
        };
        for clause in 0..search.formula.clauses.len() as u32 {
            search.watch(clause);
        }
        search
    }

    fn clause(&self, clause: u32) -> &Clause<'u> {
        &self.formula.clauses[clause as usize]
    }

    fn watch(&mut self, clause: u32) {
        let literals = &self.formula.clauses[clause as usize].literals;
        let packages = literals.iter().filter(|literal| literal.is_install()).count();
        // The two that were decided on last, or not at all.
        let rank = |at: &usize| match self.assignment.level(literals[*at].package()) {
            0 => i32::MAX,
            level => level,
        };
        let mut places: Vec<usize> = (0..literals.len()).collect();
        places.sort_by_key(|at| std::cmp::Reverse(rank(at)));
        let pair = (places.first().copied().unwrap_or(0), places.get(1).copied().unwrap_or(0));
        self.watched.push((pair.0 as u32, pair.1 as u32));
        if let (Some(one), Some(other), true) =
            (literals.get(pair.0), literals.get(pair.1), literals.len() > 1)
        {
            let (one, other) = (*one, *other);
            self.watchers[slot(one)].push(clause);
            self.watchers[slot(other)].push(clause);
        }
        if packages > 1 {
            self.choices.push(clause);
        }
    }

    /// Decides what clauses of one literal say, and what follows.
    pub(super) fn begin(&mut self) -> Result<(), SearchFailure> {
        self.level = 1;
        for clause in 0..self.formula.clauses.len() as u32 {
            match *self.clause(clause).literals.as_slice() {
                [] => return Err(self.contradiction(clause)),
                [literal] if self.assignment.fails(literal) => return Err(self.contradiction(clause)),
                [literal] if !self.assignment.holds(literal) => self.assign(literal, Some(clause)),
                _ => {}
            }
        }
        self.settle()
    }

    /// Decides that a package is there, on a level of its own.
    pub(super) fn decide(&mut self, index: RpmIndex) -> Result<(), SearchFailure> {
        self.steps += 1;
        if self.steps > MOST_STEPS {
            return Err(SearchFailure::TooManySteps(self.steps));
        }
        self.level += 1;
        self.assign(PackageLiteral::install(index), None);
        self.settle()
    }

    /// Goes back to a level, with the alternatives that were met up to there.
    pub(super) fn revert(&mut self, level: i32) {
        self.assignment.revert(level);
        self.followed = self.followed.min(self.assignment.trail().len());
        while self.branches.last().is_some_and(|branch| branch.level >= level) {
            self.branches.pop();
        }
        self.level = level;
    }

    fn assign(&mut self, literal: PackageLiteral, cause: Option<u32>) {
        self.assignment.set(literal, self.level);
        self.causes[literal.package() as usize] = cause;
    }

    /// Follows the decisions; after a contradiction, goes back and decides by what it teaches.
    fn settle(&mut self) -> Result<(), SearchFailure> {
        while let Some(clause) = self.follow() {
            if self.level <= 1 {
                return Err(self.contradiction(clause));
            }
            self.steps += 1;
            if self.steps > MOST_STEPS {
                return Err(SearchFailure::TooManySteps(self.steps));
            }
            let (literal, learned, level) = self.learn(clause);
            self.revert(level);
            self.formula.clauses.push(learned);
            let learned = self.formula.clauses.len() as u32 - 1;
            self.watch(learned);
            self.assign(literal, Some(learned));
        }
        Ok(())
    }

    /// Decides what clauses with one open literal say. A clause none of whose literals can hold is returned.
    fn follow(&mut self) -> Option<u32> {
        while let Some(decided) = self.assignment.trail().get(self.followed).copied() {
            self.followed += 1;
            let fallen = decided.opposite();
            let watchers = std::mem::take(&mut self.watchers[slot(fallen)]);
            let mut kept = Vec::with_capacity(watchers.len());
            let mut failed = None;
            for (at, clause) in watchers.iter().copied().enumerate() {
                if self.look_elsewhere(clause, fallen) {
                    continue;
                }
                kept.push(clause);
                let other = self.other_watched(clause, fallen);
                if self.assignment.fails(other) {
                    kept.extend(watchers.get(at + 1..).unwrap_or_default());
                    failed = Some(clause);
                    break;
                }
                if !self.assignment.holds(other) {
                    self.assign(other, Some(clause));
                }
            }
            self.watchers[slot(fallen)].extend(kept);
            if failed.is_some() {
                return failed;
            }
        }
        None
    }

    fn other_watched(&self, clause: u32, than: PackageLiteral) -> PackageLiteral {
        let (one, other) = self.watched[clause as usize];
        let literals = &self.clause(clause).literals;
        let at = if literals[one as usize] == than { other } else { one };
        literals[at as usize]
    }

    /// Whether a clause could turn to another literal than one that fell.
    fn look_elsewhere(&mut self, clause: u32, fallen: PackageLiteral) -> bool {
        let other = self.other_watched(clause, fallen);
        if self.assignment.holds(other) {
            return false;
        }
        let literals = &self.formula.clauses[clause as usize].literals;
        let free = |literal: &PackageLiteral| {
            *literal != other && *literal != fallen && !self.assignment.fails(*literal)
        };
        let Some(at) = literals.iter().position(free) else { return false };
        let turned = literals[at];
        let (one, two) = &mut self.watched[clause as usize];
        let place = if literals[*one as usize] == fallen { one } else { two };
        *place = at as u32;
        self.watchers[slot(turned)].push(clause);
        true
    }

    /// The clause that follows from a contradiction: the literal that it decides, and the level to go back to.
    fn learn(&self, conflict: u32) -> (PackageLiteral, Clause<'u>, i32) {
        let mut seen = vec![false; self.causes.len()];
        let (mut used, mut lower) = (vec![conflict], Vec::new());
        let (mut open, mut clause, mut back) = (0_usize, Some(conflict), 1);
        for decided in self.assignment.trail().iter().rev() {
            if let Some(clause) = clause.take() {
                for literal in self.clause(clause).literals.iter().copied() {
                    let package = literal.package() as usize;
                    if self.assignment.holds(literal) || std::mem::replace(&mut seen[package], true) {
                        continue;
                    }
                    match self.assignment.level(literal.package()) {
                        level if level == self.level => open += 1,
                        level if level > 1 => {
                            lower.push(literal);
                            back = back.max(level);
                        }
                        // What holds in any case need not be named.
                        _ => {}
                    }
                }
            }
            let package = decided.package();
            if !seen[package as usize] || self.assignment.level(package) != self.level {
                continue;
            }
            open -= 1;
            if open == 0 {
                let literal = decided.opposite();
                lower.push(literal);
                lower.sort_unstable();
                return (literal, Clause { literals: lower, origin: ClauseOrigin::Learned(used) }, back);
            }
            clause = self.causes[package as usize];
            used.extend(clause);
        }
        // Not reached: a level begins with a decision, which ends the loop.
        let literal =
            self.assignment.trail().last().copied().unwrap_or(PackageLiteral::install(0)).opposite();
        (literal, Clause { literals: vec![literal], origin: ClauseOrigin::Learned(used) }, 1)
    }

    /// The clauses that contradict each other, from one none of whose literals can hold on the first level.
    fn contradiction(&self, clause: u32) -> SearchFailure {
        let mut seen = vec![false; self.formula.clauses.len()];
        let mut open = vec![clause];
        while let Some(clause) = open.pop() {
            if std::mem::replace(&mut seen[clause as usize], true) {
                continue;
            }
            let Clause { literals, origin } = self.clause(clause);
            if let ClauseOrigin::Learned(from) = origin {
                open.extend(from);
            }
            let causes = literals.iter().filter(|literal| self.assignment.level(literal.package()) == 1);
            open.extend(causes.filter_map(|literal| self.causes[literal.package() as usize]));
        }
        let given = |(at, clause): (usize, &Clause<'u>)| {
            (seen[at] && !matches!(clause.origin, ClauseOrigin::Learned(_))).then_some(at as u32)
        };
        SearchFailure::Contradiction(self.formula.clauses.iter().enumerate().filter_map(given).collect())
    }
}
