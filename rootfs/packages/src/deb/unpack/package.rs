//! A package that was unpacked: what its control archive says and which paths it has.

use std::collections::BTreeMap;

use amiforge_formats::time::Time;

use crate::deb::control::Paragraph;
use crate::locked::LockedPackage;

/// A package that was unpacked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnpackedPackage {
    /// Its entry in the lock.
    pub locked: LockedPackage,
    /// Its file `control`.
    pub control: Paragraph,
    /// Every other member of the control archive by name: `preinst`, `md5sums`, `triggers` and so on.
    pub members: BTreeMap<String, Member>,
    /// Its conffiles, in the order in which it lists them.
    pub conffiles: Vec<Conffile>,
    /// Its triggers, in the order in which it lists them.
    pub triggers: Vec<Trigger>,
    /// Its paths as `dpkg -L` shows them, in the order of the archive: absolute, the root as `/.`, not led through
    /// `/usr`'s links, those that filters left out included, those that another package replaces left out.
    pub files: Vec<Vec<u8>>,
    /// Number of paths that the filters left out of the tree.
    pub filtered: usize,
}

/// A member of a control archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Permission bits.
    pub mode: u16,
    /// Its time.
    pub mtime: Time,
}

/// A configuration file that upgrades leave alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conffile {
    /// Absolute path.
    pub path: Vec<u8>,
    /// Whether the package does not ship it but wants it gone (flag `remove-on-upgrade`).
    pub obsolete: bool,
}

/// The relation of a package to a trigger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interest {
    /// `interest`, `interest-await`: its postinst is called; who activates it waits.
    Await,
    /// `interest-noawait`: its postinst is called; no other package waits for it.
    NoAwait,
    /// `activate`, `activate-await`, `activate-noawait`: changing the package activates it.
    Activate,
}

/// A line of a package's `triggers` (deb-triggers(5)).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trigger {
    /// The relation.
    pub interest: Interest,
    /// A name, or an absolute path.
    pub name: Vec<u8>,
}

impl UnpackedPackage {
    /// A maintainer script: `preinst`, `postinst`, `prerm`, `postrm` or `config`.
    pub fn script(&self, name: &str) -> Option<&[u8]> {
        self.members.get(name).map(|member| member.bytes.as_slice())
    }

    /// A field of its control file.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.control.get(name)
    }

    /// Whether it is `Essential: yes`.
    pub fn is_essential(&self) -> bool {
        self.field("Essential").is_some_and(|value| value.eq_ignore_ascii_case("yes"))
    }

    /// The stem of its files in `/var/lib/dpkg/info`: `name`, or `name:arch` where it may be there for several
    /// architectures (`Multi-Arch: same`).
    pub fn info_name(&self) -> String {
        match self.field("Multi-Arch") {
            Some("same") => format!("{}:{}", self.locked.name, self.locked.arch),
            _ => self.locked.name.clone(),
        }
    }
}
