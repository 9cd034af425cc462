//! The event log of measured boot: what firmware and loader extended into the registers of a TPM, and in which order.
//!
//! Format: TCG PC Client Platform Firmware Profile 1.06, sections 10.2 (structures) and 10.4 (event types), the
//! crypto-agile form (`TCG_PCR_EVENT2`) only. A log is no evidence by itself, because the machine under test hands it
//! over: it counts as far as [`EventLog::replay`] gives the values that the TPM has. Even then only digests are proven;
//! the words beside them are proven where [`Event::proves_data`] says so.
#![warn(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

mod describe;
mod error;
mod hash;
mod read;
mod spec;
#[cfg(test)]
mod tests;

pub use error::EventLogError;
pub use hash::HashAlgorithm;
pub use read::{LOG_MAX, read, read_prefix};
pub use spec::{EventType, SPEC_ID};

/// Registers of a TPM for PCs (PC Client Platform TPM Profile 1.05, section 4.6.1).
pub const PCRS: u32 = 24;

/// A log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventLog {
    /// The banks of the log, in its order. Every event has a digest of each.
    pub banks: Vec<HashAlgorithm>,
    /// The events in the order of their extension, without the header of the log.
    pub events: Vec<Event>,
    /// Locality that the TPM was started from; it is the last byte of PCR 0 before the first event.
    pub startup_locality: u8,
}

/// An event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The register, below [`PCRS`].
    pub pcr: u32,
    /// Its type.
    pub kind: EventType,
    /// The digests that were extended, in the order of the log's banks.
    pub digests: Vec<Vec<u8>>,
    /// Bytes that describe what was measured. Their form depends on the type.
    pub data: Vec<u8>,
}

impl EventLog {
    /// The digest of an event in a bank; `None` if the log does not have the bank.
    pub fn digest<'a>(&self, event: &'a Event, bank: HashAlgorithm) -> Option<&'a [u8]> {
        let index = self.banks.iter().position(|known| *known == bank)?;
        event.digests.get(index).map(Vec::as_slice)
    }

    /// The events that were extended into a register.
    pub fn events_of(&self, pcr: u32) -> impl Iterator<Item = &Event> {
        self.events.iter().filter(move |event| event.pcr == pcr && event.kind != EventType::NO_ACTION)
    }

    /// The value of a register after all events of the log; `None` if the log does not have the bank. Registers that do
    /// not start from zeros (17 to 22) are not for logs of firmware.
    pub fn replay(&self, bank: HashAlgorithm, pcr: u32) -> Option<Vec<u8>> {
        let mut value = vec![0; bank.len()];
        if pcr == 0
            && let Some(last) = value.last_mut()
        {
            *last = self.startup_locality;
        }
        for event in self.events_of(pcr) {
            value = bank.extend(&value, self.digest(event, bank)?);
        }
        Some(value)
    }
}

impl Event {
    /// Whether a digest is that of the event's data, so that the data is proven where the digest is. SHA-1 proves nothing.
    pub fn proves_data(&self, bank: HashAlgorithm, digest: &[u8]) -> bool {
        bank != HashAlgorithm::Sha1 && bank.digest(&self.data) == digest
    }
}
