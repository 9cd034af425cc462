//! All digests of an image from one walk over its windows in order.

use amiforge_formats::digest::{BLOCK, Digest};

use super::sha256::{self, CHUNK, Sha256State};
use super::window::{Survey, WindowBlock, WindowBuffer};
use super::{Block, BlockMap};

/// Zeros to hash where no window was gathered.
static ZEROS: [[u8; CHUNK]; 1024] = [[0; CHUNK]; 1024];

/// The digest of the whole image so far, and its blocks.
#[derive(Debug)]
pub(super) struct Digester {
    plain: Sha256State,
    /// Whether the whole image is digested; if not, its digest has no meaning.
    whole: bool,
    len: u64,
    blocks: BlockMap,
    /// What was left of the last block after its last whole chunk.
    rest: Vec<u8>,
}

impl Digester {
    pub(super) fn new(whole: bool) -> Self {
        Self { plain: Sha256State::START, whole, len: 0, blocks: BlockMap::default(), rest: Vec::new() }
    }

    /// Takes the next window. `hashed` has the digests of its blocks with data where they are known already.
    pub(super) fn take(&mut self, survey: &Survey, buffer: Option<&WindowBuffer>, hashed: Option<&[Digest]>) {
        let mut hashed = hashed.map(|digests| digests.iter().copied());
        for (index, holds) in survey.blocks.iter().enumerate() {
            let from = index as u64 * BLOCK;
            let used = (survey.range.end - survey.range.start - from).min(BLOCK);
            let block = match (holds, buffer) {
                (WindowBlock::Data, Some(buffer)) => {
                    let bytes = &buffer.bytes()[from as usize..(from + BLOCK) as usize];
                    let known = hashed.as_mut().and_then(Iterator::next);
                    Block::hashed(self.data(bytes, used as usize, known))
                }
                (WindowBlock::Free, _) => self.zeros(used, Block::Free),
                _ => self.zeros(used, Block::Zero),
            };
            self.blocks.push(block, 1);
            self.len += used;
        }
    }

    /// The digests of the blocks with data of a window, for threads that hash them beforehand.
    pub(super) fn hash_blocks(survey: &Survey, buffer: &WindowBuffer) -> Vec<Digest> {
        let blocks = survey.blocks.iter().zip(buffer.bytes().as_chunks::<{ BLOCK as usize }>().0);
        let held: Vec<_> =
            blocks.filter(|(holds, _)| **holds == WindowBlock::Data).map(|(_, bytes)| bytes).collect();
        let (pairs, last) = held.as_chunks::<2>();
        let mut digests = Vec::with_capacity(held.len());
        for [one, other] in pairs {
            digests.extend(sha256::digest_two(one, other).map(Digest));
        }
        digests.extend(last.iter().map(|bytes| Digest::of(*bytes)));
        digests
    }

    /// The blocks and the digest of the whole.
    pub(super) fn finish(self) -> (BlockMap, Digest) {
        (self.blocks, Digest(self.plain.finish(&self.rest, self.len)))
    }

    /// Takes a block of which the image has the first `used` bytes.
    fn data(&mut self, bytes: &[u8], used: usize, known: Option<Digest>) -> Digest {
        if let Some(known) = known.filter(|_| !self.whole) {
            return known;
        }
        let (chunks, rest) = bytes[..used].as_chunks::<CHUNK>();
        if known.is_none() && used == bytes.len() {
            let mut block = Sha256State::START;
            sha256::consume_both(&mut self.plain, &mut block, chunks);
            return Digest(block.finish(rest, BLOCK));
        }
        self.plain.consume(chunks);
        self.rest = rest.to_vec();
        known.unwrap_or_else(|| Digest::of(bytes))
    }

    /// Takes `len` zeros.
    fn zeros(&mut self, len: u64, block: Block) -> Block {
        if !self.whole {
            return block;
        }
        let mut left = len as usize / CHUNK;
        while left > 0 {
            let part = left.min(ZEROS.len());
            self.plain.consume(&ZEROS[..part]);
            left -= part;
        }
        self.rest = vec![0; len as usize % CHUNK];
        block
    }
}
