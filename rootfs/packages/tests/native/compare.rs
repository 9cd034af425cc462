//! Compares two trees entry by entry, and differences with a list that explains them.

use std::collections::{BTreeMap, BTreeSet};

use amiforge_formats::plan::Sources;
use amiforge_formats::tree::{Content, Node, NodeKind, Origin, Tree};
use amiforge_rootfs::glob::Globs;
use amiforge_store::blobs::Blobs;

fn bytes(content: &Content, sources: &dyn Sources) -> Vec<u8> {
    let mut out = vec![0; content.len() as usize];
    for segment in content.segments() {
        let part = &mut out[segment.offset as usize..][..segment.len as usize];
        match &segment.origin {
            Origin::Inline { bytes, at } => part.copy_from_slice(&bytes[*at..][..part.len()]),
            Origin::Slice { source, at } => sources.read_exact_at(*source, *at, part).unwrap(),
        }
    }
    out
}

fn nodes(tree: &Tree) -> BTreeMap<String, &Node> {
    let path = |path: &[u8]| String::from_utf8_lossy(path).into_owned();
    tree.walk().map(|entry| (path(&entry.path), tree.node(entry.id))).collect()
}

/// First number that is drawn when an account is made; those below are the distribution's (Debian policy 9.2.2).
const DRAWN: u32 = 100;

/// The lines of a database of accounts, whatever their order: numbers that are drawn as `*`, members sorted.
pub(crate) fn accounts(tree: &Tree, blobs: &Blobs, path: &str) -> BTreeSet<String> {
    let id = tree.lookup(path.as_bytes()).unwrap_or_else(|| panic!("no {path}"));
    let NodeKind::File(content) = &tree.node(id).kind else { panic!("{path} is no file") };
    let text = String::from_utf8(bytes(content, blobs)).unwrap();
    let numbers: &[usize] = match path {
        "etc/passwd" => &[2, 3],
        "etc/group" => &[2],
        _ => &[],
    };
    let line = |line: &str| {
        let mut fields: Vec<String> = line.split(':').map(str::to_owned).collect();
        for at in numbers {
            if fields[*at].parse().is_ok_and(|number: u32| (DRAWN..60_000).contains(&number)) {
                "*".clone_into(&mut fields[*at]);
            }
        }
        if let Some(members) =
            fields.get_mut(3).filter(|_| path.ends_with("group") || path.ends_with("gshadow"))
        {
            let mut sorted: Vec<&str> = members.split(',').collect();
            sorted.sort_unstable();
            *members = sorted.join(",");
        }
        fields.join(":")
    };
    text.lines().map(line).collect()
}

/// What differs in an entry that both have.
fn differing(ours: &Node, our: &Blobs, theirs: &Node, their: &Blobs) -> Option<String> {
    let same = match (&ours.kind, &theirs.kind) {
        (NodeKind::File(a), NodeKind::File(b)) => a.len() == b.len() && bytes(a, our) == bytes(b, their),
        (NodeKind::Dir(_), NodeKind::Dir(_)) => true,
        (a, b) => a == b,
    };
    if !same {
        return Some(match (&ours.kind, &theirs.kind) {
            (NodeKind::Symlink(a), NodeKind::Symlink(b)) => {
                format!("link {} {}", String::from_utf8_lossy(a), String::from_utf8_lossy(b))
            }
            (NodeKind::File(a), NodeKind::File(b)) => {
                format!("content{}", line(&bytes(a, our), &bytes(b, their)))
            }
            (a, b) if a.word() == b.word() => "numbers".to_owned(),
            (a, b) => format!("kind {} {}", a.word(), b.word()),
        });
    }
    let (a, b) = (&ours.meta, &theirs.meta);
    if !matches!(ours.kind, NodeKind::Symlink(_)) && a.mode != b.mode {
        return Some(format!("mode {:o} {:o}", a.mode, b.mode));
    }
    if (a.uid, a.gid) != (b.uid, b.gid) {
        return Some(format!("owner {}:{} {}:{}", a.uid, a.gid, b.uid, b.gid));
    }
    (a.xattrs != b.xattrs).then(|| "attributes".to_owned())
}

/// The first lines that differ.
fn line(ours: &[u8], theirs: &[u8]) -> String {
    let (ours, theirs) = (String::from_utf8_lossy(ours), String::from_utf8_lossy(theirs));
    let mut lines = ours.lines().zip(theirs.lines()).enumerate();
    match lines.find(|(_, (a, b))| a != b) {
        Some((number, (a, b))) => format!(" of line {}: {a:.60?} {b:.60?}", number + 1),
        None => format!(" of {} and {} lines", ours.lines().count(), theirs.lines().count()),
    }
}

/// Lines: `- PATH` for what only they have, `+ PATH` for what only we have, `~ PATH WHAT` (ours, theirs) for the rest.
pub(crate) fn differences(ours: (&Tree, &Blobs), theirs: (&Tree, &Blobs)) -> Vec<String> {
    let (our_nodes, their_nodes) = (nodes(ours.0), nodes(theirs.0));
    let mut lines = Vec::new();
    for (path, node) in &our_nodes {
        match their_nodes.get(path) {
            None => lines.push(format!("+ {path}")),
            Some(their) => {
                if let Some(what) = differing(node, ours.1, their, theirs.1) {
                    lines.push(format!("~ {path} {what}"));
                }
            }
        }
    }
    lines.extend(
        their_nodes.keys().filter(|path| !our_nodes.contains_key(*path)).map(|path| format!("- {path}")),
    );
    lines
}

/// The differences that no line of the list explains. A line is a sign, a glob of paths and, behind `#`, the reason.
pub(crate) fn unexplained(differences: &[String], list: &str) -> Vec<String> {
    let rules: Vec<(&str, Globs)> = list
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| {
            let (rule, reason) = line.split_once('#').unwrap_or_else(|| panic!("no reason: {line}"));
            assert!(!reason.trim().is_empty(), "no reason: {line}");
            let (sign, glob) = rule.trim().split_once(' ').unwrap_or_else(|| panic!("no glob: {line}"));
            (sign, Globs::new([glob.trim()]).unwrap())
        })
        .collect();
    let explained = |line: &&String| {
        let mut words = line.splitn(3, ' ');
        let (sign, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        rules.iter().any(|(of, glob)| *of == sign && glob.matches(path.as_bytes()))
    };
    differences.iter().filter(|line| !explained(line)).cloned().collect()
}
