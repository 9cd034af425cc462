//! What sets up a new instance at its first boot: cloud-init with its configuration, or the units of this program.

use super::files::SystemFiles;

/// The unit of this program that installs the instance's key.
pub(super) const METADATA_UNIT: &str = "/usr/lib/systemd/system/amiforge-metadata.service";

/// What sets up a new instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FirstBoot {
    CloudInit,
    OwnUnits,
    None,
}

impl FirstBoot {
    /// cloud-init takes precedence: it runs wherever it is installed.
    pub(super) fn find(files: &SystemFiles<'_>) -> Self {
        if files.is_program("/usr/bin/cloud-init") {
            Self::CloudInit
        } else if files.is_file(METADATA_UNIT) {
            Self::OwnUnits
        } else {
            Self::None
        }
    }
}

/// The configuration of cloud-init.
pub(super) struct CloudConfig {
    /// The texts of its files in the order in which cloud-init reads them; a later file overrides an earlier one.
    pub(super) texts: Vec<String>,
}

impl CloudConfig {
    /// Reads `/etc/cloud/cloud.cfg` and the files of `/etc/cloud/cloud.cfg.d`.
    pub(super) fn read(files: &SystemFiles<'_>) -> Self {
        let mut texts = vec![files.text("/etc/cloud/cloud.cfg").unwrap_or_default()];
        for name in files.names("/etc/cloud/cloud.cfg.d") {
            if name.rsplit_once('.').is_some_and(|(_, end)| end == "cfg") {
                texts.extend(files.text(&format!("/etc/cloud/cloud.cfg.d/{name}")));
            }
        }
        Self { texts }
    }

    /// The value of a top-level key in the last file that has it, if the value is on the same line as the key.
    pub(super) fn value(&self, key: &str) -> Option<String> {
        self.texts.iter().rev().find_map(|text| {
            let value = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
            let value = value.split(" #").next()?.trim().trim_matches(['"', '\'']);
            (!value.is_empty()).then(|| value.to_owned())
        })
    }

    /// The default user, of the last file that defines one.
    pub(super) fn default_user(&self) -> Option<DefaultUser> {
        self.texts.iter().rev().find_map(|text| {
            let indent = |line: &str| line.len() - line.trim_start().len();
            let mut lines = text.lines().skip_while(|line| line.trim() != "default_user:");
            let outer = indent(lines.next()?);
            let inner = |line: &&str| line.trim().is_empty() || indent(line) > outer;
            let fields: Vec<_> =
                lines.take_while(inner).filter_map(|line| line.trim().split_once(':')).collect();
            let value = |key: &str| {
                let found = fields.iter().find(|(name, _)| *name == key);
                found.map(|(_, value)| value.trim().trim_matches(['"', '\'']).to_owned())
            };
            Some(DefaultUser { name: value("name")?, shell: value("shell") })
        })
    }
}

/// The user whom cloud-init makes for the owner of the instance's key.
pub(super) struct DefaultUser {
    /// The name, such as `ec2-user`.
    pub(super) name: String,
    /// The login shell, where the configuration names one.
    pub(super) shell: Option<String>,
}
