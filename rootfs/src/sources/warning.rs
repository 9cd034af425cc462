//! Warnings about a source: collected while it is read, shown once each.

use std::collections::BTreeMap;

use amiforge_formats::tree::Printable;

/// Attribute names listed in one warning.
const NAMES_SHOWN: usize = 5;

/// A warning about a source, with the first instance as an example.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Warning {
    /// Names or targets of hard links that began with `/`.
    #[error("removed the leading `/` from {}, the first of them `{}`", counted(*count, "name"), Printable(first))]
    Absolute {
        /// Entries concerned.
        count: u64,
        /// The first name as the archive gives it.
        first: Vec<u8>,
    },
    /// Attributes of namespaces that no Linux file system has.
    #[error("left out attributes that Linux file systems cannot hold: {}", listed(names))]
    Attributes {
        /// Full names, each with the number of entries that have it.
        names: BTreeMap<Vec<u8>, u64>,
    },
    /// Access control lists of a folder of this host.
    #[error(
        "left out access control lists, which name users of this host, at {}, the first of them `{}`; a tar made with \
         `--acls --numeric-owner` keeps them",
        counted(*count, "path"),
        Printable(first)
    )]
    AccessLists {
        /// Entries concerned.
        count: u64,
        /// The first path in the folder.
        first: Vec<u8>,
    },
    /// A glob of `exclude` that matched no path.
    #[error(
        "`{glob}` in `exclude` matches nothing; globs match whole paths from the top of the source, after `strip` \
         (`**/NAME` matches at any depth)"
    )]
    Exclude {
        /// The glob as the recipe has it.
        glob: String,
    },
    /// A mount of the fstab of a disk image whose device is not on the disk.
    #[error(
        "its /etc/fstab mounts `{}` at `{}`, which is no partition of the disk; it is left out",
        Printable(device.as_bytes()),
        Printable(point.as_bytes())
    )]
    NotMounted {
        /// The device, as the fstab names it.
        device: String,
        /// The mount point.
        point: String,
    },
    /// No entry was taken.
    #[error("nothing of it goes into the image: {why}")]
    Nothing {
        /// `it is empty` or `exclude leaves nothing`.
        why: &'static str,
    },
}

/// A count with its noun.
fn counted(count: u64, thing: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {thing}{plural}")
}

fn listed(names: &BTreeMap<Vec<u8>, u64>) -> String {
    let shown = names.iter().take(NAMES_SHOWN);
    let shown = shown.map(|(name, count)| format!("`{}` of {}", Printable(name), counted(*count, "name")));
    let mut text = shown.collect::<Vec<_>>().join(", ");
    if let Some(more @ 1..) = names.len().checked_sub(NAMES_SHOWN) {
        text = format!("{text} and {more} more");
    }
    text
}

/// Counts while a source is read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    absolute: Option<(u64, Vec<u8>)>,
    attributes: BTreeMap<Vec<u8>, u64>,
    access_lists: Option<(u64, Vec<u8>)>,
}

impl Tally {
    /// A name that began with `/`.
    pub(crate) fn absolute(&mut self, name: &[u8]) {
        count(&mut self.absolute, name);
    }

    /// An attribute that was left out.
    pub(crate) fn attribute(&mut self, name: &[u8]) {
        let entries = self.attributes.entry(name.to_vec()).or_default();
        *entries = entries.saturating_add(1);
    }

    /// An access control list of this host at a path.
    pub(crate) fn access_list(&mut self, path: &[u8]) {
        count(&mut self.access_lists, path);
    }

    /// Adds what another part of the source gave.
    pub(crate) fn add(&mut self, other: Self) {
        for (own, other) in
            [(&mut self.absolute, other.absolute), (&mut self.access_lists, other.access_lists)]
        {
            match (own.as_mut(), other) {
                (Some((sum, _)), Some((more, _))) => *sum = sum.saturating_add(more),
                (None, more) => *own = more,
                (Some(_), None) => {}
            }
        }
        for (name, more) in other.attributes {
            let entries = self.attributes.entry(name).or_default();
            *entries = entries.saturating_add(more);
        }
    }

    /// The warnings that the counts amount to.
    pub(crate) fn warnings(self) -> Vec<Warning> {
        let mut warnings = Vec::new();
        warnings.extend(self.absolute.map(|(count, first)| Warning::Absolute { count, first }));
        if !self.attributes.is_empty() {
            warnings.push(Warning::Attributes { names: self.attributes });
        }
        warnings.extend(self.access_lists.map(|(count, first)| Warning::AccessLists { count, first }));
        warnings
    }
}

fn count(slot: &mut Option<(u64, Vec<u8>)>, example: &[u8]) {
    match slot {
        Some((count, _)) => *count = count.saturating_add(1),
        None => *slot = Some((1, example.to_vec())),
    }
}

/// Whether an attribute is of a namespace that file systems of Linux hold (`xattr(7)`), access control lists
/// included.
pub(crate) fn is_linux_attribute(name: &[u8]) -> bool {
    let spaces = [&b"user."[..], b"trusted.", b"security."];
    let of_a_space = |space: &[u8]| name.strip_prefix(space).is_some_and(|rest| !rest.is_empty());
    spaces.into_iter().any(of_a_space)
        || matches!(name, b"system.posix_acl_access" | b"system.posix_acl_default")
}
