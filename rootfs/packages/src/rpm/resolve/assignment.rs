//! Which packages are decided on: to be there, or not to be there.

use super::universe::RpmIndex;

/// That a package is there, or that it is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct PackageLiteral(i32);

impl PackageLiteral {
    /// That it is there.
    pub(super) fn install(index: RpmIndex) -> Self {
        Self(index as i32 + 1)
    }

    /// That it is not there.
    pub(super) fn leave(index: RpmIndex) -> Self {
        Self(-(index as i32 + 1))
    }

    pub(super) fn package(self) -> RpmIndex {
        self.0.unsigned_abs() - 1
    }

    pub(super) fn is_install(self) -> bool {
        self.0 > 0
    }

    pub(super) fn opposite(self) -> Self {
        Self(-self.0)
    }

    /// The package, if this says that it is there.
    pub(super) fn installed(self) -> Option<RpmIndex> {
        self.is_install().then(|| self.package())
    }
}

/// What is decided, in the order in which it was.
#[derive(Debug)]
pub(super) struct Assignment {
    /// By package: the level of the decision, negative where it is not to be there; 0 where nothing is decided.
    levels: Vec<i32>,
    trail: Vec<PackageLiteral>,
}

impl Assignment {
    pub(super) fn new(packages: usize) -> Self {
        Self { levels: vec![0; packages], trail: Vec::new() }
    }

    pub(super) fn set(&mut self, literal: PackageLiteral, level: i32) {
        self.levels[literal.package() as usize] = if literal.is_install() { level } else { -level };
        self.trail.push(literal);
    }

    /// Forgets what was decided above a level.
    pub(super) fn revert(&mut self, level: i32) {
        while let Some(last) = self.trail.last() {
            if self.level(last.package()) <= level {
                return;
            }
            self.levels[last.package() as usize] = 0;
            self.trail.pop();
        }
    }

    pub(super) fn trail(&self) -> &[PackageLiteral] {
        &self.trail
    }

    /// The level on which it was decided on; 0 where it was not.
    pub(super) fn level(&self, index: RpmIndex) -> i32 {
        self.levels[index as usize].abs()
    }

    pub(super) fn is_in(&self, index: RpmIndex) -> bool {
        self.levels[index as usize] > 0
    }

    pub(super) fn is_open(&self, index: RpmIndex) -> bool {
        self.levels[index as usize] == 0
    }

    pub(super) fn holds(&self, literal: PackageLiteral) -> bool {
        let level = self.levels[literal.package() as usize];
        if literal.is_install() { level > 0 } else { level < 0 }
    }

    pub(super) fn fails(&self, literal: PackageLiteral) -> bool {
        self.holds(literal.opposite())
    }

    /// The packages that are to be there, in the order of the decisions.
    pub(super) fn packages_in(&self) -> impl Iterator<Item = RpmIndex> + '_ {
        self.trail.iter().filter_map(|literal| literal.installed())
    }
}
