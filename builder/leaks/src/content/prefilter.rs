//! Finds where any of many literals may begin, in one pass over memory.
//!
//! Of every literal two windows of four bytes are known, its first and its second, so looking at every other byte is
//! enough. A window is a hash into a bitmap that stays in the first-level cache; four windows are looked up for each eight
//! bytes, none of which waits for another, and only where a bit is set are literals compared. This needs no vector
//! instructions, and its speed does not depend on the number of literals: automata for as many (aho-corasick, Teddy) step
//! through each byte, or take three bytes of at most 64 literals.

use super::alphabet::Alphabet;

/// Bytes of a window.
const WINDOW: usize = 4;

/// Bits of the hash of a window; the bitmap has 16 KiB.
const HASH_BITS: u32 = 17;

/// Words of the bitmap.
const WORDS: usize = 1 << (HASH_BITS - 6);

/// Multiplier of the hash (Knuth, The Art of Computer Programming 3, 6.4).
const MULTIPLIER: u32 = 0x9E37_79B1;

/// A literal to find.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Literal {
    /// At least four bytes.
    pub(crate) bytes: &'static [u8],
    /// The letters that can follow: what a literal of only four bytes is distinguished by.
    pub(crate) follows: Alphabet,
    /// The number by which it is reported.
    pub(crate) number: u16,
}

/// A window of a literal, which begins `shift` bytes before it.
#[derive(Debug, Clone, Copy)]
struct LiteralWindow {
    hash: u32,
    bytes: [u8; WINDOW],
    shift: u8,
    literal: u16,
}

/// Literals that are searched for together.
#[derive(Debug)]
pub(crate) struct Prefilter {
    bitmap: Box<[u64; WORDS]>,
    /// Sorted by hash.
    windows: Vec<LiteralWindow>,
    literals: Vec<Literal>,
}

impl Prefilter {
    /// Prepares a search.
    pub(crate) fn new(literals: &[Literal]) -> Self {
        let mut windows = Vec::new();
        for (at, literal) in literals.iter().enumerate() {
            let mut add = |bytes: [u8; WINDOW], shift| {
                let hash = hash(u32::from_le_bytes(bytes));
                windows.push(LiteralWindow { hash, bytes, shift, literal: at as u16 });
            };
            let Some(first) = literal.bytes.first_chunk::<WINDOW>() else { continue };
            add(*first, 0);
            match literal.bytes.get(1..).and_then(<[u8]>::first_chunk::<WINDOW>) {
                Some(second) => add(*second, 1),
                None => literal
                    .follows
                    .letters()
                    .for_each(|letter| add([first[1], first[2], first[3], letter], 1)),
            }
        }
        windows.sort_unstable_by_key(|window| window.hash);
        let mut bitmap = Box::new([0; WORDS]);
        for window in &windows {
            bitmap[(window.hash >> 6) as usize % WORDS] |= 1 << (window.hash & 63);
        }
        Self { bitmap, windows, literals: literals.to_vec() }
    }

    /// Calls `report` with the number and the offset of every literal in `bytes`, in order of their offsets.
    pub(crate) fn search(&self, bytes: &[u8], report: &mut dyn FnMut(u16, usize)) {
        let (chunks, _) = bytes.as_chunks::<8>();
        let mut before = 0_u64;
        for (index, chunk) in chunks.iter().enumerate() {
            let word = u64::from_le_bytes(*chunk);
            let across = (before >> 48) as u32 | (word as u32 & 0xffff) << 16;
            let (first, second, third) = (word as u32, (word >> 16) as u32, (word >> 32) as u32);
            before = word;
            if self.may(across) | self.may(first) | self.may(second) | self.may(third) {
                let at = index * 8;
                if let Some(at) = at.checked_sub(2) {
                    self.compare(bytes, at, across, report);
                }
                self.compare(bytes, at, first, report);
                self.compare(bytes, at + 2, second, report);
                self.compare(bytes, at + 4, third, report);
            }
        }
        // The last windows, which reach into what is left of a chunk.
        let mut at = (chunks.len() * 8).saturating_sub(2);
        while let Some(window) = bytes.get(at..).and_then(<[u8]>::first_chunk::<WINDOW>) {
            self.compare(bytes, at, u32::from_le_bytes(*window), report);
            at += 2;
        }
    }

    /// Whether a window may be one of a literal.
    fn may(&self, window: u32) -> bool {
        let hash = hash(window);
        self.bitmap[(hash >> 6) as usize % WORDS] >> (hash & 63) & 1 == 1
    }

    /// Reports the literals that have the window at this offset.
    fn compare(&self, bytes: &[u8], at: usize, window: u32, report: &mut dyn FnMut(u16, usize)) {
        if !self.may(window) {
            return;
        }
        let (hash, window) = (hash(window), window.to_le_bytes());
        let from = self.windows.partition_point(|known| known.hash < hash);
        for known in self.windows[from..].iter().take_while(|known| known.hash == hash) {
            let literal = &self.literals[usize::from(known.literal)];
            let start = at.checked_sub(usize::from(known.shift)).filter(|_| known.bytes == window);
            if let Some(start) = start.filter(|start| bytes[*start..].starts_with(literal.bytes)) {
                report(literal.number, start);
            }
        }
    }
}

/// The hash of a window, of [`HASH_BITS`] bits.
fn hash(window: u32) -> u32 {
    window.wrapping_mul(MULTIPLIER) >> (32 - HASH_BITS)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LITERALS: [Literal; 4] = [
        Literal { bytes: b"AKIA", follows: Alphabet::Base32, number: 0 },
        Literal { bytes: b"glpat-", follows: Alphabet::Word, number: 1 },
        Literal { bytes: b"glpat", follows: Alphabet::Word, number: 2 },
        Literal { bytes: b"-----BEGIN ", follows: Alphabet::Word, number: 3 },
    ];

    fn hits(text: &[u8]) -> Vec<(u16, usize)> {
        let mut hits = Vec::new();
        Prefilter::new(&LITERALS).search(text, &mut |number, at| hits.push((number, at)));
        hits.sort_unstable();
        hits
    }

    #[test]
    fn literals_are_found_once_at_every_offset_and_length() {
        for before in 0..40 {
            for after in 0..20 {
                let text = [&vec![b'.'; before][..], b"glpat-", &vec![b'.'; after]].concat();
                assert_eq!(hits(&text), [(1, before), (2, before)], "{before} {after}");
                // A literal of four bytes counts where a letter of its alphabet follows.
                let text = [&vec![b'.'; before][..], b"AKIA", &vec![b'Q'; after + 1]].concat();
                assert_eq!(hits(&text), [(0, before)], "{before} {after}");
            }
        }
    }

    #[test]
    fn every_literal_is_found_that_a_plain_search_finds() {
        // A text of few letters, in which parts of the literals are frequent.
        let mut state = 1_u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) as usize
        };
        let pieces: [&[u8]; 9] = [b"AK", b"IA", b"gl", b"pat", b"-", b"-----BE", b"GIN ", b"Q", b"AKIA"];
        for _ in 0..500 {
            let text: Vec<u8> = (0..40).flat_map(|_| pieces[next() % pieces.len()].to_vec()).collect();
            let mut plain = Vec::new();
            for literal in LITERALS {
                let follows = |at: usize| {
                    literal.bytes.len() > 4
                        || at.is_multiple_of(2)
                        || text.get(at + 4).is_some_and(|letter| literal.follows.has(*letter))
                };
                let starts = text.windows(literal.bytes.len()).enumerate();
                let starts = starts.filter(|(at, window)| *window == literal.bytes && follows(*at));
                plain.extend(starts.map(|(at, _)| (literal.number, at)));
            }
            plain.sort_unstable();
            assert_eq!(hits(&text), plain, "{}", String::from_utf8_lossy(&text));
        }
    }

    #[test]
    fn nothing_is_found_in_too_few_bytes() {
        for len in 0..4 {
            assert_eq!(hits(&b"AKIA"[..len]), []);
        }
    }
}
