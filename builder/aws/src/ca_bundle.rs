//! Which certificate authorities are trusted: those of a file, where `AWS_CA_BUNDLE` or the profile's `ca_bundle` names
//! one, as AWS's other tools do; else those of the machine.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use aws_config::profile;
#[expect(deprecated, reason = "its new name is in a crate that is no dependency of ours")]
use aws_config::profile::profile_file::ProfileFiles;
use aws_smithy_http_client::tls::{TlsContext, TrustStore};
use aws_types::os_shim_internal::{Env, Fs};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::ConnectError;

/// What to trust, where something else than the machine's authorities is asked for.
///
/// # Errors
/// [`ConnectError::CaBundle`].
pub(super) async fn context(profile: Option<&str>) -> Result<Option<TlsContext>, ConnectError> {
    let configured_endpoint =
        std::env::var_os("AWS_CA_BUNDLE").filter(|path| !path.is_empty()).map(PathBuf::from);
    let path = match configured_endpoint {
        Some(path) => Some(path),
        None => of_profile(profile).await,
    };
    path.map(|path| read(&path)).transpose()
}

#[expect(deprecated, reason = "its new name is in a crate that is no dependency of ours")]
async fn of_profile(profile: Option<&str>) -> Option<PathBuf> {
    let chosen = profile.map(|name| Cow::Owned(name.to_owned()));
    // Files that cannot be read are told of when credentials are looked for in them.
    let set = profile::load(&Fs::real(), &Env::real(), &ProfileFiles::default(), chosen).await.ok()?;
    let path = set.get("ca_bundle").filter(|path| !path.is_empty())?;
    match (path.strip_prefix("~/"), std::env::home_dir()) {
        (Some(rest), Some(home)) => Some(home.join(rest)),
        _ => Some(path.into()),
    }
}

/// The authorities of a file in PEM.
fn read(path: &Path) -> Result<TlsContext, ConnectError> {
    let failed = |reason: String| ConnectError::CaBundle { path: path.to_owned(), reason };
    let pem = std::fs::read(path).map_err(|error| failed(error.to_string()))?;
    let mut count = 0;
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|error| failed(error.to_string()))?;
        RootCertStore::empty().add(certificate).map_err(|error| failed(error.to_string()))?;
        count += 1;
    }
    if count == 0 {
        return Err(failed("it has no certificate in PEM".to_owned()));
    }
    let store = TrustStore::empty().with_pem_certificate(pem);
    let context = TlsContext::builder().with_trust_store(store).build();
    context.map_err(|error| failed(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const AUTHORITY: &str = "\
-----BEGIN CERTIFICATE-----\n\
MIIBmjCCAUGgAwIBAgIUSAU3RnflOmJsl+mBiuFV7xk2BnIwCgYIKoZIzj0EAwIw\n\
IjEgMB4GA1UEAwwXYW1pZm9yZ2UgdGVzdCBhdXRob3JpdHkwIBcNMjYxMTI3MDE1\n\
OTAxWhgPMjEyNjExMDMwMTU5MDFaMCIxIDAeBgNVBAMMF2FtaWZvcmdlIHRlc3Qg\n\
YXV0aG9yaXR5MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE3/By0aA/NZVE/p0l\n\
1ch5CSEHQz6BhVHufnpopxfREJs72q73n2+ESGqQZZJdtnGYJsCPVW8QRQq6hhGF\n\
4M4jKqNTMFEwHQYDVR0OBBYEFIoE6Ecvc3Gb6u2hstNzhse5stkYMB8GA1UdIwQY\n\
MBaAFIoE6Ecvc3Gb6u2hstNzhse5stkYMA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZI\n\
zj0EAwIDRwAwRAIgOraJ+i1arVGA2xfDcfSsjOGirVflvy7XGaRCTp80b8oCIEN0\n\
Rk4fpdk/jXdDMavQ/Bn75UVVKubeGaalq7VgT0d0\n\
-----END CERTIFICATE-----\n";

    #[test]
    fn authorities_of_a_file_are_trusted_and_a_file_without_any_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        let reason = |text: &str| {
            std::fs::write(&path, text).unwrap();
            read(&path).err().map(|error| error.to_string())
        };
        assert_eq!(reason(AUTHORITY), None);
        assert_eq!(reason(&AUTHORITY.repeat(2)), None);
        assert!(reason("nothing").unwrap().ends_with("it has no certificate in PEM"));
        assert!(reason("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").is_some());
        assert!(read(&folder.path().join("missing")).is_err());
    }
}
