//! The scripts of a package, from its header: those of the package itself, and those that other packages or files
//! trigger. Only what an installation runs is read; scripts of removals are left to the machine's own rpm.
//!
//! rpm, `docs/man/rpm-scriptlets.7`, `include/rpm/rpmtag.h`.

mod error;
#[cfg(test)]
mod tests;
mod triggers;

pub use self::error::RpmScriptError;
pub use self::triggers::{RpmFileTrigger, RpmTrigger, TriggerCondition, TriggerEvent};

use self::triggers::{FILE_TRIGGERS, TRANSACTION_FILE_TRIGGERS};
use crate::rpm::header::RpmHeader;

/// The interpreter that is rpm itself.
pub const LUA: &[u8] = b"<lua>";
/// Most bytes of all scripts of a package.
const MOST_BYTES: usize = 16 << 20;

/// A script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RpmScript {
    /// The interpreter and its arguments: an absolute path, or [`LUA`].
    pub program: Vec<Vec<u8>>,
    /// The text that it interprets; where it is missing the program runs without any.
    pub body: Option<Vec<u8>>,
}

impl RpmScript {
    /// Whether rpm's own Lua interprets it.
    pub fn is_lua(&self) -> bool {
        self.program.first().is_some_and(|program| program == LUA)
    }

    /// Whether a shell interprets it.
    pub fn is_shell(&self) -> bool {
        let name = self.program.first().and_then(|program| program.rsplit(|byte| *byte == b'/').next());
        matches!(name, Some(b"sh" | b"bash" | b"dash"))
    }
}

/// The scripts of a package that its installation runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RpmScripts {
    /// `%pretrans`: before any package is unpacked.
    pub pretrans: Option<RpmScript>,
    /// `%pre`: before it is unpacked.
    pub pre: Option<RpmScript>,
    /// `%post`: when it is unpacked.
    pub post: Option<RpmScript>,
    /// `%posttrans`: when all packages are installed.
    pub posttrans: Option<RpmScript>,
    /// Run when other packages are installed.
    pub triggers: Vec<RpmTrigger>,
    /// `%filetriggerin`: run for each package with such files.
    pub file_triggers: Vec<RpmFileTrigger>,
    /// `%transfiletriggerin`: run once at the end for all such files.
    pub transaction_file_triggers: Vec<RpmFileTrigger>,
}

/// The tags of a script: text, interpreter, flags.
struct SlotTags {
    name: &'static str,
    body: u32,
    program: u32,
    flags: u32,
}

const PRETRANS: SlotTags = SlotTags { name: "%pretrans", body: 1151, program: 1153, flags: 5024 };
const PRE: SlotTags = SlotTags { name: "%pre", body: 1023, program: 1085, flags: 5020 };
const POST: SlotTags = SlotTags { name: "%post", body: 1024, program: 1086, flags: 5021 };
const POSTTRANS: SlotTags = SlotTags { name: "%posttrans", body: 1152, program: 1154, flags: 5025 };

impl RpmScripts {
    /// Reads them.
    ///
    /// # Errors
    /// [`RpmScriptError`].
    pub fn read(header: &RpmHeader) -> Result<Self, RpmScriptError> {
        let scripts = Self {
            pretrans: slot(header, &PRETRANS)?,
            pre: slot(header, &PRE)?,
            post: slot(header, &POST)?,
            posttrans: slot(header, &POSTTRANS)?,
            triggers: triggers::packages(header)?,
            file_triggers: triggers::files(header, &FILE_TRIGGERS)?,
            transaction_file_triggers: triggers::files(header, &TRANSACTION_FILE_TRIGGERS)?,
        };
        let bytes = scripts.all().filter_map(|script| script.body.as_ref()).map(Vec::len).sum();
        if bytes > MOST_BYTES {
            return Err(RpmScriptError::Long { bytes, most: MOST_BYTES });
        }
        Ok(scripts)
    }

    /// Every script.
    pub fn all(&self) -> impl Iterator<Item = &RpmScript> {
        let own = [&self.pretrans, &self.pre, &self.post, &self.posttrans].into_iter().flatten();
        let files = self.file_triggers.iter().chain(&self.transaction_file_triggers);
        own.chain(self.triggers.iter().map(|trigger| &trigger.script)).chain(files.map(|one| &one.script))
    }
}

fn slot(header: &RpmHeader, tags: &SlotTags) -> Result<Option<RpmScript>, RpmScriptError> {
    let body = header.text(tags.body).map(<[u8]>::to_vec);
    let program: Vec<Vec<u8>> = header.texts(tags.program).map(<[u8]>::to_vec).collect();
    if body.is_none() && program.is_empty() {
        return Ok(None);
    }
    // What names no interpreter has the shell.
    let program = if program.is_empty() { vec![b"/bin/sh".to_vec()] } else { program };
    script(tags.name, program, body, header.number(tags.flags).unwrap_or(0)).map(Some)
}

/// A script after the checks that all kinds of them have in common.
fn script(
    slot: &'static str,
    program: Vec<Vec<u8>>,
    body: Option<Vec<u8>>,
    flags: u64,
) -> Result<RpmScript, RpmScriptError> {
    /// Macros are expanded, or the text is a format for the header's tags.
    const EXPANDED: u64 = 1 << 0 | 1 << 1;
    let first = program.first().map(Vec::as_slice).unwrap_or_default();
    if first != LUA && !first.starts_with(b"/")
        || program.iter().any(|word| std::str::from_utf8(word).is_err())
    {
        let program = String::from_utf8_lossy(first).into_owned();
        return Err(RpmScriptError::Program { slot, program });
    }
    // A text without a percent sign is the same afterwards.
    if flags & EXPANDED != 0 && body.as_ref().is_some_and(|body| body.contains(&b'%')) {
        return Err(RpmScriptError::Expanded { slot });
    }
    Ok(RpmScript { program, body })
}
