//! Detached signatures on the command line: files with what a key made of the requests of a bundle.

use std::path::{Path, PathBuf};

use amiforge_formats::der::{self, Certificate};
use amiforge_image::secure_boot::{GivenSignature, SIGNATURE_MAX};
use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::outcome::Failure;

/// The arguments.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Signatures")]
#[group(skip)]
pub(crate) struct Args {
    /// The signature of a request (`signing/ID.tbs` in the bundle), raw or in base64; may be repeated
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

impl Args {
    /// Reads the signatures and their certificates.
    pub(crate) fn read(&self) -> Result<Vec<GivenSignature>, Failure> {
        let certificates = self.certificates.read()?;
        self.signatures.iter().map(|text| signature(text, &certificates)).collect()
    }
}

impl CertificateArgs {
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
