//! The effects of the commands of maintainer scripts on a tree: those that every kind of package has, and those of Debian.

mod dpkg;
mod packages;
mod units;

use super::system::{DebSystem, ScriptScope};
use crate::configure::effects::commands::outcome::{Done, KnownArgs};
use crate::configure::effects::commands::{self, accounts, inert, query};
use crate::configure::script::{Append, CommandEffect, Host, StopReason, Value};

impl Host for DebSystem<'_> {
    fn call(&mut self, name: &[u8], args: &[Value], input: Option<&[u8]>) -> CommandEffect {
        let Some(name) = commands::base_name(name) else {
            return CommandEffect::skipped(StopReason::Unknown);
        };
        if matches!(name, "test" | "[") {
            return CommandEffect::status(query::test(&mut self.system, name, args));
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
        self.system.glob(pattern)
    }

    fn redirect(&mut self, path: &[u8], bytes: &[u8], append: Append) -> CommandEffect {
        commands::redirect(&mut self.system, path, bytes, append)
    }
}

/// Marks the answer to a question as unknown.
fn system_forgets(system: &mut DebSystem<'_>, question: String) {
    system.answers.insert(question, None);
}

/// Does a command, as far as the script may.
fn dispatch(deb: &mut DebSystem<'_>, name: &str, args: &KnownArgs<'_>, input: Option<&[u8]>) -> Done {
    let asks = dpkg::query(deb, name, args)
        .or_else(|| commands::ask(&mut deb.system, name, args, input))
        .or_else(|| inert::is_inert(name).then(|| Ok(CommandEffect::unknown())));
    if let Some(done) = asks {
        return done;
    }
    let tried = match deb.scope {
        ScriptScope::All => commands::change(&mut deb.system, name, args)
            .or_else(|| dpkg::call(deb, name, args))
            .or_else(|| units::call(&mut deb.system, name, args))
            .or_else(|| packages::call(deb, name, args)),
        ScriptScope::Accounts | ScriptScope::Answers if name.starts_with("db_") || name == "." => {
            packages::call(deb, name, args)
        }
        ScriptScope::Accounts | ScriptScope::Answers if name == "dpkg" => dpkg::call(deb, name, args),
        ScriptScope::Accounts => accounts::call(&mut deb.system, name, args),
        ScriptScope::Answers => None,
    };
    tried.unwrap_or(Err(StopReason::Unknown))
}
