//! Listings of files, a line for each, as `ls -l` has them.

use std::collections::BTreeMap;
use std::fmt;

use amiforge_formats::tree::{Node, NodeId, NodeKind, Printable, Tree};
use serde::{Serialize, Serializer};

use super::when::Utc;

/// How far down a listing goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recursion {
    /// A directory's own entries.
    Entries,
    /// Everything below.
    Everything,
}

/// A name in a listing. Bytes that are not printable ASCII are escaped in every text of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ListedName {
    /// Path from where the listing starts; for a single file its name.
    pub path: String,
    /// Its kind, such as `dir`.
    pub kind: &'static str,
    /// Permission bits in octal.
    #[serde(serialize_with = "octal")]
    pub mode: u16,
    /// Names of the node.
    pub links: u32,
    /// Owner by number.
    pub uid: u32,
    /// Group by number.
    pub gid: u32,
    /// Length of a file in bytes, or of a link's target.
    pub size: Option<u64>,
    /// Bytes of a file that are not in holes.
    pub stored: Option<u64>,
    /// Numbers of a device.
    pub device: Option<(u32, u32)>,
    /// Time of the last change of the content, UTC.
    pub mtime: String,
    /// Target of a link.
    pub target: Option<String>,
    /// Extended attributes, values in hexadecimal.
    pub xattrs: BTreeMap<String, String>,
}

/// Writes permission bits as people write them.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over references")]
fn octal<S: Serializer>(mode: &u16, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{mode:04o}"))
}

/// Lists the nodes below `at`, or `at` itself under the name `name` when it is no directory.
pub fn list(tree: &Tree, at: NodeId, name: &[u8], recursion: Recursion) -> Vec<ListedName> {
    let links = tree.link_counts();
    let row = |path: &[u8], id: NodeId| listed(path, tree.node(id), links[id.index()]);
    let Some(entries) = tree.entries(at) else { return vec![row(name, at)] };
    if recursion == Recursion::Entries {
        return entries.iter().map(|(name, id)| row(name.as_bytes(), *id)).collect();
    }
    let below = super::volume::walk_from(tree, at);
    below.into_iter().skip(1).map(|(path, id)| row(&path, id)).collect()
}

/// The row of a node.
fn listed(path: &[u8], node: &Node, links: u32) -> ListedName {
    let meta = &node.meta;
    let xattrs = meta.xattrs.iter().flat_map(|xattrs| xattrs.iter());
    let (size, stored) = match &node.kind {
        NodeKind::File(content) => {
            (Some(content.len()), Some(content.segments().iter().map(|segment| segment.len).sum()))
        }
        NodeKind::Symlink(target) => (Some(target.len() as u64), None),
        _ => (None, None),
    };
    ListedName {
        path: Printable(path).to_string(),
        kind: node.kind.word(),
        mode: meta.mode,
        links,
        uid: meta.uid,
        gid: meta.gid,
        size,
        stored,
        device: match node.kind {
            NodeKind::CharDevice { major, minor } | NodeKind::BlockDevice { major, minor } => {
                Some((major, minor))
            }
            _ => None,
        },
        mtime: Utc(meta.mtime).to_string(),
        target: match &node.kind {
            NodeKind::Symlink(target) => Some(Printable(target).to_string()),
            _ => None,
        },
        xattrs: xattrs.map(|(name, value)| (Printable(name).to_string(), hex(value))).collect(),
    }
}

/// Bytes in hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Shows kind and permission bits as `ls` does: `-rwsr-xr-x`.
pub(crate) fn mode_string(kind: &str, mode: u16) -> String {
    let first = match kind {
        "dir" => 'd',
        "symlink" => 'l',
        "char" => 'c',
        "block" => 'b',
        "fifo" => 'p',
        "socket" => 's',
        _ => '-',
    };
    let mut text = String::from(first);
    let classes = [(6, 0o4000, 's', 'S'), (3, 0o2000, 's', 'S'), (0, 0o1000, 't', 'T')];
    for (shift, special, with, without) in classes {
        let bits = mode >> shift;
        text.push(if bits & 4 != 0 { 'r' } else { '-' });
        text.push(if bits & 2 != 0 { 'w' } else { '-' });
        text.push(match (mode & special != 0, bits & 1 != 0) {
            (true, true) => with,
            (true, false) => without,
            (false, true) => 'x',
            (false, false) => '-',
        });
    }
    text
}

impl fmt::Display for ListedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mode = mode_string(self.kind, self.mode);
        let size = match (self.device, self.size) {
            (Some((major, minor)), _) => format!("{major},{minor}"),
            (None, size) => size.map_or_else(|| "-".to_owned(), |size| size.to_string()),
        };
        let (links, uid, gid) = (self.links, self.uid, self.gid);
        write!(f, "{mode} {links:>3} {uid:>5} {gid:>5} {size:>11} {} {}", self.mtime, self.path)?;
        self.target.iter().try_for_each(|target| write!(f, " -> {target}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use amiforge_formats::time::Time;
    use amiforge_formats::tree::{Content, Meta, Name};

    fn tree() -> Tree {
        let mut tree = Tree::new(Meta::root_owned(0o755, Time::EPOCH));
        let root = tree.root();
        let dir = Node { meta: Meta::root_owned(0o1777, Time::EPOCH), kind: NodeKind::dir() };
        let dir = tree.add(root, Name::new(b"tmp").unwrap(), dir).unwrap();
        let mut meta = Meta::root_owned(0o4711, Time { secs: 1_000_000_000, nanos: 7 });
        let value: Box<[u8]> = Box::from(&b"\x01\xff"[..]);
        meta.xattrs = Some(Box::new([(Box::from(&b"user.x"[..]), value)].into()));
        let file = Node { meta, kind: NodeKind::File(Content::Inline(b"hello".as_slice().into())) };
        tree.add(dir, Name::new(b"\x1b[31mred\n").unwrap(), file).unwrap();
        let link = NodeKind::Symlink(Box::from(&b"/etc/\x07"[..]));
        let link = Node { meta: Meta::root_owned(0o777, Time::EPOCH), kind: link };
        tree.add(root, Name::new(b"l").unwrap(), link).unwrap();
        tree
    }

    #[test]
    fn lines_read_as_ls_has_them_and_carry_no_control_bytes() {
        let tree = tree();
        let rows = list(&tree, tree.root(), b"", Recursion::Everything);
        let lines: Vec<_> = rows.iter().map(ToString::to_string).collect();
        assert_eq!(
            lines,
            [
                "lrwxrwxrwx   1     0     0           6 1970-01-01T00:00:00Z l -> /etc/\\x07",
                "drwxrwxrwt   2     0     0           - 1970-01-01T00:00:00Z tmp",
                "-rws--x--x   1     0     0           5 2001-09-09T01:46:40.000000007Z tmp/\\x1b[31mred\\x0a",
            ]
        );
        assert_eq!(rows[2].xattrs.get("user.x").map(String::as_str), Some("01ff"));
        let json = serde_json::to_string(&rows).unwrap();
        assert!(json.contains("\"mode\":\"4711\"") && !json.contains('\x1b'), "{json}");
        assert_eq!(list(&tree, tree.root(), b"", Recursion::Entries).len(), 2);
    }

    #[test]
    fn mode_strings_show_special_bits() {
        assert_eq!(mode_string("file", 0o7000), "---S--S--T");
        assert_eq!(mode_string("dir", 0o7777), "drwsrwsrwt");
    }
}
