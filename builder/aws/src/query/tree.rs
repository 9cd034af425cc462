//! A structure that is read and written back without knowing all its members.
//!
//! The names on the wire are the same in both directions of the query protocol, so a structure can be changed in one
//! member and sent back whole. Members that this program does not know, such as those that the service adds later, stay.

/// A value of such a structure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Tree {
    Text(String),
    /// A list, with the name of its entries.
    List(String, Vec<Tree>),
    Members(Vec<(String, Tree)>),
}

impl Tree {
    /// The texts of all members with a name, at any depth.
    pub(crate) fn texts(&self, name: &str) -> Vec<&str> {
        match self {
            Self::Text(_) => Vec::new(),
            Self::List(_, items) => items.iter().flat_map(|item| item.texts(name)).collect(),
            Self::Members(members) => {
                let own = members.iter().filter_map(|(member, value)| match value {
                    Self::Text(text) if member == name => Some(text.as_str()),
                    _ => None,
                });
                own.chain(members.iter().flat_map(|(_, value)| value.texts(name))).collect()
            }
        }
    }
}

impl Default for Tree {
    fn default() -> Self {
        Self::Members(Vec::new())
    }
}
