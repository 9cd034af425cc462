//! Access control by origin: only programs of this machine are served, web pages are not.
//!
//! The keys of the local region are public, so a signature does not stop a web page from sending requests to
//! loopback. A browser adds the origin of a request (`Origin`, Fetch Standard 3.1; `Sec-Fetch-Site`, Fetch
//! Metadata), and a name that an attacker's DNS resolves to loopback appears in `Host` (RFC 9110, 7.2).

use std::net::IpAddr;

use http::request::Parts;
use http::uri::Authority;
use http::{HeaderMap, StatusCode};

use super::response::{Response, new_response};

/// A reason why a request is refused before any service reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ForbiddenOrigin {
    /// The host is missing, repeated, or not a loopback name.
    Host(String),
    /// A web page of this origin or site sent the request.
    Origin(String),
}

/// Checks the origin of a request.
///
/// # Errors
/// [`ForbiddenOrigin`] with the header value that is not allowed.
pub(crate) fn check(parts: &Parts) -> Result<(), ForbiddenOrigin> {
    let host = host(parts)?;
    if !is_loopback(host.host()) {
        return Err(ForbiddenOrigin::Host(host.to_string()));
    }
    for origin in header_values(&parts.headers, "origin") {
        if origin.strip_prefix("http://").is_none_or(|origin| !origin.eq_ignore_ascii_case(host.as_str())) {
            return Err(ForbiddenOrigin::Origin(origin));
        }
    }
    let sites = header_values(&parts.headers, "sec-fetch-site").into_iter();
    let is_own = |site: &String| matches!(site.as_str(), "same-origin" | "none");
    sites.into_iter().find(|site| !is_own(site)).map_or(Ok(()), |site| Err(ForbiddenOrigin::Origin(site)))
}

impl ForbiddenOrigin {
    /// The response. It has no header that would let a web page read it.
    pub(crate) fn response(&self) -> Response {
        let (status, message) = match self {
            Self::Host(host) => (
                StatusCode::MISDIRECTED_REQUEST,
                format!(
                    "the local region accepts requests for loopback hosts only, not for `{}`\n",
                    host.escape_default()
                ),
            ),
            Self::Origin(origin) => (
                StatusCode::FORBIDDEN,
                format!(
                    "the local region accepts no requests from web pages: `{}`\n",
                    origin.escape_default()
                ),
            ),
        };
        new_response(status, "text/plain; charset=utf-8", message)
    }
}

/// The host of a request: from its only `Host` header. A host in the request target has to be a loopback name
/// too.
fn host(parts: &Parts) -> Result<Authority, ForbiddenOrigin> {
    let values = header_values(&parts.headers, "host");
    let [value] = values.as_slice() else { return Err(ForbiddenOrigin::Host(values.join(", "))) };
    // `Host` contains no user information (RFC 9110, 4.2.4).
    let host = value.parse().ok().filter(|_| !value.contains('@'));
    let host: Authority = host.ok_or_else(|| ForbiddenOrigin::Host(value.clone()))?;
    match parts.uri.authority() {
        Some(target) if !is_loopback(target.host()) => Err(ForbiddenOrigin::Host(target.to_string())),
        _ => Ok(host),
    }
}

/// Whether a host is a loopback address or a name that always resolves to one (`localhost`: RFC 6761, 6.3).
fn is_loopback(host: &str) -> bool {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    if let Ok(address) = bare.parse::<IpAddr>() {
        return address.is_loopback();
    }
    let name = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost")
}

/// All values of a header; a value that is not text becomes `?`.
fn header_values(headers: &HeaderMap, name: &str) -> Vec<String> {
    let text = |value: &http::HeaderValue| value.to_str().unwrap_or("?").to_owned();
    headers.get_all(name).iter().map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(target: &str, headers: &[(&str, &str)]) -> Result<(), ForbiddenOrigin> {
        let mut request = http::Request::builder().uri(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        check(&request.body(()).expect("a request").into_parts().0)
    }

    #[test]
    fn requests_to_loopback_are_accepted() {
        let hosts = [
            "127.0.0.1:4600",
            "127.0.0.1",
            "127.9.9.9:1",
            "[::1]:4600",
            "localhost:4600",
            "LOCALHOST",
            "a.localhost:80",
        ];
        for host in hosts {
            assert_eq!(checked("/", &[("host", host)]), Ok(()), "{host}");
        }
        // A page that the region itself serves, and an address that the user typed.
        assert_eq!(checked("/", &[("host", "localhost:1"), ("origin", "http://localhost:1")]), Ok(()));
        assert_eq!(checked("/", &[("host", "localhost:1"), ("sec-fetch-site", "none")]), Ok(()));
    }

    #[test]
    fn a_foreign_name_that_resolves_to_loopback_is_refused() {
        let hosts = [
            "evil.example",
            "evil.example:4600",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "10.0.0.1",
            "0.0.0.0",
            "[::]",
            "notlocalhost",
            "169.254.169.254",
            "a@127.0.0.1:b",
            "",
        ];
        for host in hosts {
            assert!(matches!(checked("/", &[("host", host)]), Err(ForbiddenOrigin::Host(_))), "{host}");
        }
        assert!(matches!(checked("/", &[]), Err(ForbiddenOrigin::Host(_))));
        let two = [("host", "localhost"), ("host", "evil.example")];
        assert!(matches!(checked("/", &two), Err(ForbiddenOrigin::Host(_))));
        let target = "http://evil.example/bucket";
        assert!(matches!(checked(target, &[("host", "localhost")]), Err(ForbiddenOrigin::Host(_))));
    }

    #[test]
    fn a_request_of_a_browser_page_is_refused() {
        let origins = [
            "http://evil.example",
            "https://127.0.0.1:1",
            "http://127.0.0.1:2",
            "http://localhost:1",
            "null",
            "file://",
            "",
        ];
        for origin in origins {
            let refused = checked("/", &[("host", "127.0.0.1:1"), ("origin", origin)]);
            assert_eq!(refused, Err(ForbiddenOrigin::Origin(origin.to_owned())), "{origin}");
        }
        for site in ["cross-site", "same-site", "x"] {
            let refused = checked("/", &[("host", "127.0.0.1:1"), ("sec-fetch-site", site)]);
            assert_eq!(refused, Err(ForbiddenOrigin::Origin(site.to_owned())), "{site}");
        }
    }
}
