//! The certificates that an image enrols, and the variables that follow from them.

use amiforge_formats::der::{self, Certificate, CertificateFileError, PublicKey};
use amiforge_formats::guid::Guid;
use amiforge_formats::uefi_vars::{
    Enrolment, SignatureKind, SignatureList, UefiVarsError, Variable, decode_ec2, encode_ec2,
    parse_signature_lists,
};

/// Least and greatest number of bits of an RSA key that firmware is known to take.
const RSA_BITS: std::ops::RangeInclusive<u32> = 2048..=8192;

/// Why a file gives no keys.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFileError {
    /// It is no file of certificates.
    #[error(transparent)]
    Certificates(#[from] CertificateFileError),
    /// It is neither that nor a signature list.
    #[error("it is neither a certificate nor a signature list (`.esl`)")]
    Revocations(#[source] UefiVarsError),
    /// It is a signed update of a variable.
    #[error("it is a signed update (`EFI_VARIABLE_AUTHENTICATION_2`): give the signature list in it")]
    SignedUpdate,
    /// It is empty.
    #[error("it holds no revocation")]
    NoRevocation,
    /// A key that firmware does not verify with.
    #[error("the certificate `{name}` has {key}, and firmware verifies with RSA keys of 2048 to 8192 bits")]
    Key {
        /// Its name.
        name: String,
        /// What it has.
        key: String,
    },
    /// More than one platform key.
    #[error("it holds {count} certificates, and the platform key is one")]
    OnePlatformKey {
        /// How many it holds.
        count: usize,
    },
}

/// The certificates that an image enrols.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecureBootKeys {
    /// The variables as signature lists.
    pub enrolment: Enrolment,
    /// The certificates of `db` with their owners, in their order.
    pub db: Vec<(Guid, Certificate)>,
}

impl SecureBootKeys {
    /// Keys from the bytes of the files of certificates; `dbx` are lists of what is revoked.
    ///
    /// # Errors
    /// [`KeyFileError`] with the variable whose file it is.
    pub fn from_files(
        owner: Guid,
        [pk, kek, db]: [&[u8]; 3],
        dbx: Vec<SignatureList>,
    ) -> Result<Self, (&'static str, KeyFileError)> {
        let read = |name, bytes| certificates(bytes).map_err(|error| (name, error));
        let (pk, kek, db) = (read("pk", pk)?, read("kek", kek)?, read("db", db)?);
        if pk.len() != 1 {
            return Err(("pk", KeyFileError::OnePlatformKey { count: pk.len() }));
        }
        let lists = |certificates: &[Certificate]| -> Vec<SignatureList> {
            certificates.iter().map(|one| SignatureList::certificate(owner, &one.der)).collect()
        };
        let enrolment = Enrolment { pk: lists(&pk), kek: lists(&kek), db: lists(&db), dbx };
        Ok(Self { enrolment, db: db.into_iter().map(|one| (owner, one)).collect() })
    }

    /// Keys from the text of EC2's `UefiData`.
    ///
    /// # Errors
    /// [`UefiVarsError`] where it enrols anything else, or a certificate of `db` cannot be read.
    pub fn from_uefi_data(text: &str) -> Result<Self, UefiVarsError> {
        let enrolment = Enrolment::of(&decode_ec2(text)?)?;
        let lists = enrolment.db.iter().filter(|list| list.kind == SignatureKind::X509);
        let entries = lists.flat_map(|list| &list.entries);
        // An entry that is no certificate trusts nothing.
        let db = entries.filter_map(|(owner, bytes)| Some((*owner, Certificate::parse(bytes).ok()?)));
        let db = db.collect();
        Ok(Self { enrolment, db })
    }

    /// The variables, sorted by name.
    pub fn variables(&self) -> Vec<Variable> {
        self.enrolment.variables()
    }

    /// The text of EC2's `UefiData`.
    ///
    /// # Errors
    /// [`UefiVarsError::TooLong`].
    pub fn uefi_data(&self) -> Result<String, UefiVarsError> {
        encode_ec2(&self.variables())
    }

    /// The names of the certificates of `db`, for messages.
    pub fn db_names(&self) -> String {
        let names: Vec<_> = self.db.iter().map(|(_, one)| format!("`{}`", one.name())).collect();
        names.join(", ")
    }
}

/// The certificates of a file, each with a key that firmware verifies with.
fn certificates(bytes: &[u8]) -> Result<Vec<Certificate>, KeyFileError> {
    let all = der::certificates(bytes)?;
    for certificate in &all {
        let key = match &certificate.key {
            PublicKey::Rsa(key) if RSA_BITS.contains(&key.bits()) => continue,
            PublicKey::Rsa(key) => format!("an RSA key of {} bits", key.bits()),
            PublicKey::Other(kind) => format!("a key of kind {kind}"),
        };
        return Err(KeyFileError::Key { name: certificate.name(), key });
    }
    Ok(all)
}

/// Revocations from the bytes of a file: certificates, or signature lists as `dbx` holds them.
///
/// # Errors
/// [`KeyFileError`].
pub fn read_revocations(bytes: &[u8], owner: Guid) -> Result<Vec<SignatureList>, KeyFileError> {
    // A certificate begins with a sequence, PEM with text, and a list with the GUID of its kind, whose first byte is neither.
    let certificates = match der::certificates(bytes) {
        Ok(all) => Some(all),
        Err(error @ CertificateFileError::PrivateKey) => return Err(error.into()),
        Err(error) if bytes.starts_with(b"-----BEGIN") || bytes.first() == Some(&der::tag::SEQUENCE) => {
            return Err(error.into());
        }
        Err(_) => None,
    };
    if let Some(all) = certificates {
        return Ok(all.iter().map(|one| SignatureList::certificate(owner, &one.der)).collect());
    }
    // EFI_TIME, then WIN_CERTIFICATE of revision 2.0 and type EFI_GUID (UEFI 2.10, section 8.2.2).
    if bytes.get(20..24) == Some(&[0x00, 0x02, 0xf1, 0x0e]) {
        return Err(KeyFileError::SignedUpdate);
    }
    match parse_signature_lists(bytes) {
        Ok(lists) if lists.is_empty() => Err(KeyFileError::NoRevocation),
        Ok(lists) => Ok(lists),
        Err(error) => Err(KeyFileError::Revocations(error)),
    }
}
