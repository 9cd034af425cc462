//! Scripts in rpm's Lua whose effect is certain: a list of calls with literal arguments that make folders and links, set modes
//! or run `ldconfig`, as those of `filesystem` and `glibc` are. Any other form is not followed.
//!
//! rpm, `docs/man/rpm-lua.7`.

use super::system::{RpmScriptScope, RpmSystem};
use crate::configure::script::{Host, StopReason};

/// Most calls of a script.
const MOST_CALLS: usize = 1000;

/// A call: the name of the function, and its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
struct LuaCall {
    function: String,
    arguments: Vec<String>,
}

/// Does what a script does, if all of it is understood; changes nothing otherwise.
pub(super) fn follow(rpm: &mut RpmSystem<'_>, text: &str) -> bool {
    let Some(calls) = calls(text) else { return false };
    if !calls.iter().all(is_known) {
        return false;
    }
    // These make folders before any file is there: the files that are unpacked have brought them with their own modes.
    let before = rpm.scope == RpmScriptScope::Accounts;
    let mut well = true;
    for call in &calls {
        well &= apply(rpm, call, before);
    }
    well
}

fn is_known(call: &LuaCall) -> bool {
    matches!(
        (call.function.as_str(), call.arguments.len()),
        ("posix.mkdir" | "os.remove" | "posix.unlink" | "posix.rmdir", 1)
            | ("posix.symlink" | "posix.chmod", 2)
            | ("os.execute" | "posix.exec" | "rpm.execute", 1..)
            | ("print", _)
    )
}

fn apply(rpm: &mut RpmSystem<'_>, call: &LuaCall, before: bool) -> bool {
    let arguments: Vec<&str> = call.arguments.iter().map(String::as_str).collect();
    let system = &mut rpm.system;
    match (call.function.as_str(), arguments.as_slice()) {
        ("posix.mkdir", [path]) => {
            if system.entry(path).is_none() {
                let meta = amiforge_formats::tree::Meta::root_owned(0o755, system.time);
                system.put(
                    path,
                    amiforge_formats::path::Last::Keep,
                    meta,
                    amiforge_formats::tree::NodeKind::dir(),
                );
            }
            true
        }
        ("posix.symlink", [target, path]) => {
            if system.entry(path).is_none() {
                system.link(path, target);
            }
            true
        }
        ("posix.chmod" | "os.remove" | "posix.unlink" | "posix.rmdir", _) if before => true,
        ("posix.chmod", [path, mode]) => command(rpm, "chmod", &[*mode, *path]),
        ("posix.rmdir", [path]) => command(rpm, "rmdir", &[*path]),
        ("os.remove" | "posix.unlink", [path]) => command(rpm, "rm", &["-f", *path]),
        ("print", _) => true,
        (_, words) => {
            let words: Vec<&str> = words.iter().flat_map(|word| word.split_ascii_whitespace()).collect();
            words.split_first().is_some_and(|(name, rest)| command(rpm, name, rest))
        }
    }
}

/// A command of the tree; false where it is not followed.
fn command(rpm: &mut RpmSystem<'_>, name: &str, args: &[&str]) -> bool {
    let args: Vec<_> = args.iter().map(|arg| Some(arg.as_bytes().to_vec())).collect();
    let effect = rpm.call(name.as_bytes(), &args, None);
    !matches!(effect.skipped, Some(StopReason::Unknown | StopReason::Argument | StopReason::Undecided(_)))
}

/// The calls of a script; nothing where there is anything else in it.
fn calls(text: &str) -> Option<Vec<LuaCall>> {
    let mut calls = Vec::new();
    for line in text.lines() {
        let mut rest = line.trim();
        while !rest.is_empty() && !rest.starts_with("--") {
            let (call, after) = call(rest)?;
            calls.push(call);
            if calls.len() > MOST_CALLS {
                return None;
            }
            rest = after.trim_start().trim_start_matches(';').trim_start();
        }
    }
    Some(calls)
}

/// A call at the start of a text, and what follows it.
fn call(text: &str) -> Option<(LuaCall, &str)> {
    let (function, mut rest) = text.split_once('(')?;
    let function = function.trim().to_owned();
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_');
    if function.is_empty() || !function.bytes().all(is_name) {
        return None;
    }
    let mut arguments = Vec::new();
    loop {
        rest = rest.trim_start();
        if let Some(after) = rest.strip_prefix(')') {
            return Some((LuaCall { function, arguments }, after));
        }
        let quote = rest.chars().next().filter(|letter| matches!(letter, '"' | '\''))?;
        let (argument, after) = rest.get(1..)?.split_once(quote)?;
        if argument.contains('\\') {
            return None;
        }
        arguments.push(argument.to_owned());
        rest = after.trim_start();
        rest = rest.strip_prefix(',').unwrap_or(rest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_calls_are_read_and_nothing_else() {
        let text = "-- folders\nposix.mkdir(\"/usr\"); posix.symlink('usr/bin', \"/bin\")\nposix.exec(\"/sbin/ldconfig\")\n";
        let found = calls(text).unwrap();
        let names: Vec<&str> = found.iter().map(|call| call.function.as_str()).collect();
        assert_eq!(names, ["posix.mkdir", "posix.symlink", "posix.exec"]);
        assert_eq!(found[1].arguments, ["usr/bin", "/bin"]);
        for other in [
            "if x then posix.mkdir('/a') end",
            "f(1)",
            "local a = f('x')",
            "f('a' .. b)",
            "f(\"\\n\")",
            "f('a'",
        ] {
            assert_eq!(calls(other), None, "{other}");
        }
    }
}
