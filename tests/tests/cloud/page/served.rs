//! The page of `amiforge local serve`: its link is printed, and a launch runs `amiforge boot`.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use amiforge_tests::archive::noise;
use amiforge_tests::{program, scratch};

/// A server that is killed when it is dropped.
struct Server(Child, serde_json::Value);

impl Server {
    fn start(folder: &Path, path: &str) -> Self {
        let mut command = Command::new(program::path());
        command.args(["--json", "local", "serve", "--folder"]).arg(folder).env("PATH", path);
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("amiforge starts");
        let report = serde_json::Deserializer::from_reader(child.stdout.take().expect("its output"));
        let report = report.into_iter().next().expect("a line").expect("JSON");
        Self(child, report)
    }

    fn text(&self, name: &str) -> &str {
        self.1[name].as_str().expect("a text")
    }

    fn send(&self, method: &str, target: &str, cookie: &str, body: &str) -> String {
        let host = self.text("endpoint").strip_prefix("http://").expect("an address").to_owned();
        let mut stream = TcpStream::connect(&host).expect("a connection");
        let length = body.len();
        let text = format!(
            "{method} {target} HTTP/1.1\r\nHost: {host}\r\nCookie: {cookie}\r\nContent-Length: {length}\r\n\
             Connection: close\r\n\r\n{body}"
        );
        stream.write_all(text.as_bytes()).expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("a response");
        answer
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    let (_, rest) = text.split_once(before).unwrap_or_else(|| panic!("no {before} in {text}"));
    rest.split_once(after).map_or(rest, |(value, _)| value)
}

#[test]
fn a_launch_runs_boot_and_shows_what_it_says() {
    let folder = scratch::folder();
    let empty = folder.path().join("empty");
    std::fs::create_dir(&empty).expect("a folder");
    // Without QEMU the launch ends soon, and says why.
    let server = Server::start(&folder.path().join("region"), &empty.to_string_lossy());
    let disk = folder.path().join("disk.raw");
    std::fs::write(&disk, noise(1 << 20, 1)).expect("a disk");
    let region = ["--region=local", "--endpoint-url", server.text("endpoint")];
    let args =
        ["--json", "publish", &disk.to_string_lossy(), "--name=web", "--arch=x86_64", "--boot-mode=uefi"];
    let published = program::must(&[&args[..], &region[..]].concat());
    let published: serde_json::Value = serde_json::from_str(&published).expect("JSON");
    let image = published["imageId"].as_str().expect("an id");

    let target = server.text("page").strip_prefix(server.text("endpoint")).expect("a link").to_owned();
    let entered = server.send("GET", &target, "", "");
    let cookie = between(&entered, "set-cookie: ", ";").to_owned();
    let document = server.send("GET", &format!("/_region/regions/local/images/{image}"), &cookie, "");
    let form = format!("form={}", between(&document, "name=\"form\" value=\"", "\""));
    let action = between(&document, "method=\"post\" action=\"", "\"").to_owned();
    let launched = server.send("POST", &action, &cookie, &form);
    assert!(launched.contains("location: /_region/launches/1"), "{launched}");
    let deadline = Instant::now() + Duration::from_mins(1);
    let document = loop {
        let document = server.send("GET", "/_region/launches/1", &cookie, "");
        if document.contains("failed with exit code 1") {
            break document;
        }
        assert!(Instant::now() < deadline, "{document}");
        std::thread::sleep(Duration::from_millis(100));
    };
    assert!(document.contains("qemu-system-x86"), "the reason: {document}");
}
