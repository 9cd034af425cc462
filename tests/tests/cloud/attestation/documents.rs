//! Documents that the local region issues, and five hundred changed ones: our verifier and one in Python, of other libraries,
//! agree about each.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use amiforge_attest::{Expectations, Root, UnixTime, authenticate, inspect};
use amiforge_emulator::{
    AttestationIssuer, AttestationRequest, AttestedInstance, LocalRegion, RegionConfig, Timestamp,
};
use amiforge_tests::{python, rng::Rng};
use serde_json::{Value, json};

/// When the documents are made: seconds after 1970.
const MADE: u64 = 1_795_000_000;
const NONCE: &[u8] = b"0123456789abcdef";

/// A document, the time at which it is verified, and the expected nonce.
struct Case {
    document: Vec<u8>,
    at: u64,
    nonce: Vec<u8>,
}

impl Case {
    fn new(document: Vec<u8>) -> Self {
        Self { document, at: MADE + 60, nonce: NONCE.to_vec() }
    }
}

fn issuer(folder: &Path) -> AttestationIssuer {
    drop(LocalRegion::open(RegionConfig::new(folder)).unwrap());
    AttestationIssuer::open(folder).unwrap()
}

fn request() -> AttestationRequest {
    let pcrs = [2, 3, 4, 7, 11, 12, 13].map(|index| (index, [index + 1; 48]));
    AttestationRequest { pcrs: pcrs.into(), nonce: Some(NONCE.to_vec()), ..AttestationRequest::default() }
}

fn issue(issuer: &AttestationIssuer, made: u64, request: &AttestationRequest) -> Vec<u8> {
    let instance = AttestedInstance::of_a_guest("i-0123456789abcdef0");
    issuer.issue(&instance, Timestamp(made * 1000 + 250), request)
}

/// Whether our verifier accepts a case; else the reason.
fn ours(case: &Case, root: &Root) -> Result<(), String> {
    let authentic = authenticate(&case.document, root).map_err(|error| error.to_string())?;
    let expectations = Expectations {
        at: UnixTime::from_seconds(case.at),
        max_age: None,
        nonce: Some(case.nonce.clone()),
        user_data: None,
        public_key: None,
        pcrs: BTreeMap::new(),
    };
    match expectations.differences(&authentic).first() {
        None => Ok(()),
        Some(difference) => Err(difference.to_string()),
    }
}

/// The verdicts of the verifier in Python.
fn theirs(python: &Path, folder: &Path, root: &str, cases: &[Case]) -> Vec<Option<String>> {
    fs::write(folder.join("root.pem"), root).unwrap();
    let listed: Vec<Value> = cases
        .iter()
        .enumerate()
        .map(|(number, case)| {
            let file = folder.join(format!("{number}.bin"));
            fs::write(&file, &case.document).unwrap();
            json!({"file": file, "at": case.at, "nonce": amiforge_attest::encode_hex(&case.nonce)})
        })
        .collect();
    let list = folder.join("cases.json");
    fs::write(&list, json!({"root": folder.join("root.pem"), "cases": listed}).to_string()).unwrap();
    serde_json::from_str(&python::must(python, "attestation.py", &[&list])).unwrap()
}

#[test]
fn what_the_local_region_issues_says_what_it_was_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let issuer = issuer(folder.path());
    let request =
        AttestationRequest { user_data: Some(Vec::new()), public_key: Some(vec![5; 600]), ..request() };
    let document = issue(&issuer, MADE, &request);
    assert_eq!(document, issue(&issuer, MADE, &request), "the same request gives the same document");
    let said = inspect(&document).unwrap();
    assert_eq!(said.module_id, "i-0123456789abcdef0-tpm0000000000000000");
    assert_eq!(
        (said.nonce, said.user_data, said.public_key),
        (request.nonce, request.user_data, request.public_key)
    );
    assert_eq!(said.timestamp.millis(), MADE * 1000 + 250);
    assert_eq!(said.pcrs.len(), 24);
    for (index, value) in &request.pcrs {
        assert_eq!(said.pcrs[index], *value);
    }
    assert_eq!((said.pcrs[&14], said.pcrs[&17]), ([0; 48], [0xff; 48]));
    assert!(document.len() < 8192, "a NitroTPM's buffer has 8 KiB");
}

#[test]
fn a_document_of_the_local_region_is_no_document_of_aws() {
    let folder = tempfile::tempdir().unwrap();
    let issuer = issuer(folder.path());
    let error = authenticate(&issue(&issuer, MADE, &request()), &Root::aws()).unwrap_err();
    assert!(error.remedy().contains("a local region of amiforge made this document"), "{}", error.remedy());
    // Nor is one of another folder a document of this one.
    let other = tempfile::tempdir().unwrap();
    let root = Root::from_pem(self::issuer(other.path()).root_pem().as_bytes()).unwrap();
    assert!(authenticate(&issue(&issuer, MADE, &request()), &root).is_err());
}

#[test]
fn the_root_stays_the_same_and_is_written_beside_the_state() {
    let folder = tempfile::tempdir().unwrap();
    let first = issuer(folder.path());
    let path = first.write_root().unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), first.root_pem());
    // The folder is opened and emptied with the file in it.
    assert_eq!(issuer(folder.path()).root_pem(), first.root_pem());
    assert!(LocalRegion::remove(folder.path()).unwrap());
    assert!(!path.exists());
}

#[test]
fn five_hundred_changed_documents_are_judged_alike_by_other_libraries() {
    let Some(python) = python::with(&["cbor2", "cryptography"]) else { return };
    let folder = tempfile::tempdir().unwrap();
    let issuer = issuer(folder.path());
    let document = issue(&issuer, MADE, &request());
    let mut cases: Vec<_> = equal_forms(&document).into_iter().map(Case::new).collect();
    let equal = cases.len();
    cases.extend(other_circumstances(&issuer));
    let changed = cases.len();
    cases.extend(changes(&document).into_iter().map(Case::new));
    assert!(cases.len() - changed >= 500);
    let root = Root::from_pem(issuer.root_pem().as_bytes()).unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let theirs = theirs(&python, scratch.path(), &issuer.root_pem(), &cases);
    let mut accepted = 0;
    for (number, (case, theirs)) in cases.iter().zip(&theirs).enumerate() {
        let ours = ours(case, &root);
        assert_eq!(ours.is_ok(), theirs.is_none(), "case {number}: {ours:?}, and in Python {theirs:?}");
        accepted += usize::from(ours.is_ok());
        assert!(number >= equal || ours.is_ok(), "case {number}: {ours:?}");
        assert!(number < changed || ours.is_err(), "case {number} is accepted");
    }
    // Of the circumstances some are accepted, too.
    assert!(accepted > equal + 3, "{accepted}");
}

/// The same document in other encodings, which a reader of CBOR takes for the same.
fn equal_forms(document: &[u8]) -> Vec<Vec<u8>> {
    // 84, 44 and the header, a0, 59 and the length of the payload, the payload, 58 60 and the signature.
    let (head, rest) = document.split_at(6);
    let (payload, signature) = rest.split_at(rest.len() - 98);
    let length = &payload[2..4];
    vec![
        document.to_vec(),
        [&[0xd2], document].concat(),
        // A longer form of the length of the payload.
        [head, &[0xa0, 0x5a, 0, 0], length, &payload[4..], signature].concat(),
        // An empty map that ends with a break.
        [head, &[0xbf, 0xff], &payload[1..], signature].concat(),
        // The payload in pieces.
        [head, &[0xa0, 0x5f], &payload[1..], &[0xff], signature].concat(),
        // A list that ends with a break.
        [&[0x9f], &document[1..], &[0xff]].concat(),
    ]
}

/// Documents of other times, nonces and PCRs, and times and nonces that they are compared with.
fn other_circumstances(issuer: &AttestationIssuer) -> Vec<Case> {
    let document = |request: &AttestationRequest| issue(issuer, MADE, request);
    let plain = document(&request());
    let at = |at: u64| Case { at, ..Case::new(plain.clone()) };
    let life = 3 * 3600;
    let mut cases: Vec<_> =
        [MADE - 301, MADE - 300, MADE - 299, MADE, MADE + life, MADE + life + 1, MADE * 2].map(at).into();
    cases.push(Case { nonce: b"another".to_vec(), ..Case::new(plain.clone()) });
    cases.push(Case { nonce: Vec::new(), ..Case::new(plain.clone()) });
    for nonce in [None, Some(Vec::new()), Some(vec![0; 1024]), Some(vec![0; 1025])] {
        let made = document(&AttestationRequest { nonce: nonce.clone(), ..request() });
        cases.push(Case { nonce: nonce.unwrap_or_default(), ..Case::new(made) });
    }
    for pcr in [[0; 48], [1; 48]] {
        let mut request = request();
        request.pcrs.insert(4, pcr);
        cases.push(Case::new(document(&request)));
    }
    for extra in [vec![], vec![1; 1024], vec![1; 1025]] {
        let (user_data, public_key) = (Some(extra.clone()), Some(extra));
        cases.push(Case::new(document(&AttestationRequest { user_data, public_key, ..request() })));
    }
    // Other lengths of certificates: beginning and end of a day, and other years.
    for made in [0, 86_400 * 7, 1_795_046_400, 1_795_046_399, 2_524_000_000] {
        cases.push(Case { at: made, ..Case::new(issue(issuer, made, &request())) });
    }
    cases
}

/// Changes that no verifier may accept.
fn changes(document: &[u8]) -> Vec<Vec<u8>> {
    let mut rng = Rng(2026);
    let mut below = |limit: usize| usize::try_from(rng.below(limit as u64)).unwrap();
    let mut changes = Vec::new();
    for _ in 0..300 {
        let mut flipped = document.to_vec();
        flipped[below(document.len())] ^= 1 << below(8);
        changes.push(flipped);
    }
    for _ in 0..80 {
        let mut longer = document.to_vec();
        longer.insert(below(document.len()), u8::try_from(below(256)).unwrap());
        changes.push(longer);
        let mut shorter = document.to_vec();
        shorter.remove(below(document.len()));
        changes.push(shorter);
    }
    for _ in 0..40 {
        changes.push(document[..below(document.len())].to_vec());
        let (one, other) = (below(document.len() - 64), below(document.len() - 64));
        let mut swapped = document.to_vec();
        for offset in 0..64 {
            swapped.swap(one + offset, other + offset);
        }
        changes.push(swapped);
    }
    changes.push([document, &[0]].concat());
    changes.push([document, document].concat());
    changes.retain(|changed| changed != document);
    changes
}
