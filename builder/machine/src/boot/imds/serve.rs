//! One connection to the service: requests of HTTP/1.1 on one stream, answers on another.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::{self, BufRead, Read as _, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use amiforge_formats::digest::Digest;
use amiforge_formats::terminal::escape;

use super::{MetadataNode, MetadataService, Sessions};

/// Longest line of a request, and most lines.
const MAX_LINE: u64 = 8 << 10;
const MAX_LINES: usize = 100;
/// Longest body of a request; it is read and thrown away.
const MAX_BODY: u64 = 64 << 10;
/// Longest life of a token in seconds.
const MAX_TTL: u64 = 21600;

const TTL_HEADER: &str = "x-aws-ec2-metadata-token-ttl-seconds";
const TOKEN_HEADER: &str = "x-aws-ec2-metadata-token";

/// The versions that a client may ask for; all tell the same.
const VERSIONS: [&str; 14] = [
    "1.0",
    "2007-01-19",
    "2009-04-04",
    "2014-11-05",
    "2016-06-30",
    "2016-09-02",
    "2018-09-24",
    "2019-10-01",
    "2020-08-24",
    "2020-10-27",
    "2021-01-03",
    "2021-03-23",
    "2021-07-15",
    "latest",
];

/// Answers one connection on standard input and output, from the file that is the next argument.
pub fn run(file: Option<&Path>) -> ExitCode {
    let service =
        file.and_then(|file| serde_json::from_slice::<MetadataService>(&std::fs::read(file).ok()?).ok());
    let Some(service) = service else { return ExitCode::FAILURE };
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    match serve(&service, io::stdin().lock(), io::stdout().lock(), now) {
        Ok(()) => ExitCode::SUCCESS,
        // The guest went away: nobody is left to tell.
        Err(_) => ExitCode::FAILURE,
    }
}

/// Answers requests until the client has no more.
///
/// # Errors
/// What the streams say.
pub fn serve(
    service: &MetadataService,
    mut input: impl BufRead,
    mut output: impl Write,
    now: impl Fn() -> u64,
) -> io::Result<()> {
    while let Some(request) = Request::read(&mut input)? {
        let response = service.respond(&request, now());
        service.log_request(&request, response.status);
        let close = request.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
        output.write_all(&response.bytes(&request.method, close))?;
        output.flush()?;
        if close {
            break;
        }
    }
    Ok(())
}

struct Request {
    method: String,
    path: String,
    headers: Vec<(String, String)>,
}

impl Request {
    /// Reads a request; nothing at the stream's end, or where it is none.
    fn read(input: &mut impl BufRead) -> io::Result<Option<Self>> {
        let Some(first) = line(input)? else { return Ok(None) };
        let mut words = first.split_whitespace();
        let (Some(method), Some(path)) = (words.next(), words.next()) else { return Ok(None) };
        let path = path.split(['?', '#']).next().unwrap_or_default();
        let mut request = Self { method: method.to_owned(), path: path.to_owned(), headers: Vec::new() };
        for _ in 0..MAX_LINES {
            let Some(header) = line(input)? else { return Ok(None) };
            if header.is_empty() {
                let len = request.header("content-length").and_then(|len| len.parse().ok()).unwrap_or(0);
                if len > MAX_BODY {
                    return Ok(None);
                }
                io::copy(&mut input.take(len), &mut io::sink())?;
                return Ok(Some(request));
            }
            if let Some((name, value)) = header.split_once(':') {
                request.headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
            }
        }
        Ok(None)
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

fn line(input: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut bytes = Vec::new();
    input.take(MAX_LINE).read_until(b'\n', &mut bytes)?;
    if bytes.pop() != Some(b'\n') {
        return Ok(None);
    }
    Ok(Some(String::from_utf8_lossy(&bytes).trim_end_matches('\r').to_owned()))
}

struct Response {
    status: u16,
    body: Vec<u8>,
    kind: &'static str,
    ttl: Option<u64>,
}

impl Response {
    fn status(status: u16) -> Self {
        let body = format!("{status} - {}\n", reason_phrase(status)).into_bytes();
        Self { status, body, kind: "text/plain", ttl: None }
    }

    fn text(text: String) -> Self {
        Self { status: 200, body: text.into_bytes(), kind: "text/plain", ttl: None }
    }

    fn bytes(&self, method: &str, close: bool) -> Vec<u8> {
        let connection = if close { "close" } else { "keep-alive" };
        let mut head = format!(
            "HTTP/1.1 {} {}\r\nServer: EC2ws\r\nContent-Type: {}\r\nContent-Length: {}\r\nConnection: {connection}\r\n",
            self.status,
            reason_phrase(self.status),
            self.kind,
            self.body.len()
        );
        if let Some(ttl) = self.ttl {
            // Writing to a String cannot fail.
            let _ = write!(head, "X-Aws-Ec2-Metadata-Token-Ttl-Seconds: {ttl}\r\n");
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        if method != "HEAD" {
            bytes.extend_from_slice(&self.body);
        }
        bytes
    }
}

const fn reason_phrase(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        _ => "Method Not Allowed",
    }
}

impl MetadataService {
    fn respond(&self, request: &Request, now: u64) -> Response {
        match request.method.as_str() {
            "PUT" if request.path == "/latest/api/token" => self.issue_token(request, now),
            "GET" | "HEAD" => match request.header(TOKEN_HEADER).map(|token| self.remaining(token, now)) {
                Some(None) => Response::status(401),
                None if self.sessions == Sessions::Required => Response::status(401),
                session => Response { ttl: session.flatten(), ..self.lookup(&request.path) },
            },
            _ => Response::status(405),
        }
    }

    /// A token for as many seconds as were asked for. Not for whom a proxy forwards.
    fn issue_token(&self, request: &Request, now: u64) -> Response {
        if request.header("x-forwarded-for").is_some() {
            return Response::status(403);
        }
        let ttl = request.header(TTL_HEADER).and_then(|ttl| ttl.parse().ok());
        let Some(ttl) = ttl.filter(|ttl| (1..=MAX_TTL).contains(ttl)) else { return Response::status(400) };
        Response { ttl: Some(ttl), ..Response::text(self.token(now.saturating_add(ttl))) }
    }

    fn token(&self, end: u64) -> String {
        let inner = Digest::of(format!("{}/{end}", self.secret).as_bytes());
        format!("{end:x}-{}", Digest::of(format!("{}/{inner}", self.secret).as_bytes()))
    }

    /// Seconds that a token is valid for; nothing when it is not.
    fn remaining(&self, token: &str, now: u64) -> Option<u64> {
        let end = u64::from_str_radix(token.split_once('-')?.0, 16).ok()?;
        (self.token(end) == token).then(|| end.checked_sub(now)).flatten().filter(|left| *left > 0)
    }

    fn lookup(&self, path: &str) -> Response {
        let mut names = path.split('/').filter(|name| !name.is_empty());
        let Some(version) = names.next() else { return Response::text(VERSIONS.join("\n")) };
        if !VERSIONS.contains(&version) {
            return Response::status(404);
        }
        let node = match names.next() {
            None => {
                let last = if self.user_data.is_some() { "\nuser-data" } else { "" };
                return Response::text(format!("dynamic\nmeta-data{last}"));
            }
            Some("user-data") if names.next().is_none() => {
                return self.user_data.as_ref().map_or_else(
                    || Response::status(404),
                    |bytes| Response {
                        status: 200,
                        body: bytes.clone(),
                        kind: "application/octet-stream",
                        ttl: None,
                    },
                );
            }
            Some("meta-data") => self.metadata.at(names),
            Some("dynamic") => self.dynamic.at(names),
            Some(_) => None,
        };
        node.map_or_else(|| Response::status(404), |node: &MetadataNode| Response::text(node.text()))
    }

    /// Leaves a line for a request, whose words are the guest's; a log that cannot be written must not stop the service.
    fn log_request(&self, request: &Request, status: u16) {
        let Some(log) = &self.log else { return };
        let session = if request.header(TOKEN_HEADER).is_some() { "v2" } else { "v1" };
        let line = format!("{} {} {session} {status}\n", escape(&request.method), escape(&request.path));
        let file = OpenOptions::new().append(true).create(true).open(log);
        let _ = file.and_then(|mut file| file.write_all(line.as_bytes()));
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
