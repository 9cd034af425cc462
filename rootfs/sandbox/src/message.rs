//! The messages that the inner half sends. Both halves are the same program, so there are no versions; but every length
//! and number is checked, because the inner half runs beside foreign code.

use std::io;

use super::wire::{WireReader, WireWriter, protocol_error};

/// What the inner half says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Message {
    /// It has a user namespace and waits for its ids.
    Unshared,
    /// It could not go on. The system has no namespaces for it if `entering`.
    Failed {
        /// Whether it was still making the sandbox.
        entering: bool,
        /// A gerund and its object.
        what: String,
        /// The system's error number.
        errno: i32,
    },
    /// Open files to be filled with the content of these nodes follow.
    FilesToWrite(Vec<u32>),
    /// Every file to be filled was sent.
    TreeWritten,
    /// A step begins.
    StepStarted(u32),
    /// A step ended.
    StepEnded {
        /// Which.
        step: u32,
        /// How.
        how: StepEnd,
    },
    /// A step failed, and a shell may take the terminal now; its name (`TERM`) is awaited.
    ShellOpened {
        /// Which.
        step: u32,
        /// How.
        how: StepEnd,
    },
    /// What the tree is now; see [`super::changes`].
    Changes(Vec<u8>),
    /// Open files with the content of these entries follow.
    FilesToRead(Vec<u32>),
    /// All is told.
    Done,
}

/// How a step ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum StepEnd {
    Status(i32),
    Signal(i32),
    NotStarted(String),
    TooLong,
    TooMuchMemory,
    DiskFull,
    TooMany,
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
            Self::FilesToWrite(nodes) => numbers(&mut out, 2, nodes),
            Self::TreeWritten => out.u8(3),
            Self::StepStarted(step) => {
                out.u8(4);
                out.u32(*step);
            }
            Self::StepEnded { step, how } => {
                out.u8(5);
                out.u32(*step);
                how.encode(&mut out);
            }
            Self::ShellOpened { step, how } => {
                out.u8(9);
                out.u32(*step);
                how.encode(&mut out);
            }
            Self::Changes(bytes) => {
                out.u8(6);
                out.0.extend_from_slice(bytes);
            }
            Self::FilesToRead(entries) => numbers(&mut out, 7, entries),
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
            2 => Self::FilesToWrite(all_numbers(&mut bytes)?),
            3 => Self::TreeWritten,
            4 => Self::StepStarted(bytes.u32()?),
            5 => Self::StepEnded { step: bytes.u32()?, how: StepEnd::decode(&mut bytes)? },
            6 => Self::Changes(bytes.0.to_vec()),
            7 => Self::FilesToRead(all_numbers(&mut bytes)?),
            8 => Self::Done,
            9 => Self::ShellOpened { step: bytes.u32()?, how: StepEnd::decode(&mut bytes)? },
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
            Self::TooLong => out.u8(3),
            Self::TooMuchMemory => out.u8(4),
            Self::DiskFull => out.u8(5),
            Self::TooMany => out.u8(6),
        }
    }

    fn decode(bytes: &mut WireReader<'_>) -> io::Result<Self> {
        Ok(match bytes.u8()? {
            0 => Self::Status(bytes.u32()?.cast_signed()),
            1 => Self::Signal(bytes.u32()?.cast_signed()),
            2 => Self::NotStarted(bytes.text()?),
            3 => Self::TooLong,
            4 => Self::TooMuchMemory,
            5 => Self::DiskFull,
            6 => Self::TooMany,
            _ => return Err(protocol_error()),
        })
    }
}

fn numbers(out: &mut WireWriter, tag: u8, numbers: &[u32]) {
    out.u8(tag);
    for number in numbers {
        out.u32(*number);
    }
}

fn all_numbers(bytes: &mut WireReader<'_>) -> io::Result<Vec<u32>> {
    let mut numbers = Vec::new();
    while !bytes.is_empty() {
        numbers.push(bytes.u32()?);
    }
    Ok(numbers)
}
