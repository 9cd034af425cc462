//! Layout: the position of every inode and the address of every block of content. The stable way puts both where their
//! identities decide; where the file system is too tight for that, everything is packed from the front.

use super::BLOCK;
use super::error::ErofsWriteError;
use super::metadata::{self, InodeMap};
use super::shapes::{ContentForm, Shapes};
use crate::stable::SLOT;
use crate::stable::cluster;
use crate::stable::identity::mix;
use crate::stable::items::{self, LayoutItem, Section};
use crate::stable::nodes::Nodes;
use crate::stable::pieces::{self, Chunk, DataRun, SlotPiece};
use crate::stable::slots;

/// Slots of content in use among those of the range, in hundredths, where the file system has room for it: free slots cost
/// nothing and spare what is displaced.
const LOAD: u64 = 20;

/// The same at the least length.
const TIGHTEST: u64 = 97;

/// Per cent of the sections that inodes fill, where the file system has room for it, and at the least length.
const INODE_LOADS: [u64; 2] = [40, 75];

/// Positions of inodes, and addresses of content.
#[derive(Debug)]
pub(super) struct ErofsLayout {
    /// Inodes.
    pub inodes: InodeMap,
    /// Content, by node and block.
    pub data: Vec<Chunk>,
}

/// The nodes to lay out.
#[derive(Clone, Copy)]
pub(super) struct ErofsLayoutRequest<'a> {
    /// All nodes.
    pub nodes: &'a Nodes<'a>,
    /// Their shapes.
    pub shapes: &'a Shapes,
}

/// Content cut into what slots are chosen for.
struct Units {
    /// Runs of more than a slot, which no address may divide: their index in the walk and their slots.
    long: Vec<(u32, u32)>,
    pieces: Vec<SlotPiece>,
    items: Vec<LayoutItem<u32>>,
}

/// The stable way, or the dense one where it is too tight for that.
///
/// # Errors
/// [`ErofsWriteError::NoSpace`].
pub(super) fn lay_out(request: ErofsLayoutRequest<'_>, blocks: u64) -> Result<ErofsLayout, ErofsWriteError> {
    match stable(request, blocks) {
        Some(layout) => Ok(layout),
        None => dense(request, blocks),
    }
}

/// The stable way; `None` when it needs more slots than there are.
pub(super) fn stable(request: ErofsLayoutRequest<'_>, blocks: u64) -> Option<ErofsLayout> {
    let all = blocks / u64::from(SLOT);
    let units = units(request);
    let need = slots_of(request, &units);
    for load in INODE_LOADS {
        let mut sections = metadata::sections(request.shapes, load);
        while u64::from(sections) + need <= all {
            let Some(inodes) = metadata::place(request.nodes, request.shapes, sections) else {
                sections += 1;
                continue;
            };
            if let Some(data) = content(request, &units, need, (sections, all)) {
                return Some(ErofsLayout { inodes, data });
            }
            break;
        }
    }
    None
}

/// Slots that the stable way should have, its slack included.
pub(super) fn stable_need(request: ErofsLayoutRequest<'_>) -> u64 {
    let need = (slots_of(request, &units(request)) * 100).div_ceil(TIGHTEST);
    need + u64::from(metadata::sections(request.shapes, INODE_LOADS[1]))
}

/// Addresses of the content in the slots from `first` on, with as wide a range as there is.
fn content(
    request: ErofsLayoutRequest<'_>,
    units: &Units,
    need: u64,
    (first, all): (u32, u64),
) -> Option<Vec<Chunk>> {
    let mut range = all.min(u64::from(first) + slots::rounded(need * 100 / LOAD));
    loop {
        let mut free = vec![true; range as usize];
        free[..first as usize].fill(false);
        if let Some(data) = attempt(request, units, &mut free) {
            return Some(data);
        }
        if range >= all {
            return None;
        }
        range = all.min(range + range / 50 + 1);
    }
}

fn attempt(request: ErofsLayoutRequest<'_>, units: &Units, free: &mut [bool]) -> Option<Vec<Chunk>> {
    let mut data = Vec::new();
    for (node, slots) in &units.long {
        let hash = request.nodes.walked[*node as usize].hash;
        let slot = slots::choose(mix(hash, 0), free, *slots)?;
        free[slot as usize..(slot + slots) as usize].fill(false);
        data.push(Chunk {
            node: *node,
            block: 0,
            len: slots * SLOT,
            start: u64::from(slot) * u64::from(SLOT),
        });
    }
    data.extend(pieces::assign(&units.pieces, free)?);
    let weighted = items::weigh(request.nodes, &units.items, code);
    items::assign(request.nodes, &units.items, &weighted, free, |item, start| {
        data.push(Chunk { node: item.node, block: item.what, len: item.blocks, start });
    })?;
    Some(joined(data))
}

/// Sorts chunks and joins those that continue each other.
fn joined(mut data: Vec<Chunk>) -> Vec<Chunk> {
    data.sort_unstable_by_key(|chunk| (chunk.node, chunk.block));
    data.dedup_by(|next, chunk| chunk.join(*next));
    data
}

/// Distinguishes the items of a node.
fn code(block: u32) -> u64 {
    0x1_0000_0000 | u64::from(block)
}

/// Cuts the content.
fn units(request: ErofsLayoutRequest<'_>) -> Units {
    let ErofsLayoutRequest { nodes, shapes } = request;
    let (pieces, small) = pieces::split(nodes, &shapes.chunked);
    let (long, short): (Vec<&DataRun>, Vec<&DataRun>) = shapes.runs.iter().partition(|run| run.len > SLOT);
    let long = long.into_iter().map(|run| (run.node, run.len.div_ceil(SLOT))).collect();
    let item = |run: &DataRun, block: u32, blocks: u32| {
        let section = Section::of(&nodes.walked[run.node as usize]);
        LayoutItem { node: run.node, section, what: block, blocks }
    };
    let mut items: Vec<_> = short.into_iter().map(|run| item(run, 0, run.len)).collect();
    for run in &small {
        let ContentForm::Chunks { bits, .. } = shapes.of[run.node as usize].form else { continue };
        let end = run.block + run.len;
        let part = |block: u32| item(run, block, (end - block).min(1 << bits));
        items.extend((run.block..end).step_by(1 << bits).map(part));
    }
    // In the order of the walk, as sorting by sections wants them.
    items.sort_by_key(|item| (item.node, item.what));
    items::sort(&mut items, nodes);
    Units { long, pieces, items }
}

/// Slots that content fills.
fn slots_of(request: ErofsLayoutRequest<'_>, units: &Units) -> u64 {
    // A run of several slots begins at a multiple of its length.
    let long: u64 = units.long.iter().map(|(_, slots)| 2 * u64::from(*slots)).sum();
    let pieces: u64 = units.pieces.iter().map(|piece| u64::from(piece.slots)).sum();
    let weighted = items::weigh(request.nodes, &units.items, code);
    long + pieces + cluster::cut(&weighted, SLOT).len() as u64
}

/// Everything from the front: inodes, then content, in the order of the walk.
fn dense(request: ErofsLayoutRequest<'_>, blocks: u64) -> Result<ErofsLayout, ErofsWriteError> {
    let inodes = metadata::pack(request.shapes);
    let mut start = inodes.used.len() as u64;
    let mut runs: Vec<&DataRun> = request.shapes.runs.iter().chain(&request.shapes.chunked).collect();
    runs.sort_unstable_by_key(|run| (run.node, run.block));
    let mut data = Vec::with_capacity(runs.len());
    for DataRun { node, block, len } in runs {
        data.push(Chunk { node: *node, block: *block, len: *len, start });
        start += u64::from(*len);
    }
    if start > blocks {
        let bytes = |blocks: u64| blocks * BLOCK as u64;
        return Err(ErofsWriteError::NoSpace { needed: bytes(start), available: bytes(blocks) });
    }
    Ok(ErofsLayout { inodes, data: joined(data) })
}
