//! What a TPM had measured when its machine was stopped: all registers, and the event log that explains them.

use std::collections::BTreeMap;

use amiforge_formats::event_log::{EventLog, HashAlgorithm};

use super::memory::StoredLog;

/// The active banks, those of NitroTPM.
pub const BANKS: [HashAlgorithm; 2] = [HashAlgorithm::Sha256, HashAlgorithm::Sha384];
/// Registers that only firmware and loader extend before a kernel runs, so that a log explains them to the end. Of the
/// others the kernel continues 5, 9 and 10, and systemd 11 and 15.
pub const FIRMWARE_PCRS: [u32; 10] = [0, 1, 2, 3, 4, 6, 7, 8, 12, 13];

/// The registers of a bank, 24 of them.
pub type PcrValues = Vec<Vec<u8>>;

/// The registers of a TPM, read from the TPM itself after its machine was stopped, and the event log from the machine's
/// memory. The log is one whose events give the registers [`FIRMWARE_PCRS`]; `None` if no log in memory does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TpmReading {
    /// The registers of each of [`BANKS`].
    pub pcrs: BTreeMap<HashAlgorithm, PcrValues>,
    /// The log, and its bytes.
    pub log: Option<(EventLog, Vec<u8>)>,
}

impl TpmReading {
    /// Selects the log that explains the registers, of several the longest.
    pub(super) fn new(pcrs: BTreeMap<HashAlgorithm, PcrValues>, logs: Vec<StoredLog>) -> Self {
        let fitting = logs.into_iter().filter(|stored| explains(&stored.log, &pcrs));
        let longest = fitting.max_by_key(|stored| stored.bytes.len());
        Self { log: longest.map(|stored| (stored.log, stored.bytes)), pcrs }
    }

    /// The value of a register in a bank.
    pub fn pcr(&self, bank: HashAlgorithm, pcr: u32) -> Option<&[u8]> {
        self.pcrs.get(&bank)?.get(pcr as usize).map(Vec::as_slice)
    }
}

/// Whether the events of a log give the registers in every bank.
pub fn explains(log: &EventLog, pcrs: &BTreeMap<HashAlgorithm, PcrValues>) -> bool {
    pcrs.iter().all(|(bank, values)| {
        FIRMWARE_PCRS.iter().all(|pcr| {
            let value = values.get(*pcr as usize);
            value.is_some() && log.replay(*bank, *pcr).as_ref() == value
        })
    })
}
