//! Compares what a TPM measured with what was predicted for the image, and says in words what differs.
//!
//! Values decide. The event log only names the cause, and only where its events give the values (see [`super::tpm`]).

use std::collections::BTreeMap;
use std::fmt::Write as _;

use amiforge_formats::event_log::{Event, EventLog, EventType, HashAlgorithm};
use serde::Serialize;

use super::tpm::{BANKS, TpmReading};

/// The register that grows with the phases of the boot.
pub const PHASES_PCR: u32 = 11;

/// Phases that a system with systemd measures into [`PHASES_PCR`], in their order (`systemd-pcrphase.service(8)`). An
/// initrd without systemd leaves out the first two.
pub const PHASES: [&str; 6] = ["enter-initrd", "leave-initrd", "sysinit", "ready", "shutdown", "final"];
/// Number of the first phase after the initrd.
const AFTER_INITRD: usize = 2;

/// A digest in each of [`BANKS`].
pub type Digests = BTreeMap<HashAlgorithm, Vec<u8>>;

/// The digests of bytes in both banks.
pub fn digests(bytes: &[u8]) -> Digests {
    BANKS.into_iter().map(|bank| (bank, bank.digest(bytes))).collect()
}

/// What is predicted for a boot.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Prediction {
    /// The registers. [`PHASES_PCR`] is that before the first phase.
    pub pcrs: BTreeMap<u32, Digests>,
    /// The events of registers, in order, as far as they are known one by one.
    pub events: BTreeMap<u32, Vec<PredictedEvent>>,
}

/// An event that is predicted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PredictedEvent {
    /// What is measured, in words.
    pub words: String,
    /// Its digests.
    pub digests: Digests,
}

impl PredictedEvent {
    /// The event that measures bytes.
    pub fn of(words: impl Into<String>, bytes: &[u8]) -> Self {
        Self { words: words.into(), digests: digests(bytes) }
    }
}

/// The outcome of a comparison.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Comparison {
    /// The compared registers.
    pub compared: Vec<u32>,
    /// The phases that [`PHASES_PCR`] has beyond the prediction, in order.
    pub phases: Vec<String>,
    /// The registers with other values.
    pub differences: Vec<PcrDifference>,
}

/// A register with another value than predicted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PcrDifference {
    /// The register.
    pub pcr: u32,
    /// The first bank with another value.
    pub bank: &'static str,
    /// The predicted value, in hexadecimal digits.
    pub predicted: String,
    /// The value in the TPM.
    pub measured: String,
    /// The first event that differs.
    pub event: String,
    /// What it stands for, and what brings it there.
    pub meaning: String,
}

/// Compares every predicted register in both banks.
pub fn compare(prediction: &Prediction, reading: &TpmReading) -> Comparison {
    let mut comparison = Comparison::default();
    for (pcr, predicted) in &prediction.pcrs {
        comparison.compared.push(*pcr);
        let differs = |bank: &HashAlgorithm, value: &Vec<u8>| reading.pcr(*bank, *pcr) != Some(value);
        if *pcr == PHASES_PCR
            && let Some(phases) = phases_to(predicted, |bank| reading.pcr(bank, *pcr))
        {
            comparison.phases = phases;
            continue;
        }
        let Some((bank, value)) = predicted.iter().find(|(bank, value)| differs(bank, value)) else {
            continue;
        };
        let events = prediction.events.get(pcr).map(Vec::as_slice);
        let (event, meaning) = explain(*pcr, *bank, events, reading.log.as_ref().map(|(log, _)| log));
        comparison.differences.push(PcrDifference {
            pcr: *pcr,
            bank: bank.as_str(),
            predicted: hex(value),
            measured: hex(reading.pcr(*bank, *pcr).unwrap_or_default()),
            event,
            meaning,
        });
    }
    comparison
}

/// The phases that lead from the predicted value to the measured one; `None` if none do.
pub fn phases_to<'a>(
    predicted: &Digests,
    measured: impl Fn(HashAlgorithm) -> Option<&'a [u8]>,
) -> Option<Vec<String>> {
    let sequences = [0, AFTER_INITRD].into_iter().filter_map(|first| PHASES.get(first..));
    sequences.flat_map(|all| (0..=all.len()).filter_map(move |count| all.get(..count))).find_map(|phases| {
        let reached = predicted.iter().all(|(bank, value)| {
            let value = phases
                .iter()
                .fold(value.clone(), |value, phase| bank.extend(&value, &bank.digest(phase.as_bytes())));
            measured(*bank) == Some(&value)
        });
        reached.then(|| phases.iter().map(|phase| (*phase).to_owned()).collect())
    })
}

/// The first event that differs, and what it stands for.
fn explain(
    pcr: u32,
    bank: HashAlgorithm,
    predicted: Option<&[PredictedEvent]>,
    log: Option<&EventLog>,
) -> (String, String) {
    let Some(log) = log else {
        let event = "unknown: no event log in the machine's memory gives the values of the TPM".to_owned();
        return (event, meaning(pcr, None));
    };
    let measured: Vec<_> = log.events_of(pcr).collect();
    let predicted = predicted.unwrap_or_default();
    let equal = predicted.iter().zip(&measured).take_while(|(predicted, event)| {
        predicted.digests.get(&bank).map(Vec::as_slice) == log.digest(event, bank)
    });
    let number = equal.count();
    let event = measured.get(number).copied();
    let shown = event.map(|event| describe(event, log, bank));
    let ordinal = number + 1;
    let text = match (shown, predicted.get(number)) {
        (Some(shown), Some(predicted)) => {
            format!("event {ordinal} is {shown}, and {} was predicted", predicted.words)
        }
        (Some(shown), None) => format!("event {ordinal} is {shown}, and no further event was predicted"),
        (None, Some(predicted)) => format!("event {ordinal} is missing: {} was predicted", predicted.words),
        (None, None) => {
            "the log has the predicted events only: more was measured after the kernel had taken it over"
                .to_owned()
        }
    };
    (text, meaning(pcr, event))
}

/// The words of an event, and whether they are more than what the log says.
fn describe(event: &Event, log: &EventLog, bank: HashAlgorithm) -> String {
    let words = event.describe();
    let Some(digest) = log.digest(event, bank) else { return words };
    let start: String = hex(digest).chars().take(16).collect();
    let source = if event.proves_data(bank, digest) { "" } else { ", in the words of the log" };
    format!("{words} (digest {start}…{source})")
}

/// What brings an event into a register that has another value than predicted.
fn meaning(pcr: u32, event: Option<&Event>) -> String {
    let text = event.map(Event::describe).unwrap_or_default();
    let has = |word: &str| text.to_lowercase().contains(word);
    let meaning = match pcr {
        2 | 3 => {
            "a UEFI driver ran before the image: a variable `Driver####`, or the ROM of a device, names it"
        }
        4 if event.is_some_and(|event| event.kind == EventType::APPLICATION) => {
            "a program that is not the image was started, or the image was changed: another boot loader, an add-on \
             (`\\loader\\addons`, `.efi.extra.d`), or a variable `SysPrep####`"
        }
        4 => {
            "the boot took another way: a boot entry failed before, or the stub loads the kernel differently"
        }
        7 => "the keys or the state of Secure Boot are others, or another key verified the image",
        PHASES_PCR => {
            "a part of the unified kernel image is another, or an unknown phase of the boot was measured"
        }
        12 if has("credential") => {
            "a credential was added on the EFI system partition (`\\loader\\credentials`, `.efi.extra.d`)"
        }
        12 if has("configuration ext") || has("confext") => {
            "a configuration extension was added on the EFI system partition (`.efi.extra.d`)"
        }
        12 => {
            "a command line was added: load options of a variable `Boot####`, an add-on (`\\loader\\addons`), or a \
             string of SMBIOS"
        }
        13 => {
            "a system extension was added on the EFI system partition (`\\loader\\extensions`, `.efi.extra.d`)"
        }
        _ => "the register has another value",
    };
    meaning.to_owned()
}

/// Bytes as lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const BANK: HashAlgorithm = HashAlgorithm::Sha256;

    fn event(pcr: u32, kind: EventType, data: &[u8]) -> Event {
        let digests = BANKS.into_iter().map(|bank| bank.digest(data)).collect();
        Event { pcr, kind, digests, data: data.to_vec() }
    }

    fn log(events: &[Event]) -> EventLog {
        EventLog { banks: BANKS.to_vec(), events: events.to_vec(), startup_locality: 0 }
    }

    /// A reading whose registers are those of a log.
    fn reading(log: EventLog) -> TpmReading {
        let values = |bank| (0..24).map(|pcr| log.replay(bank, pcr).unwrap()).collect();
        let pcrs = BANKS.into_iter().map(|bank| (bank, values(bank))).collect();
        TpmReading { pcrs, log: Some((log, Vec::new())) }
    }

    fn separator() -> PredictedEvent {
        PredictedEvent::of("the separator", &[0; 4])
    }

    /// Predictions of registers from their events.
    fn prediction(events: &[(u32, &[PredictedEvent])]) -> Prediction {
        let mut prediction = Prediction::default();
        for (pcr, events) in events {
            let value = |bank: HashAlgorithm| {
                events
                    .iter()
                    .fold(vec![0; bank.len()], |value, event| bank.extend(&value, &event.digests[&bank]))
            };
            prediction.pcrs.insert(*pcr, BANKS.into_iter().map(|bank| (bank, value(bank))).collect());
            prediction.events.insert(*pcr, events.to_vec());
        }
        prediction
    }

    #[test]
    fn equal_registers_are_equal_and_phases_are_named() {
        let parts = [PredictedEvent::of("a section", b"x")];
        let prediction = prediction(&[(2, &[separator()]), (11, &parts), (12, &[])]);
        let mut events = vec![event(2, EventType::SEPARATOR, &[0; 4]), event(11, EventType::IPL, b"x")];
        let comparison = compare(&prediction, &reading(log(&events)));
        assert_eq!((comparison.differences, comparison.phases), (vec![], vec![]));
        assert_eq!(comparison.compared, [2, 11, 12]);
        for (phases, known) in [
            (&["enter-initrd", "leave-initrd", "sysinit"][..], true),
            (&["sysinit", "ready"], true),
            (&["ready"], false),
            (&["sysinit", "enter-initrd"], false),
        ] {
            events.truncate(2);
            events.extend(phases.iter().map(|phase| event(11, EventType::IPL, phase.as_bytes())));
            let comparison = compare(&prediction, &reading(log(&events)));
            assert_eq!(comparison.differences.is_empty(), known, "{phases:?}");
            assert_eq!(comparison.phases.iter().eq(phases), known);
        }
    }

    #[test]
    fn the_first_event_that_differs_is_named_with_its_meaning() {
        let prediction = prediction(&[(2, &[separator()]), (12, &[]), (13, &[])]);
        let driver = event(2, EventType::BOOT_SERVICES_DRIVER, &[0; 40]);
        let options = event(12, EventType::IPL, b"evil=1\0");
        let extension = event(13, EventType::IPL, b"System extension initrd\0");
        let comparison =
            compare(&prediction, &reading(log(&[driver, separator_event(), options, extension])));
        let [drivers, parameters, extensions] = comparison.differences.as_slice() else {
            panic!("{comparison:?}")
        };
        assert!(
            drivers.event.contains("event 1 is the UEFI driver")
                && drivers.event.contains("the separator was")
        );
        assert!(drivers.meaning.contains("`Driver####`"));
        assert!(parameters.event.contains("`evil=1`") && parameters.event.contains("no further event"));
        assert!(parameters.meaning.contains("`Boot####`"));
        assert!(extensions.meaning.contains("system extension"));
        assert_eq!(parameters.predicted, "0".repeat(64));
        assert_eq!(parameters.measured, hex(&BANK.extend(&[0; 32], &BANK.digest(b"evil=1\0"))));
    }

    fn separator_event() -> Event {
        event(2, EventType::SEPARATOR, &[0; 4])
    }

    #[test]
    fn without_a_log_that_fits_values_still_decide() {
        let prediction = prediction(&[(12, &[])]);
        let mut reading = reading(log(&[event(12, EventType::IPL, b"evil")]));
        reading.log = None;
        let comparison = compare(&prediction, &reading);
        assert!(comparison.differences[0].event.contains("no event log"), "{comparison:?}");
        // A bank alone that differs is a difference.
        let mut good = super::tests::reading(log(&[]));
        good.pcrs.get_mut(&HashAlgorithm::Sha384).unwrap()[12][0] ^= 1;
        assert_eq!(compare(&prediction, &good).differences[0].bank, "sha384");
    }
}
