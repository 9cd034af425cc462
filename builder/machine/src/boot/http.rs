//! Fetching a page from a port of the guest: HTTP/1.0, one request, the answer up to its end.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use super::check::CheckProgress;

/// Most bytes of an answer.
const MAX_RESPONSE: u64 = 4 << 20;
/// How long one try may wait for the guest.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Asks once. What is not there yet (nobody listens, an answer of 5xx while a service starts) is worth another try.
pub(super) fn fetch(port: u16, path: &str) -> CheckProgress {
    let Some(response) = request(port, path) else { return CheckProgress::Pending };
    let Some(head_end) = response.windows(4).position(|four| four == b"\r\n\r\n") else {
        return CheckProgress::Pending;
    };
    let (head, body) = response.split_at(head_end);
    let head = String::from_utf8_lossy(head);
    let status = head.split_whitespace().nth(1).and_then(|status| status.parse::<u16>().ok());
    let body = body.get(4..).unwrap_or_default().to_vec();
    match status {
        Some(200) => CheckProgress::Passed(body),
        Some(500..) | None => CheckProgress::Pending,
        Some(status) => CheckProgress::Failed(body, format!("it was answered with HTTP status {status}")),
    }
}

fn request(port: u16, path: &str) -> Option<Vec<u8>> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT).ok()?;
    stream.set_read_timeout(Some(TIMEOUT)).ok()?;
    stream.set_write_timeout(Some(TIMEOUT)).ok()?;
    let request_text = format!(
        "GET {path} HTTP/1.0\r\nHost: localhost\r\nUser-Agent: amiforge\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request_text.as_bytes()).ok()?;
    let mut response = Vec::new();
    stream.take(MAX_RESPONSE).read_to_end(&mut response).ok()?;
    Some(response)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn served(response: &'static str) -> CheckProgress {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 512];
            let _ = stream.read(&mut request).unwrap();
            stream.write_all(response.as_bytes()).unwrap();
        });
        let outcome = fetch(port, "/x");
        server.join().unwrap();
        outcome
    }

    #[test]
    fn a_page_passes_an_absent_one_fails_and_a_service_that_starts_is_waited_for() {
        assert_eq!(served("HTTP/1.1 200 OK\r\nA: b\r\n\r\nhello"), CheckProgress::Passed(b"hello".to_vec()));
        assert!(
            matches!(served("HTTP/1.1 404 Not Found\r\n\r\n"), CheckProgress::Failed(_, why) if why.contains("404"))
        );
        assert_eq!(served("HTTP/1.1 503 x\r\n\r\n"), CheckProgress::Pending);
        assert_eq!(served(""), CheckProgress::Pending);
    }
}
