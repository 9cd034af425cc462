//! The text of a menu: entries are blocks from a line `menuentry … {` to a line `}`. Knows no tree.

use std::borrow::Cow;

/// Commands that name a kernel, with its path as their first argument.
const LINUX: [&str; 3] = ["linux", "linux16", "linuxefi"];

/// What comes before the release in the name of a kernel's file.
const KERNEL: &str = "vmlinuz-";

/// A part of a menu.
enum MenuPart<'a> {
    /// A line outside of all entries.
    Line(&'a str),
    /// The lines of an entry, and the release of the kernel that it starts.
    Entry { lines: Vec<&'a str>, release: Option<&'a str> },
}

/// Whether the first entry of a menu that starts a kernel starts that of a release.
pub(super) fn starts(menu: &str, release: &str) -> bool {
    default_release(menu) == Some(release)
}

/// Whether the first entry that starts a kernel gives it an initrd.
pub(super) fn has_initrd(menu: &str) -> bool {
    parts(menu)
        .into_iter()
        .find_map(|part| match part {
            MenuPart::Entry { lines, release: Some(_) } => Some(lines),
            _ => None,
        })
        .is_some_and(|lines| lines.iter().any(|line| line.trim_start().starts_with("initrd")))
}

/// A menu in which every entry of the kernel that it starts by default has one of the kernel `new` before it; an entry whose
/// title names no release starts `new` itself. Entries of kernels for which `exists` is false are left out. `None` for a
/// menu without an entry that starts a kernel by its release.
pub(super) fn with_kernel(menu: &str, new: &str, exists: &dyn Fn(&str) -> bool) -> Option<String> {
    let old = default_release(menu)?;
    let parts = parts(menu);
    let mut text = String::new();
    let mut at = 0;
    while let Some(part) = parts.get(at) {
        match part {
            MenuPart::Line(line) => text.push_str(line),
            MenuPart::Entry { release: Some(release), lines } if *release == old => {
                if lines.first().is_some_and(|title| title.contains(old)) {
                    // An entry and the one for recovery after it: both of the new kernel, then both of the old one.
                    let run = run_of(parts.get(at..).unwrap_or_default(), old);
                    for lines in &run {
                        push(&mut text, lines, Some((old, new)));
                    }
                    run.iter().filter(|_| exists(old)).for_each(|lines| push(&mut text, lines, None));
                    at += run.len();
                    continue;
                }
                push(&mut text, lines, Some((old, new)));
            }
            // The new kernel has entries of its own where it is there already, but not the first.
            MenuPart::Entry { release: Some(release), .. } if *release == new || !exists(release) => {}
            MenuPart::Entry { lines, .. } => push(&mut text, lines, None),
        }
        at += 1;
    }
    Some(text)
}

/// The entries at the start of some parts that start a kernel of a release and have it in their titles.
fn run_of<'a, 'b>(parts: &'b [MenuPart<'a>], release: &str) -> Vec<&'b [&'a str]> {
    let entries = parts.iter().map_while(|part| match part {
        MenuPart::Entry { lines, release: Some(own) } if *own == release => Some(lines.as_slice()),
        _ => None,
    });
    entries.take_while(|lines| lines.first().is_some_and(|title| title.contains(release))).collect()
}

fn push(text: &mut String, lines: &[&str], replaced: Option<(&str, &str)>) {
    for line in lines {
        text.push_str(&match replaced {
            Some((old, new)) => Cow::Owned(line.replace(old, new)),
            None => Cow::Borrowed(*line),
        });
    }
}

fn default_release(menu: &str) -> Option<&str> {
    parts(menu).into_iter().find_map(|part| match part {
        MenuPart::Entry { release, .. } => release,
        MenuPart::Line(_) => None,
    })
}

fn parts(menu: &str) -> Vec<MenuPart<'_>> {
    let mut parts = Vec::new();
    let mut lines = menu.split_inclusive('\n');
    while let Some(line) = lines.next() {
        let trimmed = line.trim();
        if !trimmed.starts_with("menuentry ") || !trimmed.ends_with('{') {
            parts.push(MenuPart::Line(line));
            continue;
        }
        let mut entry = vec![line];
        for line in lines.by_ref() {
            entry.push(line);
            if line.trim() == "}" {
                break;
            }
        }
        let release = entry.iter().find_map(|line| release_of(line));
        parts.push(MenuPart::Entry { lines: entry, release });
    }
    parts
}

/// The release of the kernel that a line loads.
fn release_of(line: &str) -> Option<&str> {
    let mut words = line.split_whitespace();
    let command = words.next()?;
    let path = words.next().filter(|_| LINUX.contains(&command))?;
    let (_, name) = path.rsplit_once('/')?;
    name.strip_prefix(KERNEL).filter(|release| !release.is_empty())
}
