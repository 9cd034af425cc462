//! Phases of a boot, and the policy of a TPM that is signed for PCR 11: what `.pcrsig` is made of.
//!
//! Follows systemd-measure(1), systemd-pcrphase.service(8) and the TPM 2.0 Library, part 3, section 23.7 (`TPM2_PolicyPCR`).

use std::fmt;

use sha2::{Digest as _, Sha256};

use super::{Bank, BankDigests, KERNEL_IMAGE, Pcr, PcrError};
use crate::tree::Printable;

/// `TPM_CC_PolicyPCR`.
const POLICY_PCR: u32 = 0x0000_017f;

/// The longest name of a phase.
const PHASE_MAX: usize = 64;

/// The phases that a system has measured into PCR 11 so far, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PhasePath(Vec<String>);

impl PhasePath {
    /// Reads phases joined by colons, such as `enter-initrd:leave-initrd`, as systemd-measure takes them. An empty text or
    /// a lone colon is the state before the first one.
    ///
    /// # Errors
    /// [`PcrError::Phase`].
    pub fn parse(text: &str) -> Result<Self, PcrError> {
        if matches!(text, "" | ":") {
            return Ok(Self::default());
        }
        let phase = |phase: &str| {
            let named = phase.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
            if phase.is_empty() || phase.len() > PHASE_MAX || !named {
                return Err(PcrError::Phase { phase: Printable(phase.as_bytes()).to_string() });
            }
            Ok(phase.to_owned())
        };
        text.split(':').map(phase).collect::<Result<_, _>>().map(Self)
    }

    /// The register after these phases: each is one event, the word without a NUL.
    pub fn extend(&self, mut pcr: Pcr) -> Pcr {
        self.0.iter().for_each(|phase| pcr.extend(&BankDigests::of(phase.as_bytes())));
        pcr
    }

    /// Whether no phase has begun.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for PhasePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(":"))
    }
}

/// The digest of a policy that holds while PCR 11 of a bank has this value: what the owner of a PCR policy signs (`pol` in
/// `.pcrsig`). The policy's own digest is SHA-256 in every bank.
pub fn policy_digest(kernel_image: &BankDigests, bank: Bank) -> [u8; 32] {
    let mut selected = [0; 3];
    if let Some(byte) = selected.get_mut(usize::from(KERNEL_IMAGE / 8)) {
        *byte = 1 << (KERNEL_IMAGE % 8);
    }
    Sha256::new()
        .chain_update([0; 32])
        .chain_update(POLICY_PCR.to_be_bytes())
        // TPML_PCR_SELECTION: one bank, three bytes of bits.
        .chain_update(1_u32.to_be_bytes())
        .chain_update(bank.algorithm().to_be_bytes())
        .chain_update([selected.len() as u8])
        .chain_update(selected)
        .chain_update(Sha256::digest(kernel_image.in_bank(bank)))
        .finalize()
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_are_words_joined_by_colons() {
        for empty in ["", ":"] {
            assert!(PhasePath::parse(empty).unwrap().is_empty());
        }
        let path = PhasePath::parse("enter-initrd:leave-initrd").unwrap();
        assert_eq!(path.to_string(), "enter-initrd:leave-initrd");
        let mut pcr = Pcr::ZERO;
        pcr.extend(&BankDigests::of(b"enter-initrd"));
        pcr.extend(&BankDigests::of(b"leave-initrd"));
        assert_eq!(path.extend(Pcr::ZERO), pcr);
        for wrong in ["a::b", "a b", ":a", "\x1b[2J", &"x".repeat(65)] {
            assert!(matches!(PhasePath::parse(wrong), Err(PcrError::Phase { .. })), "{wrong:?}");
        }
    }
}
