//! A structure that is read and written back without knowing all its members.
//!
//! The names on the wire are the same in both directions of the query protocol, so a structure can be changed in one
//! member and sent back whole. Members that this program does not know, such as those that the service adds later, stay.

use super::{FormWriter, InputValue, MalformedResponse, OutputValue, Shape, Write, XmlElement};

/// A value of such a structure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Tree {
    Text(String),
    /// A list, with the name of its entries.
    List(String, Vec<Tree>),
    Members(Vec<(String, Tree)>),
}

impl Default for Tree {
    fn default() -> Self {
        Self::Members(Vec::new())
    }
}

impl Write for Tree {
    fn write(&self, to: FormWriter<'_>) {
        to.tree(self);
    }
}

impl InputValue for Tree {
    /// The service checks the members: they are its own.
    const SHAPE: Shape = Shape::Structure(&[]);
}

impl OutputValue for Tree {
    const SHAPE: Shape = Shape::Structure(&[]);

    fn read(element: XmlElement<'_, '_>) -> Result<Self, MalformedResponse> {
        element.structure()?;
        Ok(Self::Members(members(element)?))
    }
}

fn members(element: XmlElement<'_, '_>) -> Result<Vec<(String, Tree)>, MalformedResponse> {
    let mut members = Vec::new();
    for child in element.child_elements() {
        // An empty element is an empty list or a value that is not set.
        if let Some(value) = value(child)? {
            members.push((child.name().to_owned(), value));
        }
    }
    Ok(members)
}

fn value(element: XmlElement<'_, '_>) -> Result<Option<Tree>, MalformedResponse> {
    let children = element.child_elements();
    let Some(first) = children.first() else {
        let text = element.text()?;
        return Ok((!text.is_empty()).then(|| Tree::Text(text.to_owned())));
    };
    element.structure()?;
    let item = first.name();
    if matches!(item, "member" | "item") && children.iter().all(|child| child.name() == item) {
        let mut entries = Vec::new();
        for child in &children {
            entries.push(value(*child)?.unwrap_or_default());
        }
        return Ok(Some(Tree::List(item.to_owned(), entries)));
    }
    Ok(Some(Tree::Members(members(element)?)))
}
