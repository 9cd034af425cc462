//! The effects of the commands of maintainer scripts on a tree: one file per kind. Every command that is not here stays
//! undone and is reported; none is run.

mod accounts;
mod dpkg;
mod expression;
mod files;
mod inert;
mod outcome;
mod packages;
mod query;
mod texts;
mod units;

use super::system::{ScriptScope, TargetSystem};
use crate::configure::script::{Append, CommandEffect, Host, StopReason, Truth, Value};
use amiforge_rootfs::wildcard;

pub(in crate::deb::configure::native) use self::files::mode_of;
use self::outcome::{Done, KnownArgs};

impl Host for TargetSystem<'_> {
    fn call(&mut self, name: &[u8], args: &[Value], input: Option<&[u8]>) -> CommandEffect {
        let Ok(name) = std::str::from_utf8(name) else { return CommandEffect::skipped(StopReason::Unknown) };
        // A command may be called by its path.
        let name = match name.rsplit_once('/') {
            Some((folder, base)) if folder.ends_with("bin") || folder.ends_with("-helper") => base,
            _ => name,
        };
        if matches!(name, "test" | "[") {
            return CommandEffect::status(query::test(self, name, args));
        }
        let texts: Option<Vec<&str>> =
            args.iter().map(|arg| std::str::from_utf8(arg.as_deref()?).ok()).collect();
        let Some(texts) = texts else {
            if let ("db_set", Some(Some(question))) = (name, args.first()) {
                let question = String::from_utf8_lossy(question).into_owned();
                system_forgets(self, question);
            }
            return if inert::is_inert(name) {
                CommandEffect::unknown()
            } else {
                CommandEffect::skipped(StopReason::Argument)
            };
        };
        dispatch(self, name, &texts, input).unwrap_or_else(CommandEffect::skipped)
    }

    fn is_inert(&self, name: &[u8]) -> bool {
        std::str::from_utf8(name).is_ok_and(inert::is_inert)
    }

    fn glob(&self, pattern: &[u8]) -> Vec<Vec<u8>> {
        let pattern = String::from_utf8_lossy(pattern).into_owned();
        let absolute = String::from_utf8_lossy(&self.absolute(&pattern)).into_owned();
        let mut found = vec![String::new()];
        for part in absolute.split('/').filter(|part| !part.is_empty()) {
            let mut next = Vec::new();
            for folder in &found {
                for name in self.names(if folder.is_empty() { "/" } else { folder }) {
                    let hidden = name.starts_with('.') && !part.starts_with('.');
                    if !hidden && wildcard::matches(part.as_bytes(), name.as_bytes()) {
                        next.push(format!("{folder}/{name}"));
                    }
                }
            }
            found = next;
        }
        let relative = if pattern.starts_with('/') { 0 } else { self.cwd.len() + 1 };
        found.into_iter().filter_map(|path| path.as_bytes().get(relative..).map(<[u8]>::to_vec)).collect()
    }

    fn redirect(&mut self, path: &[u8], bytes: &[u8], append: Append) -> CommandEffect {
        let Ok(path) = std::str::from_utf8(path) else { return CommandEffect::skipped(StopReason::Argument) };
        let mut whole = match append {
            Append::Keep => self.read(path).unwrap_or_default(),
            Append::Replace => Vec::new(),
        };
        whole.extend_from_slice(bytes);
        let written = self.write(path, &whole);
        CommandEffect::status(Truth::of(written))
    }
}

/// Marks the answer to a question as unknown.
fn system_forgets(system: &mut TargetSystem<'_>, question: String) {
    system.answers.insert(question, None);
}

/// Does a command, as far as the script may.
fn dispatch(system: &mut TargetSystem<'_>, name: &str, args: &KnownArgs<'_>, input: Option<&[u8]>) -> Done {
    let asks = texts::call(system, name, args, input)
        .or_else(|| query::call(system, name, args, input))
        .or_else(|| inert::is_inert(name).then(|| Ok(CommandEffect::unknown())));
    if let Some(done) = asks {
        return done;
    }
    let tried = match system.scope {
        ScriptScope::All => files::call(system, name, args)
            .or_else(|| accounts::call(system, name, args))
            .or_else(|| dpkg::call(system, name, args))
            .or_else(|| units::call(system, name, args))
            .or_else(|| packages::call(system, name, args)),
        ScriptScope::Accounts | ScriptScope::Answers if name.starts_with("db_") || name == "." => {
            packages::call(system, name, args)
        }
        ScriptScope::Accounts | ScriptScope::Answers if name == "dpkg" => dpkg::call(system, name, args),
        ScriptScope::Accounts => accounts::call(system, name, args),
        ScriptScope::Answers => None,
    };
    tried.unwrap_or(Err(StopReason::Unknown))
}
