//! The socket between the two halves of the sandbox: frames of bytes, some followed by open files, and the encoding of
//! numbers and byte strings in them. Knows no messages. Every length is checked, because the inner half runs beside
//! foreign code.

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

use amiforge_formats::time::Time;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags,
};

/// Most open files of one message. Small, so that the usual limit of open files is not reached.
pub(super) const BATCH: usize = 32;

/// Most batches that the inner half may send before the first is acknowledged.
pub(super) const UNACKNOWLEDGED_MAX: usize = 4;

/// Most bytes of a frame: a tree of ten million entries is shorter.
const FRAME_MAX: u64 = 1 << 30;

/// Encodes numbers (little-endian) and byte strings (with their length before them).
#[derive(Debug, Default)]
pub(super) struct WireWriter(pub(super) Vec<u8>);

impl WireWriter {
    pub(super) fn u8(&mut self, value: u8) {
        self.0.push(value);
    }

    pub(super) fn u32(&mut self, value: u32) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub(super) fn u64(&mut self, value: u64) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub(super) fn time(&mut self, value: Time) {
        self.0.extend_from_slice(&value.secs.to_le_bytes());
        self.u32(value.nanos);
    }

    pub(super) fn bytes(&mut self, value: &[u8]) {
        self.u32(value.len() as u32);
        self.0.extend_from_slice(value);
    }
}

/// Decodes what [`WireWriter`] encoded.
#[derive(Debug)]
pub(super) struct WireReader<'a>(pub(super) &'a [u8]);

impl<'a> WireReader<'a> {
    pub(super) fn u8(&mut self) -> io::Result<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(super) fn u32(&mut self) -> io::Result<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> io::Result<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub(super) fn time(&mut self) -> io::Result<Time> {
        let secs = self.array().map(i64::from_le_bytes)?;
        let nanos = self.u32()?;
        if nanos >= 1_000_000_000 { Err(protocol_error()) } else { Ok(Time { secs, nanos }) }
    }

    pub(super) fn bytes(&mut self) -> io::Result<&'a [u8]> {
        let len = self.u32()? as usize;
        let (taken, rest) = self.0.split_at_checked(len).ok_or_else(protocol_error)?;
        self.0 = rest;
        Ok(taken)
    }

    pub(super) fn text(&mut self) -> io::Result<String> {
        self.bytes().map(|bytes| String::from_utf8_lossy(bytes).into_owned())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn array<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk().ok_or_else(protocol_error)?;
        self.0 = rest;
        Ok(*taken)
    }
}

/// The error for a malformed or unexpected message.
pub(super) fn protocol_error() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the two halves of the sandbox do not understand each other")
}

/// One end of the socket between the halves.
#[derive(Debug)]
pub(super) struct Channel(pub(super) UnixStream);

impl Channel {
    /// Sends a frame.
    pub(super) fn send(&self, bytes: &[u8]) -> io::Result<()> {
        let mut socket = &self.0;
        socket.write_all(&(bytes.len() as u64).to_le_bytes())?;
        socket.write_all(bytes)
    }

    /// Sends a frame, and after it one byte that carries open files.
    pub(super) fn send_with(&self, bytes: &[u8], files: &[impl AsFd]) -> io::Result<()> {
        self.send(bytes)?;
        let borrowed: Vec<_> = files.iter().map(AsFd::as_fd).collect();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(BATCH))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !control.push(SendAncillaryMessage::ScmRights(&borrowed)) {
            return Err(protocol_error());
        }
        rustix::net::sendmsg(&self.0, &[IoSlice::new(b"f")], &mut control, SendFlags::NOSIGNAL)?;
        Ok(())
    }

    /// Receives a frame; whenever nothing arrives within the timeout of the socket, `wait_on` decides whether to go on.
    pub(super) fn receive(&self, wait_on: &dyn Fn() -> bool) -> io::Result<Vec<u8>> {
        let mut header = [0; 8];
        self.read_exact(&mut header, wait_on)?;
        let len = u64::from_le_bytes(header);
        if len > FRAME_MAX {
            return Err(protocol_error());
        }
        let mut bytes = vec![0; len as usize];
        self.read_exact(&mut bytes, wait_on)?;
        Ok(bytes)
    }

    /// Receives the open files after a frame.
    pub(super) fn receive_files(&self) -> io::Result<Vec<OwnedFd>> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(BATCH))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut byte = [0];
        loop {
            let mut into = [IoSliceMut::new(&mut byte)];
            match rustix::net::recvmsg(&self.0, &mut into, &mut control, RecvFlags::CMSG_CLOEXEC) {
                Ok(got) if got.bytes == 1 => break,
                Ok(_) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let mut files = Vec::new();
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(received) = message {
                files.extend(received);
            }
        }
        Ok(files)
    }

    fn read_exact(&self, mut into: &mut [u8], wait_on: &dyn Fn() -> bool) -> io::Result<()> {
        let mut socket = &self.0;
        while !into.is_empty() {
            match socket.read(into) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(got) => into = &mut into[got..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && wait_on() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
