//! Registers that AWS's own calculator gives for the images of `fixtures/pcr` (`make.sh` there), and policies that
//! systemd-measure signed (`policy.sh`).
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use amiforge_formats::der::Certificate;
use amiforge_formats::pcr::{
    Bank, Firmware, KERNEL_IMAGE, PhasePath, PolicyKey, PolicySignature, Variables, authority, measure,
    pcrsig, policy_digest, predict,
};
use amiforge_formats::pe::{self, TableEntry};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

const VECTORS: &str = include_str!("../../fixtures/pcr/nitro-tpm-pcr-compute.txt");

fn image(name: &str) -> &'static [u8] {
    match name {
        "252.efi" => include_bytes!("../../fixtures/pcr/252.efi"),
        "257.efi" => include_bytes!("../../fixtures/pcr/257.efi"),
        "262.efi" => include_bytes!("../../fixtures/pcr/262.efi"),
        "252-signed.efi" => include_bytes!("../../fixtures/pcr/252-signed.efi"),
        "262-signed.efi" => include_bytes!("../../fixtures/pcr/262-signed.efi"),
        other => panic!("{other}"),
    }
}

/// Firmware with the keys of the folder, which starts this image.
fn enrolled(image: &[u8]) -> Firmware {
    let variables = Variables {
        pk: include_bytes!("../../fixtures/pcr/pk.esl").to_vec(),
        kek: include_bytes!("../../fixtures/pcr/kek.esl").to_vec(),
        db: include_bytes!("../../fixtures/pcr/db.esl").to_vec(),
        dbx: Vec::new(),
    };
    let headers = pe::read(&image).unwrap();
    let mut chain: Vec<Certificate> = Vec::new();
    for entry in pe::read_signatures(&image, &headers).unwrap() {
        let TableEntry::Signature(signature) = entry else { continue };
        chain.extend(signature.signer().cloned());
    }
    assert_eq!(chain.len(), 1);
    let authority = authority(&variables.db, &chain, &measure(&image, None).unwrap()).unwrap();
    Firmware { variables, authority: Some(authority) }
}

#[test]
fn the_registers_are_those_of_the_calculator() {
    let mut compared = 0;
    for line in VECTORS.lines() {
        let [name, state, register, expected] = *line.split(' ').collect::<Vec<_>>() else {
            panic!("{line}")
        };
        let image = image(name);
        let firmware = if state == "on" { enrolled(image) } else { Firmware::default() };
        let registers = predict(&measure(&image, None).unwrap(), &firmware, &PhasePath::default()).unwrap();
        let register: u8 = register.parse().unwrap();
        assert_eq!(registers[&register].hex(Bank::Sha384), expected, "{line}");
        compared += 1;
    }
    assert_eq!(compared, 21);
}

#[test]
fn signed_policies_are_those_of_systemd_measure() {
    let key = PolicyKey::parse(include_bytes!("../../fixtures/pcr/pcr.pub")).unwrap();
    let expected = include_str!("../../fixtures/pcr/pcrsig.json");
    // The signatures, which only the key can make, in the order of the text.
    let mut signatures = expected.split("\"sig\":\"").skip(1).map(|rest| rest.split('"').next().unwrap());
    let image = measure(&image("252.efi"), None).unwrap();
    let phases = ["", "enter-initrd", "enter-initrd:leave-initrd:sysinit:ready"];
    let mut signed = Vec::new();
    for bank in Bank::ALL {
        for phases in phases {
            let registers =
                predict(&image, &Firmware::default(), &PhasePath::parse(phases).unwrap()).unwrap();
            let signature = STANDARD.decode(signatures.next().unwrap()).unwrap();
            assert_eq!(signature.len(), key.signature_len());
            signed.push(PolicySignature {
                bank,
                policy: policy_digest(&registers[&KERNEL_IMAGE], bank),
                signature,
            });
        }
    }
    assert_eq!(pcrsig(&key, &signed), expected);
}
