//! The page: shows images, snapshots, channels, sharing and what is in progress in a browser, and launches
//! images. Plain HTML and forms without scripts.
//!
//! Reads the state of all accounts and changes nothing. Every request has passed `http::origin` before; then it
//! needs the cookie that the printed link sets, and a request that launches or stops needs the token of the
//! form too.

mod block_map;
mod channel;
mod html;
mod image;
mod launches;
mod layout;
mod link;
mod overview;
mod progress;
mod session;
mod snapshot;
mod table;
mod text;

use std::sync::Arc;

use http::request::Parts;
use http::{Method, StatusCode};

use crate::http::body::{BodyError, BufferPool, RequestBody, read_whole};
use crate::http::response::{Response, new_response, with_header};
use crate::launch::Launcher;
use crate::sigv4::percent_decoded;
use crate::state::{Region, State};

use self::layout::View;
use self::link::{Link, ROOT};
use self::session::Session;

const HTML: &str = "text/html; charset=utf-8";
const STYLE: &str = include_str!("style.css");

/// No script, no other site, no frame; forms go to this site only.
const SECURITY: &str = "default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// The page of a server.
#[derive(Debug)]
pub(crate) struct Page {
    session: Session,
    launcher: Option<Arc<dyn Launcher>>,
}

/// What a request for the page leads to.
enum Answer {
    /// A document, with the heading of its title.
    Document(String),
    /// Another page.
    See(Link),
    /// There is no such page or resource.
    Missing,
    /// It is not allowed.
    Forbidden(&'static str),
    /// It failed, with a reason.
    Failed(String),
}

impl Page {
    /// A page with a new token. Without a launcher it launches nothing.
    pub(crate) fn new(launcher: Option<Arc<dyn Launcher>>) -> Self {
        Self { session: Session::new(), launcher }
    }

    /// The link that opens the page at an endpoint. A person who has it may see the page and launch images.
    pub(crate) fn link(&self, endpoint: &str) -> String {
        format!("{endpoint}{}", Link::new(&[]).with("token", self.session.token()).text())
    }

    /// Whether a request is for the page: by its path, and not for a bucket that the host names.
    pub(crate) fn is_for(parts: &Parts) -> bool {
        let path = parts.uri.path();
        let below = path.strip_prefix(ROOT).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        let host = parts.headers.get(http::header::HOST).and_then(|value| value.to_str().ok());
        let name = host.unwrap_or_default().split(':').next().unwrap_or_default().trim_end_matches('.');
        below && !name.to_ascii_lowercase().ends_with(".localhost")
    }

    /// Responds to a request for the page.
    pub(crate) async fn respond(
        &self,
        state: &State,
        parts: &Parts,
        body: RequestBody,
    ) -> Result<Response, BodyError> {
        // Forms are short; a longer body is read and discarded.
        let (body, _) = read_whole(body, &Arc::new(BufferPool::new(0))).await?;
        Ok(secured(self.answered(state, parts, &body)))
    }

    fn answered(&self, state: &State, parts: &Parts, body: &[u8]) -> Response {
        let names = names(parts.uri.path());
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let query = fields(parts.uri.query().unwrap_or_default().as_bytes());
        if names == ["style.css"] {
            return new_response(StatusCode::OK, "text/css; charset=utf-8", STYLE);
        }
        if let Some(token) = value(&query, "token") {
            return self.enter(parts, token, &query);
        }
        if !self.session.is_open(parts) {
            return layout::message(StatusCode::FORBIDDEN, "Closed", layout::CLOSED);
        }
        let view = View { state, session: &self.session, launcher: self.launcher.as_deref(), query: &query };
        let answer = match parts.method {
            Method::GET | Method::HEAD => view.document(&names),
            Method::POST => view.act(&names, body),
            _ => {
                return layout::message(
                    StatusCode::METHOD_NOT_ALLOWED,
                    "Not allowed",
                    "This is a page to look at.",
                );
            }
        };
        match answer {
            Answer::Document(text) => new_response(StatusCode::OK, HTML, text),
            Answer::See(link) => see(&link.text()),
            Answer::Missing => layout::message(
                StatusCode::NOT_FOUND,
                "Not here",
                "There is no such page, or what it showed is gone.",
            ),
            Answer::Forbidden(why) => layout::message(StatusCode::FORBIDDEN, "Not allowed", why),
            Answer::Failed(why) => layout::message(StatusCode::CONFLICT, "That did not work", &why),
        }
    }

    /// Takes the token of a link: sets the cookie and leads to the same page without the token.
    fn enter(&self, parts: &Parts, token: &str, query: &[(String, String)]) -> Response {
        if !self.session.is_token(token) {
            return layout::message(StatusCode::FORBIDDEN, "Closed", layout::CLOSED);
        }
        let names = names(parts.uri.path());
        let parts_of_path: Vec<&str> = names.iter().map(String::as_str).collect();
        let mut target = Link::new(&parts_of_path);
        for name in ["name", "q"] {
            if let Some(value) = value(query, name) {
                target = target.with(name, value);
            }
        }
        with_header(see(&target.text()), "set-cookie", &self.session.cookie(parts))
    }
}

impl View<'_> {
    /// The document at a path.
    fn document(&self, names: &[&str]) -> Answer {
        match names {
            [] => Answer::See(Link::region(&self.first_region())),
            ["launches"] => launches::list(self),
            ["launches", id] => launches::one(self, id),
            ["regions", region] => self.in_region(region, |region| Some(overview::document(self, region))),
            ["regions", region, "images", id] => {
                self.in_region(region, |region| image::document(self, region, id))
            }
            ["regions", region, "snapshots", id] => {
                self.in_region(region, |region| snapshot::document(self, region, id))
            }
            ["regions", region, "channels"] => {
                let name = value(self.query, "name").unwrap_or_default();
                self.in_region(region, |region| channel::document(self, region, name))
            }
            _ => Answer::Missing,
        }
    }

    /// What a form asks for.
    fn act(&self, names: &[&str], body: &[u8]) -> Answer {
        let form = fields(body);
        if !value(&form, "form").is_some_and(|token| self.session.is_form_token(token)) {
            return Answer::Forbidden("The form is not of this page, or of an earlier start of the region.");
        }
        match names {
            ["regions", region, "images", id, "launch"] => launches::begin(self, region, id),
            ["launches", id, "stop"] => launches::stop(self, id),
            _ => Answer::Missing,
        }
    }

    fn in_region(&self, name: &str, write: impl FnOnce(&Region) -> Option<String>) -> Answer {
        // Asking for a region makes it one that was used.
        let used = self.state.used_regions().iter().any(|used| used == name);
        let region = (used || name == layout::DEFAULT_REGION).then(|| self.state.region(name).ok()).flatten();
        region.and_then(|region| write(&region)).map_or(Answer::Missing, Answer::Document)
    }
}

/// Leads to another page by a GET (RFC 9110, 15.4.4).
fn see(target: &str) -> Response {
    with_header(new_response(StatusCode::SEE_OTHER, HTML, ""), "location", target)
}

/// Adds the headers that restrict what a browser does with a page.
fn secured(response: Response) -> Response {
    let all = [
        ("content-security-policy", SECURITY),
        ("x-content-type-options", "nosniff"),
        // Without a referrer a browser would send the origin `null` with a form (Fetch Standard, 3.2).
        ("referrer-policy", "same-origin"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        ("cache-control", "no-store"),
    ];
    all.into_iter().fold(response, |response, (name, value)| with_header(response, name, value))
}

/// The decoded parts of a path below the page's own.
fn names(path: &str) -> Vec<String> {
    let rest = path.strip_prefix(ROOT).unwrap_or_default();
    rest.split('/').filter(|part| !part.is_empty()).map(percent_decoded).collect()
}

fn fields(text: &[u8]) -> Vec<(String, String)> {
    form_urlencoded::parse(text).into_owned().collect()
}

fn value<'f>(fields: &'f [(String, String)], name: &str) -> Option<&'f str> {
    let field = fields.iter().find(|(other, _)| other == name);
    field.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests;
