//! The prediction for an image, with its events one by one, so that a difference can be named. The values are those of
//! [`pcr::predict`]; the events here only give words to them.

use std::collections::BTreeMap;

use amiforge_formats::event_log::HashAlgorithm;
use amiforge_formats::guid::Guid;
use amiforge_formats::pcr::{self, BankDigests, Firmware, PcrError, PhasePath, UkiDigests, Variables};
use amiforge_formats::uefi_vars::{GLOBAL_VARIABLE, IMAGE_SECURITY_DATABASE};

use amiforge_image::inspect::Medium;
use amiforge_image::measure::{self, MeasureError};

use super::measured::{Digests, PredictedEvent, Prediction};

/// The action before the first program (PC Client Platform Firmware Profile 1.06, section 3.3.4.5).
const CALLING_APPLICATION: &[u8] = b"Calling EFI Application from Boot Option";

/// The prediction for the unified kernel image of a disk, on a machine with these variables.
///
/// # Errors
/// [`MeasureError`]; also where the variables turn Secure Boot on and do not verify the image.
pub fn of_image(medium: &Medium, variables: &Variables) -> Result<Prediction, MeasureError> {
    let uki = measure::open(medium)?;
    let predicted = pcr::measure(&*uki.bytes, None).and_then(|digests| {
        let firmware = if variables.pk.is_empty() {
            Firmware { variables: variables.clone(), authority: None }
        } else {
            measure::firmware(&*uki.bytes, variables, &digests)?
        };
        prediction(&digests, &firmware)
    });
    predicted.map_err(|source| MeasureError::Pcr { path: uki.path, source })
}

/// The prediction for a firmware that starts an image, before the first phase of the boot.
///
/// # Errors
/// [`PcrError`].
pub fn prediction(image: &UkiDigests, firmware: &Firmware) -> Result<Prediction, PcrError> {
    let pcrs = pcr::predict(image, firmware, &PhasePath::default())?;
    let pcrs = pcrs.iter().map(|(number, value)| (u32::from(*number), both(value))).collect();
    let separator = || PredictedEvent::of("the separator before the boot", &[0; 4]);
    let events = [
        (pcr::DRIVERS, vec![separator()]),
        (pcr::DRIVER_CONFIG, vec![separator()]),
        (pcr::BOOT_PROGRAMS, programs(image, firmware, separator())),
        (pcr::SECURE_BOOT, variables(firmware, separator())),
        (pcr::KERNEL_IMAGE, sections(image)),
        (pcr::KERNEL_PARAMETERS, Vec::new()),
        (pcr::SYSTEM_EXTENSIONS, Vec::new()),
    ];
    let events = events.into_iter().map(|(number, events)| (u32::from(number), events)).collect();
    Ok(Prediction { pcrs, events })
}

/// A register or digest in both banks.
pub fn both(value: &BankDigests) -> Digests {
    let banks =
        [(HashAlgorithm::Sha256, value.sha256.to_vec()), (HashAlgorithm::Sha384, value.sha384.to_vec())];
    BTreeMap::from(banks)
}

fn programs(image: &UkiDigests, firmware: &Firmware, separator: PredictedEvent) -> Vec<PredictedEvent> {
    let mut events = vec![
        PredictedEvent::of("the action before the first program", CALLING_APPLICATION),
        separator,
        PredictedEvent { words: "the unified kernel image".to_owned(), digests: both(&image.image) },
    ];
    if let Some(kernel) = image.kernel.filter(|_| !firmware.secure_boot()) {
        events.push(PredictedEvent { words: "the kernel in the image".to_owned(), digests: both(&kernel) });
    }
    events
}

fn variables(firmware: &Firmware, separator: PredictedEvent) -> Vec<PredictedEvent> {
    let stored = &firmware.variables;
    let state = [u8::from(firmware.secure_boot())];
    let mut events: Vec<_> = [
        (GLOBAL_VARIABLE, "SecureBoot", &state[..]),
        (GLOBAL_VARIABLE, "PK", &stored.pk),
        (GLOBAL_VARIABLE, "KEK", &stored.kek),
        (IMAGE_SECURITY_DATABASE, "db", &stored.db),
        (IMAGE_SECURITY_DATABASE, "dbx", &stored.dbx),
    ]
    .into_iter()
    .map(|(vendor, name, value)| {
        let words = format!("the variable `{name}` with {} bytes", value.len());
        PredictedEvent::of(words, &variable(vendor, name, value))
    })
    .collect();
    events.push(separator);
    if let Some(entry) = firmware.authority.as_deref().filter(|_| firmware.secure_boot()) {
        let bytes = variable(IMAGE_SECURITY_DATABASE, "db", entry);
        events.push(PredictedEvent::of("the entry of `db` that verifies the image", &bytes));
    }
    events
}

/// The event of a variable (`UEFI_VARIABLE_DATA`, PC Client Platform Firmware Profile 1.06, section 10.2.6).
fn variable(vendor: Guid, name: &str, value: &[u8]) -> Vec<u8> {
    let units: Vec<u16> = name.encode_utf16().collect();
    let mut bytes = vendor.to_bytes_le().to_vec();
    bytes.extend((units.len() as u64).to_le_bytes());
    bytes.extend((value.len() as u64).to_le_bytes());
    bytes.extend(units.iter().flat_map(|unit| unit.to_le_bytes()));
    bytes.extend(value);
    bytes
}

fn sections(image: &UkiDigests) -> Vec<PredictedEvent> {
    let pair = |(name, content): &(&'static str, BankDigests)| {
        let named = PredictedEvent::of(
            format!("the name of the section `{name}`"),
            &[name.as_bytes(), &[0]].concat(),
        );
        let words = format!("the content of the section `{name}`");
        [named, PredictedEvent { words, digests: both(content) }]
    };
    image.sections.iter().flat_map(pair).collect()
}
