//! Checks a hand-over in one pass from the front, also over a pipe: every byte against a digest that was read before it.

use amiforge_formats::digest::BLOCK;
use amiforge_progress::Monitor;

use crate::codec::{BLOCK_LEN, ZstdDecoder};
use crate::contents::{HandoverContents, NeededBlock};
use crate::error::{HandoverError, Location};
use crate::header::Header;
use crate::read::body::{BodyReader, Input};
use crate::read::{decode, read_index};

/// Takes what a pass finds good, as it comes.
pub trait HandoverVisitor {
    /// The contents beside the blocks, before any block.
    ///
    /// # Errors
    /// Ends the pass.
    fn contents(&mut self, _header: &Header, _contents: &HandoverContents) -> Result<(), HandoverError> {
        Ok(())
    }

    /// A block: its bytes are those of the manifest.
    ///
    /// # Errors
    /// Ends the pass.
    fn block(&mut self, _block: NeededBlock, _bytes: &[u8]) -> Result<(), HandoverError> {
        Ok(())
    }
}

/// Takes nothing.
#[derive(Debug, Clone, Copy)]
pub struct NoVisitor;

impl HandoverVisitor for NoVisitor {}

/// How far a hand-over is good.
#[derive(Debug, Default)]
pub struct CheckedHandover {
    /// The header of the first part.
    pub header: Option<Header>,
    /// The contents beside the blocks, if they are good.
    pub contents: Option<HandoverContents>,
    /// The end of what is good: the first byte to copy again. `None` when not even the header is.
    pub good: Option<Location>,
    /// Number of the part that it is in.
    pub part: u32,
    /// Number of good blocks.
    pub blocks: u64,
    /// Number of good bytes, of all parts.
    pub bytes: u64,
    /// What is wrong, if anything is.
    pub damage: Option<HandoverError>,
}

/// Checks a hand-over. What is wrong with it ends the pass and is in the result.
///
/// # Errors
/// [`HandoverError`] when it cannot be read, or when the visitor ends the pass.
pub fn check(
    input: Input<'_>,
    visitor: &mut dyn HandoverVisitor,
    monitor: Monitor<'_>,
) -> Result<CheckedHandover, HandoverError> {
    let mut checked = CheckedHandover::default();
    let passed = pass(input, visitor, monitor, &mut checked);
    monitor.progress.end();
    match passed {
        Err(error) if error.is_damage() => checked.damage = Some(error),
        passed => passed?,
    }
    Ok(checked)
}

fn pass(
    input: Input<'_>,
    visitor: &mut dyn HandoverVisitor,
    monitor: Monitor<'_>,
    checked: &mut CheckedHandover,
) -> Result<(), HandoverError> {
    let mut body = BodyReader::open(input)?;
    checked.header = Some(*body.header());
    checked.reached(&body, 0);
    let (index, contents) = read_index(&mut body, monitor)?;
    checked.reached(&body, body.header().index_len);
    let contents = checked.contents.insert(contents);
    let header = checked.header.unwrap_or(*body.header());
    visitor.contents(&header, contents)?;
    monitor.progress.begin("checking the hand-over", Some(contents.needed.len() as u64 * BLOCK));
    let needed = contents.needed.clone();
    let failed = |source| HandoverError::Stream { name: "the decompressor".to_owned(), source };
    let mut decoder = ZstdDecoder::new().map_err(failed)?;
    let (mut stored, mut block) = (vec![0; BLOCK_LEN], vec![0; BLOCK_LEN]);
    for (entry, needed) in index.blocks().iter().zip(needed) {
        if monitor.cancel.is_cancelled() {
            return Err(HandoverError::Interrupted);
        }
        let at = body.location();
        let stored = &mut stored[..entry.len as usize];
        body.read(stored, &format!("block {} of the image", needed.index))?;
        let decoded = decode(&mut decoder, entry, stored, needed.index, needed.sha256, &mut block);
        decoded.map_err(|damage| HandoverError::damaged(at, damage))?;
        checked.reached(&body, entry.len.into());
        checked.blocks += 1;
        visitor.block(needed, &block)?;
        monitor.progress.advance(BLOCK);
    }
    body.finish()
}

impl CheckedHandover {
    fn reached(&mut self, body: &BodyReader<'_>, bytes: u64) {
        self.good = Some(body.location());
        self.part = body.header().part;
        self.bytes += bytes;
    }
}
