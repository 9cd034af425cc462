//! Reads the ranges and defaults of login.defs(5). Knows no accounts.

use std::collections::BTreeMap;

use amiforge_formats::plan::Sources;
use amiforge_formats::tree::Tree;

use super::spec::AccountClass;
use amiforge_formats::path::{self, PathError};

/// The settings of `/etc/login.defs` of the tree, with the defaults of shadow-utils.
#[derive(Debug, Clone, Default)]
pub(super) struct LoginDefs {
    values: BTreeMap<String, String>,
}

impl LoginDefs {
    /// Reads the file; without one every setting has its default.
    pub(super) fn load(tree: &Tree, sources: &dyn Sources) -> Result<Self, PathError> {
        // Distributions that leave /etc to the administrator have it in /usr/etc.
        let mut bytes = path::read(tree, sources, b"/etc/login.defs")?;
        if bytes.is_none() {
            bytes = path::read(tree, sources, b"/usr/etc/login.defs")?;
        }
        let bytes = bytes.unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
        let pairs = lines.filter_map(|line| line.split_once(|letter: char| letter.is_ascii_whitespace()));
        let values = pairs.map(|(key, value)| (key.to_owned(), value.trim().to_owned())).collect();
        Ok(Self { values })
    }

    /// A number as strtol(3) reads it: decimal, octal after `0`, hexadecimal after `0x`.
    fn number(&self, key: &str) -> Option<u32> {
        let text = self.values.get(key)?;
        match (text.strip_prefix("0x"), text.strip_prefix('0')) {
            (Some(digits), _) => u32::from_str_radix(digits, 16).ok(),
            (None, Some(digits)) if !digits.is_empty() => u32::from_str_radix(digits, 8).ok(),
            _ => text.parse().ok(),
        }
    }

    /// First and last number for users (`UID`) or groups (`GID`).
    pub(super) fn range(&self, prefix: &str, class: AccountClass) -> (u32, u32) {
        let or = |key: String, default| self.number(&key).unwrap_or(default);
        match class {
            AccountClass::Regular => (or(format!("{prefix}_MIN"), 1000), or(format!("{prefix}_MAX"), 60_000)),
            AccountClass::System => {
                let last = or(format!("{prefix}_MIN"), 1000).saturating_sub(1);
                (or(format!("SYS_{prefix}_MIN"), 100), or(format!("SYS_{prefix}_MAX"), last))
            }
        }
    }

    /// Subordinate ids (`SUB_UID`, `SUB_GID`): first, last, and the number of ids for each user.
    pub(super) fn subordinate(&self, prefix: &str) -> (u32, u32, u32) {
        let or = |key: &str, default| self.number(&format!("{prefix}_{key}")).unwrap_or(default);
        (or("MIN", 100_000), or("MAX", 600_100_000), or("COUNT", 65_536))
    }

    /// Days for the ageing fields of shadow(5): minimum, maximum, warning; empty where login.defs disables them.
    pub(super) fn ageing(&self) -> [String; 3] {
        [("PASS_MIN_DAYS", "0"), ("PASS_MAX_DAYS", "99999"), ("PASS_WARN_AGE", "7")].map(|(key, default)| {
            match self.values.get(key) {
                Some(value) => value.parse::<u32>().map(|days| days.to_string()).unwrap_or_default(),
                None => default.to_owned(),
            }
        })
    }

    /// Mode of a new home: `HOME_MODE`, else 0777 without `UMASK`.
    pub(super) fn home_mode(&self) -> u16 {
        let umask = self.octal("UMASK").unwrap_or(0o022);
        self.octal("HOME_MODE").unwrap_or(0o777 & !umask)
    }

    fn octal(&self, key: &str) -> Option<u16> {
        let mode = u16::from_str_radix(self.values.get(key)?, 8).ok()?;
        (mode <= 0o7777).then_some(mode)
    }
}

#[cfg(test)]
mod tests {
    use amiforge_formats::plan::NoSources;

    use super::*;
    use crate::steps::testing::{empty, tree};

    #[test]
    fn ranges_come_from_the_tree() {
        let defaults = LoginDefs::load(&empty(), &NoSources).unwrap();
        assert_eq!(defaults.range("UID", AccountClass::Regular), (1000, 60_000));
        assert_eq!(defaults.range("GID", AccountClass::System), (100, 999));
        assert_eq!(
            (defaults.home_mode(), defaults.subordinate("SUB_UID")),
            (0o755, (100_000, 600_100_000, 65_536))
        );
        let text =
            "file 0644 # UID_MIN 1\nUID_MIN\t\t 500\nSYS_GID_MAX 0x1F\n PASS_MAX_DAYS -1\nUMASK 027\nbad\n";
        let defs = LoginDefs::load(&tree(&[("/etc/login.defs", text)]), &NoSources).unwrap();
        assert_eq!(defs.range("UID", AccountClass::System), (100, 499));
        assert_eq!(defs.range("GID", AccountClass::System), (100, 31));
        assert_eq!((defs.home_mode(), defs.ageing()), (0o750, ["0".into(), String::new(), "7".into()]));
    }
}
