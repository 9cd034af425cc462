//! The control channel of swtpm (`include/swtpm/tpm_ioctl.h`, big-endian): it starts the emulated TPM and hands over the
//! socket for TPM commands.

use std::io::{self, IoSlice, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

use super::command;

/// Starts the TPM, as a reset does.
const CMD_INIT: u32 = 0x02;
/// Ends swtpm.
pub(super) const CMD_SHUTDOWN: u32 = 0x03;
/// Hands over a socket for TPM commands, which ends when its other half is closed.
const CMD_SET_DATAFD: u32 = 0x10;
/// Flag of [`CMD_INIT`]: state that was saved without an orderly end is not resumed.
const DELETE_VOLATILE: u32 = 1;
/// How long swtpm may take for an answer. It needs milliseconds, on a loaded host seconds.
const ANSWER_TIMEOUT: Duration = Duration::from_mins(1);

/// A connection to swtpm's control channel.
#[derive(Debug)]
pub(super) struct Control(pub(super) UnixStream);

impl Control {
    /// Resets the TPM.
    pub(super) fn init(&mut self) -> io::Result<()> {
        self.order(&[CMD_INIT.to_be_bytes(), DELETE_VOLATILE.to_be_bytes()].concat(), None)
    }

    /// Ends swtpm, which answers first.
    pub(super) fn shut_down(&mut self) -> io::Result<()> {
        self.order(&CMD_SHUTDOWN.to_be_bytes(), None)
    }

    /// Opens a channel for TPM commands. There can be only one.
    pub(super) fn channel(&mut self) -> io::Result<TpmChannel> {
        let (ours, theirs) = UnixStream::pair()?;
        ours.set_read_timeout(Some(ANSWER_TIMEOUT))?;
        self.order(&CMD_SET_DATAFD.to_be_bytes(), Some(theirs.as_fd()))?;
        Ok(TpmChannel(ours))
    }

    /// Sends an order, whose answer is a result: zero if it was carried out.
    fn order(&mut self, bytes: &[u8], file: Option<BorrowedFd<'_>>) -> io::Result<()> {
        self.0.set_read_timeout(Some(ANSWER_TIMEOUT))?;
        send(&mut self.0, bytes, file)?;
        let mut result = [0; 4];
        self.0.read_exact(&mut result)?;
        match u32::from_be_bytes(result) {
            0 => Ok(()),
            code => Err(io::Error::other(format!("swtpm answered with the result 0x{code:x}"))),
        }
    }
}

/// Sends bytes, and with the first of them an open file.
pub(super) fn send(socket: &mut UnixStream, bytes: &[u8], file: Option<BorrowedFd<'_>>) -> io::Result<()> {
    let Some(file) = file else { return socket.write_all(bytes) };
    let files = [file];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !ancillary.push(SendAncillaryMessage::ScmRights(&files)) {
        return Err(io::Error::other("no room for an open file in a message"));
    }
    let sent = sendmsg(&*socket, &[IoSlice::new(bytes)], &mut ancillary, SendFlags::NOSIGNAL)?;
    socket.write_all(bytes.get(sent..).unwrap_or_default())
}

/// A channel for TPM commands.
#[derive(Debug)]
pub(super) struct TpmChannel(UnixStream);

impl TpmChannel {
    /// Sends a command and returns its whole response.
    pub(super) fn run(&mut self, command: &[u8]) -> io::Result<Vec<u8>> {
        self.0.write_all(command)?;
        let mut header = [0; command::HEADER];
        self.0.read_exact(&mut header)?;
        let len = command::response_len(header)
            .ok_or_else(|| io::Error::other("swtpm sent a response with an impossible length"))?;
        let mut response = vec![0; len];
        let (head, rest) = response.split_at_mut(command::HEADER);
        head.copy_from_slice(&header);
        self.0.read_exact(rest)?;
        Ok(response)
    }

    /// Runs a command that has to succeed, and returns the parameters of its response.
    pub(super) fn must(&mut self, command: &[u8]) -> io::Result<Vec<u8>> {
        let response = self.run(command)?;
        let parameters = command::parameters(&response)
            .map_err(|code| io::Error::other(format!("the TPM answered with the code 0x{code:x}")))?;
        Ok(parameters.to_vec())
    }
}
