//! Detached signatures on the command line: files with what a key made of the requests of a bundle.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use amiforge_formats::der::{self, Certificate};
use amiforge_image::attestations::AttestationKind;
use amiforge_image::secure_boot::{GivenSignature, SIGNATURE_MAX};
use amiforge_trust::detached;
use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::outcome::Failure;

/// The arguments.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Signatures")]
#[group(skip)]
pub(crate) struct Args {
    /// The signature of a request (`signing/ID.tbs` in the bundle), raw or in base64; may be repeated. `attach` also takes
    /// `bundle=FILE`, an SSH signature of SHA256SUMS, and `provenance=FILE` (or another kind of statement)
    #[arg(long = "signature", value_name = "ID=FILE")]
    signatures: Vec<String>,

    #[command(flatten)]
    certificates: CertificateArgs,
}

/// The certificates that belong to signatures.
#[derive(Debug, Clone, clap::Args)]
#[group(skip)]
pub(crate) struct CertificateArgs {
    /// The signer's certificate, and those between it and the one in `db` (PEM or DER); not needed for a signer in `db`; may
    /// be repeated
    #[arg(long = "certificate", value_name = "FILE")]
    certificates: Vec<PathBuf>,
}

/// The id of a signature of the bundle itself.
const BUNDLE: &str = "bundle";

/// Signatures, each with what it is of.
type Named<T> = Vec<(T, Vec<u8>)>;

impl Args {
    /// The signatures of the bundle itself, by the names of their files; nothing where all are of requests.
    pub(crate) fn read_of_bundle(&self, cannot: &str) -> Result<Option<Named<String>>, Failure> {
        let own: Vec<_> = self.signatures.iter().filter_map(|text| text.split_once('=')).collect();
        let own: Vec<_> = own.into_iter().filter(|(id, _)| *id == BUNDLE).map(|(_, path)| path).collect();
        if own.is_empty() {
            return Ok(None);
        }
        if own.len() < self.signatures.len() {
            let fact =
                "signatures for Secure Boot change the image, so they come first, in a command of their own";
            return Err(Failure::usage(anyhow::anyhow!(fact).context(cannot.to_owned())));
        }
        let read = |path: &str| {
            let bytes = amiforge_progress::regular::read(Path::new(path));
            let bytes =
                bytes.with_context(|| format!("reading `{path}`")).with_context(|| cannot.to_owned())?;
            Ok((path.to_owned(), bytes))
        };
        own.into_iter().map(read).collect::<Result<_, Failure>>().map(Some)
    }

    /// The signatures of statements, by their kinds; nothing where none is of one.
    pub(crate) fn read_of_statements(&self, cannot: &str) -> Result<Option<Named<AttestationKind>>, Failure> {
        let given = self.signatures.iter().filter_map(|text| text.split_once('='));
        let given = given.filter_map(|(id, path)| Some((AttestationKind::of_name(id)?, path)));
        let given: Vec<_> = given.collect();
        if given.is_empty() {
            return Ok(None);
        }
        if given.len() < self.signatures.len() {
            let fact =
                "signatures of statements are attached by a command of their own, after those of Secure Boot";
            return Err(Failure::usage(anyhow::anyhow!(fact).context(cannot.to_owned())));
        }
        let read = |(kind, path): (AttestationKind, &str)| {
            let bytes = read_signature(Path::new(path));
            let bytes =
                bytes.with_context(|| format!("reading `{path}`")).with_context(|| cannot.to_owned())?;
            Ok((kind, bytes))
        };
        given.into_iter().map(read).collect::<Result<_, Failure>>().map(Some)
    }

    /// Reads the signatures and their certificates.
    pub(crate) fn read(&self) -> Result<Vec<GivenSignature>, Failure> {
        let certificates = self.certificates.read()?;
        self.signatures.iter().map(|text| signature(text, &certificates)).collect()
    }
}

impl CertificateArgs {
    /// Whether there are any.
    pub(crate) fn are_given(&self) -> bool {
        !self.certificates.is_empty()
    }

    /// Reads the certificates of all files.
    pub(crate) fn read(&self) -> Result<Vec<Certificate>, Failure> {
        let mut all = Vec::new();
        for path in &self.certificates {
            let cannot = || format!("cannot use the certificate `{}`", path.display());
            let bytes = amiforge_progress::regular::read(path).with_context(cannot)?;
            let read = der::certificates(&bytes);
            all.extend(read.map_err(|error| Failure::usage(anyhow::Error::from(error).context(cannot())))?);
        }
        Ok(all)
    }
}

/// The bytes of a file with a signature; of a longer file no more than shows that it is none.
fn read_signature(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = amiforge_progress::regular::open(path)?;
    file.take(detached::LEN_MAX as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Reads the signature that an argument names.
fn signature(text: &str, certificates: &[Certificate]) -> Result<GivenSignature, Failure> {
    let Some((id, path)) = text.split_once('=').filter(|(id, path)| !id.is_empty() && !path.is_empty())
    else {
        let error = anyhow::anyhow!("`{text}` is not ID=FILE").context("cannot use the signature");
        return Err(Failure::usage(error).hint("write `--signature uki=uki.sig`"));
    };
    let path = Path::new(path);
    let cannot = || format!("cannot use the signature `{}`", path.display());
    let bytes = amiforge_progress::regular::read(path).with_context(cannot)?;
    let bytes = raw(bytes);
    if bytes.is_empty() || bytes.len() > SIGNATURE_MAX {
        let fact =
            anyhow::anyhow!("it has {} bytes, and an RSA signature has 256 to {SIGNATURE_MAX}", bytes.len());
        return Err(Failure::usage(fact.context(cannot())));
    }
    Ok(GivenSignature { id: id.to_owned(), bytes, certificates: certificates.to_vec() })
}

/// The bytes of a signature, which services give in base64.
fn raw(bytes: Vec<u8>) -> Vec<u8> {
    let text: Vec<u8> = bytes.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    match STANDARD.decode(&text) {
        Ok(decoded) if decoded.len() >= 256 => decoded,
        _ => bytes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_taken_raw_and_in_base64() {
        let signature = vec![0xab; 256];
        let text = STANDARD.encode(&signature);
        let lines = text.as_bytes().chunks(76).map(<[u8]>::to_vec).collect::<Vec<_>>().join(&b'\n');
        assert_eq!(raw(signature.clone()), signature);
        assert_eq!(raw(text.into_bytes()), signature);
        assert_eq!(raw(lines), signature);
        // Text that is short for a signature stays what it is, and is refused as such.
        assert_eq!(raw(b"AAAA".to_vec()), b"AAAA");
    }
}
