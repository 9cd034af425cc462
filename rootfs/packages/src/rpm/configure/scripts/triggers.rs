//! Triggers: scripts that the installation of other packages, or of files, sets off. In the header each kind has a list
//! of scripts, and a list of conditions that name their script by its index.

use super::error::RpmScriptError;
use super::{RpmScript, script};
use crate::rpm::evr::Evr;
use crate::rpm::header::RpmHeader;

/// Priority of a file trigger that names none (rpm, `lib/rpmtriggers.hh`; its manual says 100000).
const DEFAULT_PRIORITY: u32 = 1_000_000;
/// Most conditions of one kind that a package may have.
const MOST_CONDITIONS: usize = 1 << 12;

/// Flags of conditions (rpm, `include/rpm/rpmds.h`).
mod sense {
    pub(super) const LESS: u64 = 1 << 1;
    pub(super) const GREATER: u64 = 1 << 2;
    pub(super) const EQUAL: u64 = 1 << 3;
    pub(super) const IN: u64 = 1 << 16;
    pub(super) const PRE_IN: u64 = 1 << 25;
}

/// When a trigger runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TriggerEvent {
    /// `%triggerprein`: before the other package is unpacked.
    BeforeInstall,
    /// `%triggerin`: when the other package is installed.
    AfterInstall,
}

/// A package that sets a trigger off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TriggerCondition {
    /// Its name.
    pub name: Vec<u8>,
    /// How its version compares with this one: flags `<` 2, `>` 4, `=` 8; any version where it is missing.
    versions: Option<(u64, Evr)>,
    /// Its place among all conditions of the package.
    pub position: usize,
}

impl TriggerCondition {
    /// Whether a package of this name and version fulfils it.
    pub fn holds(&self, name: &[u8], evr: &Evr) -> bool {
        self.name == name
            && self.versions.as_ref().is_none_or(|(flags, wanted)| {
                let flag = match evr.compare(wanted) {
                    std::cmp::Ordering::Less => sense::LESS,
                    std::cmp::Ordering::Greater => sense::GREATER,
                    std::cmp::Ordering::Equal => sense::EQUAL,
                };
                flags & flag != 0
            })
    }
}

/// A script that other packages set off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RpmTrigger {
    /// When.
    pub event: TriggerEvent,
    /// Any of these packages.
    pub conditions: Vec<TriggerCondition>,
    /// The script.
    pub script: RpmScript,
}

/// A script that the installation of files sets off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RpmFileTrigger {
    /// The paths of the files begin with one of these.
    pub prefixes: Vec<Vec<u8>>,
    /// Higher ones run first.
    pub priority: u32,
    /// The script.
    pub script: RpmScript,
}

/// The tags of a kind of triggers.
pub(super) struct TriggerTags {
    name: &'static str,
    scripts: u32,
    programs: u32,
    script_flags: u32,
    names: u32,
    indexes: u32,
    versions: u32,
    flags: u32,
    priorities: u32,
}

const TRIGGERS: TriggerTags = TriggerTags {
    name: "triggers",
    scripts: 1065,
    programs: 1092,
    script_flags: 5027,
    names: 1066,
    indexes: 1069,
    versions: 1067,
    flags: 1068,
    priorities: 0,
};

pub(super) const FILE_TRIGGERS: TriggerTags = TriggerTags {
    name: "file triggers",
    scripts: 5066,
    programs: 5067,
    script_flags: 5068,
    names: 5069,
    indexes: 5070,
    versions: 5071,
    flags: 5072,
    priorities: 5084,
};

pub(super) const TRANSACTION_FILE_TRIGGERS: TriggerTags = TriggerTags {
    name: "transaction file triggers",
    scripts: 5076,
    programs: 5077,
    script_flags: 5078,
    names: 5079,
    indexes: 5080,
    versions: 5081,
    flags: 5082,
    priorities: 5085,
};

/// A condition as the header has it.
struct RawCondition<'a> {
    position: usize,
    name: &'a [u8],
    version: &'a [u8],
    flags: u64,
}

/// The triggers of a kind: each script with its conditions and priority, in the order of their indexes.
fn read<'a>(
    header: &'a RpmHeader,
    tags: &TriggerTags,
) -> Result<Vec<(RpmScript, Vec<RawCondition<'a>>, u32)>, RpmScriptError> {
    let names: Vec<&[u8]> = header.texts(tags.names).take(MOST_CONDITIONS + 1).collect();
    if names.len() > MOST_CONDITIONS {
        let found = header.texts(tags.names).count();
        return Err(RpmScriptError::Conditions { found, most: MOST_CONDITIONS });
    }
    let versions: Vec<&[u8]> = header.texts(tags.versions).collect();
    let flags: Vec<u64> = header.numbers(tags.flags).collect();
    let indexes: Vec<u64> = header.numbers(tags.indexes).collect();
    for found in [versions.len(), flags.len(), indexes.len()] {
        if found != names.len() {
            return Err(RpmScriptError::Count { what: tags.name, found, expected: names.len() });
        }
    }
    let mut triggers = scripts(header, tags)?;
    let scripts = triggers.len();
    let all = names.into_iter().zip(versions).zip(flags).zip(indexes).enumerate();
    for (position, (((name, version), flags), index)) in all {
        let at = usize::try_from(index).ok().and_then(|at| triggers.get_mut(at));
        let Some((_, conditions, _)) = at else {
            return Err(RpmScriptError::Index { what: tags.name, index, scripts });
        };
        conditions.push(RawCondition { position, name, version, flags });
    }
    Ok(triggers)
}

/// The scripts of a kind of triggers, without conditions yet.
fn scripts<'a>(
    header: &RpmHeader,
    tags: &TriggerTags,
) -> Result<Vec<(RpmScript, Vec<RawCondition<'a>>, u32)>, RpmScriptError> {
    let bodies: Vec<&[u8]> = header.texts(tags.scripts).collect();
    let programs: Vec<&[u8]> = header.texts(tags.programs).collect();
    let script_flags: Vec<u64> = header.numbers(tags.script_flags).collect();
    let priorities: Vec<u64> = header.numbers(tags.priorities).collect();
    let expected = bodies.len();
    for (what, found) in [
        ("interpreters of triggers", programs.len()),
        ("flags of triggers' scripts", script_flags.len()),
        ("priorities of triggers", priorities.len()),
    ] {
        // Each list may be missing as a whole.
        if found != 0 && found != expected {
            return Err(RpmScriptError::Count { what, found, expected });
        }
    }
    let one = |(at, body): (usize, &&[u8])| {
        let program = programs.get(at).copied().unwrap_or(b"/bin/sh");
        let words = program.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
        let program = words.map(<[u8]>::to_vec).collect();
        // A program without a text has an empty one in the list.
        let body = (!body.is_empty()).then(|| body.to_vec());
        let flags = script_flags.get(at).copied().unwrap_or(0);
        let priority = priorities.get(at).copied().map_or(DEFAULT_PRIORITY, |priority| priority as u32);
        script(tags.name, program, body, flags).map(|script| (script, Vec::new(), priority))
    };
    bodies.iter().enumerate().map(one).collect()
}

/// The triggers of installations.
pub(super) fn packages(header: &RpmHeader) -> Result<Vec<RpmTrigger>, RpmScriptError> {
    let mut triggers = Vec::new();
    for (script, conditions, _) in read(header, &TRIGGERS)? {
        // All conditions of a script are of one event.
        let flags = conditions.first().map_or(0, |condition| condition.flags);
        let event = match flags {
            flags if flags & sense::PRE_IN != 0 => TriggerEvent::BeforeInstall,
            flags if flags & sense::IN != 0 => TriggerEvent::AfterInstall,
            _ => continue,
        };
        let conditions = conditions.into_iter().map(|raw| {
            let flags = raw.flags & (sense::LESS | sense::GREATER | sense::EQUAL);
            let evr = || Evr::parse(&String::from_utf8_lossy(raw.version));
            let versions = (flags != 0 && !raw.version.is_empty()).then(|| (flags, evr()));
            TriggerCondition { name: raw.name.to_vec(), versions, position: raw.position }
        });
        triggers.push(RpmTrigger { event, conditions: conditions.collect(), script });
    }
    Ok(triggers)
}

/// The file triggers of installations.
pub(super) fn files(header: &RpmHeader, tags: &TriggerTags) -> Result<Vec<RpmFileTrigger>, RpmScriptError> {
    let of_install = read(header, tags)?
        .into_iter()
        .filter(|(_, conditions, _)| conditions.first().is_some_and(|first| first.flags & sense::IN != 0));
    Ok(of_install
        .map(|(script, conditions, priority)| {
            let prefixes = conditions.into_iter().map(|raw| raw.name.to_vec()).collect();
            RpmFileTrigger { prefixes, priority, script }
        })
        .collect())
}
