//! Changed envelopes and bundles: what this program refuses, the others refuse too.

use std::path::PathBuf;

use amiforge_trust::dsse::DsseEnvelope;
use amiforge_trust::sigstore::SigstoreBundle;

use crate::case::{Case, KINDS};
use crate::oracles::Verifiers;

/// How many changes are tried in all, the same number for each kind of key that all verifiers take.
const COUNT: usize = 500;

/// How many of them cosign is asked about before a merge; at night all of them.
const COSIGN: usize = 100;

/// Numbers that are the same in every run (`SplitMix64`).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ z >> 31) % most as u64) as usize
    }

    fn flip(&mut self, bytes: &mut [u8]) {
        let at = self.below(bytes.len() * 8);
        bytes[at / 8] ^= 1 << (at % 8);
    }

    fn replace(&mut self, text: &mut String) {
        let at = self.below(text.len());
        let old = text.as_bytes()[at];
        let mut new = old;
        while new == old {
            new = b"ABCDEFGHabcdefgh0123456789+/"[self.below(28)];
        }
        text.replace_range(at..=at, &char::from(new).to_string());
    }
}

/// A changed envelope with the part that changed.
fn changed(original: &DsseEnvelope, numbers: &mut Numbers) -> (&'static str, DsseEnvelope) {
    let mut envelope = original.clone();
    let part = match numbers.below(5) {
        0 => {
            numbers.flip(&mut envelope.payload);
            "payload"
        }
        1 => {
            let at = numbers.below(envelope.payload.len());
            envelope.payload.truncate(at);
            "length"
        }
        2 => {
            numbers.replace(&mut envelope.payload_type);
            "type"
        }
        3 => {
            numbers.flip(&mut envelope.signatures[0].signature);
            "signature"
        }
        _ => {
            // What is behind `SHA256:`.
            let id = &mut envelope.signatures[0].key_id;
            let mut rest = id.split_off("SHA256:".len());
            numbers.replace(&mut rest);
            id.push_str(&rest);
            "key id"
        }
    };
    (part, envelope)
}

#[test]
fn five_hundred_changes_are_refused_by_all_alike() {
    let Some(verifiers) = Verifiers::find() else { return };
    let all = std::env::var_os("NEXTEST_PROFILE").is_some_and(|profile| profile == "night");
    let kinds: Vec<_> = KINDS.iter().filter(|kind| kind.0 != "p384").collect();
    let share = COUNT.div_ceil(kinds.len());
    let mut asked = 0;
    for (index, kind) in kinds.into_iter().enumerate() {
        let case = Case::new(kind);
        let mut numbers = Numbers(index as u64);
        let (mut parts, mut envelopes, mut bundles): (Vec<_>, Vec<PathBuf>, Vec<PathBuf>) =
            Default::default();
        for number in 0..share {
            let (part, envelope) = changed(&case.envelope, &mut numbers);
            assert_ne!(envelope, case.envelope);
            let bundle = SigstoreBundle::new(envelope.clone()).unwrap().to_text();
            let envelope = envelope.to_text();
            assert!(!case.accepts_envelope(&envelope) && !case.accepts_bundle(&bundle), "{part}: {envelope}");
            parts.push(part);
            envelopes.push(case.write(&format!("{number}.dsse.json"), &envelope));
            bundles.push(case.write(&format!("{number}.sigstore.json"), &bundle));
        }
        let pem = case.path("key.pub");
        let by_python = verifiers.python(&pem, (&case.key_id(), case.scheme), &envelopes);
        let by_npm = verifiers.npm(&pem, &case.key_id(), &bundles);
        for (number, part) in parts.iter().enumerate() {
            assert!(!by_python[number], "securesystemslib accepts {part}: {}", envelopes[number].display());
            assert!(!by_npm[number], "npm accepts {part}: {}", bundles[number].display());
            if all || number < COSIGN.div_ceil(3) {
                asked += 1;
                let accepted = verifiers.cosign(&bundles[number], &pem, &case.path("disk.raw"));
                assert!(!accepted, "cosign accepts {part}: {}", bundles[number].display());
            }
        }
    }
    println!("{} changes; cosign was asked about {asked}", share * 3);
}

#[test]
fn changes_of_the_text_are_refused_or_mean_the_same() {
    let case = Case::new(&KINDS[0]);
    let text = SigstoreBundle::new(case.envelope.clone()).unwrap().to_text();
    let mut numbers = Numbers(99);
    for _ in 0..2000 {
        let mut changed = text.clone();
        let at = numbers.below(changed.len());
        let new = char::from(b' ' + numbers.below(95) as u8);
        changed.replace_range(at..=at, &new.to_string());
        if case.accepts_bundle(&changed) {
            assert_eq!(
                SigstoreBundle::parse(changed.as_bytes()).unwrap().envelope,
                case.envelope,
                "{changed}"
            );
        }
    }
}
