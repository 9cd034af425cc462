//! The index files of kmod, `modules.*.bin`: a trie of keys in which a node lists the bytes that can follow.
//! Knows nothing of modules.
//!
//! Big-endian: magic `0xb007f457`, version 2.1, offset of the root; then the nodes, children before their parent.
//! The top bits of an offset encode what the node has: a prefix, children, values.

use std::collections::BTreeMap;

const MAGIC: u32 = 0xb007_f457;
const VERSION: u32 = 0x0002_0001;
const PREFIX: u32 = 0x8000_0000;
const VALUES: u32 = 0x4000_0000;
const CHILDREN: u32 = 0x2000_0000;

/// A key with its values and their priorities.
type IndexKey<'a> = (&'a [u8], &'a [(u32, Vec<u8>)]);

/// Keys with their values; a key may have several, which are ordered by priority.
#[derive(Debug, Default)]
pub(super) struct ModuleIndex {
    keys: BTreeMap<Vec<u8>, Vec<(u32, Vec<u8>)>>,
}

impl ModuleIndex {
    /// Adds a value. Of equal priorities the later one comes first.
    pub(super) fn insert(&mut self, key: &[u8], value: &[u8], priority: u32) {
        let values = self.keys.entry(key.to_vec()).or_default();
        let at = values.partition_point(|(other, _)| *other < priority);
        values.insert(at, (priority, value.to_vec()));
    }

    /// The bytes of the file. Keys hold ASCII without NUL, which is the caller's promise; others are left out.
    pub(super) fn encoded(&self) -> Vec<u8> {
        let keys: Vec<IndexKey<'_>> = self
            .keys
            .iter()
            .filter(|(key, _)| key.iter().all(|byte| (1..128).contains(byte)))
            .map(|(key, values)| (key.as_slice(), values.as_slice()))
            .collect();
        let mut out = Vec::new();
        out.extend_from_slice(&MAGIC.to_be_bytes());
        out.extend_from_slice(&VERSION.to_be_bytes());
        out.extend_from_slice(&[0; 4]);
        let root = node(&keys, 0, &mut out);
        if let Some(slot) = out.get_mut(8..12) {
            slot.copy_from_slice(&root.to_be_bytes());
        }
        out
    }
}

/// Writes the node of the sorted `keys`, which agree in their first `depth` bytes, and gives its offset with flags.
fn node(keys: &[IndexKey<'_>], depth: usize, out: &mut Vec<u8>) -> u32 {
    let (Some((first, _)), Some((last, _))) = (keys.first(), keys.last()) else {
        // An index without keys still has a root.
        return out.len() as u32;
    };
    // Sorted keys agree in what their ends agree in.
    let agree = first.iter().zip(last.iter()).skip(depth).take_while(|(a, b)| a == b).count();
    // The root has no prefix.
    let agree = if depth == 0 { 0 } else { agree };
    let end = depth + agree;
    let prefix = first.get(depth..end).unwrap_or_default();
    let (own, below) = match keys.split_first() {
        Some(((key, values), rest)) if key.len() == end => (*values, rest),
        _ => (&[][..], keys),
    };
    let (range, offsets) = children(below, end, out);
    let mut offset = out.len() as u32;
    if !prefix.is_empty() {
        offset |= PREFIX;
        out.extend_from_slice(prefix);
        out.push(0);
    }
    if let Some((low, high)) = range {
        offset |= CHILDREN;
        out.extend_from_slice(&[low, high]);
        for child in offsets {
            out.extend_from_slice(&child.to_be_bytes());
        }
    }
    if !own.is_empty() {
        offset |= VALUES;
        out.extend_from_slice(&(own.len() as u32).to_be_bytes());
        for (priority, value) in own {
            out.extend_from_slice(&priority.to_be_bytes());
            out.extend_from_slice(value);
            out.push(0);
        }
    }
    offset
}

/// Writes the nodes below and gives the first and last byte that lead there, with an offset for each byte between.
fn children(keys: &[IndexKey<'_>], depth: usize, out: &mut Vec<u8>) -> (Option<(u8, u8)>, Vec<u32>) {
    let byte = |key: &[u8]| key.get(depth).copied();
    let (Some(low), Some(high)) =
        (keys.first().and_then(|(key, _)| byte(key)), keys.last().and_then(|(key, _)| byte(key)))
    else {
        return (None, Vec::new());
    };
    let mut offsets = Vec::new();
    let mut rest = keys;
    for letter in low..=high {
        let count = rest.partition_point(|(key, _)| byte(key) <= Some(letter));
        let (here, after) = rest.split_at(count);
        rest = after;
        offsets.push(if here.is_empty() { 0 } else { node(here, depth + 1, out) });
    }
    (Some((low, high)), offsets)
}
