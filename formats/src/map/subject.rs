//! What a range of a map is: its kind, and its words.

use std::borrow::Cow;
use std::fmt;

use crate::tree::Printable;

/// The kinds of ranges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RangeKind {
    /// Bytes of a file, or of the target of a link.
    Content,
    /// A structure of a file system, of swap space or of a hash tree.
    Structure,
    /// The partition table.
    Table,
    /// A program that firmware starts from outside of a file system, with what it loads.
    Loader,
    /// Bytes that belong to a structure or to a file's last block and have to be zero.
    Padding,
    /// Bytes that are not read before they are written.
    Free,
    /// Bytes that nothing explains.
    Unexplained,
}

impl RangeKind {
    /// All kinds, in the order of reports.
    pub const ALL: [Self; 7] = [
        Self::Content,
        Self::Structure,
        Self::Table,
        Self::Loader,
        Self::Padding,
        Self::Free,
        Self::Unexplained,
    ];

    /// Its name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Content => "content",
            Self::Structure => "structure",
            Self::Table => "partition-table",
            Self::Loader => "loader",
            Self::Padding => "padding",
            Self::Free => "free",
            Self::Unexplained => "unexplained",
        }
    }
}

/// The name of a node of a volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeName {
    /// A path of names joined by `/`, without a leading one; empty for the root.
    Path(Box<[u8]>),
    /// An inode that the format reserves.
    Reserved(&'static str),
}

impl NodeName {
    /// A node by its path.
    pub fn of_path(path: &[u8]) -> Self {
        Self::Path(path.into())
    }

    /// The path, if it has one.
    pub fn path(&self) -> Option<&[u8]> {
        match self {
            Self::Path(path) => Some(path),
            Self::Reserved(_) => None,
        }
    }
}

impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => write!(f, "/{}", Printable(path)),
            Self::Reserved(name) => f.write_str(name),
        }
    }
}

/// A part of the metadata of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NodePart {
    /// Its inode, by number.
    Inode(u64),
    /// The names in a directory.
    Names,
    /// The addresses of its blocks.
    Addresses,
    /// Its extended attributes.
    Attributes,
    /// The content of a reserved inode, such as the journal.
    Reserved,
}

/// What a range is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// Bytes of a regular file.
    Content {
        /// The file.
        node: u32,
        /// Its byte that is the first of the range.
        offset: u64,
    },
    /// Bytes of a regular file in a section of an executable image, which a boot loader reads as a file of its own.
    Section {
        /// The file.
        node: u32,
        /// Its byte that is the first of the range.
        offset: u64,
        /// Name of the section, such as `.linux`, or of another part, such as `headers`; empty between these.
        name: Box<str>,
    },
    /// Blocks that a file has and that were never written: they read as zeros.
    Unwritten {
        /// The file.
        node: u32,
    },
    /// The target of a symbolic link.
    Target {
        /// The link.
        node: u32,
    },
    /// Bytes of a block behind the end of a content.
    Tail {
        /// The file, directory or link.
        node: u32,
    },
    /// Metadata of a node.
    Node {
        /// The node.
        node: u32,
        /// Which part.
        part: NodePart,
    },
    /// A structure that belongs to no node.
    Structure {
        /// Its name, such as `block bitmap of group 3`.
        name: Cow<'static, str>,
    },
    /// A part of the partition table.
    Table {
        /// Its name.
        name: Cow<'static, str>,
    },
    /// A part of what firmware starts from outside of a file system.
    Loader {
        /// Its name: `stage 1`, `stage 2`, `command line`, `kernel`, `initrd` or `boot code`.
        name: &'static str,
    },
    /// The bytes of a partition that holds no file system.
    Raw,
    /// Bytes that have to be zero.
    Padding {
        /// The structure that they belong to.
        of: Cow<'static, str>,
    },
    /// Bytes that are not read before they are written.
    Free {
        /// What is free there.
        what: &'static str,
    },
    /// Bytes that nothing explains.
    Unexplained {
        /// Why.
        why: String,
    },
}

impl Subject {
    /// Its kind.
    pub fn kind(&self) -> RangeKind {
        match self {
            Self::Content { .. }
            | Self::Section { .. }
            | Self::Unwritten { .. }
            | Self::Target { .. }
            | Self::Raw => RangeKind::Content,
            Self::Tail { .. } | Self::Padding { .. } => RangeKind::Padding,
            Self::Node { .. } | Self::Structure { .. } => RangeKind::Structure,
            Self::Table { .. } => RangeKind::Table,
            Self::Loader { .. } => RangeKind::Loader,
            Self::Free { .. } => RangeKind::Free,
            Self::Unexplained { .. } => RangeKind::Unexplained,
        }
    }

    /// The node that it belongs to.
    pub fn node(&self) -> Option<u32> {
        match self {
            Self::Content { node, .. }
            | Self::Section { node, .. }
            | Self::Unwritten { node }
            | Self::Target { node }
            | Self::Tail { node }
            | Self::Node { node, .. } => Some(*node),
            _ => None,
        }
    }

    /// The byte of a file that is the first of the range.
    pub fn content_offset(&self) -> Option<u64> {
        match self {
            Self::Content { offset, .. } | Self::Section { offset, .. } => Some(*offset),
            _ => None,
        }
    }

    /// Whether two equal subjects beside each other are one range.
    pub(crate) fn joins(&self) -> bool {
        matches!(self, Self::Free { .. } | Self::Padding { .. } | Self::Tail { .. } | Self::Node { .. })
    }
}

/// A subject as text.
#[derive(Debug, Clone, Copy)]
pub struct SubjectText<'a> {
    pub(crate) subject: &'a Subject,
    pub(crate) nodes: &'a [NodeName],
}

impl fmt::Display for SubjectText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nameless = NodeName::Reserved("a node without a name");
        let name = |node: &u32| self.nodes.get(*node as usize).unwrap_or(&nameless);
        match self.subject {
            Subject::Content { node, offset: 0 } => write!(f, "content of {}", name(node)),
            Subject::Content { node, offset } => write!(f, "content of {} from byte {offset} on", name(node)),
            Subject::Section { node, name: section, .. } => match &**section {
                "" => write!(f, "between the sections of {}", name(node)),
                section if section.starts_with('.') => write!(f, "section {section} of {}", name(node)),
                other => write!(f, "{other} of {}", name(node)),
            },
            Subject::Unwritten { node } => write!(f, "unwritten blocks of {}", name(node)),
            Subject::Target { node } => write!(f, "target of the link {}", name(node)),
            Subject::Tail { node } => write!(f, "zeros behind the end of {}", name(node)),
            Subject::Node { node, part } => match part {
                NodePart::Inode(number) => write!(f, "inode {number} of {}", name(node)),
                NodePart::Names => write!(f, "names in {}", name(node)),
                NodePart::Addresses => write!(f, "addresses of the blocks of {}", name(node)),
                NodePart::Attributes => write!(f, "attributes of {}", name(node)),
                NodePart::Reserved => write!(f, "{}", name(node)),
            },
            Subject::Structure { name } | Subject::Table { name } => f.write_str(name),
            Subject::Loader { name } => write!(f, "{name} of the loader"),
            Subject::Raw => f.write_str("bytes of the partition"),
            Subject::Padding { of } => write!(f, "zeros: {of}"),
            Subject::Free { what } => f.write_str(what),
            Subject::Unexplained { why } => write!(f, "not explained: {why}"),
        }
    }
}
