//! Relations as clauses: all of them must hold, each by one of its literals.

use super::assignment::PackageLiteral;
use super::pool::RpmPool;
use crate::rpm::relation::RpmDependency;

/// The most literals that one relation may stand for; real ones stay below a thousand.
const MOST_LITERALS: usize = 200_000;

/// What a relation asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NormalForm {
    /// Nothing: it always holds.
    Always,
    /// What no package can give.
    Never,
    /// All of these, each by one of its literals, which ascend.
    Clauses(Vec<Vec<PackageLiteral>>),
}

/// A relation stands for more than [`MOST_LITERALS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooManyLiterals;

type Normal = Result<NormalForm, TooManyLiterals>;

/// The normal form of a relation, or (`holds` false) of its opposite.
pub(super) fn of<'u>(pool: &RpmPool<'u>, dependency: &'u RpmDependency, holds: bool) -> Normal {
    if let Some(packages) = pool.single_answers(dependency) {
        return Ok(of_packages(&packages, holds));
    }
    match dependency {
        RpmDependency::And(all) | RpmDependency::Or(all) => {
            let every = matches!(dependency, RpmDependency::And(_)) == holds;
            let mut whole: Option<NormalForm> = None;
            for one in all {
                let next = of(pool, one, holds)?;
                whole = Some(match whole {
                    None => next,
                    Some(before) if every => both(before, next)?,
                    Some(before) => either(&before, &next)?,
                });
            }
            Ok(whole.unwrap_or(NormalForm::Always))
        }
        RpmDependency::If { then, condition, otherwise } => {
            // (A or not B) and (C or B); its opposite: (not A and B) or (not C and not B).
            let parts = Branches::of(pool, then, condition, otherwise.as_deref(), holds)?;
            if holds { parts.any_way(true) } else { parts.one_way(true) }
        }
        RpmDependency::Unless { then, condition, otherwise } => {
            // (A and not B) or (C and B); its opposite: (not A or B) and (not C or not B).
            let parts = Branches::of(pool, then, condition, otherwise.as_deref(), holds)?;
            if holds { parts.one_way(false) } else { parts.any_way(false) }
        }
        // The rest are of one package.
        _ => Ok(NormalForm::Never),
    }
}

/// The parts of a relation with a condition, for it or for its opposite.
struct Branches {
    then: NormalForm,
    otherwise: Option<NormalForm>,
    condition: NormalForm,
    not_condition: NormalForm,
}

impl Branches {
    fn of<'u>(
        pool: &RpmPool<'u>,
        then: &'u RpmDependency,
        condition: &'u RpmDependency,
        otherwise: Option<&'u RpmDependency>,
        holds: bool,
    ) -> Result<Self, TooManyLiterals> {
        Ok(Self {
            then: of(pool, then, holds)?,
            otherwise: otherwise.map(|otherwise| of(pool, otherwise, holds)).transpose()?,
            condition: of(pool, condition, true)?,
            not_condition: of(pool, condition, false)?,
        })
    }

    /// Each part where it applies: the first `with` the condition or without it, the other the other way round.
    fn any_way(self, with: bool) -> Normal {
        let (applies, not) =
            if with { (self.condition, self.not_condition) } else { (self.not_condition, self.condition) };
        let first = either(&self.then, &not)?;
        match self.otherwise {
            Some(otherwise) => both(first, either(&otherwise, &applies)?),
            None => Ok(first),
        }
    }

    /// One of the parts together with its case.
    fn one_way(self, with: bool) -> Normal {
        let (applies, not) =
            if with { (self.condition, self.not_condition) } else { (self.not_condition, self.condition) };
        let first = both(self.then, applies)?;
        match self.otherwise {
            Some(otherwise) => either(&first, &both(otherwise, not)?),
            None => Ok(first),
        }
    }
}

fn of_packages(packages: &[u32], holds: bool) -> NormalForm {
    match (packages.is_empty(), holds) {
        (true, true) => NormalForm::Never,
        (true, false) => NormalForm::Always,
        (false, true) => {
            NormalForm::Clauses(vec![packages.iter().copied().map(PackageLiteral::install).collect()])
        }
        (false, false) => {
            let out = packages.iter().copied().map(|package| vec![PackageLiteral::leave(package)]);
            NormalForm::Clauses(out.collect())
        }
    }
}

fn both(one: NormalForm, other: NormalForm) -> Normal {
    Ok(match (one, other) {
        (NormalForm::Never, _) | (_, NormalForm::Never) => NormalForm::Never,
        (NormalForm::Always, other) => other,
        (one, NormalForm::Always) => one,
        (NormalForm::Clauses(mut all), NormalForm::Clauses(more)) => {
            all.extend(more);
            if all.iter().map(Vec::len).sum::<usize>() > MOST_LITERALS {
                return Err(TooManyLiterals);
            }
            NormalForm::Clauses(all)
        }
    })
}

fn either(one: &NormalForm, other: &NormalForm) -> Normal {
    let (one, other) = match (one, other) {
        (NormalForm::Always, _) | (_, NormalForm::Always) => return Ok(NormalForm::Always),
        (NormalForm::Never, other) => return Ok(other.clone()),
        (one, NormalForm::Never) => return Ok(one.clone()),
        (NormalForm::Clauses(one), NormalForm::Clauses(other)) => (one, other),
    };
    let mut all = Vec::new();
    let mut literals = 0_usize;
    for a in one {
        for b in other {
            let mut clause: Vec<PackageLiteral> = a.iter().chain(b).copied().collect();
            clause.sort_unstable();
            clause.dedup();
            literals += clause.len();
            if literals > MOST_LITERALS {
                return Err(TooManyLiterals);
            }
            if !clause.iter().any(|literal| clause.binary_search(&literal.opposite()).is_ok()) {
                all.push(clause);
            }
        }
    }
    Ok(if all.is_empty() { NormalForm::Always } else { NormalForm::Clauses(all) })
}
