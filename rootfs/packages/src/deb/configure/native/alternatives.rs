//! Alternatives: the links in `/etc/alternatives` and to it, and their state in `/var/lib/dpkg/alternatives`.
//!
//! Follows update-alternatives(1) and the files of dpkg: mode, link, slaves (name, link), an empty line, then per
//! choice its path, priority and a path per slave, and an empty line.

use std::collections::BTreeMap;

use crate::configure::alternative_links::{self, point};
use crate::configure::effects::system::TargetSystem;

const STATE: &str = "/var/lib/dpkg/alternatives";

/// One link group: the programs that a link can point to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct AlternativeGroup {
    link: String,
    /// Link by name of slave.
    slaves: BTreeMap<String, String>,
    /// Priority and paths by name of slave, by path.
    choices: BTreeMap<String, (i32, BTreeMap<String, String>)>,
}

impl AlternativeGroup {
    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        lines.next()?;
        let mut group = Self { link: lines.next()?.to_owned(), ..Self::default() };
        let mut order = Vec::new();
        while let Some(name) = lines.next().filter(|line| !line.is_empty()) {
            order.push(name.to_owned());
            group.slaves.insert(name.to_owned(), lines.next()?.to_owned());
        }
        while let Some(path) = lines.next().filter(|line| !line.is_empty()) {
            let priority = lines.next()?.parse().ok()?;
            let mut slaves = BTreeMap::new();
            for name in &order {
                let path = lines.next()?;
                if !path.is_empty() {
                    slaves.insert(name.clone(), path.to_owned());
                }
            }
            group.choices.insert(path.to_owned(), (priority, slaves));
        }
        Some(group)
    }

    fn encoded(&self) -> String {
        let mut text = format!("auto\n{}\n", self.link);
        for (name, link) in &self.slaves {
            text.push_str(&format!("{name}\n{link}\n"));
        }
        text.push('\n');
        for (path, (priority, slaves)) in &self.choices {
            text.push_str(&format!("{path}\n{priority}\n"));
            for name in self.slaves.keys() {
                text.push_str(slaves.get(name).map_or("", String::as_str));
                text.push('\n');
            }
        }
        text.push('\n');
        text
    }

    /// The choice of the highest priority, the first of several.
    fn best(&self) -> Option<(&String, &BTreeMap<String, String>)> {
        let mut best: Option<(&String, i32, &BTreeMap<String, String>)> = None;
        for (path, (priority, slaves)) in &self.choices {
            if best.is_none_or(|(_, highest, _)| *priority > highest) {
                best = Some((path, *priority, slaves));
            }
        }
        best.map(|(path, _, slaves)| (path, slaves))
    }
}

/// As `update-alternatives --install LINK NAME PATH PRIORITY --slave LINK NAME PATH…`.
pub(super) fn install(
    system: &mut TargetSystem<'_>,
    link: &str,
    name: &str,
    path: &str,
    priority: i32,
    slaves: &[[&str; 3]],
) -> bool {
    let state = format!("{STATE}/{name}");
    let mut group = AlternativeGroup::parse(&system.text(&state)).unwrap_or_default();
    link.clone_into(&mut group.link);
    let mut paths = BTreeMap::new();
    for [link, name, path] in slaves {
        group.slaves.insert((*name).to_owned(), (*link).to_owned());
        paths.insert((*name).to_owned(), (*path).to_owned());
    }
    group.choices.insert(path.to_owned(), (priority, paths));
    let Some((best, best_slaves)) = group.best().map(|(path, slaves)| (path.clone(), slaves.clone())) else {
        return false;
    };
    point(system, name, link, &best);
    for (slave, link) in &group.slaves {
        match best_slaves.get(slave).filter(|path| system.entry(path).is_some()) {
            Some(path) => point(system, slave, link, path),
            None => alternative_links::remove(system, slave, link),
        }
    }
    system.done.push(format!("alternative {name} -> {best}"));
    system.write_deep(&state, group.encoded().as_bytes())
}
