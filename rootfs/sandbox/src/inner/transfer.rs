//! Messages and open files between the inner and the outer half.

use std::os::fd::OwnedFd;

use super::error::{During as _, InnerError};
use crate::message::Message;
use crate::wire::{BATCH, Channel, UNACKNOWLEDGED_MAX};

/// Receives a message of the outer half.
pub(super) fn recv(channel: &Channel) -> Result<Vec<u8>, InnerError> {
    channel.receive(&|| true).during(|| "receiving from the outer half".to_owned())
}

/// Sends a message to the outer half.
pub(super) fn send(channel: &Channel, message: &Message) -> Result<(), InnerError> {
    channel.send(&message.encode()).during(|| "sending to the outer half".to_owned())
}

/// Sends open files in batches, each of which the outer half acknowledges.
pub(super) struct FileBatches<'a> {
    channel: &'a Channel,
    numbers: Vec<u32>,
    files: Vec<OwnedFd>,
    unacknowledged: usize,
    message: fn(Vec<u32>) -> Message,
}

impl<'a> FileBatches<'a> {
    pub(super) fn new(channel: &'a Channel, message: fn(Vec<u32>) -> Message) -> Self {
        Self { channel, numbers: Vec::new(), files: Vec::new(), unacknowledged: 0, message }
    }

    pub(super) fn push(&mut self, number: u32, file: OwnedFd) -> Result<(), InnerError> {
        self.numbers.push(number);
        self.files.push(file);
        if self.files.len() == BATCH { self.send() } else { Ok(()) }
    }

    fn send(&mut self) -> Result<(), InnerError> {
        if self.files.is_empty() {
            return Ok(());
        }
        while self.unacknowledged >= UNACKNOWLEDGED_MAX {
            self.wait_for_one()?;
        }
        let message = (self.message)(std::mem::take(&mut self.numbers)).encode();
        let sent = self.channel.send_with(&message, &self.files);
        sent.during(|| "sending open files".to_owned())?;
        self.files.clear();
        self.unacknowledged += 1;
        Ok(())
    }

    fn wait_for_one(&mut self) -> Result<(), InnerError> {
        recv(self.channel)?;
        self.unacknowledged -= 1;
        Ok(())
    }

    /// Sends the last batch and waits until all are acknowledged.
    pub(super) fn finish(mut self) -> Result<(), InnerError> {
        self.send()?;
        while self.unacknowledged > 0 {
            self.wait_for_one()?;
        }
        Ok(())
    }
}
