//! A PKI of the shape that NitroTPM's has, made by another library than the one that verifies: a root, authorities of
//! region, zone and instance, and the certificate of a document.

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CrlDistributionPoint, DnType, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P384_SHA384, SigningKey as _,
};
use time::OffsetDateTime;

/// When the documents of the tests are made: seconds after 1970.
pub(crate) const MADE: i64 = 1_786_579_200;
const DAY: i64 = 86_400;

/// What a certificate says, for tests to change before it is made.
#[derive(Debug, Clone)]
pub(crate) struct Level {
    pub(crate) common_name: &'static str,
    pub(crate) is_ca: IsCa,
    pub(crate) usages: Vec<KeyUsagePurpose>,
    pub(crate) not_before: i64,
    pub(crate) not_after: i64,
    /// The algorithm of its key.
    pub(crate) algorithm: &'static rcgen::SignatureAlgorithm,
}

/// The levels of NitroTPM, the root first.
pub(crate) fn levels() -> Vec<Level> {
    let authority = |common_name, is_ca, not_before, not_after| Level {
        common_name,
        is_ca,
        usages: vec![
            KeyUsagePurpose::DigitalSignature,
            KeyUsagePurpose::KeyCertSign,
            KeyUsagePurpose::CrlSign,
        ],
        not_before,
        not_after,
        algorithm: &PKCS_ECDSA_P384_SHA384,
    };
    let path = |length| IsCa::Ca(BasicConstraints::Constrained(length));
    let root = IsCa::Ca(BasicConstraints::Unconstrained);
    vec![
        authority("test root", root, MADE - 2000 * DAY, MADE + 8000 * DAY),
        authority("test region", path(2), MADE - 10 * DAY, MADE + 10 * DAY),
        authority("test zone", path(1), MADE - 2 * DAY, MADE + 3 * DAY),
        authority("test instance", path(0), MADE - 3600, MADE + DAY),
        Level {
            usages: vec![KeyUsagePurpose::DigitalSignature],
            ..authority("test document", IsCa::ExplicitNoCa, MADE - 3, MADE + 3 * 3600)
        },
    ]
}

/// Certificates and the key of the last.
#[derive(Debug)]
pub(crate) struct Pki {
    pub(crate) root_pem: String,
    /// DER, the root first, the one that signs documents last.
    pub(crate) certificates: Vec<Vec<u8>>,
    keys: Vec<KeyPair>,
}

impl Pki {
    pub(crate) fn new() -> Self {
        Self::with(&levels())
    }

    /// A PKI of other levels. Each is issued by the one before, whatever it may do.
    pub(crate) fn with(levels: &[Level]) -> Self {
        let keys: Vec<_> =
            levels.iter().map(|level| KeyPair::generate_for(level.algorithm).expect("a key")).collect();
        let mut certificates: Vec<Certificate> = Vec::new();
        let mut above: Option<(CertificateParams, &KeyPair)> = None;
        for (level, key) in levels.iter().zip(&keys) {
            let params = params(level);
            certificates.push(match &above {
                None => params.self_signed(key).expect("a certificate"),
                Some((issuer, issuer_key)) => {
                    let issuer = Issuer::from_params(issuer, *issuer_key);
                    params.signed_by(key, &issuer).expect("a certificate")
                }
            });
            above = Some((params, key));
        }
        let root_pem = pem(certificates[0].der());
        let certificates = certificates.iter().map(|one| one.der().to_vec()).collect();
        Self { root_pem, certificates, keys }
    }

    /// Signs with the key of a level: the two numbers of 48 bytes of ES384.
    pub(crate) fn sign_with(&self, level: usize, message: &[u8]) -> Vec<u8> {
        let der = self.keys[level].sign(message).expect("a signature");
        p384::ecdsa::Signature::from_der(&der).expect("ECDSA").to_bytes().to_vec()
    }
}

fn params(level: &Level) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, "amiforge tests");
    params.distinguished_name.push(DnType::CommonName, level.common_name);
    params.is_ca = level.is_ca;
    params.key_usages.clone_from(&level.usages);
    params.not_before = OffsetDateTime::from_unix_timestamp(level.not_before).expect("a time");
    params.not_after = OffsetDateTime::from_unix_timestamp(level.not_after).expect("a time");
    if level.common_name == "test region" {
        let uris = vec!["http://example.com/crl".to_owned()];
        params.crl_distribution_points = vec![CrlDistributionPoint { uris }];
    }
    params
}

/// DER as PEM.
pub(crate) fn pem(der: &[u8]) -> String {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let lines: Vec<_> = text.as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line)).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}
