//! What the two halves of the sandbox say to each other: frames of bytes over a Unix socket, some followed by open
//! files. Both halves are the same program, so there are no versions; but the inner half stands beside foreign code,
//! so what it says is read as if it were foreign too: every length is checked.

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

use amiforge_formats::time::Time;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags,
};

/// Open files that one message carries at most. Small, so that the usual limit of open files is not met.
pub(super) const BATCH: usize = 32;

/// Batches that the inner half may send before the first was acknowledged.
pub(super) const UNACKNOWLEDGED_MAX: usize = 4;

/// Longest frame: a tree of ten million entries would be shorter.
const FRAME_MAX: u64 = 1 << 30;

/// Bytes being written.
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

/// Bytes being read.
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

/// What is said when a message makes no sense.
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

    /// Sends a frame, and open files with one more byte behind it.
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

    /// Receives a frame; `go_on` is asked whenever nothing comes for as long as the socket's timeout.
    pub(super) fn receive(&self, check_cancelled: &dyn Fn() -> bool) -> io::Result<Vec<u8>> {
        let mut header = [0; 8];
        self.fill(&mut header, check_cancelled)?;
        let len = u64::from_le_bytes(header);
        if len > FRAME_MAX {
            return Err(protocol_error());
        }
        let mut bytes = vec![0; len as usize];
        self.fill(&mut bytes, check_cancelled)?;
        Ok(bytes)
    }

    /// Receives the open files behind a frame.
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

    fn fill(&self, mut into: &mut [u8], check_cancelled: &dyn Fn() -> bool) -> io::Result<()> {
        let mut socket = &self.0;
        while !into.is_empty() {
            match socket.read(into) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(got) => into = &mut into[got..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && check_cancelled() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
