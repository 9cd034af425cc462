//! What an authentic document is compared with.

use std::collections::BTreeMap;
use std::time::Duration;

use amiforge_attest::{DocumentDifference, Expectations, UnixTime};
use ciborium::Value;

use super::draft::Draft;
use super::pki::{MADE, Pki};
use super::{authentic, root};

/// What the documents of the tests say.
fn expectations() -> Expectations {
    Expectations {
        at: UnixTime::from_seconds(MADE as u64 + 60),
        max_age: None,
        nonce: Some(b"a nonce".to_vec()),
        user_data: None,
        public_key: None,
        pcrs: [2, 3, 4, 7, 12, 13].map(|index| (index, [index; 48])).into(),
    }
}

#[test]
fn a_document_that_says_what_it_should_has_no_difference() {
    assert_eq!(expectations().differences(&authentic(&Pki::new())), []);
}

#[test]
fn the_time_decides_until_the_first_certificate_expires() {
    let document = authentic(&Pki::new());
    let at = |seconds: i64| Expectations { at: UnixTime::from_seconds(seconds as u64), ..expectations() };
    let expiry = MADE + 3 * 3600;
    assert_eq!(at(expiry).differences(&document), []);
    let late = at(expiry + 1).differences(&document);
    assert!(
        matches!(&late[..], [DocumentDifference::Expired { subject, .. }] if subject.starts_with("CN=test document")),
        "{late:?}"
    );
    // Clocks differ by minutes.
    assert_eq!(at(MADE - 300).differences(&document), []);
    let early = at(MADE - 301).differences(&document);
    assert!(matches!(early[..], [DocumentDifference::Future { .. }]), "{early:?}");
}

#[test]
fn the_greatest_age_is_the_callers_choice() {
    let document = authentic(&Pki::new());
    let with = |seconds| Expectations { max_age: Some(Duration::from_secs(seconds)), ..expectations() };
    assert_eq!(with(60).differences(&document), []);
    let (age, max_age) = (Duration::from_mins(1), Duration::from_secs(59));
    assert_eq!(with(59).differences(&document), [DocumentDifference::TooOld { age, max_age }]);
}

#[test]
fn a_value_of_the_request_that_differs_or_lacks_is_named() {
    let pki = Pki::new();
    let document = authentic(&pki);
    let other = Expectations { nonce: Some(b"another".to_vec()), ..expectations() };
    let differences = other.differences(&document);
    let [difference @ DocumentDifference::Value { name: "nonce", .. }] = &differences[..] else {
        panic!("{differences:?}")
    };
    assert_eq!(difference.to_string(), "nonce is 61206e6f6e6365 instead of 616e6f74686572");
    let bound =
        Expectations { user_data: Some(b"data".to_vec()), public_key: Some(Vec::new()), ..expectations() };
    let names: Vec<_> = bound.differences(&document).iter().map(DocumentDifference::code).collect();
    assert_eq!(names, ["user-data", "public-key"]);
    let bytes = Draft::new(&pki).set("user_data", Value::Bytes(b"data".to_vec())).sign(&pki);
    let document = amiforge_attest::authenticate(&bytes, &root(&pki)).unwrap();
    let bound = Expectations { user_data: Some(b"data".to_vec()), ..expectations() };
    assert_eq!(bound.differences(&document), []);
}

#[test]
fn every_pcr_that_differs_is_listed_with_both_values() {
    let document = authentic(&Pki::new());
    let mut pcrs: BTreeMap<_, _> = expectations().pcrs;
    pcrs.insert(4, [0x44; 48]);
    pcrs.insert(12, [0; 48]);
    pcrs.insert(24, [1; 48]);
    let differences = Expectations { pcrs, ..expectations() }.differences(&document);
    let (four, twelve, absent) = match &differences[..] {
        [four, twelve, absent] => (four, twelve, absent),
        other => panic!("{other:?}"),
    };
    assert_eq!(four.to_string(), format!("PCR 4 is {} instead of {}", "04".repeat(48), "44".repeat(48)));
    assert!(twelve.explanation().contains("load options"));
    assert_eq!(*absent, DocumentDifference::Pcr { index: 24, expected: [1; 48], actual: None });
}

#[test]
fn a_machine_that_measured_nothing_is_refused_whatever_is_expected() {
    let pki = Pki::new();
    for change in [Some(Value::Bytes(vec![0; 48])), None] {
        let draft = Draft::new(&pki).with_pcrs(|pcrs| match change {
            Some(zero) => pcrs[4].1 = zero,
            None => drop(pcrs.remove(4)),
        });
        let document = amiforge_attest::authenticate(&draft.sign(&pki), &root(&pki)).unwrap();
        let nothing = Expectations { pcrs: BTreeMap::new(), ..expectations() };
        assert_eq!(nothing.differences(&document), [DocumentDifference::NotMeasured]);
    }
}
