//! Diversions: files of packages that another package has moved out of the way (dpkg-divert(1)).
//!
//! They are made by preinst scripts, which run before dpkg unpacks what they make room for. Here nothing has run yet,
//! so the calls are read from the scripts: `dpkg-divert … --add …` whose arguments are literal, or variables that the
//! script sets to literal text or loops over. A diversion that is made in another way is not seen; then the two files conflict.

use std::borrow::Cow;
use std::collections::HashMap;

/// A diversion: every package's file `from` is at `to`, except that of `package`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Diversion {
    /// Absolute path.
    pub from: Vec<u8>,
    /// Absolute path.
    pub to: Vec<u8>,
    /// The package that made it; `None` for one of the administrator's.
    pub package: Option<String>,
}

/// The path in the tree of a package's path (without a leading slash).
pub(super) fn diverted<'p>(diversions: &[Diversion], package: &str, path: &'p [u8]) -> Cow<'p, [u8]> {
    let found = diversions.iter().find(|diversion| {
        diversion.package.as_deref() != Some(package) && diversion.from.strip_prefix(b"/") == Some(path)
    });
    match found {
        Some(diversion) => Cow::Owned(diversion.to.strip_prefix(b"/").unwrap_or(&diversion.to).to_vec()),
        None => Cow::Borrowed(path),
    }
}

/// The diversions that a package's preinst makes when the package is new.
pub(super) fn declared(package: &str, preinst: &[u8]) -> Vec<Diversion> {
    let script = String::from_utf8_lossy(preinst).replace("\\\n", " ");
    let commands: Vec<&str> = script.lines().flat_map(commands).collect();
    let mut found = Vec::new();
    follow(package, &commands, &mut HashMap::new(), &mut found);
    found
}

/// The simple commands of a line, without the reserved words of the shell before them.
fn commands(line: &str) -> impl Iterator<Item = &str> {
    let line = if line.trim_start().starts_with('#') { "" } else { line };
    line.split([';', '&', '|']).map(|command| {
        let mut command = command.trim();
        while let Some(rest) = ["do", "then", "else", "{"].iter().find_map(|word| {
            command.strip_prefix(word).filter(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace))
        }) {
            command = rest.trim_start();
        }
        command
    })
}

/// Gathers the diversions that commands make; a loop over known words is followed for each of them.
fn follow(package: &str, commands: &[&str], set: &mut HashMap<String, String>, found: &mut Vec<Diversion>) {
    let mut at = 0;
    while let Some(command) = commands.get(at) {
        at += 1;
        let words = words(command, set);
        if let [Some(word)] = words.as_slice()
            && let Some((name, value)) = word.split_once('=')
        {
            set.insert(name.to_owned(), value.to_owned());
        }
        found.extend(divert(package, &words));
        if let [Some(word), Some(name), Some(_), values @ ..] = words.as_slice()
            && word == "for"
        {
            let body = body(&commands[at..]);
            for value in values.iter().flatten() {
                set.insert(name.clone(), value.clone());
                follow(package, body, set, found);
            }
            at += body.len();
        }
    }
}

/// The commands of a loop, up to its `done`.
fn body<'c, 's>(commands: &'c [&'s str]) -> &'c [&'s str] {
    let mut depth = 1_usize;
    let end = commands.iter().position(|command| {
        match command.split_whitespace().next() {
            Some("for" | "while" | "until" | "select") => depth += 1,
            Some("done") => depth -= 1,
            _ => {}
        }
        depth == 0
    });
    commands.split_at(end.unwrap_or(commands.len())).0
}

/// The diversion that a command makes, if it is a call of dpkg-divert that adds one.
fn divert(package: &str, words: &[Option<String>]) -> Option<Diversion> {
    let at = words.iter().position(|word| word.as_deref().is_some_and(is_divert))?;
    let (mut owner, mut to, mut from) = (None, None, None);
    let mut rest = words[at + 1..].iter();
    while let Some(word) = rest.next() {
        // An unknown word makes the whole call unknown.
        let word = word.as_deref()?;
        match word.split_once('=').unwrap_or((word, "")) {
            ("--package", "") => owner.clone_from(rest.next()?),
            ("--package", name) => owner = Some(name.to_owned()),
            ("--divert", "") => to = Some(rest.next()?.clone()?),
            ("--divert", path) => to = Some(path.to_owned()),
            ("--remove" | "--list" | "--listpackage" | "--truename" | "--local", _) => return None,
            (option, _) if option.starts_with('-') => {}
            _ if from.is_none() && word.starts_with('/') => from = Some(word.to_owned()),
            // The rest is shell syntax, such as a redirection.
            _ => break,
        }
    }
    let from = from?;
    let to = to.unwrap_or_else(|| format!("{from}.distrib"));
    let ours = owner.as_deref().is_none_or(|owner| owner == package);
    ours.then(|| Diversion {
        from: from.into_bytes(),
        to: to.into_bytes(),
        package: Some(package.to_owned()),
    })
}

fn is_divert(word: &str) -> bool {
    word == "dpkg-divert" || word.ends_with("/dpkg-divert")
}

/// The words of a simple command; `None` for a word whose value is not known.
fn words(command: &str, set: &HashMap<String, String>) -> Vec<Option<String>> {
    let mut words = Vec::new();
    for word in command.split_whitespace() {
        if word.starts_with('#') {
            break;
        }
        words.push(value(word, set));
    }
    words
}

/// A word without its quotes and with the variables that are known.
fn value(word: &str, set: &HashMap<String, String>) -> Option<String> {
    if word.starts_with('\'') && word.ends_with('\'') && word.len() > 1 {
        return Some(word.trim_matches('\'').to_owned());
    }
    let bare = word.replace('"', "");
    let Some((head, tail)) = bare.split_once('$') else {
        return (!bare.contains(['`', '\'', '*', '\\'])).then_some(bare);
    };
    let (name, rest) = if let Some(tail) = tail.strip_prefix('{') {
        tail.split_once('}')?
    } else {
        let end = tail.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
        tail.split_at(end.unwrap_or(tail.len()))
    };
    let known = set.get(name)?;
    Some(format!("{head}{known}{}", value(rest, set)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(package: &str, script: &str) -> Vec<(String, String)> {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        declared(package, script.as_bytes()).into_iter().map(|d| (text(d.from), text(d.to))).collect()
    }

    #[test]
    fn literal_calls_of_a_preinst_are_read() {
        let script = "#!/bin/sh\nset -e\nTO=/usr/bin/tool.real\nif [ \"$1\" = install ]; then\n\
             dpkg-divert --package mine --add --rename \\\n --divert \"$TO\" /usr/bin/tool >/dev/null\nfi\n\
             dpkg-divert --add --package=mine --no-rename /bin/a\n\
             # dpkg-divert --package mine --add /bin/comment\n\
             dpkg-divert --package mine --remove /bin/old\n\
             dpkg-divert --package other --add /bin/others\n\
             for f in $unknown; do dpkg-divert --package mine --add /bin/$f; done\n";
        let expected = [("/usr/bin/tool", "/usr/bin/tool.real"), ("/bin/a", "/bin/a.distrib")];
        assert_eq!(pairs("mine", script), expected.map(|(from, to)| (from.to_owned(), to.to_owned())));
    }

    #[test]
    fn loops_over_known_words_are_gone_through() {
        let script = "case \"$1\" in\ninstall)\n\
             for cmd in hibernate suspend ; do\n dpkg-divert --package mine --rename --remove /sbin/$cmd\ndone\n\
             PLACES='x'\n\
             for cmd in halt reboot; do\n\
             # for nothing; do\n\
             dpkg-divert --package mine --divert /lib/mine/$cmd --rename /sbin/$cmd\n done\n\
             for dir in /a /b; do for f in 1 2\ndo dpkg-divert --package mine $dir/$f; done; done\n\
             dpkg-divert --package mine /last\n;;\nesac\n";
        let plain = |from: &str| (from.to_owned(), format!("{from}.distrib"));
        let mut expected =
            ["halt", "reboot"].map(|name| (format!("/sbin/{name}"), format!("/lib/mine/{name}"))).to_vec();
        expected.extend(["/a/1", "/a/2", "/b/1", "/b/2", "/last"].map(plain));
        assert_eq!(pairs("mine", script), expected);
        assert_eq!(
            pairs("mine", "for x in a b; do\ndpkg-divert --package mine /$x\n"),
            ["/a", "/b"].map(plain)
        );
    }

    #[test]
    fn everybody_elses_path_is_diverted() {
        let diversion =
            Diversion { from: b"/bin/a".to_vec(), to: b"/bin/b".to_vec(), package: Some("mine".to_owned()) };
        let all = [diversion];
        assert_eq!(&*diverted(&all, "other", b"bin/a"), b"bin/b");
        assert_eq!(&*diverted(&all, "mine", b"bin/a"), b"bin/a");
        assert_eq!(&*diverted(&all, "other", b"bin/c"), b"bin/c");
    }
}
