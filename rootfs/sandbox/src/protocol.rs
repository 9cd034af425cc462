//! The job and the tree, as the outer half sends them to the inner one.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use amiforge_formats::time::Time;
use amiforge_formats::tree::{Meta, NodeId, NodeKind, Tree, Xattrs};

use super::job::{CaptureScope, OnFailure, SandboxClock, SandboxJob, SandboxLimits, SandboxStep, Seed};
use super::wire::{WireReader, WireWriter, protocol_error};
use super::{IDS, SandboxError};

/// The number that stands for no node.
pub(super) const NONE: u32 = u32::MAX;

/// Kind of a node, without the content of files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NodeBody {
    Dir,
    File(FileContent),
    Symlink(Vec<u8>),
    Fifo,
    Socket,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FileContent {
    /// It follows; see `Message::FilesToWrite`.
    Sent,
    Empty,
}

/// A name to create.
#[derive(Debug)]
pub(super) struct TreeEntry {
    /// Number of its directory, among all names; [`NONE`] for the root.
    pub(super) parent: u32,
    pub(super) name: Vec<u8>,
    pub(super) kind: EntryKind,
}

#[derive(Debug)]
pub(super) enum EntryKind {
    /// Another name of a node; its number among the nodes.
    Link(u32),
    /// A new node, which gets the next number.
    Node(Meta, NodeBody),
}

/// The nodes that are created in the sandbox, by their number there, and the device nodes, which are not, by path.
#[derive(Debug)]
pub(super) struct SentNodes {
    pub(super) nodes: Vec<NodeId>,
    pub(super) devices: Vec<(Vec<u8>, NodeId)>,
}

/// Encodes a tree.
///
/// # Errors
/// [`SandboxError::Owner`].
pub(super) fn encode_tree(tree: &Tree, out: &mut WireWriter) -> Result<SentNodes, SandboxError> {
    let mut numbers = vec![NONE; tree.capacity()];
    let mut sent = SentNodes { nodes: Vec::new(), devices: Vec::new() };
    // The parent directories of the current entry: length of the path, and number of the name.
    let mut parents: Vec<(usize, u32)> = Vec::new();
    let mut names = 0u32;
    for entry in tree.walk() {
        let node = tree.node(entry.id);
        if matches!(node.kind, NodeKind::CharDevice { .. } | NodeKind::BlockDevice { .. }) {
            sent.devices.push((entry.path, entry.id));
            continue;
        }
        let cut = entry.path.iter().rposition(|&byte| byte == b'/');
        let name = entry.path.get(cut.map_or(0, |cut| cut + 1)..).unwrap_or_default();
        while parents.last().is_some_and(|(len, _)| *len > cut.unwrap_or(0)) {
            parents.pop();
        }
        out.u32(parents.last().map_or(NONE, |(_, number)| *number));
        out.bytes(name);
        if let Some(&number) = numbers.get(entry.id.index()).filter(|number| **number != NONE) {
            out.u8(0);
            out.u32(number);
        } else {
            check_owner(&entry.path, &node.meta)?;
            numbers[entry.id.index()] = sent.nodes.len() as u32;
            sent.nodes.push(entry.id);
            encode_node(&node.meta, &node.kind, out);
        }
        if matches!(node.kind, NodeKind::Dir(_)) {
            parents.push((entry.path.len(), names));
        }
        names += 1;
    }
    Ok(sent)
}

fn check_owner(path: &[u8], meta: &Meta) -> Result<(), SandboxError> {
    if meta.uid < IDS && meta.gid < IDS {
        return Ok(());
    }
    Err(SandboxError::Owner { path: path.to_vec(), uid: meta.uid, gid: meta.gid, ids: IDS })
}

fn encode_node(meta: &Meta, kind: &NodeKind, out: &mut WireWriter) {
    out.u8(match kind {
        NodeKind::Dir(_) => 1,
        NodeKind::File(content) if content.is_empty() => 2,
        NodeKind::File(_) => 3,
        NodeKind::Symlink(_) => 4,
        NodeKind::Fifo => 5,
        _ => 6,
    });
    encode_meta(meta, out);
    if let NodeKind::Symlink(target) = kind {
        out.bytes(target);
    }
}

pub(super) fn encode_meta(meta: &Meta, out: &mut WireWriter) {
    out.u32(u32::from(meta.mode));
    out.u32(meta.uid);
    out.u32(meta.gid);
    out.time(meta.mtime);
    let none = Xattrs::new();
    let xattrs = meta.xattrs.as_deref().unwrap_or(&none);
    out.u32(xattrs.len() as u32);
    for (name, value) in xattrs {
        out.bytes(name);
        out.bytes(value);
    }
}

pub(super) fn decode_meta(bytes: &mut WireReader<'_>) -> io::Result<Meta> {
    let mode = (bytes.u32()? & 0o7777) as u16;
    let (uid, gid, mtime) = (bytes.u32()?, bytes.u32()?, bytes.time()?);
    let mut xattrs = Xattrs::new();
    for _ in 0..bytes.u32()? {
        let name = bytes.bytes()?.into();
        xattrs.insert(name, bytes.bytes()?.into());
    }
    let xattrs = (!xattrs.is_empty()).then(|| Box::new(xattrs));
    Ok(Meta { mode, uid, gid, mtime, xattrs })
}

/// Decodes the next name.
pub(super) fn decode_entry(bytes: &mut WireReader<'_>) -> io::Result<TreeEntry> {
    let parent = bytes.u32()?;
    let name = bytes.bytes()?.to_vec();
    let kind = match bytes.u8()? {
        0 => EntryKind::Link(bytes.u32()?),
        tag => {
            let meta = decode_meta(bytes)?;
            let body = match tag {
                1 => NodeBody::Dir,
                2 => NodeBody::File(FileContent::Empty),
                3 => NodeBody::File(FileContent::Sent),
                4 => NodeBody::Symlink(bytes.bytes()?.to_vec()),
                5 => NodeBody::Fifo,
                6 => NodeBody::Socket,
                _ => return Err(protocol_error()),
            };
            EntryKind::Node(meta, body)
        }
    };
    Ok(TreeEntry { parent, name, kind })
}

/// Encodes a job.
pub(super) fn encode_job(job: &SandboxJob, out: &mut WireWriter) {
    out.u64(job.limits.time.as_secs());
    out.u64(job.limits.memory);
    out.u64(job.limits.disk);
    out.u32(job.limits.processes);
    out.time(job.epoch);
    out.time(job.now);
    out.u8(u8::from(job.on_failure == OnFailure::Shell));
    out.u8(u8::from(job.clock == SandboxClock::Still));
    out.bytes(job.seed.bytes());
    out.u8(u8::from(job.record_steps));
    encode_env(&job.env, out);
    match &job.keep {
        CaptureScope::Everything => out.u8(0),
        CaptureScope::Below(paths) => {
            out.u8(1);
            out.u32(paths.len() as u32);
            for path in paths {
                out.bytes(path);
            }
        }
    }
    out.u32(job.steps.len() as u32);
    for step in &job.steps {
        out.bytes(step.name.as_bytes());
        out.u32(step.argv.len() as u32);
        for argument in &step.argv {
            out.bytes(argument.as_bytes());
        }
        encode_env(&step.env, out);
        out.bytes(step.folder.as_bytes());
        out.bytes(&step.input);
    }
}

/// Decodes a job.
pub(super) fn decode_job(bytes: &mut WireReader<'_>) -> io::Result<SandboxJob> {
    let time = Duration::from_secs(bytes.u64()?);
    let limits = SandboxLimits { time, memory: bytes.u64()?, disk: bytes.u64()?, processes: bytes.u32()? };
    let (epoch, now): (Time, Time) = (bytes.time()?, bytes.time()?);
    let on_failure = if bytes.u8()? == 0 { OnFailure::Stop } else { OnFailure::Shell };
    let clock = if bytes.u8()? == 0 { SandboxClock::Real } else { SandboxClock::Still };
    let seed = Seed::from_bytes(bytes.bytes()?.try_into().map_err(|_| protocol_error())?);
    let record_steps = bytes.u8()? != 0;
    let env = decode_env(bytes)?;
    let keep = match bytes.u8()? {
        0 => CaptureScope::Everything,
        _ => CaptureScope::Below(
            (0..bytes.u32()?).map(|_| bytes.bytes().map(<[u8]>::to_vec)).collect::<io::Result<_>>()?,
        ),
    };
    let mut steps = Vec::new();
    for _ in 0..bytes.u32()? {
        let name = bytes.text()?;
        let argv = (0..bytes.u32()?).map(|_| bytes.text()).collect::<io::Result<_>>()?;
        let env = decode_env(bytes)?;
        let folder = bytes.text()?;
        steps.push(SandboxStep { name, argv, env, folder, input: bytes.bytes()?.to_vec() });
    }
    Ok(SandboxJob { steps, env, limits, epoch, now, keep, on_failure, clock, seed, record_steps })
}

fn encode_env(env: &BTreeMap<String, String>, out: &mut WireWriter) {
    out.u32(env.len() as u32);
    for (name, value) in env {
        out.bytes(name.as_bytes());
        out.bytes(value.as_bytes());
    }
}

fn decode_env(bytes: &mut WireReader<'_>) -> io::Result<BTreeMap<String, String>> {
    (0..bytes.u32()?).map(|_| Ok((bytes.text()?, bytes.text()?))).collect()
}
