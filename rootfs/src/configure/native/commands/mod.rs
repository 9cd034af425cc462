//! What the commands of maintainer scripts do to a tree: one file per kind. Every command that is not here stays
//! undone and is told; none is run.

mod accounts;
mod dpkg;
mod expression;
mod files;
mod inert;
mod packages;
mod query;
mod texts;
mod units;

use super::script::{Answer, Append, Host, Truth, Value, Why};
use super::system::{Scope, System};
use crate::wildcard;

pub(in crate::configure::native) use self::files::mode_of;

/// Arguments that are all known and text.
pub(super) type Args<'a> = [&'a str];

/// A command that was understood, or why not.
pub(super) type Done = Result<Answer, Why>;

/// The command succeeded or failed.
pub(super) fn ended(well: bool) -> Done {
    Ok(Answer::status(Truth::of(well)))
}

impl Host for System<'_> {
    fn call(&mut self, name: &[u8], args: &[Value], input: Option<&[u8]>) -> Answer {
        let Ok(name) = std::str::from_utf8(name) else { return Answer::skipped(Why::Unknown) };
        // A command may be called by its path.
        let name = match name.rsplit_once('/') {
            Some((folder, base)) if folder.ends_with("bin") || folder.ends_with("-helper") => base,
            _ => name,
        };
        if matches!(name, "test" | "[") {
            return Answer::status(query::test(self, name, args));
        }
        let texts: Option<Vec<&str>> =
            args.iter().map(|arg| std::str::from_utf8(arg.as_deref()?).ok()).collect();
        let Some(texts) = texts else {
            if let ("db_set", Some(Some(question))) = (name, args.first()) {
                let question = String::from_utf8_lossy(question).into_owned();
                system_forgets(self, question);
            }
            return if inert::is_inert(name) { Answer::unknown() } else { Answer::skipped(Why::Argument) };
        };
        dispatch(self, name, &texts, input).unwrap_or_else(Answer::skipped)
    }

    fn is_inert(&self, name: &[u8]) -> bool {
        std::str::from_utf8(name).is_ok_and(inert::is_inert)
    }

    fn glob(&self, wanted: &[u8]) -> Vec<Vec<u8>> {
        let wanted = String::from_utf8_lossy(wanted).into_owned();
        let absolute = String::from_utf8_lossy(&self.absolute(&wanted)).into_owned();
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
        let relative = if wanted.starts_with('/') { 0 } else { self.cwd.len() + 1 };
        found.into_iter().filter_map(|path| path.as_bytes().get(relative..).map(<[u8]>::to_vec)).collect()
    }

    fn redirect(&mut self, path: &[u8], bytes: &[u8], append: Append) -> Answer {
        let Ok(path) = std::str::from_utf8(path) else { return Answer::skipped(Why::Argument) };
        let mut whole = match append {
            Append::Keep => self.read(path).unwrap_or_default(),
            Append::Replace => Vec::new(),
        };
        whole.extend_from_slice(bytes);
        let written = self.write(path, &whole);
        Answer::status(Truth::of(written))
    }
}

/// What a question is answered with is not known any more.
fn system_forgets(system: &mut System<'_>, question: String) {
    system.answers.insert(question, None);
}

/// Does a command, as far as the script may.
fn dispatch(system: &mut System<'_>, name: &str, args: &Args<'_>, input: Option<&[u8]>) -> Done {
    let asks = texts::call(system, name, args, input)
        .or_else(|| query::call(system, name, args, input))
        .or_else(|| inert::is_inert(name).then(|| Ok(Answer::unknown())));
    if let Some(done) = asks {
        return done;
    }
    let tried = match system.scope {
        Scope::All => files::call(system, name, args)
            .or_else(|| accounts::call(system, name, args))
            .or_else(|| dpkg::call(system, name, args))
            .or_else(|| units::call(system, name, args))
            .or_else(|| packages::call(system, name, args)),
        Scope::Accounts | Scope::Answers if name.starts_with("db_") || name == "." => {
            packages::call(system, name, args)
        }
        Scope::Accounts | Scope::Answers if name == "dpkg" => dpkg::call(system, name, args),
        Scope::Accounts => accounts::call(system, name, args),
        Scope::Answers => None,
    };
    tried.unwrap_or(Err(Why::Unknown))
}
