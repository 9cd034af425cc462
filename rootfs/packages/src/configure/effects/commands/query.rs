//! Questions: `test`, `command -v`, `getent`, `grep -q` with plain patterns, `uname`.

use amiforge_formats::tree::NodeKind;

use super::expression::Expression;
use super::outcome::{Done, KnownArgs, ended};
use crate::configure::effects::system::TargetSystem;
use crate::configure::script::{CommandEffect, StopReason, Truth, Value};

/// Does a command of this file; `None` for others.
pub(crate) fn call(
    system: &mut TargetSystem<'_>,
    name: &str,
    args: &KnownArgs<'_>,
    input: Option<&[u8]>,
) -> Option<Done> {
    Some(match (name, args) {
        ("command", [option, rest @ ..]) if matches!(*option, "-v" | "-V") => which(system, rest),
        ("which" | "type" | "hash", rest) => which(system, rest),
        ("getent", [database, name]) => getent(system, database, name),
        ("uname", [] | ["-s"]) => Ok(CommandEffect::prints("Linux\n")),
        ("uname", ["-m"]) => Ok(CommandEffect::prints(format!("{}\n", system.machine))),
        ("id", ["-u"]) => Ok(CommandEffect::prints("0\n")),
        ("id", [.., name]) if !name.starts_with('-') => {
            let known = system.has_user(name);
            if known { Ok(CommandEffect::unknown()) } else { ended(false) }
        }
        ("sed", args) if args.iter().any(|arg| arg.starts_with("-i") || arg.starts_with("--in-place")) => {
            Err(StopReason::Unknown)
        }
        ("find", args) if args.iter().any(|arg| matches!(*arg, "-delete" | "-exec" | "-execdir" | "-ok")) => {
            Err(StopReason::Unknown)
        }
        // Whatever they replace, there is nothing in it.
        ("sed" | "tr", _) if input.is_some_and(|input| input.trim_ascii().is_empty()) => {
            Ok(CommandEffect::prints(input.unwrap_or_default()))
        }
        ("sed" | "find", _) => Ok(CommandEffect::unknown()),
        ("mktemp", []) => Ok(CommandEffect::prints(system.make_temporary())),
        ("grep" | "fgrep", args) => grep(system, args, input),
        ("ischroot", _) => ended(true),
        ("cmp", [.., a, b]) => {
            let (a, b) = (system.read(a), system.read(b));
            ended(a.is_some() && a == b)
        }
        ("ls", [.., path]) if system.entry(path).is_none() && !path.starts_with('-') => ended(false),
        ("pidof" | "pgrep" | "mountpoint" | "aa-enabled" | "systemd-detect-virt", _) => ended(false),
        _ => return None,
    })
}

fn which(system: &mut TargetSystem<'_>, names: &KnownArgs<'_>) -> Done {
    let found: Vec<String> = names.iter().filter_map(|name| system.program(name)).collect();
    let status = Truth::of(found.len() == names.len() && !names.is_empty());
    Ok(CommandEffect { status, ..CommandEffect::prints(found.join("\n")) })
}

fn getent(system: &mut TargetSystem<'_>, database: &str, name: &str) -> Done {
    let path = match database {
        "passwd" => "/etc/passwd",
        "group" => "/etc/group",
        _ => return Ok(CommandEffect::unknown()),
    };
    let line = system.account_line(path, name);
    Ok(line.map_or_else(|| CommandEffect::status(Truth::No), |line| CommandEffect::prints(line + "\n")))
}

/// Whether lines match: plain text, with `^`, `$`, `.*` and `[^x]*` understood.
fn grep(system: &mut TargetSystem<'_>, args: &KnownArgs<'_>, input: Option<&[u8]>) -> Done {
    let (options, rest): (Vec<&str>, Vec<&str>) = args.iter().partition(|arg| arg.starts_with('-'));
    let (Some((pattern, files)), quiet) =
        (rest.split_first(), options.iter().any(|option| option.contains('q')))
    else {
        return Ok(CommandEffect::unknown());
    };
    if options.iter().any(|option| option.contains(['v', 'i', 'e', 'E', 'P', 'w', 'c'])) {
        return Ok(CommandEffect::unknown());
    }
    let text = match (files, input) {
        ([], Some(input)) => String::from_utf8_lossy(input).into_owned(),
        ([], None) => return Ok(CommandEffect::unknown()),
        (files, _) => {
            if files.iter().any(|file| !system.is_file(file)) {
                return ended(false);
            }
            files.iter().map(|file| system.text(file)).collect()
        }
    };
    let fixed = options.iter().any(|option| option.contains('F'));
    let whole = options.iter().any(|option| option.contains('x'));
    let mut found = Vec::new();
    for line in text.lines() {
        let matched = match (fixed, whole) {
            (true, true) => line == *pattern,
            (true, false) => line.contains(pattern),
            (false, _) => match Expression::read(pattern, whole) {
                Some(expression) => expression.is_in(line),
                None => return Ok(CommandEffect::unknown()),
            },
        };
        if matched {
            found.push(line);
        }
    }
    let output = if quiet { String::new() } else { found.iter().map(|line| format!("{line}\n")).collect() };
    Ok(CommandEffect { status: Truth::of(!found.is_empty()), ..CommandEffect::prints(output) })
}

/// `test` and `[`.
pub(crate) fn test(system: &mut TargetSystem<'_>, name: &str, args: &[Value]) -> Truth {
    let args = match (name, args.split_last()) {
        ("[", Some((_, rest))) => rest,
        _ => args,
    };
    disjunction(system, args)
}

fn is(value: &Value, text: &str) -> bool {
    value.as_deref() == Some(text.as_bytes())
}

fn disjunction(system: &mut TargetSystem<'_>, args: &[Value]) -> Truth {
    // With up to three arguments `-o` and `-a` may be operands.
    let at = args.iter().position(|arg| is(arg, "-o")).filter(|at| args.len() > 3 && *at > 0);
    let Some(at) = at else { return conjunction(system, args) };
    let (left, right) = args.split_at(at);
    match (conjunction(system, left), disjunction(system, right.get(1..).unwrap_or_default())) {
        (Truth::Yes, _) | (_, Truth::Yes) => Truth::Yes,
        (Truth::No, Truth::No) => Truth::No,
        _ => Truth::Unknown,
    }
}

fn conjunction(system: &mut TargetSystem<'_>, args: &[Value]) -> Truth {
    let at = args.iter().position(|arg| is(arg, "-a")).filter(|at| args.len() > 3 && *at > 0);
    let Some(at) = at else { return primary(system, args) };
    let (left, right) = args.split_at(at);
    match (primary(system, left), conjunction(system, right.get(1..).unwrap_or_default())) {
        (Truth::No, _) | (_, Truth::No) => Truth::No,
        (Truth::Yes, Truth::Yes) => Truth::Yes,
        _ => Truth::Unknown,
    }
}

fn primary(system: &mut TargetSystem<'_>, args: &[Value]) -> Truth {
    match args {
        [] => Truth::No,
        [value] => value.as_ref().map_or(Truth::Unknown, |value| Truth::of(!value.is_empty())),
        [not, rest @ ..] if is(not, "!") && rest.len() != 2 => primary(system, rest).not(),
        [operator, value] => match (operator, value) {
            (Some(operator), Some(value)) => unary(system, operator, value),
            _ => Truth::Unknown,
        },
        [a, Some(operator), b] if is_binary(operator) => match (a, b) {
            (Some(a), Some(b)) => binary(a, operator, b),
            _ => Truth::Unknown,
        },
        [not, rest @ ..] if is(not, "!") => primary(system, rest).not(),
        _ => Truth::Unknown,
    }
}

fn unary(system: &mut TargetSystem<'_>, operator: &[u8], value: &[u8]) -> Truth {
    let Ok(path) = std::str::from_utf8(value) else { return Truth::Unknown };
    let kind = |system: &TargetSystem<'_>| system.node(path).map(|id| system.tree.node(id).kind.word());
    Truth::of(match operator {
        b"!" => value.is_empty(),
        b"-n" => !value.is_empty(),
        b"-z" => value.is_empty(),
        b"-e" | b"-r" | b"-w" => system.node(path).is_some(),
        b"-f" => system.is_file(path),
        b"-d" => system.is_dir(path),
        b"-L" | b"-h" => system.target(path).is_some(),
        b"-x" => system.is_executable(path),
        b"-S" => kind(system) == Some("socket"),
        b"-p" => kind(system) == Some("fifo"),
        b"-b" => kind(system) == Some("block"),
        b"-c" => kind(system) == Some("char"),
        b"-s" => system.node(path).is_some_and(|id| match &system.tree.node(id).kind {
            NodeKind::File(content) => !content.is_empty(),
            _ => true,
        }),
        b"-t" => false,
        _ => return Truth::Unknown,
    })
}

fn is_binary(operator: &[u8]) -> bool {
    let text = std::str::from_utf8(operator).unwrap_or_default();
    ["=", "==", "!=", "-eq", "-ne", "-lt", "-le", "-gt", "-ge", "-nt", "-ot", "-ef"].contains(&text)
}

fn binary(a: &[u8], operator: &[u8], b: &[u8]) -> Truth {
    let number = |text: &[u8]| std::str::from_utf8(text).ok()?.trim().parse::<i64>().ok();
    let numbers = number(a).zip(number(b));
    Truth::of(match (operator, numbers) {
        (b"=" | b"==", _) => a == b,
        (b"!=", _) => a != b,
        (b"-eq", Some((a, b))) => a == b,
        (b"-ne", Some((a, b))) => a != b,
        (b"-lt", Some((a, b))) => a < b,
        (b"-le", Some((a, b))) => a <= b,
        (b"-gt", Some((a, b))) => a > b,
        (b"-ge", Some((a, b))) => a >= b,
        _ => return Truth::Unknown,
    })
}
