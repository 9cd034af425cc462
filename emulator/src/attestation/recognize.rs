//! Whether a document is one that this folder's issuer made, and what it says.
//!
//! Keys and certificates follow from the secret of the folder, and signatures from keys and messages. So a document is made
//! again from what it says, and has to be the same byte for byte: no parser of certificates is needed, and nothing else is
//! accepted.

use std::collections::BTreeMap;

use super::document::{self, AttestationRequest};
use super::instance::AttestedInstance;
use super::read::{self, Item};
use crate::clock::Timestamp;
use crate::state::{Region, State};

/// How long the certificate of a document is valid.
const LIFE: std::time::Duration = std::time::Duration::from_hours(3);

/// What a recognized document says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Recognized {
    /// All PCRs.
    pub(crate) pcrs: BTreeMap<u8, [u8; 48]>,
    /// The DER of a `SubjectPublicKeyInfo`.
    pub(crate) public_key: Option<Vec<u8>>,
}

/// Recognizes a document; else the reason.
pub(crate) fn recognize(
    state: &State,
    region: &Region,
    bytes: &[u8],
    now: Timestamp,
) -> Result<Recognized, String> {
    let (module, made, request) = read_payload(bytes).ok_or("it cannot be parsed")?;
    let id = module.split("-tpm").next().unwrap_or_default();
    let record = region.instances.find(id).map(|record| AttestedInstance::of_record(&region.name, &record));
    let candidates = record.into_iter().chain([AttestedInstance::of_a_guest(id)]);
    let same =
        |instance: &AttestedInstance| document::issue(&state.secret, instance, made, &request) == bytes;
    if !candidates.into_iter().any(|instance| same(&instance)) {
        return Err("it is none that this region issued".to_owned());
    }
    if now > made.after(LIFE) {
        return Err("its certificate has expired".to_owned());
    }
    Ok(Recognized { pcrs: request.pcrs, public_key: request.public_key })
}

/// The module, the time, and what the document was asked for with.
fn read_payload(bytes: &[u8]) -> Option<(String, Timestamp, AttestationRequest)> {
    let Item::List(parts) = read::item(bytes)? else { return None };
    let [_, _, Item::Bytes(payload), _] = &parts[..] else { return None };
    let Item::Map(entries) = read::item(payload)? else { return None };
    let entry = |name: &str| {
        let mut all = entries.iter();
        all.find(|(key, _)| matches!(key, Item::Text(text) if text == name)).map(|(_, value)| value)
    };
    let optional = |name: &str| match entry(name) {
        Some(Item::Bytes(bytes)) => Some(bytes.clone()),
        _ => None,
    };
    let (Item::Text(module), Item::Unsigned(made)) = (entry("module_id")?, entry("timestamp")?) else {
        return None;
    };
    let Item::Map(registers) = entry("nitrotpm_pcrs")? else { return None };
    let pcr = |(key, value): &(Item, Item)| match (key, value) {
        (Item::Unsigned(index), Item::Bytes(value)) => {
            Some((u8::try_from(*index).ok()?, <[u8; 48]>::try_from(value.as_slice()).ok()?))
        }
        _ => None,
    };
    let pcrs = registers.iter().map(pcr).collect::<Option<_>>()?;
    let (nonce, user_data, public_key) = (optional("nonce"), optional("user_data"), optional("public_key"));
    // What a clock can hold, so that times can be added to it.
    let made = Some(*made).filter(|&made| made < 1 << 53)?;
    Some((module.clone(), Timestamp(made), AttestationRequest { pcrs, nonce, user_data, public_key }))
}
