//! Downloads over `https`, `http` and `file`, from any offset.

use std::io::{self, Read, Seek as _, SeekFrom};
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use amiforge_progress::CancelToken;
use ureq::Agent;
use ureq::http::{StatusCode, header};
use ureq::tls::{Certificate, RootCerts, TlsConfig};

/// Attempts for an error that may be temporary.
pub(super) const ATTEMPTS: u32 = 5;
/// The delay after the first failure; it doubles with each further one.
const FIRST_WAIT: Duration = Duration::from_millis(250);
/// The time without data after which a connection is closed.
const IDLE_TIMEOUT: Duration = Duration::from_mins(1);

/// Why a file could not be downloaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransferError {
    /// There is no such file.
    #[error("there is no such file ({0})")]
    Missing(String),
    /// The server returned another status.
    #[error("the server answers {0}")]
    Status(u16),
    /// The server cannot be reached, or the connection was closed.
    #[error("{0}")]
    Connection(String),
    /// The file ended early.
    #[error("the connection ended after {got} of {size} bytes")]
    Cut {
        /// Bytes that were received.
        got: u64,
        /// Length of the file.
        size: u64,
    },
    /// The file has another length.
    #[error("the server has {found} bytes, and {size} are expected")]
    Length {
        /// Its length.
        found: u64,
        /// What it should be.
        size: u64,
    },
    /// Longer than the caller's limit.
    #[error("it is longer than {0} bytes, which no such file is")]
    TooLong(u64),
    /// A file of this machine cannot be read.
    #[error("it cannot be read")]
    File(#[source] io::Error),
}

impl TransferError {
    /// Whether another attempt may succeed.
    pub(super) fn is_temporary(&self) -> bool {
        match self {
            Self::Status(status) => matches!(status, 408 | 429 | 500..=599),
            Self::Connection(_) | Self::Cut { .. } => true,
            _ => false,
        }
    }

    /// Whether there is no such file.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Missing(_))
    }
}

/// An open download.
pub(super) struct Download {
    /// The offset of its first byte.
    pub(super) from: u64,
    /// Length of the whole file, if the server states it.
    pub(super) size: Option<u64>,
    /// The bytes.
    pub(super) body: Box<dyn Read + Send>,
}

/// Connections, with the proxies and certificates of the environment.
#[derive(Debug, Default)]
pub struct HttpClient {
    http: OnceLock<Agent>,
    https: OnceLock<Agent>,
    direct: OnceLock<Agent>,
}

impl HttpClient {
    /// Opens no connection yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Downloads a file of at most `most` bytes; temporary errors are retried.
    ///
    /// # Errors
    /// [`TransferError`].
    pub fn read(&self, url: &str, most: u64, cancel: &CancelToken) -> Result<Vec<u8>, TransferError> {
        retried(cancel, || self.read_once(url, most))
    }

    /// Downloads some bytes of a file: `len` of them from `start`, or fewer where the file ends before. Of a server that knows no
    /// ranges, what comes before is read and dropped. Temporary errors are retried.
    ///
    /// # Errors
    /// [`TransferError`].
    pub fn read_range(
        &self,
        url: &str,
        start: u64,
        len: u64,
        cancel: &CancelToken,
    ) -> Result<Vec<u8>, TransferError> {
        retried(cancel, || self.read_range_once(url, start, len))
    }

    fn read_range_once(&self, url: &str, start: u64, len: u64) -> Result<Vec<u8>, TransferError> {
        let mut download = self.open_range(url, start, start.checked_add(len))?;
        if download.from > start {
            return Err(TransferError::Connection(format!(
                "the server sends bytes from {} on",
                download.from
            )));
        }
        let skip = start.saturating_sub(download.from);
        let skipped = io::copy(&mut (&mut download.body).take(skip), &mut io::sink());
        skipped.map_err(|error| broken(&error))?;
        let mut bytes = Vec::new();
        download.body.take(len).read_to_end(&mut bytes).map_err(|error| broken(&error))?;
        let end = start.saturating_add(len);
        let there = download.size.map_or(end, |size| size.min(end)).saturating_sub(start);
        if (bytes.len() as u64) < there {
            return Err(TransferError::Cut { got: bytes.len() as u64, size: there });
        }
        Ok(bytes)
    }

    fn read_once(&self, url: &str, most: u64) -> Result<Vec<u8>, TransferError> {
        let download = self.open(url, 0)?;
        let mut bytes = Vec::new();
        download.body.take(most.saturating_add(1)).read_to_end(&mut bytes).map_err(|error| broken(&error))?;
        let got = bytes.len() as u64;
        match download.size {
            _ if got > most => Err(TransferError::TooLong(most)),
            Some(size) if size != got => Err(TransferError::Cut { got, size }),
            _ => Ok(bytes),
        }
    }

    /// The length of a file, if the server states it; the file itself is not transferred. Temporary errors are retried.
    ///
    /// # Errors
    /// [`TransferError`].
    pub(super) fn len(&self, url: &str, cancel: &CancelToken) -> Result<Option<u64>, TransferError> {
        retried(cancel, || self.len_once(url))
    }

    fn len_once(&self, url: &str) -> Result<Option<u64>, TransferError> {
        if let Some(path) = url.strip_prefix("file://") {
            return open_file(path, 0).map(|download| download.size);
        }
        let response = self.agent(url).head(escaped(url)).call();
        let response = response.map_err(|error| TransferError::Connection(error.to_string()))?;
        match response.status() {
            StatusCode::OK => {
                let length = response.headers().get(header::CONTENT_LENGTH);
                Ok(length.and_then(|value| value.to_str().ok()?.parse().ok()))
            }
            status @ (StatusCode::NOT_FOUND | StatusCode::GONE) => {
                Err(TransferError::Missing(format!("status {}", status.as_u16())))
            }
            status => Err(TransferError::Status(status.as_u16())),
        }
    }

    /// Opens a file at an offset. A server may send the whole file instead.
    pub(super) fn open(&self, url: &str, from: u64) -> Result<Download, TransferError> {
        self.open_range(url, from, None)
    }

    /// Opens a file at an offset, up to an end if there is one. A server may send the whole file instead.
    fn open_range(&self, url: &str, from: u64, end: Option<u64>) -> Result<Download, TransferError> {
        if let Some(path) = url.strip_prefix("file://") {
            return open_file(path, from);
        }
        let mut request = self.agent(url).get(escaped(url));
        let last = end.map(|end| end.saturating_sub(1).to_string());
        if from > 0 || last.is_some() {
            let last = last.unwrap_or_default();
            request = request.header(header::RANGE, format!("bytes={from}-{last}"));
        }
        let response = request.call().map_err(|error| TransferError::Connection(error.to_string()))?;
        let status = response.status();
        let number = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
        let length = number(header::CONTENT_LENGTH).and_then(|text| text.parse::<u64>().ok());
        let range = number(header::CONTENT_RANGE).and_then(range);
        let (from, size) = match (status, range) {
            (StatusCode::PARTIAL_CONTENT, Some((start, size))) => (start, size),
            (StatusCode::OK, _) => (0, length),
            (StatusCode::NOT_FOUND | StatusCode::GONE, _) => {
                return Err(TransferError::Missing(format!("status {}", status.as_u16())));
            }
            _ => return Err(TransferError::Status(status.as_u16())),
        };
        Ok(Download { from, size, body: Box::new(response.into_body().into_reader()) })
    }

    /// The agent for a URL: by way of a proxy, or directly.
    fn agent(&self, url: &str) -> &Agent {
        let (scheme, rest) = url.split_once("://").unwrap_or_default();
        let host = rest.split(['/', '?']).next().unwrap_or_default();
        let host = host.rsplit('@').next().unwrap_or_default();
        let bare = host.rsplit_once(':').map_or(host, |(host, _)| host);
        let proxy = variable(&format!("{scheme}_proxy")).or_else(|| variable("all_proxy"));
        match proxy.filter(|_| !variable("no_proxy").is_some_and(|list| is_exempt(bare, &list))) {
            None => self.direct.get_or_init(|| agent(None)),
            Some(proxy) if scheme == "https" => self.https.get_or_init(|| agent(Some(&proxy))),
            Some(proxy) => self.http.get_or_init(|| agent(Some(&proxy))),
        }
    }
}

/// Tries until it succeeds, fails for good, was tried often enough, or is interrupted.
fn retried<T>(
    cancel: &CancelToken,
    mut once: impl FnMut() -> Result<T, TransferError>,
) -> Result<T, TransferError> {
    let mut attempt = 1;
    loop {
        match once() {
            Err(error) if error.is_temporary() && attempt < ATTEMPTS && !cancel.is_cancelled() => {
                pause(attempt, cancel);
                attempt += 1;
            }
            done => return done,
        }
    }
}

/// Waits before the next attempt; an interrupt ends the wait.
pub(super) fn pause(attempt: u32, cancel: &CancelToken) {
    let until = Instant::now() + FIRST_WAIT * 2_u32.saturating_pow(attempt - 1);
    while Instant::now() < until && !cancel.is_cancelled() {
        thread::sleep(Duration::from_millis(20));
    }
}

/// The error of a closed connection.
pub(super) fn broken(error: &io::Error) -> TransferError {
    TransferError::Connection(format!("the connection broke: {error}"))
}

fn agent(proxy: Option<&str>) -> Agent {
    let certificates = rustls_native_certs::load_native_certs().certs;
    let certificates: Vec<_> =
        certificates.iter().map(|certificate| Certificate::from_der(certificate).to_owned()).collect();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = TlsConfig::builder()
        .root_certs(RootCerts::new_with_certs(&certificates))
        .unversioned_rustls_crypto_provider(provider)
        .build();
    Agent::config_builder()
        .tls_config(tls)
        // An invalid proxy is ignored, as other programs do.
        .proxy(proxy.and_then(|proxy| ureq::Proxy::new(proxy).ok()))
        .http_status_as_error(false)
        .user_agent(concat!("amiforge/", env!("CARGO_PKG_VERSION")))
        // With compression, lengths and ranges would be those of the compressed bytes.
        .accept_encoding("identity")
        .timeout_connect(Some(IDLE_TIMEOUT))
        .timeout_recv_response(Some(IDLE_TIMEOUT))
        .timeout_per_read(Some(IDLE_TIMEOUT))
        .max_idle_connections_per_host(16)
        .build()
        .into()
}

/// A variable of the environment, by its lower-case or upper-case name.
fn variable(name: &str) -> Option<String> {
    let set = |name: String| std::env::var(name).ok().filter(|value| !value.is_empty());
    set(name.to_owned()).or_else(|| set(name.to_ascii_uppercase()))
}

/// Whether a host, or a domain above it, is in a list such as `localhost,.example.org`.
fn is_exempt(host: &str, list: &str) -> bool {
    list.split(',').map(|entry| entry.trim().trim_start_matches("*.").trim_start_matches('.')).any(|entry| {
        let below = || host.strip_suffix(entry).is_some_and(|rest| rest.ends_with('.'));
        entry == "*" || (!entry.is_empty() && (host == entry || below()))
    })
}

/// The first byte and the total length of a `Content-Range` header.
fn range(text: &str) -> Option<(u64, Option<u64>)> {
    let (span, size) = text.strip_prefix("bytes ")?.split_once('/')?;
    Some((span.split_once('-')?.0.parse().ok()?, size.parse().ok()))
}

/// A URL with invalid characters percent-encoded; `%` is left unchanged.
fn escaped(url: &str) -> String {
    let keep = |byte: u8| {
        byte.is_ascii_graphic()
            && !matches!(byte, b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}')
    };
    url.bytes()
        .map(|byte| if keep(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

fn open_file(path: &str, from: u64) -> Result<Download, TransferError> {
    let opened = amiforge_progress::regular::open(Path::new(path)).and_then(|mut file| {
        let size = file.metadata()?.len();
        file.seek(SeekFrom::Start(from.min(size)))?;
        Ok((file, size))
    });
    match opened {
        Ok((file, size)) => Ok(Download { from: from.min(size), size: Some(size), body: Box::new(file) }),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Err(TransferError::Missing(error.to_string()))
        }
        Err(error) => Err(TransferError::File(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_below_a_domain_go_past_the_proxy() {
        let list = "localhost, .example.org,*.corp,10.0.0.1";
        for host in ["localhost", "a.example.org", "example.org", "x.corp", "10.0.0.1"] {
            assert!(is_exempt(host, list), "{host}");
        }
        for host in ["otherexample.org", "example.com", "10.0.0.11", ""] {
            assert!(!is_exempt(host, list), "{host}");
        }
        assert!(is_exempt("anything", "*"));
    }

    #[test]
    fn ranges_and_escapes() {
        assert_eq!(range("bytes 5-9/10"), Some((5, Some(10))));
        assert_eq!(range("bytes 5-9/*"), Some((5, None)));
        assert_eq!(range("bytes */10"), None);
        assert_eq!(escaped("https://x/a b+c~1%20ü"), "https://x/a%20b+c~1%20%C3%BC");
    }
}
