//! What the commands write: read all the time, so that none of them has to wait, and its last part kept.

use std::io::{self, PipeReader, Read as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;

use super::OutputTail;

/// Bytes that are kept.
const KEPT: usize = 64 << 10;

/// How long a look waits at most for what was written before it.
const GRACE: Duration = Duration::from_secs(1);

/// The reader of a pipe.
pub(super) struct Log {
    kept: Arc<Mutex<Vec<u8>>>,
    pipe: PipeReader,
    reading: Option<JoinHandle<()>>,
}

impl Log {
    /// Reads on until nobody can write any more.
    pub(super) fn follow(pipe: PipeReader) -> io::Result<Self> {
        let kept = Arc::new(Mutex::new(Vec::new()));
        let (from, into) = (pipe.try_clone()?, Arc::clone(&kept));
        let reading = Some(std::thread::spawn(move || read(from, &into)));
        Ok(Self { kept, pipe, reading })
    }

    /// The last of what was written until now.
    pub(super) fn so_far(&self) -> OutputTail {
        let end = Instant::now() + GRACE;
        loop {
            let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            let waiting = rustix::io::ioctl_fionread(&self.pipe).unwrap_or(0);
            if waiting == 0 || Instant::now() >= end {
                return OutputTail(kept.clone());
            }
            drop(kept);
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// The last of all that was written; waits for its end.
    pub(super) fn finish(&mut self) -> OutputTail {
        if let Some(reading) = self.reading.take() {
            let _ = reading.join();
        }
        OutputTail(std::mem::take(&mut self.kept.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

fn read(mut pipe: PipeReader, kept: &Mutex<Vec<u8>>) {
    let mut buf = vec![0; KEPT];
    while is_ready(&pipe) {
        // What is out of the pipe is among what is kept before anybody can look.
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        match pipe.read(&mut buf) {
            Ok(0) => break,
            Ok(got) => {
                kept.extend_from_slice(&buf[..got]);
                let over = kept.len().saturating_sub(KEPT);
                kept.drain(..over);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
}

/// Waits until there is something to read, or the end.
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
