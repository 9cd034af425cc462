//! Presets: which of the units that packages install are enabled (systemd.preset(5)). The first rule that matches a name
//! counts; a unit that none matches is enabled.

use std::collections::BTreeMap;

use super::system::RpmSystem;
use amiforge_rootfs::steps::units::{self, UnitsSpec};
use amiforge_rootfs::wildcard::matches_without_escapes;

/// Folders of preset files: a file in one hides those of its name in the later ones.
const FOLDERS: [&str; 3] =
    ["/etc/systemd/system-preset", "/usr/local/lib/systemd/system-preset", "/usr/lib/systemd/system-preset"];

/// Enables those of the units that presets enable. Nothing was enabled before.
pub(super) fn apply(rpm: &mut RpmSystem<'_>) {
    let mut files: BTreeMap<String, String> = BTreeMap::new();
    for folder in FOLDERS {
        for name in rpm.system.names(folder).into_iter().filter(|name| name.as_bytes().ends_with(b".preset"))
        {
            files.entry(name.clone()).or_insert_with(|| format!("{folder}/{name}"));
        }
    }
    let rules: String = files.values().map(|path| rpm.system.text(path) + "\n").collect();
    for unit in std::mem::take(&mut rpm.presets) {
        for name in enabled(&rules, &unit) {
            // A unit without anything to install is none that could be enabled.
            let spec = UnitsSpec { enable: vec![name.clone()], ..UnitsSpec::default() };
            let system = &mut rpm.system;
            if units::apply(system.tree, system.sources, &spec, system.time).is_ok() {
                system.done.push(format!("enabled {name}"));
            }
        }
    }
}

/// The names to enable for a unit: its own, or instances of a template that a rule names.
fn enabled(rules: &str, unit: &str) -> Vec<String> {
    for line in rules.lines() {
        let mut words = line.split_ascii_whitespace();
        let (Some(action), Some(pattern)) = (words.next(), words.next()) else { continue };
        if !matches!(action, "enable" | "disable" | "ignore")
            || !matches_without_escapes(pattern.as_bytes(), unit.as_bytes())
        {
            continue;
        }
        if action != "enable" {
            return Vec::new();
        }
        let instances: Vec<String> = words
            .filter_map(|instance| {
                unit.split_once("@.").map(|(base, end)| format!("{base}@{instance}.{end}"))
            })
            .collect();
        return if instances.is_empty() { vec![unit.to_owned()] } else { instances };
    }
    vec![unit.to_owned()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_rule_decides() {
        let rules = "# x\nenable sshd.service\nenable t@.service a b\ndisable *.service\nignore *.timer\n";
        assert_eq!(enabled(rules, "sshd.service"), ["sshd.service"]);
        assert_eq!(enabled(rules, "t@.service"), ["t@a.service", "t@b.service"]);
        assert!(enabled(rules, "httpd.service").is_empty() && enabled(rules, "x.timer").is_empty());
        assert_eq!(enabled(rules, "x.socket"), ["x.socket"]);
    }
}
