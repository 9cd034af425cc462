//! The output of the commands: read all the time, so that no command blocks on a full pipe; its end is kept.

use std::io::{self, PipeReader, Read as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;

use super::OutputTail;

/// Bytes of output that are kept.
const TAIL_MAX: usize = 64 << 10;

/// How long [`Log::so_far`] waits at most for output that is still in the pipe.
const GRACE: Duration = Duration::from_secs(1);

/// Reads the output of the commands from a pipe.
pub(super) struct Log {
    tail: Arc<Mutex<Vec<u8>>>,
    pipe: PipeReader,
    reader: Option<JoinHandle<()>>,
}

impl Log {
    /// Starts to read, on a thread of its own, until the last writer closes the pipe.
    pub(super) fn follow(pipe: PipeReader) -> io::Result<Self> {
        let tail = Arc::new(Mutex::new(Vec::new()));
        let (from, into) = (pipe.try_clone()?, Arc::clone(&tail));
        let reader = Some(std::thread::spawn(move || read(from, &into)));
        Ok(Self { tail, pipe, reader })
    }

    /// The end of the output until now.
    pub(super) fn so_far(&self) -> OutputTail {
        let end = Instant::now() + GRACE;
        loop {
            let tail = self.tail.lock().unwrap_or_else(PoisonError::into_inner);
            let waiting = rustix::io::ioctl_fionread(&self.pipe).unwrap_or(0);
            if waiting == 0 || Instant::now() >= end {
                return OutputTail(tail.clone());
            }
            drop(tail);
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// The end of the whole output; waits until the pipe is closed.
    pub(super) fn finish(&mut self) -> OutputTail {
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
        OutputTail(std::mem::take(&mut self.tail.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

fn read(mut pipe: PipeReader, tail: &Mutex<Vec<u8>>) {
    let mut buf = vec![0; TAIL_MAX];
    while is_ready(&pipe) {
        // Locked over the read: bytes that have left the pipe are in the tail before `so_far` can look.
        let mut tail = tail.lock().unwrap_or_else(PoisonError::into_inner);
        match pipe.read(&mut buf) {
            Ok(0) => break,
            Ok(got) => {
                tail.extend_from_slice(&buf[..got]);
                let over = tail.len().saturating_sub(TAIL_MAX);
                tail.drain(..over);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
}

/// Waits until the pipe has data or is closed.
fn is_ready(pipe: &PipeReader) -> bool {
    let mut all = [PollFd::new(pipe, PollFlags::IN)];
    loop {
        match rustix::event::poll(&mut all, None) {
            Ok(_) => return true,
            Err(Errno::INTR) => {}
            Err(_) => return false,
        }
    }
}
