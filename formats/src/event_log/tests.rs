//! A log that OVMF and systemd's stub wrote, and what damage does to it.

#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

use super::*;
use crate::digest::hex;

/// The log of a boot, and the registers that `tpm2_eventlog` computes from it.
const LOG: &[u8] = include_bytes!("../../../fixtures/event_log/ovmf-2022.11.bin");
const REGISTERS: &str = include_str!("../../../fixtures/event_log/ovmf-2022.11.pcrs");

#[test]
fn a_log_replays_to_the_registers_that_another_reader_computes() {
    let log = read(LOG).unwrap();
    assert_eq!(log.banks, [HashAlgorithm::Sha256, HashAlgorithm::Sha384]);
    let mut bank = None;
    let mut compared = 0;
    for line in REGISTERS.lines().skip(1) {
        let (name, value) = line.split_once(':').unwrap();
        let Some(value) = value.trim().strip_prefix("0x") else {
            bank = log.banks.iter().copied().find(|bank| bank.as_str() == name.trim());
            continue;
        };
        let replayed = log.replay(bank.unwrap(), name.trim().parse().unwrap()).unwrap();
        assert_eq!(hex(&replayed), value, "{bank:?} {name}");
        compared += 1;
    }
    assert_eq!(compared, 20);
    assert_eq!(log.replay(HashAlgorithm::Sha1, 0), None);
    assert_eq!(log.replay(HashAlgorithm::Sha256, 12), Some(vec![0; 32]));
}

#[test]
fn events_are_described_and_their_data_is_proven() {
    let log = read(LOG).unwrap();
    let described = |pcr| log.events_of(pcr).map(Event::describe).collect::<Vec<_>>();
    assert_eq!(described(2), ["the separator before the boot"]);
    assert_eq!(
        described(4)[..3],
        [
            "the firmware's action `Calling EFI Application from Boot Option`",
            "the separator before the boot",
            "the application `\\EFI\\BOOT\\BOOTX64.EFI`",
        ]
    );
    assert_eq!(described(7)[0], "the variable `SecureBoot` (8be4df61-93ca-11d2-aa0d-00e098032b8c), 1 bytes");
    assert!(described(7)[4].contains("`dbx`") && described(7)[4].ends_with("empty or absent"));
    assert!(described(11)[0].contains("`.linux`"), "{:?}", described(11));
    let bank = HashAlgorithm::Sha384;
    for event in log.events_of(7) {
        let digest = log.digest(event, bank).unwrap();
        assert!(event.proves_data(bank, digest), "{}", event.describe());
        assert!(!event.proves_data(bank, &digest[1..]));
        assert!(!event.proves_data(HashAlgorithm::Sha1, &[]), "SHA-1 proves nothing");
    }
    assert!(log.events.iter().all(|event| event.kind.name().is_some()), "no unknown event");
}

#[test]
fn every_shortened_log_is_refused_or_ends_between_two_events() {
    let whole = read(LOG).unwrap();
    for len in 0..LOG.len() {
        match read(&LOG[..len]) {
            Ok(log) => assert!(whole.events.starts_with(&log.events)),
            Err(error) => assert!(matches!(error, EventLogError::Header | EventLogError::CutShort { .. })),
        }
        if let Ok((log, used)) = read_prefix(&LOG[..len]) {
            assert!(used <= len && whole.events.starts_with(&log.events));
        }
    }
}

#[test]
fn a_log_in_memory_ends_at_what_is_no_event() {
    for filler in [0, 0xff] {
        let memory = [LOG, &[filler; 5000]].concat();
        let (log, len) = read_prefix(&memory).unwrap();
        assert_eq!((len, log), (LOG.len(), read(LOG).unwrap()));
        assert!(read(&memory).is_err());
    }
    assert_eq!(read(&vec![0; LOG_MAX + 1]), Err(EventLogError::TooLong { len: LOG_MAX + 1, limit: LOG_MAX }));
}

#[test]
fn damage_never_panics_and_a_changed_digest_changes_its_register() {
    for at in 0..LOG.len() {
        let mut damaged = LOG.to_vec();
        damaged[at] ^= 0xff;
        if let Ok(log) = read(&damaged) {
            log.events.iter().for_each(|event| assert!(event.describe().chars().count() < 400));
        }
        let _ = read_prefix(&damaged);
    }
    let whole = read(LOG).unwrap();
    let mut changed = whole.clone();
    let event = changed.events.iter_mut().find(|event| event.pcr == 11).unwrap();
    event.digests[0][0] ^= 1;
    let differing: Vec<_> = (0..PCRS)
        .filter(|pcr| {
            HashAlgorithm::COMPUTED[..2]
                .iter()
                .any(|bank| changed.replay(*bank, *pcr) != whole.replay(*bank, *pcr))
        })
        .collect();
    assert_eq!(differing, [11]);
}

#[test]
fn words_of_a_hostile_log_cannot_reach_a_terminal() {
    let data = "\u{1b}]0;x\u{7}`evil\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let event = Event { pcr: 12, kind: EventType::IPL, digests: Vec::new(), data };
    let text = event.describe();
    assert!(text.chars().all(|character| !character.is_control()), "{text:?}");
    assert!(text.contains("\\u{1b}") && text.matches('`').count() == 2, "{text:?}");
    // Lengths that do not fit are no reason to panic.
    for kind in
        [EventType::APPLICATION, EventType::VARIABLE_AUTHORITY, EventType::EVENT_TAG, EventType::SEPARATOR]
    {
        for len in 0..70 {
            let event = Event { pcr: 7, kind, digests: Vec::new(), data: vec![0xff; len] };
            assert!(!event.describe().is_empty());
        }
    }
}

#[test]
fn the_locality_of_the_start_is_where_register_0_begins() {
    let mut log = read(LOG).unwrap();
    let data = [b"StartupLocality\0".as_slice(), &[3]].concat();
    let event = Event { pcr: 0, kind: EventType::NO_ACTION, digests: vec![vec![0; 32], vec![0; 48]], data };
    let without = log.replay(HashAlgorithm::Sha256, 0);
    log.events.push(event);
    assert_eq!(log.replay(HashAlgorithm::Sha256, 0), without, "it is not extended");
    log.startup_locality = 3;
    assert_ne!(log.replay(HashAlgorithm::Sha256, 0), without);
}
