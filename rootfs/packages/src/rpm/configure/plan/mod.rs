//! What rpm would run when it installs packages into an empty root, in which order, with which arguments and input. Runs
//! nothing: the two ways to configure packages follow the same plan.
//!
//! rpm, `docs/man/rpm-scriptlets.7` (section "Execution order"); what it leaves open is as rpm 4.18 was seen to do it:
//! file triggers of the installed package come after those of all others; a package sets off one trigger of another
//! package at most; transaction file triggers go package by package, their priorities counting within a package only.

mod error;
mod files;
#[cfg(test)]
mod tests;

pub use self::error::RpmPlanError;

use std::collections::BTreeSet;

use self::files::PackagePaths;
use super::order::order;
use super::scripts::{RpmFileTrigger, RpmScript, RpmScripts, TriggerEvent};
use crate::rpm::evr::Evr;
use crate::rpm::header::{RpmHeader, tag};
use crate::rpm::package::UnpackedRpm;

/// File triggers of at least this priority run before `%post`, the others after `%triggerin` (rpm, `lib/rpmtriggers.cc`).
const BEFORE_POST: u32 = 10_000;
/// Most bytes that all scripts together read from their inputs.
const MOST_INPUT: usize = 1 << 30;

/// A part of an installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RpmAction {
    /// A script.
    Run(ScriptCall),
    /// The files of this package (an index) get their owners, as they would be unpacked now.
    Own(usize),
}

/// A script with what it is called with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptCall {
    /// Index of the package that has it.
    pub package: usize,
    /// What it is, such as `%post`.
    pub slot: &'static str,
    /// The script.
    pub script: RpmScript,
    /// Its arguments.
    pub arguments: Vec<u32>,
    /// What it reads: for file triggers the paths, a line each; otherwise nothing.
    pub input: Option<Vec<u8>>,
}

/// Plans the installation of packages.
///
/// # Errors
/// [`RpmPlanError`]: scripts that cannot be read.
pub fn plan(packages: &[UnpackedRpm]) -> Result<Vec<RpmAction>, RpmPlanError> {
    let members = packages.iter().map(PlannedPackage::of).collect::<Result<Vec<_>, _>>()?;
    let mut planner =
        Planner { members, installed: Vec::new(), paths: BTreeSet::new(), actions: Vec::new(), input: 0 };
    let order = order(packages);
    for &at in &order {
        planner.own(at, "%pretrans", |scripts| scripts.pretrans.as_ref());
    }
    for &at in &order {
        planner.install(at)?;
    }
    for &at in &order {
        planner.own(at, "%posttrans", |scripts| scripts.posttrans.as_ref());
    }
    for &at in &order {
        planner.transaction_file_triggers(at)?;
    }
    Ok(planner.actions)
}

/// A package of the plan.
struct PlannedPackage<'a> {
    name: &'a [u8],
    evr: Evr,
    scripts: RpmScripts,
    paths: PackagePaths<'a>,
    arguments: FileArguments,
}

/// What file triggers are called with. rpm passes numbers of packages since 4.20 (of which 4.19.90 was the first); before,
/// a zero. A package's scripts are written for the rpm that built it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FileArguments {
    Zero,
    Counts,
}

impl FileArguments {
    fn of(header: &RpmHeader) -> Self {
        let built = header.text(tag::RPMVERSION).map(|text| Evr::parse(&String::from_utf8_lossy(text)));
        let counts = built.is_some_and(|built| built.compare(&Evr::parse("4.19.90")).is_ge());
        if counts { Self::Counts } else { Self::Zero }
    }
}

impl<'a> PlannedPackage<'a> {
    fn of(package: &'a UnpackedRpm) -> Result<Self, RpmPlanError> {
        let header = &package.header;
        let named = || package.locked.name.clone();
        let scripts =
            RpmScripts::read(header).map_err(|source| RpmPlanError::Scripts { package: named(), source })?;
        let text = |tag| String::from_utf8_lossy(header.text(tag).unwrap_or_default()).into_owned();
        let evr = Evr {
            epoch: header.number(tag::EPOCH).and_then(|epoch| u32::try_from(epoch).ok()),
            version: text(tag::VERSION),
            release: Some(text(tag::RELEASE)),
        };
        Ok(Self {
            name: header.text(tag::NAME).unwrap_or_default(),
            evr,
            scripts,
            paths: PackagePaths::of(&package.files),
            arguments: FileArguments::of(header),
        })
    }
}

struct Planner<'a> {
    members: Vec<PlannedPackage<'a>>,
    /// Those that are installed so far, in order.
    installed: Vec<usize>,
    /// Their paths.
    paths: BTreeSet<&'a [u8]>,
    actions: Vec<RpmAction>,
    /// Bytes of inputs so far.
    input: usize,
}

/// Which file triggers run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Priorities {
    BeforePost,
    AfterPost,
}

impl Priorities {
    fn include(self, priority: u32) -> bool {
        (priority >= BEFORE_POST) == (self == Self::BeforePost)
    }
}

impl Planner<'_> {
    fn install(&mut self, at: usize) -> Result<(), RpmPlanError> {
        self.triggers(at, TriggerEvent::BeforeInstall);
        self.own(at, "%pre", |scripts| scripts.pre.as_ref());
        self.actions.push(RpmAction::Own(at));
        self.members[at].paths.install(&mut self.paths);
        self.installed.push(at);
        self.file_triggers(at, Priorities::BeforePost)?;
        self.own(at, "%post", |scripts| scripts.post.as_ref());
        self.triggers(at, TriggerEvent::AfterInstall);
        self.file_triggers(at, Priorities::AfterPost)
    }

    /// A script of the package itself: its argument is the number of its versions that are then installed.
    fn own(&mut self, at: usize, slot: &'static str, which: impl Fn(&RpmScripts) -> Option<&RpmScript>) {
        if let Some(script) = which(&self.members[at].scripts).cloned() {
            let call = ScriptCall { package: at, slot, script, arguments: vec![1], input: None };
            self.actions.push(RpmAction::Run(call));
        }
    }

    /// The triggers that the installation of a package sets off in others, then those of its own that others set off. The
    /// arguments are the numbers of the trigger's package and of the other one; the new one counts once it is installed.
    fn triggers(&mut self, at: usize, event: TriggerEvent) {
        let (slot, new) = match event {
            TriggerEvent::BeforeInstall => ("%triggerprein", 0),
            TriggerEvent::AfterInstall => ("%triggerin", 1),
        };
        for target in self.installed.clone() {
            if let Some(index) = self.trigger(target, at, event) {
                self.push_trigger(target, index, slot, vec![1, new]);
            }
        }
        let mut done = Vec::new();
        for source in self.sources(at) {
            let index = self.trigger(at, source, event).filter(|index| !done.contains(index));
            if let Some(index) = index {
                done.push(index);
                self.push_trigger(at, index, slot, vec![new, 1]);
            }
        }
    }

    /// The installed packages that a package's triggers name, in the order of the conditions.
    fn sources(&self, at: usize) -> Vec<usize> {
        let triggers = &self.members[at].scripts.triggers;
        let mut conditions: Vec<_> = triggers.iter().flat_map(|trigger| &trigger.conditions).collect();
        conditions.sort_by_key(|condition| condition.position);
        let named = |name: &[u8]| self.installed.iter().copied().find(|&one| self.members[one].name == name);
        conditions.into_iter().filter_map(|condition| named(&condition.name)).collect()
    }

    /// The one trigger of a package that another package sets off: that of the first condition which holds.
    fn trigger(&self, target: usize, source: usize, event: TriggerEvent) -> Option<usize> {
        let source = &self.members[source];
        let triggers = self.members[target].scripts.triggers.iter().enumerate();
        let of_event = triggers.filter(|(_, trigger)| trigger.event == event);
        let holding = of_event.flat_map(|(index, trigger)| {
            let conditions = trigger.conditions.iter();
            conditions.filter(|one| one.holds(source.name, &source.evr)).map(move |one| (one.position, index))
        });
        holding.min().map(|(_, index)| index)
    }

    fn push_trigger(&mut self, target: usize, index: usize, slot: &'static str, arguments: Vec<u32>) {
        if let Some(trigger) = self.members[target].scripts.triggers.get(index) {
            let script = trigger.script.clone();
            self.actions.push(RpmAction::Run(ScriptCall {
                package: target,
                slot,
                script,
                arguments,
                input: None,
            }));
        }
    }

    /// File triggers of all packages for the new files of one, by priority; then that package's own for the files of others.
    fn file_triggers(&mut self, at: usize, which: Priorities) -> Result<(), RpmPlanError> {
        let mut fired = Vec::new();
        for (number, &target) in self.installed.iter().enumerate() {
            for (index, trigger) in self.included(target, which) {
                fired.push((std::cmp::Reverse(trigger.priority), number, index, target));
            }
        }
        fired.sort_unstable();
        for (_, _, index, target) in fired {
            let trigger = self.members[target].scripts.file_triggers[index].clone();
            let input = self.members[at].paths.new_below(&trigger.prefixes);
            self.push_file_trigger(target, "%filetriggerin", trigger, input)?;
        }
        let mut own: Vec<_> = self.included(at, which).map(|(_, trigger)| trigger.clone()).collect();
        own.sort_by_key(|trigger| std::cmp::Reverse(trigger.priority));
        for trigger in own {
            let others: Vec<usize> = self.installed.iter().copied().filter(|other| *other != at).collect();
            let input = self.all_below(&others, &trigger.prefixes);
            self.push_file_trigger(at, "%filetriggerin", trigger, input)?;
        }
        Ok(())
    }

    fn included(&self, at: usize, which: Priorities) -> impl Iterator<Item = (usize, &RpmFileTrigger)> {
        let triggers = self.members[at].scripts.file_triggers.iter().enumerate();
        triggers.filter(move |(_, trigger)| which.include(trigger.priority))
    }

    fn transaction_file_triggers(&mut self, at: usize) -> Result<(), RpmPlanError> {
        let mut own = self.members[at].scripts.transaction_file_triggers.clone();
        own.sort_by_key(|trigger| std::cmp::Reverse(trigger.priority));
        for trigger in own {
            let input = self.all_below(&self.installed, &trigger.prefixes);
            self.push_file_trigger(at, "%transfiletriggerin", trigger, input)?;
        }
        Ok(())
    }

    /// Paths of packages that begin with these prefixes: by prefix, by package, by path.
    fn all_below(&self, packages: &[usize], prefixes: &[Vec<u8>]) -> Vec<u8> {
        let mut lines = Vec::new();
        for prefix in prefixes {
            for &package in packages {
                self.members[package].paths.below_folder(prefix, &mut lines);
            }
        }
        lines
    }

    fn push_file_trigger(
        &mut self,
        package: usize,
        slot: &'static str,
        trigger: RpmFileTrigger,
        input: Vec<u8>,
    ) -> Result<(), RpmPlanError> {
        if input.is_empty() {
            return Ok(());
        }
        self.input = self.input.saturating_add(input.len());
        if self.input > MOST_INPUT {
            return Err(RpmPlanError::Input { most: MOST_INPUT });
        }
        let arguments = match (self.members[package].arguments, slot) {
            (FileArguments::Zero, _) => vec![0],
            (FileArguments::Counts, "%filetriggerin") => vec![1, 1],
            (FileArguments::Counts, _) => vec![1],
        };
        let call = ScriptCall { package, slot, script: trigger.script, arguments, input: Some(input) };
        self.actions.push(RpmAction::Run(call));
        Ok(())
    }
}
