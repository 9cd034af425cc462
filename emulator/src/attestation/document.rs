//! The document: PCRs and what the requester passed, as the payload of a signed COSE structure.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha384};

use super::instance::AttestedInstance;
use super::{cbor, pki};
use crate::clock::Timestamp;

/// The number of PCRs in a document.
pub const PCR_COUNT: u8 = 24;
/// The PCRs of dynamic roots of trust, which are all ones until one is started (TCG PC Client Platform TPM Profile, 3.4).
const DYNAMIC: std::ops::RangeInclusive<u8> = 17..=22;
/// The PCRs that no image decides: firmware and its configuration, the partition table, what the kernel measures.
const OF_THE_MACHINE: [u8; 5] = [0, 1, 5, 9, 10];

/// What a document says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AttestationRequest {
    /// PCRs in SHA-384 by their number, below 24. Those of the machine that are not given have made-up values, PCR 6 and 14 to
    /// 16, 23 and any other that is not given are what a machine has that measured nothing there.
    pub pcrs: BTreeMap<u8, [u8; 48]>,
    /// What proves that the document was made for a request.
    pub nonce: Option<Vec<u8>>,
    /// Further data.
    pub user_data: Option<Vec<u8>>,
    /// A public key: the DER of a `SubjectPublicKeyInfo`.
    pub public_key: Option<Vec<u8>>,
}

/// Issues a document.
pub(super) fn issue(
    secret: &[u8; 32],
    instance: &AttestedInstance,
    made: Timestamp,
    request: &AttestationRequest,
) -> Vec<u8> {
    let module = instance.module_id();
    let chain = pki::chain(secret, (&instance.region, &instance.zone, &module), made);
    let optional = |value: &Option<Vec<u8>>| value.as_deref().map_or_else(cbor::null, cbor::bytes);
    let entry = |name: &str, value: Vec<u8>| (cbor::text(name), value);
    let bundle: Vec<_> = chain.bundle.iter().map(|one| cbor::bytes(one)).collect();
    let payload = cbor::open_map(&[
        entry("module_id", cbor::text(&module)),
        entry("digest", cbor::text("SHA384")),
        entry("timestamp", cbor::unsigned(made.0)),
        entry("nitrotpm_pcrs", cbor::map(&pcrs(&request.pcrs))),
        entry("certificate", cbor::bytes(&chain.certificate)),
        entry("cabundle", cbor::list(&bundle)),
        entry("public_key", optional(&request.public_key)),
        entry("user_data", optional(&request.user_data)),
        entry("nonce", optional(&request.nonce)),
    ]);
    // The header 1 (algorithm) is -35, ES384 (RFC 9053, table 1).
    let protected = cbor::bytes(&cbor::map(&[(cbor::unsigned(1), cbor::negative(34))]));
    let payload = cbor::bytes(&payload);
    let signed =
        cbor::list(&[cbor::text("Signature1"), protected.clone(), cbor::bytes(&[]), payload.clone()]);
    let signature = cbor::bytes(&chain.key.sign_fixed(&signed));
    // Without a tag, as NitroTPM writes it.
    cbor::list(&[protected, cbor::map(&[]), payload, signature])
}

/// All PCRs.
fn pcrs(given: &BTreeMap<u8, [u8; 48]>) -> Vec<(Vec<u8>, Vec<u8>)> {
    let value = |index: u8| match given.get(&index) {
        Some(value) => *value,
        None if DYNAMIC.contains(&index) => [0xff; 48],
        None if OF_THE_MACHINE.contains(&index) => made_up(index),
        None => [0; 48],
    };
    (0..PCR_COUNT).map(|index| (cbor::unsigned(index.into()), cbor::bytes(&value(index)))).collect()
}

/// A value that is no prediction of anything.
fn made_up(index: u8) -> [u8; 48] {
    Sha384::digest(format!("amiforge local region: no machine was measured in PCR {index}")).into()
}
