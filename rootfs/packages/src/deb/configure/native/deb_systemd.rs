//! deb-systemd-helper: the links that enable units, and what it writes down about them, so that a later removal knows
//! what was there.
//!
//! Follows deb-systemd-helper(1p): state is in `/var/lib/systemd/deb-systemd-helper-enabled`, a list of links per unit
//! and an empty file per link.

use std::collections::BTreeSet;

use crate::configure::effects::system::TargetSystem;

const STATE: &str = "/var/lib/systemd/deb-systemd-helper-enabled";
const LINKS: &str = "/etc/systemd/system";
const UNITS: [&str; 3] = ["/etc/systemd/system", "/lib/systemd/system", "/usr/lib/systemd/system"];

/// A link: its path below `/etc/systemd/system` and its target.
struct EnabledLink {
    path: String,
    target: String,
}

/// The unit file of a name, a template's for an instance.
fn unit_file(system: &TargetSystem<'_>, name: &str) -> Option<String> {
    let template = name.split_once('@').and_then(|(base, rest)| {
        let suffix = rest.rsplit_once('.')?.1;
        Some(format!("{base}@.{suffix}"))
    });
    [Some(name.to_owned()), template].into_iter().flatten().find_map(|name| {
        UNITS.iter().map(|folder| format!("{folder}/{name}")).find(|path| system.is_file(path))
    })
}

/// The links of a unit and of those that it names by `Also=`.
fn links(system: &mut TargetSystem<'_>, name: &str, seen: &mut BTreeSet<String>) -> Vec<EnabledLink> {
    let Some(path) = unit_file(system, name).filter(|_| seen.insert(name.to_owned())) else {
        return Vec::new();
    };
    let text = system.text(&path).replace("\\\n", " ");
    let mut install = false;
    let (mut links, mut aliases, mut also, mut default) = (Vec::new(), Vec::new(), Vec::new(), None);
    for line in text.lines().map(str::trim) {
        if line.starts_with('[') {
            install = line.eq_ignore_ascii_case("[install]");
        }
        let Some((key, value)) = line.split_once('=').filter(|_| install) else { continue };
        let words = value.split_whitespace();
        match key.trim().to_ascii_lowercase().as_str() {
            "wantedby" => links.extend(words.map(|by| format!("{by}.wants/{name}"))),
            "requiredby" => links.extend(words.map(|by| format!("{by}.requires/{name}"))),
            "alias" => aliases.extend(words.map(str::to_owned)),
            "also" => also.extend(words.map(str::to_owned)),
            "defaultinstance" => default = Some(value.trim().to_owned()),
            _ => {}
        }
    }
    if let (Some(instance), Some((base, suffix))) = (default, name.split_once("@.")) {
        let instance = format!("{base}@{instance}.{suffix}");
        for link in &mut links {
            if let Some(folder) = link.strip_suffix(name) {
                *link = format!("{folder}{instance}");
            }
        }
    }
    let named = aliases.into_iter().chain(links);
    let mut all: Vec<EnabledLink> =
        named.map(|link| EnabledLink { path: link, target: path.clone() }).collect();
    for other in also {
        all.extend(self::links(system, &other, seen));
    }
    all
}

fn state_file(name: &str) -> String {
    format!("{STATE}/{name}.dsh-also")
}

/// Adds the links of a unit to what is written down about it.
fn remember(system: &mut TargetSystem<'_>, name: &str, links: &[EnabledLink]) {
    let path = state_file(name);
    let mut lines: Vec<String> = system.text(&path).lines().map(str::to_owned).collect();
    for link in links {
        let line = format!("{LINKS}/{}", link.path);
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    system.write_deep(&path, text.as_bytes());
}

/// `enable`: makes the links and writes them down.
pub(super) fn enable(system: &mut TargetSystem<'_>, name: &str) -> bool {
    let links = links(system, name, &mut BTreeSet::new());
    remember(system, name, &links);
    for link in &links {
        let path = format!("{LINKS}/{}", link.path);
        if system.entry(&path).is_none() {
            system.link_deep(&path, &link.target);
        }
        system.write_deep(&format!("{STATE}/{}", link.path), b"");
    }
    system.done.push(format!("enabled {name}"));
    true
}

/// `update-state`: writes the links down without making any.
pub(super) fn update_state(system: &mut TargetSystem<'_>, name: &str) -> bool {
    let links = links(system, name, &mut BTreeSet::new());
    remember(system, name, &links);
    true
}

/// `was-enabled`: whether every link that is written down is there; a unit of which nothing is written down counts.
pub(super) fn was_enabled(system: &mut TargetSystem<'_>, name: &str) -> bool {
    let text = system.text(&state_file(name));
    text.lines().all(|line| system.target(line).is_some())
}

/// `debian-installed`: whether anything is written down.
pub(super) fn debian_installed(system: &mut TargetSystem<'_>, name: &str) -> bool {
    system.is_file(&state_file(name))
}
