//! The conditions that may change between two builds and must not matter, and the matrix of builds.

use std::fmt;

/// A condition that may differ between two machines or two runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Condition {
    /// The working directory.
    WorkingDirectory,
    /// `TZ`.
    TimeZone,
    /// `LANG` and `LC_ALL`.
    Locale,
    /// The umask.
    Umask,
    /// One thread.
    OneThread,
    /// More threads than cores.
    ManyThreads,
    /// `HOME`, the XDG folders, and with them an empty store.
    Home,
    /// The order of `readdir`, and the folder of the recipe.
    InputOrder,
    /// The clock.
    Clock,
    /// The niceness.
    Niceness,
    /// One processor.
    OneProcessor,
    /// Other mounted file systems.
    Mounts,
    /// Other processes on the machine.
    Load,
}

impl Condition {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::WorkingDirectory,
        Self::TimeZone,
        Self::Locale,
        Self::Umask,
        Self::OneThread,
        Self::ManyThreads,
        Self::Home,
        Self::InputOrder,
        Self::Clock,
        Self::Niceness,
        Self::OneProcessor,
        Self::Mounts,
        Self::Load,
    ];
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WorkingDirectory => "working directory",
            Self::TimeZone => "time zone",
            Self::Locale => "locale",
            Self::Umask => "umask",
            Self::OneThread => "one thread",
            Self::ManyThreads => "many threads",
            Self::Home => "home and store",
            Self::InputOrder => "input order",
            Self::Clock => "clock",
            Self::Niceness => "niceness",
            Self::OneProcessor => "one processor",
            Self::Mounts => "mounts",
            Self::Load => "load",
        })
    }
}

/// The conditions of `builds` builds. The first two change nothing, so that differences by chance show; the last
/// changes everything. In between: groups of conditions, then each alone, then mixtures.
pub fn matrix(builds: usize) -> Vec<Vec<Condition>> {
    use Condition::{
        Clock, Home, InputOrder, Load, Locale, ManyThreads, Mounts, Niceness, OneProcessor, OneThread,
        TimeZone, Umask, WorkingDirectory,
    };
    let everything: Vec<_> = Condition::ALL.into_iter().filter(|one| *one != OneThread).collect();
    let groups = [
        vec![],
        vec![WorkingDirectory, TimeZone, Locale, Home, Mounts],
        vec![OneThread, Umask, Niceness, OneProcessor],
        vec![ManyThreads, InputOrder, Clock, Load],
    ];
    let single = Condition::ALL.into_iter().map(|one| vec![one]);
    // Each mixture takes the conditions whose bits are set in a number; the multiplication varies the pattern.
    let mixtures = (1_usize..).map(|index| {
        let bits = index.wrapping_mul(0x9e37_79b9) >> 7;
        let chosen = Condition::ALL.into_iter().enumerate().filter(|(at, _)| bits >> at & 1 == 1);
        let mut chosen: Vec<_> = chosen.map(|(_, one)| one).collect();
        if chosen.contains(&OneThread) {
            chosen.retain(|one| *one != ManyThreads);
        }
        chosen
    });
    let between = groups.into_iter().chain(single).chain(mixtures);
    let mut rows = vec![vec![]];
    rows.extend(between.take(builds.saturating_sub(2)));
    rows.push(everything);
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_build_changes_nothing_and_the_last_everything() {
        for builds in [2, 3, 6, 30, 60] {
            let rows = matrix(builds);
            assert_eq!(rows.len(), builds);
            assert!(rows[0].is_empty() && rows[builds - 1].len() >= 12);
            let both = |row: &Vec<Condition>| {
                row.contains(&Condition::OneThread) && row.contains(&Condition::ManyThreads)
            };
            assert!(!rows.iter().any(both));
        }
        let rows = matrix(6);
        assert!(Condition::ALL.iter().all(|one| rows[1..5].iter().any(|row| row.contains(one))));
    }
}
