//! The dump: a tree as text, one line per name, sorted, for listings, golden files and diffs.
//!
//! A line is `path kind mode uid:gid mtime` and then what the kind adds (`size`, `-> target`, `major,minor`), the
//! attributes as `name=hex`, and `link=path` for a further name of a node that a line above has shown. Bytes that
//! are not printable ASCII appear as `\xNN`, a space in a path as `\x20`, so a line splits at spaces.

use std::collections::HashMap;
use std::fmt::{self, Write};

use crate::tree::{NodeId, NodeKind, Tree, WalkEntry};

/// Shows bytes without spaces: like [`crate::tree::Printable`], with spaces and all that is not ASCII escaped too.
#[derive(Debug, Clone, Copy)]
pub struct DumpWord<'a>(pub &'a [u8]);

impl DumpWord<'_> {
    /// The bytes that a word shows; `None` where it is no such word.
    pub fn parse(word: &str) -> Option<Vec<u8>> {
        let mut bytes = Vec::with_capacity(word.len());
        let mut rest = word.bytes();
        while let Some(byte) = rest.next() {
            let byte = match (byte, byte == b'\\') {
                (b'!'..=b'~', false) => byte,
                (_, true) => match rest.next()? {
                    b'\\' => b'\\',
                    b'x' => {
                        let digits = [rest.next()?, rest.next()?].map(|digit| char::from(digit).to_digit(16));
                        let [Some(high), Some(low)] = digits else { return None };
                        (high << 4 | low) as u8
                    }
                    _ => return None,
                },
                _ => return None,
            };
            bytes.push(byte);
        }
        Some(bytes)
    }
}

impl fmt::Display for DumpWord<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|&byte| match byte {
            b'\\' => f.write_str("\\\\"),
            b'!'..=b'~' => f.write_char(byte as char),
            _ => write!(f, "\\x{byte:02x}"),
        })
    }
}

/// Writes the whole dump.
///
/// # Errors
/// The error of the writer.
pub fn write(tree: &Tree, out: &mut dyn Write) -> fmt::Result {
    let mut shown: HashMap<NodeId, Vec<u8>> = HashMap::new();
    let links = tree.link_counts();
    for entry in tree.walk() {
        let WalkEntry { path, id } = &entry;
        write!(out, "/{} ", DumpWord(path))?;
        if let Some(first) = shown.get(id) {
            writeln!(out, "link=/{}", DumpWord(first))?;
            continue;
        }
        line(tree, *id, out)?;
        let several = links[id.index()] > 1 && !matches!(tree.node(*id).kind, NodeKind::Dir(_));
        if several {
            shown.insert(*id, entry.path);
        }
    }
    Ok(())
}

/// Writes what follows the path on a node's line, with the line's end.
fn line(tree: &Tree, id: NodeId, out: &mut dyn Write) -> fmt::Result {
    let node = tree.node(id);
    let meta = &node.meta;
    write!(out, "{} {:04o} {}:{} {}", node.kind.word(), meta.mode, meta.uid, meta.gid, meta.mtime)?;
    match &node.kind {
        NodeKind::File(content) => write!(out, " {}", content.len())?,
        NodeKind::Symlink(target) => write!(out, " -> {}", DumpWord(target))?,
        NodeKind::CharDevice { major, minor } | NodeKind::BlockDevice { major, minor } => {
            write!(out, " {major},{minor}")?;
        }
        NodeKind::Dir(_) | NodeKind::Fifo | NodeKind::Socket => {}
    }
    for (name, value) in meta.xattrs.iter().flat_map(|xattrs| xattrs.iter()) {
        write!(out, " {}=", DumpWord(name))?;
        value.iter().try_for_each(|byte| write!(out, "{byte:02x}"))?;
    }
    out.write_char('\n')
}

/// The whole dump as a text.
pub fn to_string(tree: &Tree) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = write(tree, &mut text);
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Time;
    use crate::tree::{Content, Meta, Name, Node};

    #[test]
    fn a_line_per_name_with_links_and_attributes() {
        let mut tree = Tree::new(Meta::root_owned(0o755, Time::from_secs(1)));
        let mut meta = Meta::root_owned(0o4755, Time { secs: -1, nanos: 5 });
        let value: Box<[u8]> = Box::from(&b"\x01\xff"[..]);
        meta.xattrs = Some(Box::new([(Box::from(&b"user.x"[..]), value)].into()));
        let node = Node { meta, kind: NodeKind::File(Content::Inline(b"hello".as_slice().into())) };
        let root = tree.root();
        let id = tree.add(root, Name::new(b"a b").unwrap(), node).unwrap();
        tree.link(root, Name::new(b"c\n").unwrap(), id).unwrap();
        let expected = "/ dir 0755 0:0 1.000000000\n\
                        /a\\x20b file 4755 0:0 -1.000000005 5 user.x=01ff\n\
                        /c\\x0a link=/a\\x20b\n";
        assert_eq!(to_string(&tree), expected);
    }

    #[test]
    fn a_word_reads_back_and_others_are_refused() {
        let all: Vec<u8> = (0..=255).collect();
        let word = DumpWord(&all).to_string();
        assert_eq!(DumpWord::parse(&word), Some(all));
        for wrong in ["a b", "\\", "\\x0", "\\xg0", "\\y", "\u{e4}"] {
            assert_eq!(DumpWord::parse(wrong), None, "{wrong}");
        }
    }
}
