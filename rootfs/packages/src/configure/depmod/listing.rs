//! The bytes of every file of `depmod` from modules that are read, sorted and linked.
//!
//! Follows the headings and the order of kmod's own files, which are its only specification.

use std::collections::BTreeMap;

use super::bucket;
use super::entry::{Entry, module_name};
use super::index::ModuleIndex;

/// Every file, sorted by name.
pub(super) fn files(
    entries: &[Entry],
    builtin: &[u8],
    builtin_modinfo: &[u8],
) -> Vec<(&'static str, Vec<u8>)> {
    let (dep, dep_index) = dependencies(entries);
    let (symbols, symbols_index) = symbols(entries);
    let (alias, alias_index) = aliases(entries);
    vec![
        ("modules.alias", alias),
        ("modules.alias.bin", alias_index),
        ("modules.builtin.alias.bin", builtin_aliases(builtin_modinfo)),
        ("modules.builtin.bin", builtins(builtin)),
        ("modules.dep", dep),
        ("modules.dep.bin", dep_index),
        ("modules.devname", device_nodes(entries)),
        ("modules.softdep", soft_dependencies(entries)),
        ("modules.symbols", symbols),
        ("modules.symbols.bin", symbols_index),
    ]
}

/// `PATH: PATH…`: every module that one needs, directly or not, users before what they use.
fn dependencies(entries: &[Entry]) -> (Vec<u8>, Vec<u8>) {
    let (mut text, mut index) = (Vec::new(), ModuleIndex::default());
    for (at, entry) in entries.iter().enumerate() {
        let mut all: Vec<usize> = Vec::new();
        let mut pending = entry.needs.clone();
        while let Some(needed) = pending.pop() {
            if needed != at && !all.contains(&needed) {
                all.push(needed);
                pending.extend(entries.get(needed).map(|entry| entry.needs.as_slice()).unwrap_or_default());
            }
        }
        let mut all: Vec<&Entry> = all.into_iter().filter_map(|needed| entries.get(needed)).collect();
        all.sort_by_key(|entry| entry.rank);
        let mut line = [&entry.file[..], b":"].concat();
        for needed in all {
            line.push(b' ');
            line.extend_from_slice(&needed.file);
        }
        index.insert(&entry.name, &line, at as u32);
        line.push(b'\n');
        text.extend_from_slice(&line);
    }
    (text, index.encoded())
}

/// Turns dashes into underscores, but not inside brackets; `None` where brackets do not match or the alias is too
/// long for kmod (`PATH_MAX`).
fn normalized(alias: &[u8]) -> Option<Vec<u8>> {
    let (mut inside, mut out) = (false, Vec::with_capacity(alias.len()));
    for &byte in alias {
        match byte {
            b'[' => inside = true,
            b']' if !inside => return None,
            b']' => inside = false,
            _ => {}
        }
        out.push(if byte == b'-' && !inside { b'_' } else { byte });
    }
    (!inside && out.len() < 4096).then_some(out)
}

fn aliases(entries: &[Entry]) -> (Vec<u8>, Vec<u8>) {
    let mut text = b"# Aliases extracted from modules themselves.\n".to_vec();
    let mut index = ModuleIndex::default();
    for (at, entry) in entries.iter().enumerate() {
        for alias in &entry.module.aliases {
            text.extend_from_slice(&[b"alias ", &alias[..], b" ", &entry.name, b"\n"].concat());
            if let Some(alias) = normalized(alias) {
                index.insert(&alias, &entry.name, at as u32);
            }
        }
    }
    (text, index.encoded())
}

fn soft_dependencies(entries: &[Entry]) -> Vec<u8> {
    let mut text = b"# Soft dependencies extracted from modules themselves.\n".to_vec();
    for entry in entries {
        for value in &entry.module.softdeps {
            text.extend_from_slice(&[b"softdep ", &entry.name[..], b" ", value, b"\n"].concat());
        }
    }
    text
}

fn symbols(entries: &[Entry]) -> (Vec<u8>, Vec<u8>) {
    let mut text = b"# Aliases for symbols, used by symbol_request().\n".to_vec();
    let mut index = ModuleIndex::default();
    let mut owners: BTreeMap<&[u8], usize> = BTreeMap::new();
    for (at, entry) in entries.iter().enumerate() {
        owners.extend(entry.module.exports.iter().map(|name| (name.as_slice(), at)));
    }
    let mut owners: Vec<(&[u8], usize)> = owners.into_iter().collect();
    bucket::order(&mut owners);
    for (name, at) in owners {
        let Some(entry) = entries.get(at) else { continue };
        text.extend_from_slice(&[b"alias symbol:", name, b" ", &entry.name, b"\n"].concat());
        if let Some(name) = normalized(name) {
            index.insert(&[b"symbol:", &name[..]].concat(), &entry.name, at as u32);
        }
    }
    (text, index.encoded())
}

/// Device nodes that modules ask for: both a name and a number are among their aliases.
fn device_nodes(entries: &[Entry]) -> Vec<u8> {
    let mut text = Vec::new();
    for entry in entries {
        let (mut name, mut number) = (None, None);
        for alias in &entry.module.aliases {
            let alias = String::from_utf8_lossy(alias).into_owned();
            if let Some(value) = alias.strip_prefix("devname:") {
                name = Some(value.to_owned());
            }
            for (prefix, kind) in [("char-major-", 'c'), ("block-major-", 'b')] {
                let numbers = alias.strip_prefix(prefix).and_then(|rest| rest.split_once('-'));
                if let Some((Ok(major), Ok(minor))) =
                    numbers.map(|(major, minor)| (major.parse::<u32>(), minor.parse::<u32>()))
                {
                    number = Some((kind, major, minor));
                }
            }
            if name.is_some() && number.is_some() {
                break;
            }
        }
        if let (Some(name), Some((kind, major, minor))) = (name, number) {
            if text.is_empty() {
                text.extend_from_slice(b"# Device nodes to trigger on-demand module loading.\n");
            }
            let modname = String::from_utf8_lossy(&entry.name);
            text.extend_from_slice(format!("{modname} {name} {kind}{major}:{minor}\n").as_bytes());
        }
    }
    text
}

/// Names of the modules that are part of the kernel, from `modules.builtin`.
fn builtins(list: &[u8]) -> Vec<u8> {
    let mut index = ModuleIndex::default();
    for line in list.split(|&byte| byte == b'\n') {
        if let Some((_, name)) = module_name(line) {
            index.insert(&name, b"", 0);
        }
    }
    index.encoded()
}

/// Aliases of the modules that are part of the kernel, from `modules.builtin.modinfo`: `MODULE.alias=ALIAS` texts.
fn builtin_aliases(modinfo: &[u8]) -> Vec<u8> {
    let mut index = ModuleIndex::default();
    for entry in modinfo.split(|&byte| byte == 0) {
        let Some(dot) = entry.iter().position(|&byte| byte == b'.') else { continue };
        let (name, rest) = entry.split_at(dot);
        if let Some(alias) = rest.strip_prefix(b".alias=").and_then(normalized) {
            index.insert(&alias, name, 0);
        }
    }
    index.encoded()
}
