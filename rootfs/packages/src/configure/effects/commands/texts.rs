//! Commands that print: echo, printf, cat and those that take paths apart.

use super::outcome::{Done, KnownArgs};
use crate::configure::effects::system::TargetSystem;
use crate::configure::script::{CommandEffect, StopReason, Truth};

/// Does a command of this file; `None` for others.
pub(crate) fn call(
    system: &mut TargetSystem<'_>,
    name: &str,
    args: &KnownArgs<'_>,
    input: Option<&[u8]>,
) -> Option<Done> {
    Some(match name {
        "echo" => echo(args),
        "printf" => printf(args),
        "cat" => cat(system, args, input),
        "dirname" => one(args, |path| match path.trim_end_matches('/').rsplit_once('/') {
            Some(("", _)) => "/".to_owned(),
            Some((folder, _)) => folder.to_owned(),
            None => ".".to_owned(),
        }),
        "basename" => basename(args),
        "readlink" => readlink(system, args),
        "dpkg-realpath" | "realpath" => {
            let path = args.iter().find(|arg| arg.starts_with('/'))?;
            let location = system.locate(path, amiforge_formats::path::Last::Follow)?;
            Ok(CommandEffect::prints(location.path))
        }
        "pwd" => Ok(CommandEffect::prints(system.cwd.clone())),
        _ => return None,
    })
}

fn one(args: &KnownArgs<'_>, of: impl Fn(&str) -> String) -> Done {
    match args {
        [path] => Ok(CommandEffect::prints(of(path))),
        _ => Err(StopReason::Argument),
    }
}

fn basename(args: &KnownArgs<'_>) -> Done {
    let (path, suffix) = match args {
        [path] => (path, ""),
        [path, suffix] => (path, *suffix),
        _ => return Err(StopReason::Argument),
    };
    let base = path.trim_end_matches('/').rsplit('/').next().unwrap_or(path);
    let base = base.strip_suffix(suffix).filter(|rest| !rest.is_empty()).unwrap_or(base);
    Ok(CommandEffect::prints(base))
}

/// As dash: `-n`, and the escapes of XSI.
fn echo(args: &KnownArgs<'_>) -> Done {
    let (newline, words) = match args {
        ["-n", rest @ ..] => ("", rest),
        ["-e", rest @ ..] => ("\n", rest),
        rest => ("\n", rest),
    };
    let text = words.join(" ");
    if text.contains("\\c") {
        return Err(StopReason::Argument);
    }
    Ok(CommandEffect::prints(unescaped(&text) + newline))
}

fn unescaped(text: &str) -> String {
    text.replace("\\n", "\n").replace("\\t", "\t").replace("\\\\", "\\")
}

/// `%s`, `%d` and `%%`; the format is used again while there are arguments.
fn printf(args: &KnownArgs<'_>) -> Done {
    let args = if args.first() == Some(&"--") { args.get(1..).unwrap_or_default() } else { args };
    let Some((format, mut rest)) = args.split_first() else { return Err(StopReason::Argument) };
    let format = unescaped(format);
    let mut out = String::new();
    loop {
        let before = rest.len();
        let mut letters = format.chars();
        while let Some(letter) = letters.next() {
            if letter != '%' {
                out.push(letter);
                continue;
            }
            match letters.next() {
                Some('%') => out.push('%'),
                Some('s' | 'd' | 'i') => {
                    let (first, after) =
                        rest.split_first().map_or(("", rest), |(first, after)| (*first, after));
                    out.push_str(first);
                    rest = after;
                }
                _ => return Err(StopReason::Argument),
            }
        }
        if rest.is_empty() || rest.len() == before {
            return Ok(CommandEffect::prints(out));
        }
    }
}

fn cat(system: &mut TargetSystem<'_>, args: &KnownArgs<'_>, input: Option<&[u8]>) -> Done {
    let files: Vec<&&str> = args.iter().filter(|arg| !arg.starts_with('-') || **arg == "-").collect();
    if files.is_empty() {
        return Ok(input.map_or_else(CommandEffect::unknown, CommandEffect::prints));
    }
    let mut out = Vec::new();
    for file in files {
        match system.read(file) {
            Some(bytes) => out.extend(bytes),
            None => return Ok(CommandEffect::status(Truth::No)),
        }
    }
    Ok(CommandEffect::prints(out))
}

fn readlink(system: &mut TargetSystem<'_>, args: &KnownArgs<'_>) -> Done {
    let (options, paths): (Vec<&str>, Vec<&str>) = args.iter().partition(|arg| arg.starts_with('-'));
    let [path] = paths.as_slice() else { return Err(StopReason::Argument) };
    if options.iter().any(|option| option.contains(['f', 'e', 'm'])) {
        let location = system.locate(path, amiforge_formats::path::Last::Follow);
        return Ok(location.map_or_else(
            || CommandEffect::status(Truth::No),
            |location| CommandEffect::prints(location.path),
        ));
    }
    let target = system.target(path);
    Ok(target.map_or_else(|| CommandEffect::status(Truth::No), CommandEffect::prints))
}
