//! Connections: who is answered at all, and how long each part of a request may take.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use amiforge_emulator::{RegionConfig, Timeouts};
use serde_json::json;

use crate::client::{Place, block};

/// Limits that a test can wait for; the others are longer than it may take.
fn short(change: impl FnOnce(&mut Timeouts)) -> impl FnOnce(&mut RegionConfig) {
    let long = Duration::from_mins(2);
    let mut timeouts = Timeouts { head: long, body: long, answer: long, taken: long };
    change(&mut timeouts);
    move |config| config.timeouts = timeouts
}

const SHORT: Duration = Duration::from_millis(300);

/// A connection of its own.
fn connect(place: &Place) -> TcpStream {
    let endpoint = place.running.endpoint();
    let stream = TcpStream::connect(endpoint.strip_prefix("http://").unwrap()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream
}

/// Everything that comes until the other side closes the connection.
fn rest(mut stream: TcpStream) -> String {
    let mut bytes = Vec::new();
    // A side that did not want the rest of a request may close the connection with a reset.
    let _ = stream.read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

#[test]
fn a_page_of_a_browser_and_a_name_of_foreign_dns_are_refused_even_with_a_right_signature() {
    let place = Place::new();
    let client = place.client();
    let head =
        client.sign("POST", "/snapshots", &[("content-type", "application/json")], b"{\"VolumeSize\":1}");
    let own = place.running.endpoint().strip_prefix("http://").unwrap().to_owned();
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
        let mut stream = connect(&place);
        stream.write_all(head.replacen("\r\n", "\r\nconnection: close\r\n", 1).as_bytes()).unwrap();
        stream.write_all(b"{\"VolumeSize\":1}").unwrap();
        let answer = rest(stream);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{header}: {answer}");
        assert!(!answer.to_lowercase().contains("access-control-"), "{header}: {answer}");
    }
    assert_eq!(
        std::fs::read_dir(place.folder.path().join("local")).map_or(0, Iterator::count),
        0,
        "nothing was begun"
    );
    // What a browser asks before a request with a signature of its own.
    let mut stream = connect(&place);
    let ask = format!(
        "OPTIONS / HTTP/1.1\r\nhost: {own}\r\norigin: http://evil.example\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(ask.as_bytes()).unwrap();
    assert!(rest(stream).starts_with("HTTP/1.1 403 "));
}

#[test]
fn a_head_that_does_not_come_to_its_end_closes_the_connection() {
    let place = Place::with(short(|timeouts| timeouts.head = SHORT));
    let begun = Instant::now();
    let mut stream = connect(&place);
    stream.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\nx-slow: ").unwrap();
    let answer = rest(stream);
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(begun.elapsed() < Duration::from_secs(20));
}

#[test]
fn a_body_that_does_not_come_to_its_end_closes_the_connection_and_keeps_nothing() {
    let place = Place::with(short(|timeouts| timeouts.body = SHORT));
    let head = place.client().sign("POST", "/snapshots", &[], b"{\"VolumeSize\":1}");
    let begun = Instant::now();
    let mut stream = connect(&place);
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(b"{\"Volume").unwrap();
    assert_eq!(rest(stream), "");
    assert!(begun.elapsed() < Duration::from_secs(20));
    assert_eq!(place.client().list("snap-0123456789abcdef0", "").status, 404, "others are answered");
}

/// The first file below a folder.
fn file_below(folder: &Path) -> Option<PathBuf> {
    let mut entries: Vec<_> = std::fs::read_dir(folder).ok()?.map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    entries.into_iter().find_map(|path| if path.is_dir() { file_below(&path) } else { Some(path) })
}

#[test]
fn work_that_is_held_up_is_told_to_the_client_and_holds_up_nobody_else() {
    let place = Place::with(short(|timeouts| timeouts.answer = SHORT));
    let mut client = place.client();
    let id = client.snapshot(None, &[(0, 1)]);
    let token = client.list(&id, "").json()["Blocks"][0]["BlockToken"].as_str().unwrap().to_owned();
    // A disk that does not answer: opening a pipe that nobody writes to takes for ever.
    let stored = file_below(&place.folder.path().join("blocks")).unwrap();
    std::fs::remove_file(&stored).unwrap();
    assert!(Command::new("mkfifo").arg(&stored).status().unwrap().success());
    let begun = Instant::now();
    let path = format!("/snapshots/{id}/blocks/0?blockToken={token}");
    let answer = client.call("GET", &path, &[], b"");
    assert_eq!((answer.status, answer.error()), (503, "InternalServerException"), "{answer:?}");
    assert!(answer.header("x-amiforge-reason").contains("300ms"), "{answer:?}");
    assert!(begun.elapsed() < Duration::from_secs(20));
    let other = place.client().post("/snapshots", &json!({"VolumeSize": 1}));
    assert_eq!(other.status, 201, "{other:?}");
    // Lets the thread that waits go on, so that the region can end.
    std::fs::OpenOptions::new().write(true).open(&stored).unwrap().write_all(&block(1)).unwrap();
}

#[test]
fn a_fault_that_holds_a_request_up_on_purpose_is_no_work_that_is_held_up() {
    use amiforge_emulator::{FaultScript, InjectedFault};
    let place = Place::with(short(|timeouts| timeouts.answer = SHORT));
    let mut client = place.client();
    place.running.region().play(FaultScript::times(1, "StartSnapshot", InjectedFault::Slow { millis: 1000 }));
    assert_eq!(client.post("/snapshots", &json!({"VolumeSize": 1})).status, 201);
}

#[test]
fn a_client_that_does_not_read_its_answer_is_let_go() {
    let place = Place::with(short(|timeouts| timeouts.taken = SHORT));
    let mut client = place.client();
    let id = client.snapshot(None, &[(0, 1)]);
    let token = client.list(&id, "").json()["Blocks"][0]["BlockToken"].as_str().unwrap().to_owned();
    let path = format!("/snapshots/{id}/blocks/0?blockToken={token}");
    let head = client.sign("GET", &path, &[], b"");
    let mut stream = connect(&place);
    // Answers of 512 KiB each are more than sockets keep for a client that reads nothing.
    stream.set_write_timeout(Some(Duration::from_secs(20))).unwrap();
    let begun = Instant::now();
    let mut closed = false;
    while begun.elapsed() < Duration::from_mins(1) && !closed {
        closed = stream.write_all(head.as_bytes()).is_err();
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(closed, "the connection is still open");
}
