//! The chain of certificates: order, names, validity, what each may do, and the root.

use amiforge_attest::{ChainError, DocumentError, Root, authenticate};
use ciborium::Value;
use rcgen::{BasicConstraints, IsCa, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256};

use super::check;
use super::draft::Draft;
use super::pki::{Level, MADE, Pki, levels};

/// The error of a document of a PKI whose levels were changed, and the position of the certificate that it names.
fn refused(change: impl FnOnce(&mut Vec<Level>)) -> (usize, ChainError) {
    let mut levels = levels();
    change(&mut levels);
    let pki = Pki::with(&levels);
    refused_document(&Draft::new(&pki).sign(&pki), &pki)
}

fn refused_document(document: &[u8], pki: &Pki) -> (usize, ChainError) {
    match check(document, pki) {
        Err(DocumentError::Chain { link, error }) => (link.position, error),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_root_of_the_same_name_is_not_the_root() {
    let (ours, theirs) = (Pki::new(), Pki::new());
    let document = Draft::new(&theirs).sign(&theirs);
    let error = check(&document, &ours).unwrap_err();
    let DocumentError::UntrustedRoot { subject, fingerprint, trusted, trusted_is_aws } = error else {
        panic!("{error}")
    };
    assert_eq!(subject, "CN=test root,O=amiforge tests");
    assert!(fingerprint != trusted && !trusted_is_aws);
    // With the true root in front, the certificate of the region is not one of its.
    let mut bundle = theirs.certificates.clone();
    bundle.truncate(4);
    bundle[0].clone_from(&ours.certificates[0]);
    let list = bundle.into_iter().map(Value::Bytes).collect();
    let grafted = Draft::new(&theirs).set("cabundle", Value::Array(list)).sign(&theirs);
    assert_eq!(refused_document(&grafted, &ours), (2, ChainError::Signature));
}

#[test]
fn a_document_of_a_test_is_no_document_of_aws() {
    let pki = Pki::new();
    let error = authenticate(&Draft::new(&pki).sign(&pki), &Root::aws()).unwrap_err();
    assert!(matches!(&error, DocumentError::UntrustedRoot { trusted_is_aws: true, .. }));
    assert!(error.remedy().contains("not a document of AWS"));
}

#[test]
fn a_document_of_a_local_region_is_recognized_by_the_name_of_its_root() {
    let mut levels = levels();
    levels[0].common_name = "amiforge local region (not AWS)";
    let pki = Pki::with(&levels);
    let document = Draft::new(&pki).sign(&pki);
    check(&document, &pki).unwrap();
    let error = authenticate(&document, &Root::aws()).unwrap_err();
    assert!(error.remedy().contains("local region"), "{}", error.remedy());
}

#[test]
fn the_order_of_the_certificates_is_that_of_their_issue() {
    let pki = Pki::new();
    let with = |order: &[usize]| {
        let list = order.iter().map(|&at| Value::Bytes(pki.certificates[at].clone())).collect();
        Draft::new(&pki).set("cabundle", Value::Array(list)).sign(&pki)
    };
    check(&with(&[0, 1, 2, 3]), &pki).unwrap();
    let issuer = |document: &[u8]| {
        let (position, error) = refused_document(document, &pki);
        assert!(matches!(error, ChainError::Issuer { .. }), "{error}");
        position
    };
    assert_eq!(issuer(&with(&[0, 2, 1, 3])), 2);
    assert_eq!(issuer(&with(&[0, 1, 3, 2])), 3);
    assert_eq!(issuer(&with(&[0, 1, 2])), 4);
    // One more than the region's certificate allows below itself.
    let longer = refused_document(&with(&[0, 1, 2, 3, 3]), &pki);
    assert_eq!(longer, (2, ChainError::PathLength { allowed: 2, below: 3 }));
    assert!(matches!(check(&with(&[3, 2, 1, 0]), &pki), Err(DocumentError::UntrustedRoot { .. })));
}

#[test]
fn a_truncated_certificate_is_refused() {
    let pki = Pki::new();
    let certificate = pki.certificates.last().unwrap();
    for len in [1, 2, 4, 100, certificate.len() - 1] {
        let draft = Draft::new(&pki).set("certificate", Value::Bytes(certificate[..len].to_vec()));
        let (position, error) = refused_document(&draft.sign(&pki), &pki);
        assert!(position == 5 && matches!(error, ChainError::Form { .. }), "{len}: {error}");
    }
    let longer = [&certificate[..], &[0]].concat();
    let draft = Draft::new(&pki).set("certificate", Value::Bytes(longer));
    assert!(matches!(refused_document(&draft.sign(&pki), &pki), (5, ChainError::Form { .. })));
}

#[test]
fn each_certificate_does_only_what_it_may() {
    assert_eq!(
        refused(|levels| levels[4].is_ca = IsCa::Ca(BasicConstraints::Unconstrained)),
        (5, ChainError::SignerIsIssuer)
    );
    assert_eq!(refused(|levels| levels[3].is_ca = IsCa::ExplicitNoCa), (4, ChainError::NotAnIssuer));
    assert_eq!(refused(|levels| levels[2].is_ca = IsCa::NoCa), (3, ChainError::NotAnIssuer));
    assert_eq!(
        refused(|levels| levels[3].usages = vec![KeyUsagePurpose::DigitalSignature]),
        (4, ChainError::Usage { missing: "keyCertSign" })
    );
    assert_eq!(
        refused(|levels| levels[4].usages = vec![KeyUsagePurpose::KeyAgreement]),
        (5, ChainError::Usage { missing: "digitalSignature" })
    );
    assert_eq!(
        refused(|levels| levels[4].usages = Vec::new()),
        (5, ChainError::Usage { missing: "digitalSignature" })
    );
    let constrained = |levels: &mut Vec<Level>| levels[1].is_ca = IsCa::Ca(BasicConstraints::Constrained(1));
    assert_eq!(refused(constrained), (2, ChainError::PathLength { allowed: 1, below: 2 }));
}

/// The certificate of one document issues another one: a machine would attest what it likes.
#[test]
fn the_certificate_of_a_document_issues_no_further_one() {
    let forged = |levels: &mut Vec<Level>| {
        levels.push(Level { common_name: "test forgery", ..levels[4].clone() });
    };
    assert_eq!(refused(forged), (2, ChainError::PathLength { allowed: 2, below: 3 }));
    // It would not, either, if the authorities above allowed any number below themselves.
    let unconstrained = |levels: &mut Vec<Level>| {
        levels[1..4].iter_mut().for_each(|one| one.is_ca = IsCa::Ca(BasicConstraints::Unconstrained));
        forged(levels);
    };
    assert_eq!(refused(unconstrained), (5, ChainError::NotAnIssuer));
}

#[test]
fn each_certificate_is_valid_when_the_document_is_made() {
    for position in 1..=5 {
        let expired = refused(|levels| levels[position - 1].not_after = MADE - 1);
        assert!(matches!(expired, (at, ChainError::Validity { .. }) if at == position), "{expired:?}");
        let early = refused(|levels| levels[position - 1].not_before = MADE + 1);
        assert!(matches!(early, (at, ChainError::Validity { .. }) if at == position), "{early:?}");
    }
    // The first and the last second count.
    let mut levels = levels();
    for level in &mut levels {
        (level.not_before, level.not_after) = (MADE, MADE);
    }
    let pki = Pki::with(&levels);
    check(&Draft::new(&pki).sign(&pki), &pki).unwrap();
}

#[test]
fn a_key_on_another_curve_is_refused() {
    let (position, error) = refused(|levels| levels[3].algorithm = &PKCS_ECDSA_P256_SHA256);
    assert_eq!(position, 4);
    assert_eq!(error, ChainError::Key);
}
