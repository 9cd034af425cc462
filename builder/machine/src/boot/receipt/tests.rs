//! Receipts: what is kept, replaced, removed and refused.

use amiforge_formats::event_log;

use super::*;
use crate::boot::measured::{Prediction, compare};
use crate::boot::tpm::{BANKS, TpmReading};

fn boot(firmware: Firmware) -> BootRecord {
    BootRecord::new(Arch::X86_64, firmware, Bus::Nvme, Accel::Tcg, vec![Check::Expect("login:".to_owned())])
}

fn kind(firmware: Firmware) -> MachineKind {
    boot(firmware).kind()
}

fn digests(bytes: &[u8]) -> ImageDigests {
    ImageDigests { plain: Digest::of(bytes), merkle_root: Digest::of(&Digest::of(bytes).0) }
}

/// An image in its own folder.
fn image() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("web");
    fs::write(&image, "disk").unwrap();
    (folder, image)
}

#[test]
fn a_receipt_has_one_image_and_one_record_per_machine() {
    let (_folder, image) = image();
    let own_digests = digests(b"disk");
    assert!(matches!(require(&image, own_digests), Err(ReceiptError::Missing { .. })));
    let path = add_boot(&image, own_digests, boot(Firmware::Uefi)).unwrap();
    assert!(path.ends_with("web.boot.json"));
    add_boot(&image, own_digests, boot(Firmware::Bios)).unwrap();
    add_boot(&image, own_digests, boot(Firmware::Uefi)).unwrap();
    assert_eq!(require(&image, own_digests).unwrap().boots, [boot(Firmware::Bios), boot(Firmware::Uefi)]);
    let other = digests(b"other");
    assert!(matches!(require(&image, other), Err(ReceiptError::OtherImage { .. })));
    remove_boot(&image, kind(Firmware::Uefi)).unwrap();
    assert_eq!(require(&image, own_digests).unwrap().boots, [boot(Firmware::Bios)]);
    add_boot(&image, other, boot(Firmware::Bios)).unwrap();
    assert_eq!(require(&image, other).unwrap().boots.len(), 1);
    remove_boot(&image, kind(Firmware::Bios)).unwrap();
    assert!(!path.exists());
    remove_boot(&image, kind(Firmware::Bios)).unwrap();
}

#[test]
fn an_edited_receipt_or_one_of_another_image_is_refused() {
    let (_folder, image) = image();
    let own_digests = digests(b"disk");
    let path = add_boot(&image, own_digests, boot(Firmware::Uefi)).unwrap();
    let text = fs::read_to_string(&path).unwrap();
    let other = digests(b"other");
    for (from, to) in [
        ("\"uefi\"", "\"bios\""),
        ("login:", "anything"),
        ("\"tcg\"", "\"kvm\""),
        (own_digests.plain.to_string().as_str(), other.plain.to_string().as_str()),
        (own_digests.merkle_root.to_string().as_str(), other.merkle_root.to_string().as_str()),
    ] {
        assert!(text.contains(from), "{from}: {text}");
        fs::write(&path, text.replace(from, to)).unwrap();
        for image_of in [own_digests, other] {
            assert!(matches!(require(&image, image_of), Err(ReceiptError::Edited { .. })), "{from}");
        }
    }
    // A receipt beside another image, even one whose manifest states the same digest of the whole.
    fs::write(&path, &text).unwrap();
    assert!(matches!(require(&image, other), Err(ReceiptError::OtherImage { .. })));
    let same_plain = ImageDigests { plain: own_digests.plain, ..other };
    assert!(matches!(require(&image, same_plain), Err(ReceiptError::OtherImage { .. })));
    assert!(require(&image, own_digests).is_ok());
}

#[test]
fn a_file_in_another_format_is_reported() {
    let (_folder, image) = image();
    for text in ["", "{}", r#"{"schema":1,"image":"","boots":[]}"#] {
        fs::write(path_for(&image).unwrap(), text).unwrap();
        assert!(matches!(require(&image, digests(b"")), Err(ReceiptError::Unreadable { .. })), "{text}");
    }
}

/// A reading whose registers are those of a log of OVMF.
fn reading() -> TpmReading {
    let bytes = include_bytes!("../../../../../fixtures/event_log/ovmf-2022.11.bin");
    let log = event_log::read(bytes).unwrap();
    let values = |bank| (0..event_log::PCRS).map(|pcr| log.replay(bank, pcr).unwrap()).collect();
    let pcrs = BANKS.into_iter().map(|bank| (bank, values(bank))).collect();
    TpmReading { pcrs, log: Some((log, bytes.to_vec())) }
}

/// Predictions of registers 4 and 12, whose values are those of a reading.
fn prediction(reading: &TpmReading) -> Prediction {
    let value =
        |pcr| BANKS.into_iter().map(|bank| (bank, reading.pcr(bank, pcr).unwrap().to_vec())).collect();
    Prediction { pcrs: [4, 12].map(|pcr| (pcr, value(pcr))).into(), ..Prediction::default() }
}

#[test]
fn a_measured_boot_counts_only_with_the_predicted_registers_and_its_own_log() {
    let (_folder, image) = image();
    let own_digests = digests(b"disk");
    let reading = reading();
    let prediction = prediction(&reading);
    let check =
        |secure_boot, prediction: &Prediction| require_measured(&image, own_digests, secure_boot, prediction);
    add_boot(&image, own_digests, boot(Firmware::Uefi)).unwrap();
    let refused = check(SecureBoot::Off, &prediction);
    assert!(matches!(refused, Err(ReceiptError::NotMeasured { .. })), "{refused:?}");

    let comparison = compare(&prediction, &reading);
    let measured = MeasuredRecord::keep(&image, SecureBoot::Off, &reading, &comparison).unwrap();
    assert!(measured.is_some());
    let path = add_boot(&image, own_digests, BootRecord { measured, ..boot(Firmware::Uefi) }).unwrap();
    assert_eq!(require(&image, own_digests).unwrap().boots.len(), 2, "the boot without a TPM stays");
    check(SecureBoot::Off, &prediction).unwrap();
    assert!(matches!(check(SecureBoot::On, &prediction), Err(ReceiptError::NotMeasured { .. })));

    let mut other = prediction.clone();
    other.pcrs.get_mut(&12).unwrap().get_mut(&BANKS[1]).unwrap()[0] = 1;
    let refused = check(SecureBoot::Off, &other);
    assert!(matches!(refused, Err(ReceiptError::Unpredicted { pcr: 12, bank: "sha384", .. })), "{refused:?}");

    let log = event_log_path(&path, SecureBoot::Off);
    let mut bytes = fs::read(&log).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&log, bytes).unwrap();
    assert!(matches!(check(SecureBoot::Off, &prediction), Err(ReceiptError::EventLog { .. })));
    fs::remove_file(log).unwrap();
    assert!(matches!(check(SecureBoot::Off, &prediction), Err(ReceiptError::File { .. })));
}

#[test]
fn a_boot_without_a_log_that_explains_its_registers_leaves_no_measured_record() {
    let (_folder, image) = image();
    let reading = TpmReading { log: None, ..reading() };
    let comparison = compare(&prediction(&reading), &reading);
    assert_eq!(MeasuredRecord::keep(&image, SecureBoot::Off, &reading, &comparison).unwrap(), None);
}
