//! How the inner half tells what the tree is after the commands: every name in the order of the walk, as the node
//! that it was before or with what it is now.

use std::io;

use amiforge_formats::tree::Meta;

use super::protocol::{decode_meta, encode_meta};
use super::wire::{WireReader, WireWriter, protocol_error};

/// A name that stands in the tree now.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct CapturedName {
    /// Number of the name of the directory that it stands in; none for the root.
    pub(super) parent: u32,
    pub(super) name: Vec<u8>,
    pub(super) what: Now,
}

/// What a name is now.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Now {
    /// A node that nobody touched, by its number when it was planted.
    Same(u32),
    /// A regular file that was read or written through a mapping: its attributes are those of the node.
    Opened(u32),
    /// One more name of what an earlier name, of that number, is.
    Link(u32),
    /// Something that was made or changed; the node that its inode was before, if it was one.
    Changed { former: u32, meta: Meta, body: Is },
}

/// What something is now.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Is {
    Dir,
    File { size: u64 },
    Symlink(Vec<u8>),
    Fifo,
    Socket,
    CharDevice { major: u32, minor: u32 },
}

/// The names now, and the attributes that could not be set on nodes in the sandbox.
#[derive(Debug)]
pub(super) struct Changes {
    pub(super) unset_xattrs: Vec<(u32, Vec<u8>)>,
    pub(super) names: Vec<CapturedName>,
}

/// Writes a name down.
pub(super) fn encode(found: &CapturedName, out: &mut WireWriter) {
    out.u32(found.parent);
    out.bytes(&found.name);
    match &found.what {
        Now::Same(node) => number(out, 0, *node),
        Now::Opened(node) => number(out, 1, *node),
        Now::Link(name) => number(out, 2, *name),
        Now::Changed { former, meta, body } => {
            number(out, 3, *former);
            encode_meta(meta, out);
            match body {
                Is::Dir => out.u8(0),
                Is::File { size } => {
                    out.u8(1);
                    out.u64(*size);
                }
                Is::Symlink(target) => {
                    out.u8(2);
                    out.bytes(target);
                }
                Is::Fifo => out.u8(3),
                Is::Socket => out.u8(4),
                Is::CharDevice { major, minor } => {
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

/// Reads all of it.
pub(super) fn decode(bytes: &[u8]) -> io::Result<Changes> {
    let mut bytes = WireReader(bytes);
    let mut findings = Changes { unset_xattrs: Vec::new(), names: Vec::new() };
    for _ in 0..bytes.u32()? {
        findings.unset_xattrs.push((bytes.u32()?, bytes.bytes()?.to_vec()));
    }
    while !bytes.is_empty() {
        let (parent, name) = (bytes.u32()?, bytes.bytes()?.to_vec());
        let what = match bytes.u8()? {
            0 => Now::Same(bytes.u32()?),
            1 => Now::Opened(bytes.u32()?),
            2 => Now::Link(bytes.u32()?),
            3 => {
                let (former, meta) = (bytes.u32()?, decode_meta(&mut bytes)?);
                Now::Changed { former, meta, body: decode_is(&mut bytes)? }
            }
            _ => return Err(protocol_error()),
        };
        findings.names.push(CapturedName { parent, name, what });
    }
    Ok(findings)
}

fn decode_is(bytes: &mut WireReader<'_>) -> io::Result<Is> {
    Ok(match bytes.u8()? {
        0 => Is::Dir,
        1 => Is::File { size: bytes.u64()? },
        2 => Is::Symlink(bytes.bytes()?.to_vec()),
        3 => Is::Fifo,
        4 => Is::Socket,
        5 => Is::CharDevice { major: bytes.u32()?, minor: bytes.u32()? },
        _ => return Err(protocol_error()),
    })
}
