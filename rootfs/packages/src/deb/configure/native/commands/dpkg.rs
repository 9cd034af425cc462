//! dpkg and its helpers: comparisons, diversions, overrides of owners, alternatives.

use std::cmp::Ordering;

use crate::configure::effects::commands::files::owner_of;
use crate::configure::effects::commands::outcome::{Done, KnownArgs, ended};
use crate::configure::effects::mode::mode_of;
use crate::configure::script::{CommandEffect, StopReason, Truth};
use crate::deb::configure::native::alternatives;
use crate::deb::configure::native::system::DebSystem;
use crate::deb::diversions::Diversion;
use amiforge_rootfs::version;
use amiforge_rootfs::wildcard::matches;

/// Questions to dpkg about packages and paths; `None` for all else.
pub(super) fn query(system: &DebSystem<'_>, name: &str, args: &KnownArgs<'_>) -> Option<Done> {
    Some(match (name, args) {
        ("dpkg-query" | "dpkg", ["-S" | "--search", path]) if path.starts_with('/') => {
            ended(system.owned.contains(path.as_bytes()))
        }
        ("dpkg-query" | "dpkg", ["-W" | "--show" | "-s" | "--status" | "-l" | "--list", .., name])
            if crate::deb::relation::is_name(name) && !system.installed.contains(*name) =>
        {
            ended(false)
        }
        _ => return None,
    })
}

/// Does a command of this file; `None` for others.
pub(super) fn call(system: &mut DebSystem<'_>, name: &str, args: &KnownArgs<'_>) -> Option<Done> {
    Some(match (name, args) {
        ("dpkg", ["--compare-versions", rest @ ..]) => compare(rest),
        ("dpkg", ["--print-architecture"]) => Ok(CommandEffect::prints(format!("{}\n", system.native))),
        ("dpkg", ["--print-foreign-architectures"]) => Ok(CommandEffect::prints("")),
        ("dpkg", ["--assert-multi-arch" | "--assert-working-epoch"]) => ended(true),
        ("dpkg", ["-L" | "--listfiles" | "-s" | "--status" | "-l" | "--list" | "-S" | "--search", ..]) => {
            Ok(CommandEffect::unknown())
        }
        // The helper moves what an older version left, and there is none; triggers are dealt with at the end.
        ("dpkg-maintscript-helper" | "dpkg-trigger", _) => ended(true),
        ("dpkg-divert", args) => Divert::read(system, args).and_then(|divert| divert.apply(system)),
        ("dpkg-statoverride", args) => statoverride(system, args),
        ("update-alternatives", args) => update_alternatives(system, args),
        _ => return None,
    })
}

/// An empty version is older than any for `lt` and `le`, and newer for `lt-nl` and `le-nl`.
fn compare(args: &KnownArgs<'_>) -> Done {
    let args = if args.first() == Some(&"--") { args.get(1..).unwrap_or_default() } else { args };
    let [a, operator, b] = args else { return Ok(CommandEffect::unknown()) };
    let plain = operator.strip_suffix("-nl");
    let empty = if plain.is_some() { Ordering::Greater } else { Ordering::Less };
    let order = match (a.is_empty(), b.is_empty()) {
        (true, true) => Ordering::Equal,
        (true, false) => empty,
        (false, true) => empty.reverse(),
        (false, false) => version::compare(a, b),
    };
    ended(match plain.unwrap_or(operator) {
        "lt" | "<<" => order.is_lt(),
        "le" | "<=" | "<" => order.is_le(),
        "eq" | "=" => order.is_eq(),
        "ne" => order.is_ne(),
        "ge" | ">=" | ">" => order.is_ge(),
        "gt" | ">>" => order.is_gt(),
        _ => return Err(StopReason::Argument),
    })
}

/// A call of dpkg-divert.
struct Divert {
    package: Option<String>,
    to: Option<String>,
    action: String,
    rename: bool,
    path: String,
}

impl Divert {
    fn read(system: &DebSystem<'_>, args: &KnownArgs<'_>) -> Result<Self, StopReason> {
        let mut call = Self {
            package: Some(system.package.clone()),
            to: None,
            action: "--add".to_owned(),
            rename: false,
            path: String::new(),
        };
        let mut rest = args.iter();
        while let Some(arg) = rest.next() {
            match *arg {
                "--package" => call.package = rest.next().map(|name| (*name).to_owned()),
                "--local" => call.package = None,
                "--divert" => call.to = rest.next().map(|path| (*path).to_owned()),
                "--rename" => call.rename = true,
                "--no-rename" => call.rename = false,
                "--quiet" | "--force" => {}
                "--add" | "--remove" | "--list" | "--truename" | "--listpackage" => {
                    (*arg).clone_into(&mut call.action);
                }
                option if option.starts_with('-') => return Err(StopReason::Argument),
                operand => operand.clone_into(&mut call.path),
            }
        }
        if call.path.is_empty() { Err(StopReason::Argument) } else { Ok(call) }
    }

    fn apply(self, system: &mut DebSystem<'_>) -> Done {
        let Self { package, to, action, rename, path } = self;
        let at = system.diversions.iter().position(|diversion| diversion.from == path.as_bytes());
        let there = at.and_then(|at| system.diversions.get(at)).cloned();
        match action.as_str() {
            "--list" => {
                let is_meant = |name: &[u8]| matches(path.as_bytes(), name);
                let mut all = system.diversions.iter();
                let any = all.any(|diversion| is_meant(&diversion.from) || is_meant(&diversion.to));
                Ok(if any { CommandEffect::unknown() } else { CommandEffect::prints("") })
            }
            "--truename" => {
                let name = there.map_or_else(|| path.into_bytes(), |diversion| diversion.to);
                Ok(CommandEffect::prints([name, b"\n".to_vec()].concat()))
            }
            "--listpackage" => Ok(CommandEffect::prints(match there {
                Some(Diversion { package: Some(package), .. }) => format!("{package}\n"),
                Some(_) => "LOCAL\n".to_owned(),
                None => String::new(),
            })),
            "--remove" => {
                if let Some(at) = at {
                    let diversion = system.diversions.remove(at);
                    if rename {
                        system.system.rename(&String::from_utf8_lossy(&diversion.to), &path);
                    }
                }
                ended(true)
            }
            _ if there.is_some() => ended(there.is_some_and(|there| there.package == package)),
            _ => {
                let to = to.unwrap_or_else(|| format!("{path}.distrib"));
                if rename && system.system.entry(&path).is_some() {
                    system.system.rename(&path, &to);
                }
                let (from, to) = (path.into_bytes(), to.into_bytes());
                system.diversions.push(Diversion { from, to, package });
                ended(true)
            }
        }
    }
}

fn statoverride(system: &mut DebSystem<'_>, args: &KnownArgs<'_>) -> Done {
    let words: Vec<&str> = args
        .iter()
        .copied()
        .filter(|arg| !matches!(*arg, "--update" | "--quiet" | "--force" | "--force-all"))
        .collect();
    match words.as_slice() {
        ["--list", path] => ended(system.overrides.contains_key(*path)),
        ["--remove", path] => ended(system.overrides.remove(*path).is_some()),
        ["--add", user, group, mode, path] | [user, group, mode, path, "--add"] => {
            let bits = mode_of(mode, 0).ok_or(StopReason::Argument)?;
            if args.contains(&"--update")
                && let Some(id) = system.system.node(path)
            {
                let owner =
                    owner_of(&mut system.system, &format!("{user}:{group}")).ok_or(StopReason::Argument)?;
                let meta = &mut system.system.tree.node_mut(id).meta;
                (meta.uid, meta.gid) = (owner.0.unwrap_or(0), owner.1.unwrap_or(0));
                meta.mode = bits;
            }
            let entry = ((*user).to_owned(), (*group).to_owned(), format!("{bits:o}"));
            system.overrides.insert((*path).to_owned(), entry);
            ended(true)
        }
        _ => Err(StopReason::Argument),
    }
}

fn update_alternatives(system: &mut DebSystem<'_>, args: &KnownArgs<'_>) -> Done {
    let args: Vec<&str> = args.iter().copied().filter(|arg| !matches!(*arg, "--quiet" | "--force")).collect();
    match args.as_slice() {
        ["--install", link, name, path, priority, slaves @ ..] => {
            let priority = priority.parse().map_err(|_| StopReason::Argument)?;
            let mut rows = Vec::new();
            for slave in slaves.chunks(4) {
                let ["--slave", link, name, path] = slave else { return Err(StopReason::Argument) };
                rows.push([*link, *name, *path]);
            }
            // The real tool refuses what is not there.
            if system.system.node(path).is_none() {
                return ended(false);
            }
            ended(alternatives::install(&mut system.system, link, name, path, priority, &rows))
        }
        ["--remove" | "--remove-all", ..] => ended(true),
        ["--list" | "--display" | "--query", name] => {
            let known = system.system.is_file(&format!("/var/lib/dpkg/alternatives/{name}"));
            Ok(if known { CommandEffect::unknown() } else { CommandEffect::status(Truth::No) })
        }
        _ => Err(StopReason::Argument),
    }
}
