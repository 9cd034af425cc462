//! The reader of logs. Trusts no length and no number: a log comes from the memory of the machine under test.

use super::spec::{OLD_EVENT, SPEC_ID, STARTUP_LOCALITY};
use super::{Event, EventLog, EventLogError, EventType, HashAlgorithm, PCRS};

/// The most bytes of a log that are read. Firmware reserves 64 KiB (OVMF) to some hundred KiB.
pub const LOG_MAX: usize = 1 << 20;
/// The most banks of a log: as many as there are algorithms in the registry.
const BANKS_MAX: u32 = 16;

/// Reads a log that fills all the bytes.
///
/// # Errors
/// [`EventLogError`]; also when anything but whole events follows.
pub fn read(bytes: &[u8]) -> Result<EventLog, EventLogError> {
    if bytes.len() > LOG_MAX {
        return Err(EventLogError::TooLong { len: bytes.len(), limit: LOG_MAX });
    }
    let mut reader = EventReader { bytes, at: 0 };
    let mut log = reader.header()?;
    while reader.at < bytes.len() {
        let event = reader.event(&log.banks)?;
        log.push(event);
    }
    Ok(log)
}

/// Reads a log at the start of memory, which continues behind it: up to the first bytes that are no event of it. Also
/// returns the length of the log in bytes.
///
/// # Errors
/// [`EventLogError`] of the header.
pub fn read_prefix(bytes: &[u8]) -> Result<(EventLog, usize), EventLogError> {
    let mut reader = EventReader { bytes: bytes.get(..LOG_MAX).unwrap_or(bytes), at: 0 };
    let mut log = reader.header()?;
    loop {
        let end = reader.at;
        // Memory behind the log is zero or all ones: neither has the number of digests of the log's events.
        let Ok(event) = reader.event(&log.banks) else { return Ok((log, end)) };
        log.push(event);
    }
}

impl EventLog {
    /// Adds an event, which may be the one that names the locality of the start.
    fn push(&mut self, event: Event) {
        if event.kind == EventType::NO_ACTION
            && let Some(locality) = event.data.strip_prefix(STARTUP_LOCALITY)
        {
            self.startup_locality = locality.first().copied().unwrap_or(0);
        }
        self.events.push(event);
    }
}

/// Bytes, and how many of them are read.
struct EventReader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> EventReader<'a> {
    fn take(&mut self, structure: &'static str, need: usize) -> Result<&'a [u8], EventLogError> {
        let (at, len) = (self.at, self.bytes.len());
        let end = at.checked_add(need);
        let taken = end.and_then(|end| Some((end, self.bytes.get(at..end)?)));
        let (end, taken) = taken.ok_or(EventLogError::CutShort { structure, at, need, len })?;
        self.at = end;
        Ok(taken)
    }

    fn number<const N: usize>(&mut self, field: &'static str) -> Result<u32, EventLogError> {
        let mut whole = [0; 4];
        let taken = self.take(field, N)?;
        whole.iter_mut().zip(taken).for_each(|(byte, taken)| *byte = *taken);
        Ok(u32::from_le_bytes(whole))
    }

    /// Reads a length and as many bytes.
    fn sized<const N: usize>(&mut self, structure: &'static str) -> Result<&'a [u8], EventLogError> {
        let len = self.number::<N>(structure)?;
        self.take(structure, usize::try_from(len).unwrap_or(usize::MAX))
    }

    /// Reads the header: an event in the form of TPM 1.2 whose data is a `TCG_EfiSpecIDEvent`.
    fn header(&mut self) -> Result<EventLog, EventLogError> {
        let fixed =
            self.take("the header", OLD_EVENT.saturating_sub(4)).map_err(|_| EventLogError::Header)?;
        let (first, digest) = fixed.split_at_checked(8).ok_or(EventLogError::Header)?;
        let is_header = first == [0, 0, 0, 0, 3, 0, 0, 0] && digest.iter().all(|byte| *byte == 0);
        if !is_header {
            return Err(EventLogError::Header);
        }
        let data = self.sized::<4>("the header's data")?;
        let mut inner = EventReader { bytes: data, at: 0 };
        let banks = inner.spec_id()?;
        Ok(EventLog { banks, events: Vec::new(), startup_locality: 0 })
    }

    /// Reads a `TCG_EfiSpecIDEvent` and returns the banks.
    fn spec_id(&mut self) -> Result<Vec<HashAlgorithm>, EventLogError> {
        if self.take("the signature", SPEC_ID.len()).map_err(|_| EventLogError::Header)? != SPEC_ID {
            return Err(EventLogError::Header);
        }
        self.take("the versions", 8)?;
        let at = self.at;
        let count = self.number::<4>("number of algorithms")?;
        if !(1..=BANKS_MAX).contains(&count) {
            let (field, rule) = ("number of algorithms", "1 to 16");
            return Err(EventLogError::Field { field, at, value: count, rule });
        }
        let mut banks = Vec::new();
        for _ in 0..count {
            let at = self.at;
            let id = self.number::<2>("an algorithm")?;
            let size = self.number::<2>("a digest's size")?;
            let bank = u16::try_from(id).ok().and_then(HashAlgorithm::by_id);
            let bank = bank.filter(|bank| u32::try_from(bank.len()) == Ok(size) && !banks.contains(bank));
            let rule = "SHA-1, SHA-256, SHA-384 or SHA-512, once each and with its length";
            banks.push(bank.ok_or(EventLogError::Field { field: "algorithm", at, value: id, rule })?);
        }
        self.sized::<1>("the vendor's part")?;
        Ok(banks)
    }

    /// Reads a `TCG_PCR_EVENT2`, whose digests may be in another order than the banks.
    fn event(&mut self, banks: &[HashAlgorithm]) -> Result<Event, EventLogError> {
        let at = self.at;
        let pcr = self.number::<4>("an event")?;
        if pcr >= PCRS {
            return Err(EventLogError::Field { field: "register", at, value: pcr, rule: "0 to 23" });
        }
        let kind = EventType(self.number::<4>("an event's type")?);
        let at = self.at;
        let count = self.number::<4>("the number of digests")?;
        if usize::try_from(count) != Ok(banks.len()) {
            let rule = "the number of banks of the log";
            return Err(EventLogError::Field { field: "number of digests", at, value: count, rule });
        }
        let mut digests = vec![Vec::new(); banks.len()];
        for _ in banks {
            let at = self.at;
            let id = self.number::<2>("a digest's algorithm")?;
            let bank = u16::try_from(id).ok().and_then(HashAlgorithm::by_id);
            let slot = banks.iter().zip(&mut digests).find(|(known, _)| Some(**known) == bank);
            let rule = "a bank of the log, once each";
            let wrong = EventLogError::Field { field: "digest's algorithm", at, value: id, rule };
            let (bank, digest) = slot.filter(|(_, digest)| digest.is_empty()).ok_or(wrong)?;
            *digest = self.take("a digest", bank.len())?.to_vec();
        }
        let data = self.sized::<4>("an event's data")?.to_vec();
        Ok(Event { pcr, kind, digests, data })
    }
}
