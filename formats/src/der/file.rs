//! Files of certificates: DER, or PEM with one or more blocks (RFC 7468). A file with a private key is refused: it does not
//! belong where certificates are read.
#![warn(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Certificate, DerError, DerReader, oid, tag};

/// The most bytes of a file of certificates.
const LEN_MAX: usize = 1 << 20;

/// A block of PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PemBlock {
    /// What it is, such as `CERTIFICATE`.
    pub label: String,
    /// Its bytes.
    pub der: Vec<u8>,
}

/// Why a file is none of certificates.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateFileError {
    /// It holds a secret.
    #[error(
        "it holds a private key, and only certificates are read here: keep the key where it signs, and name its certificate"
    )]
    PrivateKey,
    /// It holds something else.
    #[error("it holds `{label}`, and only certificates are read here")]
    Label {
        /// The label of the block.
        label: String,
    },
    /// It is neither form.
    #[error("it is neither DER nor PEM: {reason}")]
    Form {
        /// What is missing.
        reason: &'static str,
    },
    /// It holds none.
    #[error("it holds no certificate")]
    Empty,
    /// It is too long.
    #[error("it is {len} bytes long, and at most {LEN_MAX} are read")]
    TooLong {
        /// Its length in bytes.
        len: usize,
    },
    /// A certificate cannot be read.
    #[error("certificate {number} of it cannot be read")]
    Certificate {
        /// Its number in the file, from 1.
        number: usize,
        /// Why.
        source: DerError,
    },
}

/// The certificates of a file, in their order; at least one.
///
/// # Errors
/// [`CertificateFileError`].
pub fn certificates(bytes: &[u8]) -> Result<Vec<Certificate>, CertificateFileError> {
    if bytes.len() > LEN_MAX {
        return Err(CertificateFileError::TooLong { len: bytes.len() });
    }
    let blocks = if bytes.first() == Some(&tag::SEQUENCE) {
        vec![PemBlock { label: "CERTIFICATE".to_owned(), der: bytes.to_vec() }]
    } else {
        parse_pem(bytes)?
    };
    // Also where certificates come first: the file as a whole is a secret then.
    if blocks.iter().any(is_private_key) {
        return Err(CertificateFileError::PrivateKey);
    }
    let parse = |(index, block): (usize, &PemBlock)| {
        if !matches!(block.label.as_str(), "CERTIFICATE" | "X509 CERTIFICATE" | "X.509 CERTIFICATE") {
            return Err(CertificateFileError::Label { label: block.label.clone() });
        }
        let number = index.saturating_add(1);
        Certificate::parse(&block.der).map_err(|source| CertificateFileError::Certificate { number, source })
    };
    let all = blocks.iter().enumerate().map(parse).collect::<Result<Vec<_>, _>>()?;
    if all.is_empty() { Err(CertificateFileError::Empty) } else { Ok(all) }
}

/// Whether a block is a private key: by its label, or as DER by its structure: `SEQUENCE { INTEGER version, … }` as in
/// PKCS#1 (RFC 8017) and SEC 1 (RFC 5915), or with the identifier of a key's kind as in PKCS#8 (RFC 5958). An encrypted
/// PKCS#8 key begins with the identifier of its encryption.
fn is_private_key(block: &PemBlock) -> bool {
    if block.label.contains("PRIVATE KEY") {
        return true;
    }
    let Ok(mut fields) = DerReader::new(&block.der).sequence("a key") else { return false };
    if fields.peek() == Some(tag::INTEGER) {
        return true;
    }
    // PBES2 of PKCS#5 with its older siblings, and those of PKCS#12.
    let Ok(mut algorithm) = fields.sequence("an algorithm") else { return false };
    let pkcs5 = oid::RSA_ENCRYPTION.get(..7).unwrap_or_default();
    let id = algorithm.object_identifier("an algorithm").unwrap_or_default();
    id.starts_with(pkcs5) && matches!(id.get(7), Some(5 | 12))
}

/// The blocks of a PEM text; lines between them are passed over.
///
/// # Errors
/// [`CertificateFileError::Form`] where a block does not end, or is not base64.
pub fn parse_pem(bytes: &[u8]) -> Result<Vec<PemBlock>, CertificateFileError> {
    let form = |reason| CertificateFileError::Form { reason };
    let text = std::str::from_utf8(bytes).map_err(|_| form("it is binary and begins with no sequence"))?;
    let mut blocks = Vec::new();
    let mut open: Option<(&str, String)> = None;
    for line in text.lines().map(str::trim) {
        let begin = boundary(line, "-----BEGIN ");
        let end = boundary(line, "-----END ");
        match (&mut open, begin, end) {
            (None, Some(label), _) => open = Some((label, String::new())),
            (None, None, Some(_)) => return Err(form("a block ends that did not begin")),
            (None, None, None) => {}
            (Some(_), Some(_), _) => return Err(form("a block begins within another")),
            (Some((label, base64)), None, Some(ended)) => {
                if *label != ended {
                    return Err(form("a block begins and ends with different labels"));
                }
                // An encrypted key of the old form has headers; its label says enough.
                let der = STANDARD.decode(base64.as_bytes());
                let secret = label.contains("PRIVATE KEY");
                let der = der
                    .or_else(|_| if secret { Ok(Vec::new()) } else { Err(form("a block is not base64")) })?;
                blocks.push(PemBlock { label: (*label).to_owned(), der });
                open = None;
            }
            (Some((_, base64)), None, None) => base64.push_str(line),
        }
    }
    match (open, blocks.is_empty()) {
        (Some(_), _) => Err(form("a block does not end")),
        (None, true) => Err(form("it has no `-----BEGIN CERTIFICATE-----`")),
        (None, false) => Ok(blocks),
    }
}

/// The label of a boundary line: letters, digits, spaces and the marks that labels have.
fn boundary<'a>(line: &'a str, start: &str) -> Option<&'a str> {
    let label = line.strip_prefix(start)?.strip_suffix("-----")?;
    label.bytes().all(|b| b.is_ascii_alphanumeric() || b" .-".contains(&b)).then_some(label)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

    use super::super::{integer, object_identifier, sample, tlv};
    use super::*;

    fn pem(label: &str, der: &[u8]) -> String {
        let text = STANDARD.encode(der);
        let lines: Vec<_> = text.as_bytes().chunks(64).map(|line| str::from_utf8(line).unwrap()).collect();
        format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
    }

    #[test]
    fn certificates_are_read_from_der_and_from_pem() {
        let (one, two) = (sample::certificate("one"), sample::certificate("two"));
        assert_eq!(certificates(&one).unwrap()[0].name(), "one");
        let text = format!("subject=one\n{}\r\n\n{}", pem("CERTIFICATE", &one), pem("CERTIFICATE", &two));
        let names: Vec<_> = certificates(text.as_bytes()).unwrap().iter().map(Certificate::name).collect();
        assert_eq!(names, ["one", "two"]);
    }

    #[test]
    fn a_private_key_is_refused_in_every_form() {
        let certificate = pem("CERTIFICATE", &sample::certificate("one"));
        let pkcs1 = tlv(tag::SEQUENCE, &[&integer(&[0]), &integer(&[9; 256])]);
        let pbes2 = [&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 5, 13][..]].concat();
        let scheme = tlv(tag::SEQUENCE, &[&object_identifier(&pbes2)]);
        let encrypted = tlv(tag::SEQUENCE, &[&scheme, &tlv(tag::OCTET_STRING, &[b"secret"])]);
        let old = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n-----END RSA PRIVATE KEY-----\n";
        for file in [
            pem("PRIVATE KEY", &pkcs1).into_bytes(),
            pem("RSA PRIVATE KEY", &pkcs1).into_bytes(),
            pem("ENCRYPTED PRIVATE KEY", &encrypted).into_bytes(),
            pem("OPENSSH PRIVATE KEY", b"openssh").into_bytes(),
            old.as_bytes().to_vec(),
            format!("{certificate}{}", pem("EC PRIVATE KEY", &pkcs1)).into_bytes(),
            pem("CERTIFICATE", &pkcs1).into_bytes(),
            pkcs1.clone(),
            encrypted.clone(),
        ] {
            assert_eq!(certificates(&file), Err(CertificateFileError::PrivateKey), "{file:?}");
        }
    }

    #[test]
    fn other_files_are_refused() {
        let certificate = pem("CERTIFICATE", &sample::certificate("one"));
        let cut = certificate.replace("-----END CERTIFICATE-----", "");
        let wrong = certificate.replace("-----END CERTIFICATE", "-----END KEY");
        for file in
            ["", "hello", &cut, &wrong, "-----END CERTIFICATE-----", &certificate.replace("MII", "!!!")]
        {
            let refused = certificates(file.as_bytes());
            assert!(matches!(refused, Err(CertificateFileError::Form { .. })), "{refused:?}");
        }
        let request = pem("CERTIFICATE REQUEST", &sample::certificate("one"));
        assert!(matches!(certificates(request.as_bytes()), Err(CertificateFileError::Label { .. })));
        let inner = certificates(&sample::certificate("one")[..100]);
        assert!(matches!(inner, Err(CertificateFileError::Certificate { number: 1, .. })), "{inner:?}");
        assert!(matches!(certificates(&vec![0x30; LEN_MAX + 1]), Err(CertificateFileError::TooLong { .. })));
    }
}
