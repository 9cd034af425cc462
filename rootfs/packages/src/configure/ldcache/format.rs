//! The bytes of `/etc/ld.so.cache` in the format of glibc 2.32 and later, little-endian. Knows nothing of trees.
//!
//! Follows `dl-cache.h` of glibc: a head of 48 bytes, entries of 24 sorted so that the loader can search by halves, a
//! table of texts, an extension that names who made it.

use std::cmp::{Ordering, Reverse};
use std::collections::BTreeMap;

const MAGIC: &[u8] = b"glibc-ld.so.cache1.1";
const HEAD: usize = 48;
const ENTRY: usize = 24;
const LITTLE_ENDIAN: u8 = 2;
const EXTENSION_MAGIC: u32 = 0xeaa4_2174;
/// Head of the extension and its one section: the generator.
const EXTENSION: usize = 8 + 16;

/// A library as the loader looks it up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Library {
    /// Which loaders may use it.
    pub(super) flags: u32,
    /// The name that programs ask for.
    pub(super) soname: Vec<u8>,
    /// Its path.
    pub(super) path: Vec<u8>,
}

/// The file, with libraries in the order of the search path; `generator` is written into the extension where it is known.
pub(super) fn encoded(mut libraries: Vec<Library>, generator: Option<&[u8]>) -> Vec<u8> {
    libraries.sort_by(|a, b| compare(&b.soname, &a.soname).then(b.flags.cmp(&a.flags)));
    let texts_at = HEAD + ENTRY * libraries.len();
    let texts = Texts::of(libraries.iter().flat_map(|library| [&library.soname[..], &library.path[..]]));
    let end = texts_at + texts.bytes.len();
    let extension = end.next_multiple_of(4);
    let mut out = MAGIC.to_vec();
    out.extend_from_slice(&(libraries.len() as u32).to_le_bytes());
    out.extend_from_slice(&(texts.bytes.len() as u32).to_le_bytes());
    out.extend_from_slice(&[LITTLE_ENDIAN, 0, 0, 0]);
    out.extend_from_slice(&generator.map_or(0, |_| extension as u32).to_le_bytes());
    out.resize(HEAD, 0);
    for library in &libraries {
        let at = |text: &[u8]| (texts_at + texts.offset(text)) as u32;
        for word in [library.flags, at(&library.soname), at(&library.path), 0, 0, 0] {
            out.extend_from_slice(&word.to_le_bytes());
        }
    }
    out.extend_from_slice(&texts.bytes);
    if let Some(generator) = generator {
        out.resize(extension, 0);
        let at = (extension + EXTENSION) as u32;
        // One section: tag 0 (generator), flags, where, how long.
        for word in [EXTENSION_MAGIC, 1, 0, 0, at, generator.len() as u32] {
            out.extend_from_slice(&word.to_le_bytes());
        }
        out.extend_from_slice(generator);
    }
    out
}

/// The order of names: numbers count as numbers, and come after everything that is none.
pub(super) fn compare(a: &[u8], b: &[u8]) -> Ordering {
    let (mut a, mut b) = (a, b);
    loop {
        match (a.first(), b.first()) {
            (Some(x), Some(y)) if x.is_ascii_digit() && y.is_ascii_digit() => {
                let (first, second) = (number(&mut a), number(&mut b));
                if first != second {
                    return first.cmp(&second);
                }
            }
            (Some(x), _) if x.is_ascii_digit() => return Ordering::Greater,
            (_, Some(y)) if y.is_ascii_digit() => return Ordering::Less,
            (Some(x), Some(y)) if x == y => {
                a = a.get(1..).unwrap_or_default();
                b = b.get(1..).unwrap_or_default();
            }
            (x, y) => return x.cmp(&y),
        }
    }
}

fn number(text: &mut &[u8]) -> u32 {
    let len = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = text.split_at(len);
    *text = rest;
    digits.iter().fold(0u32, |sum, digit| sum.wrapping_mul(10).wrapping_add(u32::from(digit - b'0')))
}

/// Texts that end in a NUL, one after the other; a text that is the end of another is part of it.
struct Texts {
    bytes: Vec<u8>,
    offsets: BTreeMap<Vec<u8>, usize>,
}

impl Texts {
    fn of<'a>(texts: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut sorted: Vec<&[u8]> = texts.collect();
        // By their ends, so that a text comes right after the one that it is the end of.
        sorted.sort_by_cached_key(|text| Reverse(text.iter().rev().copied().collect::<Vec<u8>>()));
        sorted.dedup();
        let (mut bytes, mut offsets) = (Vec::new(), BTreeMap::new());
        let mut before: &[u8] = b"";
        for text in sorted {
            if !before.ends_with(text) || bytes.is_empty() {
                bytes.extend_from_slice(text);
                bytes.push(0);
                before = text;
            }
            offsets.insert(text.to_vec(), bytes.len() - 1 - text.len());
        }
        Self { bytes, offsets }
    }

    fn offset(&self, text: &[u8]) -> usize {
        self.offsets.get(text).copied().unwrap_or_default()
    }
}
