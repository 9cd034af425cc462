//! The page in Chromium, without its network and in a profile of its own.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};

use amiforge_emulator::Launcher as _;
use amiforge_tests::{oracle, tier};

use super::fixture::Fixture;

/// Chromium, if it is installed; the name differs between distributions. CI installs it for the night only: that takes
/// over a minute on a busy runner.
fn chromium() -> Option<std::path::PathBuf> {
    let found = ["chromium", "chromium-browser", "google-chrome"].iter().find_map(|name| oracle::find(name));
    match found {
        None if tier::night() => oracle::skip("not installed: chromium"),
        None => eprintln!("SKIP not installed: chromium"),
        Some(_) => {}
    }
    found
}

/// Loads an address and returns the document as the browser has it then, and what it logged.
fn load(chromium: &Path, profile: &Path, address: &str, more: &[&str]) -> (String, String) {
    let mut command = Command::new(chromium);
    // As root it has no sandbox of its own.
    command.args([
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        "--disable-extensions",
    ]);
    command.args([
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-dev-shm-usage",
    ]);
    command.args(["--enable-logging=stderr", "--log-level=0", "--timeout=10000"]).args(more);
    command.arg(format!("--user-data-dir={}", profile.display())).args(["--dump-dom", address]);
    let Output { status, stdout, stderr } = command.output().expect("chromium starts");
    let (document, log) =
        (String::from_utf8_lossy(&stdout).into_owned(), String::from_utf8_lossy(&stderr).into_owned());
    assert!(status.success(), "{address}: {status}\n{log}");
    (document, log)
}

/// The address of a document, with the token of the printed link.
fn with_token(fixture: &Fixture, target: &str) -> String {
    let separator = if target.contains('?') { '&' } else { '?' };
    format!("{}{target}{separator}token={}", fixture.server.endpoint(), fixture.token())
}

#[test]
fn every_kind_of_document_is_shown_and_nothing_of_it_refused() {
    let Some(chromium) = chromium() else { return };
    let Some(fixture) = Fixture::filled() else { return };
    fixture.launcher.launch("local", "ami-00000000000000001").expect("a launch");
    fixture.launcher.stop(1);
    let profile = fixture.folder.path().join("profile");
    let documents = fixture.crawl();
    let kinds = ["/regions/local", "/images/", "/snapshots/", "/channels?", "/launches", "/launches/1"];
    for kind in kinds {
        let (target, text) = documents.iter().find(|(target, _)| target.contains(kind)).expect(kind);
        let (document, log) = load(&chromium, &profile, &with_token(&fixture, target), &[]);
        let heading = text.split("<h1").nth(1).and_then(|rest| rest.split_once('>')).expect("a heading").1;
        let heading = heading.split("</h1>").next().expect("its text");
        let shown = document.split("<h1").nth(1).unwrap_or_default();
        assert!(
            shown.contains(&heading.replace("&#39;", "'").replace("&quot;", "\"")),
            "{target}: {document}"
        );
        assert!(!document.contains("<script") && !document.contains("<img"), "{target}: {document}");
        assert!(!document.contains("<title>taken"), "{target}");
        // What the browser refused would be in its log.
        for word in ["Content Security Policy", "Refused to", "Mixed Content", "Uncaught"] {
            assert!(!log.contains(word), "{target}: {log}");
        }
    }
}

/// A page of another port of this machine, which a browser counts as the same site, in the profile that has the cookie:
/// it reads by every means that a page has, and sends the form that launches.
#[test]
fn a_page_of_another_port_neither_reads_nor_launches() {
    let Some(chromium) = chromium() else { return };
    let Some(fixture) = Fixture::filled() else { return };
    let profile = fixture.folder.path().join("profile");
    let documents = fixture.crawl();
    let image =
        documents.iter().find(|(target, _)| target.contains("/images/ami-")).expect("an image").0.clone();
    let (own, _) = load(&chromium, &profile, &with_token(&fixture, "/_region"), &[]);
    assert!(own.contains("/web/stable"), "the browser was let in: {own}");
    let endpoint = fixture.server.endpoint();
    let evil = format!(
        "<!DOCTYPE html><title>evil</title><body><p id=out>waiting</p><iframe name=f src='{endpoint}/_region'></iframe>\
         <form id=form method=post target=f action='{endpoint}{image}/launch'><input name=form value=0></form><script>\
         const out = document.getElementById('out'); const said = [];\
         const read = (mode) => fetch('{endpoint}/_region/regions/local', {{mode, credentials: 'include'}})\
           .then((answer) => answer.text().then((text) => said.push(mode + ':' + answer.status + ':' + text)))\
           .catch(() => said.push(mode + ':refused'));\
         document.getElementById('form').submit();\
         Promise.all([read('cors'), read('no-cors')]).then(() => {{ out.textContent = said.join(' '); }});\
         </script></body>"
    );
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = format!("http://{}/", listener.local_addr().expect("its address"));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let _ = stream.read(&mut [0; 4096]);
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                evil.len()
            );
            let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(evil.as_bytes()));
        }
    });
    let (document, log) = load(&chromium, &profile, &address, &["--virtual-time-budget=3000"]);
    assert!(document.contains("cors:refused"), "{document}\n{log}");
    assert!(!document.contains("waiting") && !document.contains("/web/stable"), "{document}");
    assert_eq!(fixture.launcher.launches().len(), 0, "nothing was launched");
}
