//! The links of alternatives, which dpkg and chkconfig keep alike: one in `/etc/alternatives`, and one to it.

use super::effects::system::TargetSystem;

/// The folder of the links that change.
pub(crate) const LINKS: &str = "/etc/alternatives";

/// Makes the two links of a name; a file at the place of the outer one is left alone, as without `--force`.
pub(crate) fn point(system: &mut TargetSystem<'_>, name: &str, link: &str, path: &str) {
    let own = format!("{LINKS}/{name}");
    system.link_deep(&own, path);
    let in_the_way = system.entry(link).is_some() && system.target(link).is_none();
    let folder = link.rsplit_once('/').map_or("", |(folder, _)| folder);
    if !in_the_way && system.is_dir(folder) {
        system.link(link, &own);
    }
}

/// Removes the links of a name that no choice has any more; other links stay.
pub(crate) fn remove(system: &mut TargetSystem<'_>, name: &str, link: &str) {
    system.remove(&format!("{LINKS}/{name}"));
    if system.target(link).is_some_and(|target| target.starts_with(LINKS)) {
        system.remove(link);
    }
}
