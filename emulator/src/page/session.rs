//! Who may see the page: the user who has the printed link.
//!
//! The link has a token, which becomes a cookie. Other sites cannot send it (`SameSite=Strict`, RFC 6265bis,
//! 5.6.7), scripts cannot read it, and requests of other origins, also of other ports of this machine, are
//! refused before by `http::origin`. A form has a second token that follows from the first, so that no request
//! that a browser can be made to send changes anything.

use http::request::Parts;

use crate::digest::Sha256Digest;
use crate::ids;

/// The number of random bytes from which the token is made.
const LENGTH: usize = 32;
/// How long the cookie is valid, in seconds: a day. The token itself ends with the server.
const MAX_AGE: u32 = 86_400;

/// The secret of the page, new for each server.
pub(super) struct Session {
    token: String,
}

impl Session {
    /// A new session with a random token.
    pub(super) fn new() -> Self {
        let bytes: [u8; LENGTH] = ids::random();
        Self { token: Sha256Digest::of(&bytes).hex() }
    }

    /// The token of the link.
    pub(super) fn token(&self) -> &str {
        &self.token
    }

    /// Whether a token is the one of the link.
    pub(super) fn is_token(&self, token: &str) -> bool {
        is_equal(token, &self.token)
    }

    /// Whether a request has the cookie.
    pub(super) fn is_open(&self, parts: &Parts) -> bool {
        let name = cookie_name(parts);
        let cookies = parts.headers.get_all(http::header::COOKIE).iter();
        let mut pairs = cookies.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(';'));
        pairs.any(|pair| {
            pair.trim().split_once('=').is_some_and(|(key, value)| key == name && self.is_token(value))
        })
    }

    /// The header that sets the cookie.
    pub(super) fn cookie(&self, parts: &Parts) -> String {
        let (name, token, path) = (cookie_name(parts), &self.token, super::link::ROOT);
        format!("{name}={token}; Path={path}; Max-Age={MAX_AGE}; HttpOnly; SameSite=Strict")
    }

    /// The token that every form has to send.
    pub(super) fn form_token(&self) -> String {
        Sha256Digest::of(format!("form {}", self.token).as_bytes()).hex()
    }

    /// Whether a token is that of the forms.
    pub(super) fn is_form_token(&self, token: &str) -> bool {
        is_equal(token, &self.form_token())
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Session")
    }
}

/// The name of the cookie: it has the port, because cookies are the same for all ports of a host (RFC 6265,
/// 8.5), and several regions may be served.
fn cookie_name(parts: &Parts) -> String {
    let host = parts.headers.get(http::header::HOST).and_then(|value| value.to_str().ok());
    let port = host.and_then(|host| host.rsplit_once(':')).map_or("", |(_, port)| port);
    format!("amiforge-region-{port}")
}

/// Compares in a time that does not depend on where two texts differ.
fn is_equal(a: &str, b: &str) -> bool {
    a.len() == b.len() && a.bytes().zip(b.bytes()).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(cookie: &str) -> Parts {
        let request = http::Request::builder().header("host", "127.0.0.1:4600").header("cookie", cookie);
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn only_the_cookie_of_this_server_opens_the_page() {
        let session = Session::new();
        let token = session.token().to_owned();
        assert_eq!(token.len(), 64);
        assert!(session.is_open(&parts(&format!("a=b; amiforge-region-4600={token}"))));
        for cookie in [
            String::new(),
            format!("amiforge-region-4601={token}"),
            format!("amiforge-region-4600={}", Session::new().token()),
            format!("amiforge-region-4600={}", &token[1..]),
            "amiforge-region-4600".to_owned(),
        ] {
            assert!(!session.is_open(&parts(&cookie)), "{cookie}");
        }
        assert!(session.is_form_token(&session.form_token()) && !session.is_form_token(&token));
        let cookie = session.cookie(&parts(""));
        assert!(
            cookie.ends_with("; HttpOnly; SameSite=Strict") && cookie.contains("Path=/_region"),
            "{cookie}"
        );
    }
}
