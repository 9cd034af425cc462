//! The tree after the commands, as the inner half sends it: every name in the order of the walk, either as the number of
//! the unchanged node or with the attributes that it has now.

use std::io;

use amiforge_formats::tree::Meta;

use super::protocol::{decode_meta, encode_meta};
use super::wire::{WireReader, WireWriter, protocol_error};

/// A name in the tree after the commands.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct CapturedName {
    /// Number of its directory, among all names; [`super::protocol::NONE`] for the root.
    pub(super) parent: u32,
    pub(super) name: Vec<u8>,
    pub(super) state: NameState,
}

/// How a name changed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NameState {
    /// Not at all; number of its node.
    Unchanged(u32),
    /// Its attributes did not, but it is a regular file that was read, or written through a mapping; number of its node.
    Opened(u32),
    /// It is another name of an earlier name; the number of that.
    Link(u32),
    /// It was created or changed; `former` is the number of the node that its inode was before, or none.
    Changed { former: u32, meta: Meta, kind: CapturedKind },
}

/// Kind of a created or changed name, with what a [`Meta`] lacks.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum CapturedKind {
    Dir,
    File { size: u64 },
    Symlink(Vec<u8>),
    Fifo,
    Socket,
    CharDevice { major: u32, minor: u32 },
}

/// The steps of a job, by number from 0, that a path has its content and its metadata from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PathSteps {
    /// The last that gave it another content.
    pub content: u32,
    /// The last that gave it another owner, mode or attribute.
    pub metadata: u32,
}

impl PathSteps {
    /// Both from one step.
    pub(super) fn of(step: u32) -> Self {
        Self { content: step, metadata: step }
    }
}

/// All names, the extended attributes that could not be set in the sandbox, by node, and what is recorded of the steps.
#[derive(Debug)]
pub(super) struct Changes {
    pub(super) unset_xattrs: Vec<(u32, Vec<u8>)>,
    pub(super) steps: Vec<(Vec<u8>, PathSteps)>,
    pub(super) names: Vec<CapturedName>,
}

/// Encodes a name.
pub(super) fn encode(name: &CapturedName, out: &mut WireWriter) {
    out.u32(name.parent);
    out.bytes(&name.name);
    match &name.state {
        NameState::Unchanged(node) => number(out, 0, *node),
        NameState::Opened(node) => number(out, 1, *node),
        NameState::Link(earlier) => number(out, 2, *earlier),
        NameState::Changed { former, meta, kind } => {
            number(out, 3, *former);
            encode_meta(meta, out);
            match kind {
                CapturedKind::Dir => out.u8(0),
                CapturedKind::File { size } => {
                    out.u8(1);
                    out.u64(*size);
                }
                CapturedKind::Symlink(target) => {
                    out.u8(2);
                    out.bytes(target);
                }
                CapturedKind::Fifo => out.u8(3),
                CapturedKind::Socket => out.u8(4),
                CapturedKind::CharDevice { major, minor } => {
                    out.u8(5);
                    out.u32(*major);
                    out.u32(*minor);
                }
            }
        }
    }
}

fn number(out: &mut WireWriter, tag: u8, number: u32) {
    out.u8(tag);
    out.u32(number);
}

/// Decodes all names.
pub(super) fn decode(bytes: &[u8]) -> io::Result<Changes> {
    let mut bytes = WireReader(bytes);
    let mut changes = Changes { unset_xattrs: Vec::new(), steps: Vec::new(), names: Vec::new() };
    for _ in 0..bytes.u32()? {
        changes.unset_xattrs.push((bytes.u32()?, bytes.bytes()?.to_vec()));
    }
    for _ in 0..bytes.u32()? {
        let path = bytes.bytes()?.to_vec();
        changes.steps.push((path, PathSteps { content: bytes.u32()?, metadata: bytes.u32()? }));
    }
    while !bytes.is_empty() {
        let (parent, name) = (bytes.u32()?, bytes.bytes()?.to_vec());
        let state = match bytes.u8()? {
            0 => NameState::Unchanged(bytes.u32()?),
            1 => NameState::Opened(bytes.u32()?),
            2 => NameState::Link(bytes.u32()?),
            3 => {
                let (former, meta) = (bytes.u32()?, decode_meta(&mut bytes)?);
                NameState::Changed { former, meta, kind: decode_kind(&mut bytes)? }
            }
            _ => return Err(protocol_error()),
        };
        changes.names.push(CapturedName { parent, name, state });
    }
    Ok(changes)
}

fn decode_kind(bytes: &mut WireReader<'_>) -> io::Result<CapturedKind> {
    Ok(match bytes.u8()? {
        0 => CapturedKind::Dir,
        1 => CapturedKind::File { size: bytes.u64()? },
        2 => CapturedKind::Symlink(bytes.bytes()?.to_vec()),
        3 => CapturedKind::Fifo,
        4 => CapturedKind::Socket,
        5 => CapturedKind::CharDevice { major: bytes.u32()?, minor: bytes.u32()? },
        _ => return Err(protocol_error()),
    })
}
