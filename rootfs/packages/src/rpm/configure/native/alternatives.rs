//! Alternatives as chkconfig's `alternatives` keeps them (alternatives(8)): links in `/etc/alternatives` and to it, and a file in
//! `/var/lib/alternatives`: mode, link, pairs of name and link of followers, an empty line, then for each choice its path, its
//! family and priority, and a path for each follower.

use crate::configure::alternative_links::{self, point};
use crate::configure::effects::system::TargetSystem;

const STATE: &str = "/var/lib/alternatives";

/// A choice of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AlternativeChoice {
    pub(super) path: String,
    pub(super) priority: i32,
    pub(super) family: Option<String>,
    pub(super) initscript: Option<String>,
    /// Followers: link, name, path.
    pub(super) followers: Vec<[String; 3]>,
}

/// A group: a link and its choices, in the order in which they were added.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct ChoiceGroup {
    link: String,
    /// Name and link of followers.
    followers: Vec<(String, String)>,
    choices: Vec<AlternativeChoice>,
}

impl ChoiceGroup {
    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        lines.next()?;
        let mut group = Self { link: lines.next()?.to_owned(), ..Self::default() };
        while let Some(name) = lines.next().filter(|line| !line.is_empty()) {
            group.followers.push((name.to_owned(), lines.next()?.to_owned()));
        }
        while let Some(path) = lines.next().filter(|line| !line.is_empty()) {
            let row = lines.next()?;
            let (family, row) = match row.strip_prefix('@').and_then(|rest| rest.split_once('@')) {
                Some((family, rest)) => (Some(family.to_owned()), rest),
                None => (None, row),
            };
            let (priority, initscript) = match row.split_once(' ') {
                Some((priority, script)) => (priority, Some(script.to_owned())),
                None => (row, None),
            };
            let mut followers = Vec::new();
            for (name, link) in &group.followers {
                let path = lines.next()?;
                if !path.is_empty() {
                    followers.push([link.clone(), name.clone(), path.to_owned()]);
                }
            }
            let priority = priority.parse().ok()?;
            group.choices.push(AlternativeChoice {
                path: path.to_owned(),
                priority,
                family,
                initscript,
                followers,
            });
        }
        Some(group)
    }

    fn encoded(&self) -> String {
        let mut lines = vec!["auto".to_owned(), self.link.clone()];
        for (name, link) in &self.followers {
            lines.extend([name.clone(), link.clone()]);
        }
        lines.push(String::new());
        for choice in &self.choices {
            let family = choice.family.as_ref().map(|family| format!("@{family}@")).unwrap_or_default();
            let script = choice.initscript.as_ref().map(|script| format!(" {script}")).unwrap_or_default();
            lines.extend([choice.path.clone(), format!("{family}{}{script}", choice.priority)]);
            for (name, _) in &self.followers {
                lines.push(choice.follower(name).unwrap_or_default().to_owned());
            }
        }
        lines.join("\n") + "\n"
    }

    fn add(&mut self, choice: AlternativeChoice) {
        for [link, name, _] in &choice.followers {
            if !self.followers.iter().any(|(own, _)| own == name) {
                self.followers.push((name.clone(), link.clone()));
            }
        }
        match self.choices.iter_mut().find(|own| own.path == choice.path) {
            Some(own) => *own = choice,
            None => self.choices.push(choice),
        }
    }

    /// The choice of the highest priority, the first of several.
    fn best(&self) -> Option<&AlternativeChoice> {
        self.choices.iter().rev().max_by_key(|choice| choice.priority)
    }
}

impl AlternativeChoice {
    fn follower(&self, name: &str) -> Option<&str> {
        self.followers.iter().find(|[_, own, _]| own == name).map(|[.., path]| path.as_str())
    }
}

/// As `alternatives --install LINK NAME PATH PRIORITY …`. False where the group has another link.
pub(super) fn install(
    system: &mut TargetSystem<'_>,
    link: &str,
    name: &str,
    choice: AlternativeChoice,
) -> bool {
    let state = format!("{STATE}/{name}");
    let mut group = ChoiceGroup::parse(&system.text(&state)).unwrap_or_default();
    if group.choices.is_empty() {
        link.clone_into(&mut group.link);
    } else if group.link != link {
        return false;
    }
    group.add(choice);
    let Some(best) = group.best().cloned() else { return false };
    point(system, name, link, &best.path);
    for (follower, link) in &group.followers {
        if let Some(path) = best.follower(follower) {
            point(system, follower, link, path);
            continue;
        }
        alternative_links::remove(system, follower, link);
    }
    system.done.push(format!("alternative {name} -> {}", best.path));
    system.write_deep(&state, group.encoded().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choice(path: &str, priority: i32, followers: &[[&str; 3]]) -> AlternativeChoice {
        let owned = |words: &[&str; 3]| words.map(str::to_owned);
        AlternativeChoice {
            path: path.to_owned(),
            priority,
            family: Some("f".to_owned()),
            initscript: None,
            followers: followers.iter().map(owned).collect(),
        }
    }

    #[test]
    fn a_group_is_written_as_it_is_read() {
        let mut group = ChoiceGroup { link: "/usr/bin/ld".to_owned(), ..ChoiceGroup::default() };
        group.add(choice("/usr/bin/ld.bfd", 50, &[]));
        group.add(choice("/usr/bin/ld.gold", 50, &[["/usr/share/ld.1", "ld-man", "/usr/share/gold.1"]]));
        let text = "auto\n/usr/bin/ld\nld-man\n/usr/share/ld.1\n\n/usr/bin/ld.bfd\n@f@50\n\n/usr/bin/ld.gold\n@f@50\n/usr/share/gold.1\n";
        assert_eq!(group.encoded(), text);
        assert_eq!(ChoiceGroup::parse(text).unwrap(), group);
        assert_eq!(group.best().unwrap().path, "/usr/bin/ld.bfd");
    }
}
