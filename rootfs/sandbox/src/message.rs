//! The messages that the inner half sends. Both halves are the same program, so there are no versions; but every length
//! and number is checked, because the inner half runs beside foreign code.

use std::io;

use super::wire::{WireReader, WireWriter, protocol_error};

/// A message of the inner half.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Message {
    /// It has a user namespace and waits for its id maps.
    Unshared,
    /// It failed and ends.
    Failed {
        /// Whether it was still entering the sandbox: the system does not allow one then.
        entering: bool,
        /// A gerund and its object.
        what: String,
        /// Error number of the system.
        errno: i32,
    },
    /// Open files follow, to be filled with the content of these nodes.
    FilesToWrite(Vec<u32>),
    /// The whole tree is written, and every file to be filled was sent.
    TreeWritten,
    /// A step starts; its number.
    StepStarted(u32),
    /// A step ended.
    StepEnded {
        /// Number of the step.
        step: u32,
        /// How it ended.
        end: StepEnd,
    },
    /// A step failed and a shell may use the terminal now; the answer is the type of the terminal (`TERM`).
    ShellOpened {
        /// Number of the step.
        step: u32,
        /// How it ended.
        end: StepEnd,
    },
    /// The names of the tree after the commands; see [`super::changes`].
    Changes(Vec<u8>),
    /// Open files follow, with the content of the names of these numbers.
    FilesToRead(Vec<u32>),
    /// The job is done.
    Done,
}

/// How a step ended: with a status, by a signal, without starting, or at a limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum StepEnd {
    Status(i32),
    Signal(i32),
    NotStarted(String),
    TimeLimit,
    MemoryLimit,
    DiskFull,
    ProcessLimit,
}

impl Message {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = WireWriter::default();
        match self {
            Self::Unshared => out.u8(0),
            Self::Failed { entering, what, errno } => {
                out.u8(1);
                out.u8(u8::from(*entering));
                out.bytes(what.as_bytes());
                out.u32(errno.cast_unsigned());
            }
            Self::FilesToWrite(nodes) => encode_numbers(&mut out, 2, nodes),
            Self::TreeWritten => out.u8(3),
            Self::StepStarted(step) => {
                out.u8(4);
                out.u32(*step);
            }
            Self::StepEnded { step, end } => {
                out.u8(5);
                out.u32(*step);
                end.encode(&mut out);
            }
            Self::ShellOpened { step, end } => {
                out.u8(9);
                out.u32(*step);
                end.encode(&mut out);
            }
            Self::Changes(bytes) => {
                out.u8(6);
                out.0.extend_from_slice(bytes);
            }
            Self::FilesToRead(entries) => encode_numbers(&mut out, 7, entries),
            Self::Done => out.u8(8),
        }
        out.0
    }

    pub(super) fn decode(bytes: &[u8]) -> io::Result<Self> {
        let mut bytes = WireReader(bytes);
        Ok(match bytes.u8()? {
            0 => Self::Unshared,
            1 => Self::Failed {
                entering: bytes.u8()? != 0,
                what: bytes.text()?,
                errno: bytes.u32()?.cast_signed(),
            },
            2 => Self::FilesToWrite(decode_numbers(&mut bytes)?),
            3 => Self::TreeWritten,
            4 => Self::StepStarted(bytes.u32()?),
            5 => Self::StepEnded { step: bytes.u32()?, end: StepEnd::decode(&mut bytes)? },
            6 => Self::Changes(bytes.0.to_vec()),
            7 => Self::FilesToRead(decode_numbers(&mut bytes)?),
            8 => Self::Done,
            9 => Self::ShellOpened { step: bytes.u32()?, end: StepEnd::decode(&mut bytes)? },
            _ => return Err(protocol_error()),
        })
    }
}

impl StepEnd {
    fn encode(&self, out: &mut WireWriter) {
        match self {
            Self::Status(status) => {
                out.u8(0);
                out.u32(status.cast_unsigned());
            }
            Self::Signal(signal) => {
                out.u8(1);
                out.u32(signal.cast_unsigned());
            }
            Self::NotStarted(why) => {
                out.u8(2);
                out.bytes(why.as_bytes());
            }
            Self::TimeLimit => out.u8(3),
            Self::MemoryLimit => out.u8(4),
            Self::DiskFull => out.u8(5),
            Self::ProcessLimit => out.u8(6),
        }
    }

    fn decode(bytes: &mut WireReader<'_>) -> io::Result<Self> {
        Ok(match bytes.u8()? {
            0 => Self::Status(bytes.u32()?.cast_signed()),
            1 => Self::Signal(bytes.u32()?.cast_signed()),
            2 => Self::NotStarted(bytes.text()?),
            3 => Self::TimeLimit,
            4 => Self::MemoryLimit,
            5 => Self::DiskFull,
            6 => Self::ProcessLimit,
            _ => return Err(protocol_error()),
        })
    }
}

fn encode_numbers(out: &mut WireWriter, tag: u8, numbers: &[u32]) {
    out.u8(tag);
    for number in numbers {
        out.u32(*number);
    }
}

fn decode_numbers(bytes: &mut WireReader<'_>) -> io::Result<Vec<u32>> {
    let mut numbers = Vec::new();
    while !bytes.is_empty() {
        numbers.push(bytes.u32()?);
    }
    Ok(numbers)
}
