//! `comps.xml`: groups of packages (`createrepo_c`, type `group`; libcomps).
#![warn(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use std::io::BufRead;

use super::error::RepodataError;
use super::xml::{XmlEvent, XmlReader, malformed};

/// Most groups of a repository.
const MOST_GROUPS: usize = 100_000;
/// Most members of all groups.
const MOST_MEMBERS: usize = 1 << 20;

/// A group of packages.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RpmGroup {
    /// Its id, such as `core`.
    pub id: String,
    /// Its name in English.
    pub name: String,
    /// Its members.
    pub members: Vec<RpmGroupMember>,
}

/// A member of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RpmGroupMember {
    /// Name of the package.
    pub package: String,
    /// When it belongs to the group.
    pub membership: GroupMembership,
}

/// When a package belongs to a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GroupMembership {
    /// Always.
    Mandatory,
    /// Unless a user says otherwise.
    Default,
    /// If a user says so.
    Optional,
    /// Where another package is there.
    Conditional {
        /// The other package.
        on: String,
    },
}

/// Reads the groups.
///
/// # Errors
/// [`RepodataError`].
pub fn read(file: &str, input: &mut dyn BufRead) -> Result<Vec<RpmGroup>, RepodataError> {
    let mut reader = XmlReader::new(file, input);
    let mut groups = Vec::new();
    let (mut open, mut text) = (None::<RpmGroup>, String::new());
    let (mut member, mut translated, mut members) = (GroupMembership::Mandatory, false, 0_usize);
    let mut is_comps = false;
    loop {
        match reader.next()? {
            XmlEvent::Start(element) => {
                text.clear();
                match element.name() {
                    b"comps" => is_comps = true,
                    b"group" => open = Some(RpmGroup::default()),
                    b"name" => translated = element.attribute(b"lang").is_some(),
                    b"packagereq" => {
                        member = match element.attribute(b"type").as_deref() {
                            Some("default") => GroupMembership::Default,
                            Some("optional") => GroupMembership::Optional,
                            Some("conditional") => GroupMembership::Conditional {
                                on: element.attribute(b"requires").unwrap_or_default(),
                            },
                            _ => GroupMembership::Mandatory,
                        };
                    }
                    _ => {}
                }
            }
            XmlEvent::Text(more) => text.push_str(&more),
            XmlEvent::End(name) => {
                let value = text.trim();
                match (name.as_slice(), &mut open) {
                    (b"group", _) => groups.extend(open.take()),
                    (b"id", Some(group)) => value.clone_into(&mut group.id),
                    (b"name", Some(group)) if !translated => value.clone_into(&mut group.name),
                    (b"packagereq", Some(group)) => {
                        members = members.saturating_add(1);
                        group
                            .members
                            .push(RpmGroupMember { package: value.to_owned(), membership: member.clone() });
                    }
                    _ => {}
                }
                text.clear();
                if groups.len() > MOST_GROUPS || members > MOST_MEMBERS {
                    return Err(malformed(file, "it has too many groups or members"));
                }
            }
            XmlEvent::Eof => break,
        }
    }
    if is_comps { Ok(groups) } else { Err(malformed(file, "it has no `comps` element")) }
}
