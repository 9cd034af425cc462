//! Connections: allowed origins, and the time limits for each part of a request.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use amiforge_emulator::{RegionConfig, Timeouts};
use serde_json::json;

use crate::client::{TestRegion, block};

/// Short time limits for a test; the others are longer than the test takes.
fn short(change: impl FnOnce(&mut Timeouts)) -> impl FnOnce(&mut RegionConfig) {
    let long = Duration::from_mins(2);
    let mut timeouts = Timeouts { head: long, body: long, response: long, write: long };
    change(&mut timeouts);
    move |config| config.timeouts = timeouts
}

const SHORT: Duration = Duration::from_millis(300);

/// Opens a separate connection.
fn connect(region: &TestRegion) -> TcpStream {
    let endpoint = region.running.endpoint();
    let stream = TcpStream::connect(endpoint.strip_prefix("http://").unwrap()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream
}

/// Reads until the server closes the connection.
fn rest(mut stream: TcpStream) -> String {
    let mut bytes = Vec::new();
    // A server that does not read the rest of a request may reset the connection.
    let _ = stream.read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

#[test]
fn browser_pages_and_foreign_host_names_are_refused_even_with_a_valid_signature() {
    let region = TestRegion::new();
    let client = region.client();
    let head =
        client.sign("POST", "/snapshots", &[("content-type", "application/json")], b"{\"VolumeSize\":1}");
    let own = region.running.endpoint().strip_prefix("http://").unwrap().to_owned();
    for (header, status) in [
        ("origin: http://evil.example", "403"),
        ("origin: null", "403"),
        ("sec-fetch-site: cross-site", "403"),
        ("sec-fetch-site: same-site", "403"),
        ("host: evil.example", "421"),
    ] {
        let head = if header.starts_with("host") {
            head.replace(&format!("host: {own}"), header)
        } else {
            head.replacen("\r\n", &format!("\r\n{header}\r\n"), 1)
        };
        let mut stream = connect(&region);
        stream.write_all(head.replacen("\r\n", "\r\nconnection: close\r\n", 1).as_bytes()).unwrap();
        stream.write_all(b"{\"VolumeSize\":1}").unwrap();
        let answer = rest(stream);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{header}: {answer}");
        assert!(!answer.to_lowercase().contains("access-control-"), "{header}: {answer}");
    }
    assert_eq!(
        std::fs::read_dir(region.folder.path().join("local")).map_or(0, Iterator::count),
        0,
        "no snapshot was started"
    );
    // The preflight request of a browser before a request with custom headers.
    let mut stream = connect(&region);
    let ask = format!(
        "OPTIONS / HTTP/1.1\r\nhost: {own}\r\norigin: http://evil.example\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(ask.as_bytes()).unwrap();
    assert!(rest(stream).starts_with("HTTP/1.1 403 "));
}

#[test]
fn an_unfinished_head_closes_the_connection() {
    let region = TestRegion::with(short(|timeouts| timeouts.head = SHORT));
    let begun = Instant::now();
    let mut stream = connect(&region);
    stream.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\nx-slow: ").unwrap();
    let answer = rest(stream);
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(begun.elapsed() < Duration::from_secs(20));
}

#[test]
fn an_unfinished_body_closes_the_connection_and_stores_nothing() {
    let region = TestRegion::with(short(|timeouts| timeouts.body = SHORT));
    let head = region.client().sign("POST", "/snapshots", &[], b"{\"VolumeSize\":1}");
    let begun = Instant::now();
    let mut stream = connect(&region);
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(b"{\"Volume").unwrap();
    assert_eq!(rest(stream), "");
    assert!(begun.elapsed() < Duration::from_secs(20));
    assert_eq!(region.client().list("snap-0123456789abcdef0", "").status, 404, "others are answered");
}

/// The first file below a folder.
fn file_below(folder: &Path) -> Option<PathBuf> {
    let mut entries: Vec<_> = std::fs::read_dir(folder).ok()?.map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    entries.into_iter().find_map(|path| if path.is_dir() { file_below(&path) } else { Some(path) })
}

#[test]
fn blocked_work_gets_a_timeout_response_and_blocks_no_other_request() {
    let region = TestRegion::with(short(|timeouts| timeouts.response = SHORT));
    let mut client = region.client();
    let id = client.snapshot(None, &[(0, 1)]);
    let token = client.list(&id, "").json()["Blocks"][0]["BlockToken"].as_str().unwrap().to_owned();
    // A disk that does not respond: opening a named pipe without a writer blocks.
    let stored = file_below(&region.folder.path().join("blocks")).unwrap();
    std::fs::remove_file(&stored).unwrap();
    assert!(Command::new("mkfifo").arg(&stored).status().unwrap().success());
    let begun = Instant::now();
    let path = format!("/snapshots/{id}/blocks/0?blockToken={token}");
    let answer = client.call("GET", &path, &[], b"");
    assert_eq!((answer.status, answer.error()), (503, "InternalServerException"), "{answer:?}");
    assert!(answer.header("x-amiforge-reason").contains("300ms"), "{answer:?}");
    assert!(begun.elapsed() < Duration::from_secs(20));
    let other = region.client().post("/snapshots", &json!({"VolumeSize": 1}));
    assert_eq!(other.status, 201, "{other:?}");
    // Unblocks the waiting thread, so that the region can stop.
    std::fs::OpenOptions::new().write(true).open(&stored).unwrap().write_all(&block(1)).unwrap();
}

#[test]
fn a_scripted_delay_does_not_count_as_blocked_work() {
    use amiforge_emulator::{FaultScript, InjectedFault};
    let region = TestRegion::with(short(|timeouts| timeouts.response = SHORT));
    let mut client = region.client();
    region.running.region().set_faults(FaultScript::times(
        1,
        "StartSnapshot",
        InjectedFault::Slow { millis: 1000 },
    ));
    assert_eq!(client.post("/snapshots", &json!({"VolumeSize": 1})).status, 201);
}

#[test]
fn a_client_that_does_not_read_its_response_is_disconnected() {
    let region = TestRegion::with(short(|timeouts| timeouts.write = SHORT));
    let mut client = region.client();
    let id = client.snapshot(None, &[(0, 1)]);
    let token = client.list(&id, "").json()["Blocks"][0]["BlockToken"].as_str().unwrap().to_owned();
    let path = format!("/snapshots/{id}/blocks/0?blockToken={token}");
    let head = client.sign("GET", &path, &[], b"");
    let mut stream = connect(&region);
    // Responses of 512 KiB each exceed the socket buffers of a client that does not read.
    stream.set_write_timeout(Some(Duration::from_secs(20))).unwrap();
    let begun = Instant::now();
    let mut closed = false;
    while begun.elapsed() < Duration::from_mins(1) && !closed {
        closed = stream.write_all(head.as_bytes()).is_err();
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(closed, "the connection is still open");
}
