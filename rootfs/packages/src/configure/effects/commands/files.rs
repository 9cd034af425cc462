//! Commands of coreutils that change files: mkdir, touch, rm, ln, cp, mv, chmod, chown, install and so on.

use amiforge_formats::tree::{Content, Meta, NodeId, NodeKind};

use super::outcome::{Done, KnownArgs, ended};
use crate::configure::effects::mode::mode_of;
use crate::configure::effects::system::TargetSystem;
use crate::configure::script::{CommandEffect, StopReason, Truth};
use amiforge_formats::path::Last;

/// Options and operands of a command.
struct Split<'a> {
    short: String,
    long: Vec<&'a str>,
    values: Vec<(char, &'a str)>,
    operands: Vec<&'a str>,
}

/// Splits arguments; letters of `valued` take a value.
fn split<'a>(args: &KnownArgs<'a>, valued: &str) -> Split<'a> {
    let mut split =
        Split { short: String::new(), long: Vec::new(), values: Vec::new(), operands: Vec::new() };
    let mut args = args.iter();
    let mut options = true;
    while let Some(arg) = args.next() {
        match arg.strip_prefix('-') {
            Some("-") if options => options = false,
            Some(long) if options && long.starts_with('-') => split.long.push(long.trim_start_matches('-')),
            Some(letters) if options && !letters.is_empty() => {
                for (at, letter) in letters.char_indices() {
                    if valued.contains(letter) {
                        let rest = letters.get(at + 1..).filter(|rest| !rest.is_empty());
                        if let Some(value) = rest.or_else(|| args.next().copied()) {
                            split.values.push((letter, value));
                        }
                        break;
                    }
                    split.short.push(letter);
                }
            }
            _ => split.operands.push(arg),
        }
    }
    split
}

/// Does a command of this file; `None` for others.
pub(crate) fn call(system: &mut TargetSystem<'_>, name: &str, args: &KnownArgs<'_>) -> Option<Done> {
    Some(match name {
        "mkdir" => mkdir(system, args),
        "rmdir" => rmdir(system, args),
        "touch" => touch(system, args),
        "rm" | "unlink" => rm(system, args),
        "ln" => ln(system, args),
        "cp" => cp(system, args),
        "mv" => mv(system, args),
        "chmod" => chmod(system, args),
        "chown" | "chgrp" => chown(system, name, args),
        "install" => install(system, args),
        "setcap" => setcap(system, args),
        "cd" => cd(system, args),
        "umask" => {
            system.umask =
                args.first().and_then(|mask| u16::from_str_radix(mask, 8).ok()).unwrap_or(system.umask);
            ended(true)
        }
        _ => return None,
    })
}

fn cd(system: &mut TargetSystem<'_>, args: &KnownArgs<'_>) -> Done {
    let Some(folder) = args.last() else { return ended(true) };
    if !system.is_dir(folder) {
        return ended(false);
    }
    let path = system.absolute(folder);
    let path = path.strip_suffix(b"/").map(<[u8]>::to_vec).unwrap_or(path);
    system.cwd = path;
    ended(true)
}

fn mkdir(system: &mut TargetSystem<'_>, args: &KnownArgs<'_>) -> Done {
    let split = split(args, "m");
    let parents = split.short.contains('p') || split.long.contains(&"parents");
    let mode = match split.values.iter().find(|(letter, _)| *letter == 'm') {
        Some((_, mode)) => Some(mode_of(mode, 0o755).ok_or(StopReason::Argument)?),
        None => None,
    };
    let mut well = true;
    for path in &split.operands {
        let there = system.entry(path).is_some();
        well &= match (there, parents) {
            (true, true) => system.is_dir(path),
            (true, false) => false,
            (false, true) => system.make_dirs(path, mode.unwrap_or(0o755)),
            (false, false) => {
                let meta = Meta::root_owned(mode.unwrap_or(0o755), system.time);
                system.put(path, Last::Keep, meta, NodeKind::dir())
            }
        };
    }
    ended(well)
}

fn rmdir(system: &mut TargetSystem<'_>, args: &KnownArgs<'_>) -> Done {
    let split = split(args, "");
    let mut well = true;
    for path in &split.operands {
        let empty = system.is_dir(path) && system.names(path).is_empty();
        well &= empty && system.target(path).is_none() && system.remove(path);
    }
    ended(well || split.long.contains(&"ignore-fail-on-non-empty"))
}

fn touch(system: &mut TargetSystem<'_>, args: &KnownArgs<'_>) -> Done {
    let split = split(args, "dtr");
    let mut well = true;
    for path in &split.operands {
        if system.entry(path).is_none() {
            let no_create = split.short.contains('c') || split.short.contains('h');
            well &= no_create || system.write(path, b"");
        }
    }
    ended(well)
}

fn rm(system: &mut TargetSystem<'_>, args: &KnownArgs<'_>) -> Done {
    let split = split(args, "");
    let deep = split.short.contains('r') || split.short.contains('R');
    let force = split.short.contains('f');
    let mut well = true;
    for path in &split.operands {
        let is_dir = system.entry(path).is_some_and(|id| system.tree.entries(id).is_some());
        well &= if is_dir && !deep { false } else { system.remove(path) || force };
    }
    ended(well || force)
}

/// The destination path: in the folder that the last operand is, or the operand itself.
fn landing(system: &TargetSystem<'_>, from: &str, to: &str, into: bool) -> String {
    if into && system.is_dir(to) {
        let base = from.trim_end_matches('/').rsplit('/').next().unwrap_or(from);
        format!("{}/{base}", to.trim_end_matches('/'))
    } else {
        to.to_owned()
    }
}

fn ln(system: &mut TargetSystem<'_>, args: &KnownArgs<'_>) -> Done {
    let split = split(args, "");
    let [target, path] = split.operands.as_slice() else { return Err(StopReason::Argument) };
    let follow = !split.short.contains('n') && !split.short.contains('T');
    let path = landing(system, target, path, follow);
    let force = split.short.contains('f');
    if system.entry(&path).is_some() && !force {
        return ended(false);
    }
    if split.short.contains('s') {
        if split.short.contains('r') {
            return Err(StopReason::Argument);
        }
        return ended(system.link(&path, target));
    }
    let (Some(id), Some(location)) = (system.entry(target), system.locate(&path, Last::Keep)) else {
        return ended(false);
    };
    let Some(name) = location.name else { return ended(false) };
    system.tree.unlink(location.dir, name.as_bytes());
    ended(system.tree.link(location.dir, name, id).is_ok())
}

fn cp(system: &mut TargetSystem<'_>, args: &KnownArgs<'_>) -> Done {
    let split = split(args, "");
    let has = |letter| split.short.contains(letter);
    let [from, to] = split.operands.as_slice() else { return Err(StopReason::Argument) };
    let to = landing(system, from, to, !has('T'));
    // Links are copied as links by -d and -a, or followed.
    let keeps_links = has('d') || has('a') || has('P');
    let source = if keeps_links { system.entry(from) } else { system.node(from) };
    let Some(source) = source else { return ended(false) };
    let node = system.tree.node(source).clone();
    if matches!(node.kind, NodeKind::Dir(_)) {
        return Err(StopReason::Argument);
    }
    if has('n') && system.entry(&to).is_some() {
        return ended(true);
    }
    let keeps = has('p') || has('a') || split.long.iter().any(|long| long.starts_with("preserve"));
    let meta = if keeps {
        node.meta
    } else {
        let old = system.node(&to).map(|id| system.tree.node(id).meta.clone());
        let new = Meta::root_owned(node.meta.mode & 0o755, system.time);
        old.map_or(new, |old| Meta { mtime: system.time, ..old })
    };
    ended(system.put(&to, if keeps_links { Last::Keep } else { Last::Follow }, meta, node.kind))
}

fn mv(system: &mut TargetSystem<'_>, args: &KnownArgs<'_>) -> Done {
    let split = split(args, "");
    let [from, to] = split.operands.as_slice() else { return Err(StopReason::Argument) };
    let to = landing(system, from, to, !split.short.contains('T'));
    ended(system.rename(from, &to))
}

/// A node, and with `-R` all nodes below it.
fn reached(system: &TargetSystem<'_>, path: &str, deep: bool) -> Vec<NodeId> {
    let Some(id) = system.node(path) else { return Vec::new() };
    let mut all = vec![id];
    let mut at = 0;
    while let (true, Some(&id)) = (deep, all.get(at)) {
        all.extend(system.tree.entries(id).into_iter().flatten().map(|(_, id)| *id));
        at += 1;
    }
    all
}

fn chmod(system: &mut TargetSystem<'_>, args: &KnownArgs<'_>) -> Done {
    let split = split(args, "");
    let Some((mode, paths)) = split.operands.split_first() else { return Err(StopReason::Argument) };
    let mut well = true;
    for path in paths {
        let nodes = reached(system, path, split.short.contains('R'));
        well &= !nodes.is_empty();
        for id in nodes {
            let node = system.tree.node_mut(id);
            if !matches!(node.kind, NodeKind::Symlink(_)) {
                node.meta.mode = mode_of(mode, node.meta.mode).ok_or(StopReason::Argument)?;
            }
        }
    }
    ended(well)
}

/// Gives `USER`, `USER:GROUP` or `:GROUP`.
pub(crate) fn owner_of(system: &mut TargetSystem<'_>, text: &str) -> Option<(Option<u32>, Option<u32>)> {
    let (user, group) = match text.split_once([':', '.']) {
        Some((user, group)) => (user, Some(group)),
        None => (text, None),
    };
    let uid = if user.is_empty() { None } else { Some(system.uid(user)?) };
    let gid = match group {
        None => None,
        Some("") => system.primary_group(user),
        Some(group) => Some(system.gid(group)?),
    };
    Some((uid, gid))
}

fn chown(system: &mut TargetSystem<'_>, name: &str, args: &KnownArgs<'_>) -> Done {
    let split = split(args, "");
    let Some((owner, paths)) = split.operands.split_first() else { return Err(StopReason::Argument) };
    let owner = if name == "chgrp" { format!(":{owner}") } else { (*owner).to_owned() };
    let Some((uid, gid)) = owner_of(system, &owner) else { return ended(false) };
    let mut well = true;
    for path in paths {
        let keep = split.short.contains('h') || split.long.contains(&"no-dereference");
        let nodes = if keep {
            system.entry(path).into_iter().collect()
        } else {
            reached(system, path, split.short.contains('R'))
        };
        well &= !nodes.is_empty();
        for id in nodes {
            let meta = &mut system.tree.node_mut(id).meta;
            (meta.uid, meta.gid) = (uid.unwrap_or(meta.uid), gid.unwrap_or(meta.gid));
        }
    }
    ended(well)
}

fn install(system: &mut TargetSystem<'_>, args: &KnownArgs<'_>) -> Done {
    // `--mode 644` and `--mode=644` are `-m 644`.
    let mut plain: Vec<&str> = Vec::new();
    for arg in args {
        let long = [("--mode", "-m"), ("--owner", "-o"), ("--group", "-g"), ("--directory", "-d")];
        match long.iter().find_map(|(long, short)| Some((arg.strip_prefix(long)?, *short))) {
            Some(("", short)) => plain.push(short),
            Some((rest, short)) => plain.extend([short, rest.trim_start_matches('=')]),
            None => plain.push(arg),
        }
    }
    let split = split(&plain, "mogt");
    let value = |option: char| {
        split.values.iter().rev().find(|(letter, _)| *letter == option).map(|(_, value)| *value)
    };
    let mode = mode_of(value('m').unwrap_or("755"), 0o755).ok_or(StopReason::Argument)?;
    let mut meta = Meta::root_owned(mode, system.time);
    if let Some(owner) = value('o') {
        meta.uid = system.uid(owner).ok_or(StopReason::Argument)?;
    }
    if let Some(group) = value('g') {
        meta.gid = system.gid(group).ok_or(StopReason::Argument)?;
    }
    if split.short.contains('d') {
        let mut well = true;
        for path in &split.operands {
            well &= system.make_dirs(path, mode);
            if let Some(id) = system.node(path) {
                let mtime = system.tree.node(id).meta.mtime;
                system.tree.node_mut(id).meta = Meta { mtime, ..meta.clone() };
            }
        }
        return ended(well);
    }
    let [from, to] = split.operands.as_slice() else { return Err(StopReason::Argument) };
    let content = if *from == "/dev/null" {
        Content::empty()
    } else {
        match system.node(from).map(|id| system.tree.node(id).kind.clone()) {
            Some(NodeKind::File(content)) => content,
            _ => return ended(false),
        }
    };
    let to = landing(system, from, to, !split.short.contains('T'));
    if split.short.contains('D') {
        let folder = to.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned();
        system.make_dirs(&folder, 0o755);
    }
    let put = system.put(&to, Last::Keep, meta, NodeKind::File(content));
    Ok(CommandEffect::status(Truth::of(put)))
}

/// `setcap CAPABILITIES FILE`.
fn setcap(system: &mut TargetSystem<'_>, args: &KnownArgs<'_>) -> Done {
    let [caps, path] = args else { return Err(StopReason::Argument) };
    let Some(id) = system.node(path) else { return ended(false) };
    let value = amiforge_rootfs::steps::capability::from_text(caps).map_err(|_| StopReason::Argument)?;
    let xattrs = system.tree.node_mut(id).meta.xattrs.get_or_insert_default();
    xattrs.insert(b"security.capability".as_slice().into(), value.into_boxed_slice());
    ended(true)
}
