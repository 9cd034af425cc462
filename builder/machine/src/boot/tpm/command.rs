//! Commands to a TPM 2.0 and their responses, as bytes (TPM 2.0 Library 1.59: part 2 for structures, part 3 for
//! commands; all big-endian). Only what sets the banks of a new TPM and what reads its registers.

use amiforge_formats::event_log::{HashAlgorithm, PCRS};

/// Tag of commands without sessions.
const NO_SESSIONS: u16 = 0x8001;
/// Tag of commands with sessions.
const SESSIONS: u16 = 0x8002;
const TPM2_PCR_ALLOCATE: u32 = 0x0000_012b;
const TPM2_STARTUP: u32 = 0x0000_0144;
const TPM2_SHUTDOWN: u32 = 0x0000_0145;
const TPM2_PCR_READ: u32 = 0x0000_017e;
/// Start and end without saved state.
const CLEAR: u16 = 0;
const TPM_RH_PLATFORM: u32 = 0x4000_000c;
/// The session of a password.
const TPM_RS_PW: u32 = 0x4000_0009;
/// Bytes of a selection of registers: one bit for each of 24.
const SELECTION: u8 = 3;
/// Length of the header of commands and responses: tag, length, code.
pub(super) const HEADER: usize = 10;
/// The most digests of a response (`TPML_DIGEST`).
pub(super) const DIGESTS_MAX: u32 = 8;
/// The most bytes of a response that are read; TPMs have buffers of 4096.
pub(super) const RESPONSE_MAX: usize = 4096;

/// `TPM2_Startup` of a TPM that was reset.
pub(super) fn startup() -> Vec<u8> {
    command(NO_SESSIONS, TPM2_STARTUP, &CLEAR.to_be_bytes())
}

/// `TPM2_Shutdown` before a reset.
pub(super) fn shutdown() -> Vec<u8> {
    command(NO_SESSIONS, TPM2_SHUTDOWN, &CLEAR.to_be_bytes())
}

/// `TPM2_PCR_Allocate`: the banks that are active from the next reset on, with all registers; the others get none.
pub(super) fn allocate(active: &[HashAlgorithm]) -> Vec<u8> {
    let all = [HashAlgorithm::Sha1, HashAlgorithm::Sha256, HashAlgorithm::Sha384, HashAlgorithm::Sha512];
    let mut body = Vec::new();
    body.extend(TPM_RH_PLATFORM.to_be_bytes());
    // The authorization of the platform of a new TPM: an empty password.
    body.extend(9_u32.to_be_bytes());
    body.extend(TPM_RS_PW.to_be_bytes());
    body.extend([0; 5]);
    body.extend((all.len() as u32).to_be_bytes());
    for bank in all {
        let mask = if active.contains(&bank) { 0xff_ffff } else { 0 };
        body.extend(selection(bank, mask));
    }
    command(SESSIONS, TPM2_PCR_ALLOCATE, &body)
}

/// `TPM2_PCR_Read` of registers of a bank; bit `n` of the mask is register `n`, at most [`DIGESTS_MAX`] of them.
pub(super) fn pcr_read(bank: HashAlgorithm, mask: u32) -> Vec<u8> {
    let body = [&1_u32.to_be_bytes()[..], &selection(bank, mask)].concat();
    command(NO_SESSIONS, TPM2_PCR_READ, &body)
}

/// The registers of a bank in the order in which [`pcr_read`] asks for them.
pub(super) fn masks() -> impl Iterator<Item = u32> {
    (0..PCRS).step_by(DIGESTS_MAX as usize).map(|first| 0xff << first)
}

fn selection(bank: HashAlgorithm, mask: u32) -> Vec<u8> {
    let mut bytes = bank.id().to_be_bytes().to_vec();
    bytes.push(SELECTION);
    bytes.extend(mask.to_le_bytes().iter().take(usize::from(SELECTION)));
    bytes
}

fn command(tag: u16, code: u32, body: &[u8]) -> Vec<u8> {
    let len = (HEADER + body.len()) as u32;
    [&tag.to_be_bytes()[..], &len.to_be_bytes(), &code.to_be_bytes(), body].concat()
}

/// Length of a whole response, from its header.
pub(super) fn response_len(header: [u8; HEADER]) -> Option<usize> {
    let [_, _, a, b, c, d, ..] = header;
    let len = u32::from_be_bytes([a, b, c, d]) as usize;
    (HEADER..=RESPONSE_MAX).contains(&len).then_some(len)
}

/// The parameters of a successful response; the code of one that reports an error.
pub(super) fn parameters(response: &[u8]) -> Result<&[u8], u32> {
    let (header, parameters) = response.split_at_checked(HEADER).ok_or(u32::MAX)?;
    match header.last_chunk().map(|code| u32::from_be_bytes(*code)) {
        Some(0) => Ok(parameters),
        code => Err(code.unwrap_or(u32::MAX)),
    }
}

/// The digests of the response to [`pcr_read`] with all the registers of `mask`; `None` if the TPM gave others, as one
/// does that lacks the bank.
pub(super) fn pcr_values(parameters: &[u8], bank: HashAlgorithm, mask: u32) -> Option<Vec<Vec<u8>>> {
    let rest = parameters.get(4..)?;
    let expected = [&1_u32.to_be_bytes()[..], &selection(bank, mask)].concat();
    let mut rest = rest.strip_prefix(expected.as_slice())?;
    let (count, after) = rest.split_first_chunk::<4>()?;
    if u32::from_be_bytes(*count) != mask.count_ones() {
        return None;
    }
    rest = after;
    let mut values = Vec::new();
    for _ in 0..mask.count_ones() {
        let (len, after) = rest.split_first_chunk::<2>()?;
        let (value, after) = after.split_at_checked(usize::from(u16::from_be_bytes(*len)))?;
        values.push(value.to_vec());
        rest = after;
    }
    (rest.is_empty() && values.iter().all(|value| value.len() == bank.len())).then_some(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_those_of_the_specification() {
        assert_eq!(startup(), [0x80, 1, 0, 0, 0, 12, 0, 0, 1, 0x44, 0, 0]);
        let read = pcr_read(HashAlgorithm::Sha384, 0xff << 8);
        assert_eq!(read, [0x80, 1, 0, 0, 0, 20, 0, 0, 1, 0x7e, 0, 0, 0, 1, 0, 12, 3, 0, 0xff, 0]);
        let allocate = allocate(&[HashAlgorithm::Sha256]);
        assert_eq!(allocate.len(), 10 + 4 + 4 + 9 + 4 + 4 * 6);
        assert_eq!(allocate[31..43], [0, 4, 3, 0, 0, 0, 0, 11, 3, 0xff, 0xff, 0xff]);
        assert_eq!(masks().collect::<Vec<_>>(), [0xff, 0xff00, 0xff_0000]);
    }

    #[test]
    fn only_a_response_with_the_requested_registers_is_taken() {
        let (bank, mask) = (HashAlgorithm::Sha256, 0b101);
        let mut good = vec![0, 0, 0, 7, 0, 0, 0, 1, 0, 11, 3, 5, 0, 0, 0, 0, 0, 2];
        for value in [1, 2] {
            good.extend([0, 32]);
            good.extend([value; 32]);
        }
        assert_eq!(pcr_values(&good, bank, mask), Some(vec![vec![1; 32], vec![2; 32]]));
        for len in 0..good.len() {
            assert_eq!(pcr_values(&good[..len], bank, mask), None);
        }
        assert_eq!(pcr_values(&good, bank, 0b110), None);
        assert_eq!(pcr_values(&good, HashAlgorithm::Sha384, mask), None);
        assert_eq!(pcr_values(&[&good[..], &[0]].concat(), bank, mask), None);
        assert_eq!(parameters(&[0; 3]), Err(u32::MAX));
        assert_eq!(parameters(&[0x80, 1, 0, 0, 0, 10, 0, 0, 1, 1]), Err(0x101));
        assert_eq!(response_len([0x80, 1, 0, 0, 0, 9, 0, 0, 0, 0]), None);
        assert_eq!(response_len([0x80, 1, 0xff, 0, 0, 9, 0, 0, 0, 0]), None);
    }
}
