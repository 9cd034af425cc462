//! The macros of rpm, as far as they decide where and how the database is kept: definitions are read, and plain references and
//! conditions expanded. What runs a program, a function or Lua has no value here.
//!
//! rpm, `docs/man/rpm-macrofile.5` and `rpm-macros.7`.

use std::collections::BTreeMap;

use amiforge_formats::path::{self, PathError};
use amiforge_formats::plan::Sources;
use amiforge_formats::tree::Tree;

/// Levels of references within references.
const DEPTH: u32 = 16;
/// Longest value.
const LONGEST: usize = 4096;

/// Macros by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct RpmMacros {
    bodies: BTreeMap<String, String>,
}

impl RpmMacros {
    /// Reads the files of macros of a tree in rpm's order; of several definitions the last counts.
    pub(super) fn of_tree(tree: &Tree, sources: &dyn Sources) -> Result<Self, PathError> {
        let mut macros = Self::default();
        let parts = |folder: &str| -> Result<Vec<Vec<u8>>, PathError> {
            let entries = path::find(tree, folder.as_bytes())?.and_then(|id| tree.entries(id));
            let names = entries.into_iter().flatten().map(|(name, _)| name.as_bytes());
            let names = names.filter(|name| name.starts_with(b"macros."));
            Ok(names.map(|name| [folder.as_bytes(), b"/", name].concat()).collect())
        };
        let mut files = vec![b"/usr/lib/rpm/macros".to_vec()];
        files.extend(parts("/usr/lib/rpm/macros.d")?);
        files.extend(parts("/etc/rpm")?);
        files.push(b"/etc/rpm/macros".to_vec());
        for file in files {
            if let Some(text) = path::read(tree, sources, &file)? {
                macros.define(&String::from_utf8_lossy(&text));
            }
        }
        Ok(macros)
    }

    /// Takes the definitions of a file: `%NAME BODY`, where a body goes on behind a backslash or until its braces close.
    fn define(&mut self, text: &str) {
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            let mut whole = line.trim_end().to_owned();
            while whole.ends_with('\\') || open_braces(&whole) {
                if whole.ends_with('\\') {
                    whole.pop();
                }
                let Some(next) = lines.next() else { break };
                whole.push('\n');
                whole.push_str(next.trim_end());
            }
            let Some(rest) = whole.trim_start().strip_prefix('%') else { continue };
            let end = rest.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
            let (name, rest) = rest.split_at(end.unwrap_or(rest.len()));
            // Macros with arguments are functions.
            if !name.is_empty() && rest.starts_with([' ', '\t']) {
                self.bodies.insert(name.to_owned(), rest.trim().to_owned());
            }
        }
    }

    /// The value of a macro; none where it is not defined, or cannot be had without running something.
    pub(super) fn value(&self, name: &str) -> Option<String> {
        self.expand(self.bodies.get(name)?, DEPTH)
    }

    fn expand(&self, text: &str, depth: u32) -> Option<String> {
        let depth = depth.checked_sub(1)?;
        let mut value = String::new();
        let mut rest = text;
        while let Some((plain, behind)) = rest.split_once('%') {
            value.push_str(plain);
            let (part, after) = self.reference(behind, depth)?;
            value.push_str(&part);
            rest = after;
            if value.len() > LONGEST {
                return None;
            }
        }
        value.push_str(rest);
        Some(value)
    }

    /// The value of the reference behind a `%`, and what follows it.
    fn reference<'a>(&self, text: &'a str, depth: u32) -> Option<(String, &'a str)> {
        if let Some(after) = text.strip_prefix('%') {
            return Some(("%".to_owned(), after));
        }
        if let Some(inner) = text.strip_prefix('{') {
            let end = closing_brace(inner)?;
            return Some((self.braced(&inner[..end], depth)?, &inner[end + 1..]));
        }
        let end = text.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
        let (name, after) = text.split_at(end.unwrap_or(text.len()));
        Some((self.expand(self.bodies.get(name)?, depth)?, after))
    }

    /// `NAME`, `?NAME`, `!?NAME:TEXT` and so on.
    fn braced(&self, text: &str, depth: u32) -> Option<String> {
        let signs = text.len() - text.trim_start_matches(['?', '!']).len();
        let (signs, rest) = text.split_at(signs);
        let (name, then) = rest.split_once(':').map_or((rest, None), |(name, then)| (name, Some(then)));
        let body = self.bodies.get(name);
        if !signs.contains('?') {
            // With a colon it is a function of rpm, such as `getenv:HOME`.
            return if then.is_none() && signs.is_empty() { self.expand(body?, depth) } else { None };
        }
        let wanted = body.is_some() != signs.contains('!');
        match (wanted, then, body) {
            (true, Some(then), _) => self.expand(then, depth),
            (true, None, Some(body)) => self.expand(body, depth),
            _ => Some(String::new()),
        }
    }
}

/// Whether a definition has braces that are still open.
fn open_braces(line: &str) -> bool {
    let trimmed = line.trim_start();
    trimmed.starts_with('%')
        && !trimmed.starts_with("%#")
        && line.matches('{').count() > line.matches('}').count()
}

/// Where the brace closes that is open before the text.
fn closing_brace(text: &str) -> Option<usize> {
    let mut open = 1;
    text.bytes().position(|byte| {
        match byte {
            b'{' => open += 1,
            b'}' => open -= 1,
            _ => {}
        }
        open == 0
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_and_conditions_are_expanded_and_programs_are_not() {
        let mut macros = RpmMacros::default();
        macros.define(
            "# %no comment\n%_usr /usr\n%_var\t/var\n%_dbpath %{_var}/lib/rpm\n%f(x) %1\n%long a\\\nb\n%multi %{expand:\nx}\n\
             %_db_backend\t      sqlite\n%_dbpath\t\t%{_usr}/lib/sysimage/rpm\n%own %(echo ~)\n%loop %{loop}\n%home %{getenv:HOME}\n\
             %maybe %{?none:x}%{!?none:y}%{?_usr}%%%_var\n",
        );
        let value = |name: &str| macros.value(name);
        assert_eq!(value("_dbpath").as_deref(), Some("/usr/lib/sysimage/rpm"));
        assert_eq!(value("_db_backend").as_deref(), Some("sqlite"));
        assert_eq!(value("maybe").as_deref(), Some("y/usr%/var"));
        assert_eq!(value("long").as_deref(), Some("a\nb"));
        for none in ["own", "loop", "home", "f", "missing", "no", "multi"] {
            assert_eq!(value(none), None, "{none}");
        }
    }
}
