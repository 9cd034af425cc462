//! Writing a plan to a file.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use amiforge_formats::digest::{BLOCK, Digest};
use amiforge_formats::plan::{Data, Plan, Sources};
use sha2::{Digest as _, Sha256};

use super::{Block, BlockMap, EmitError, Emitted, Options};
use crate::interrupt::Interrupt;
use crate::progress::Progress;

/// Writes `plan` to a new file at `path`, sparse where the plan says [`Data::Zero`] or [`Data::Free`]. On failure
/// the file is removed.
///
/// # Errors
/// [`EmitError`].
pub fn emit(
    plan: &Plan,
    sources: &dyn Sources,
    path: &Path,
    _options: &Options,
    progress: &dyn Progress,
    interrupt: &Interrupt,
) -> Result<Emitted, EmitError> {
    let create = |source| EmitError::Create { path: path.to_owned(), source };
    let file = File::create_new(path).map_err(create)?;
    file.set_len(plan.len()).map_err(create)?;
    progress.begin("writing the image", Some(plan.len()));
    let mut emitted =
        Emitted { blocks: BlockMap::default(), plain: Digest([0; 32]), len: plan.len(), written: 0 };
    let mut plain = Sha256::new();
    let mut buffer = vec![0; BLOCK as usize];
    for index in 0..BlockMap::count_for(plan.len()) {
        if interrupt.raised() {
            return Err(EmitError::Interrupted);
        }
        let start = index * BLOCK;
        let end = (start + BLOCK).min(plan.len());
        let used = (end - start) as usize;
        buffer.fill(0);
        plan.read_exact_at(sources, start, &mut buffer[..used])
            .map_err(|source| EmitError::Read { offset: start, source })?;
        plain.update(&buffer[..used]);
        let free = plan.range(start, end).all(|extent| extent.data == Data::Free);
        if free {
            emitted.blocks.push(Block::Free, 1);
        } else {
            emitted.blocks.push(Block::hashed(Digest::of(&buffer)), 1);
            file.write_all_at(&buffer[..used], start).map_err(|source| EmitError::Write {
                path: path.to_owned(),
                offset: start,
                source,
            })?;
            emitted.written += used as u64;
        }
        progress.advance(used as u64);
    }
    progress.end();
    emitted.plain = Digest(plain.finalize().into());
    Ok(emitted)
}
