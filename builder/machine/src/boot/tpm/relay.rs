//! Stands between QEMU and the control channel of swtpm, so that the TPM outlives the guest: QEMU ends swtpm when a
//! machine ends, also when a guest powers off by itself, and the registers would be lost before they are read.
//!
//! Everything else is passed on unchanged, with the open file that one of the orders carries. TPM commands do not come
//! through here: they have a socket of their own between QEMU and swtpm.

use std::io::{self, IoSliceMut, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};

use super::control::{CMD_SHUTDOWN, Control, send};

/// The most bytes of an order or an answer. The longest that a machine without migration sends have some dozens.
const MESSAGE_MAX: usize = 8 << 10;

/// Waits for QEMU's connection and serves it until it is closed.
pub(super) fn serve(listener: &UnixListener, control: &mut Control) -> io::Result<()> {
    let (mut qemu, _) = listener.accept()?;
    control.0.set_read_timeout(None)?;
    while let Some((order, file)) = receive(&qemu)? {
        if order == CMD_SHUTDOWN.to_be_bytes() {
            qemu.write_all(&[0; 4])?;
            continue;
        }
        send(&mut control.0, &order, file.as_ref().map(OwnedFd::as_fd))?;
        drop(file);
        let mut answer = vec![0; MESSAGE_MAX];
        let len = control.0.read(&mut answer)?;
        if len == 0 {
            return Err(io::Error::other("swtpm has ended"));
        }
        qemu.write_all(answer.get(..len).unwrap_or_default())?;
    }
    Ok(())
}

/// An order of QEMU and the open file with it; `None` after the last one.
fn receive(qemu: &UnixStream) -> io::Result<Option<(Vec<u8>, Option<OwnedFd>)>> {
    let mut bytes = vec![0; MESSAGE_MAX];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut slices = [IoSliceMut::new(&mut bytes)];
    let received = recvmsg(qemu, &mut slices, &mut ancillary, RecvFlags::CMSG_CLOEXEC)?;
    let mut file = None;
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(files) = message {
            file = files.last().or(file);
        }
    }
    bytes.truncate(received.bytes);
    Ok((!bytes.is_empty()).then_some((bytes, file)))
}
