//! A region with everything that the page shows, a launcher that only remembers, and a client that speaks HTTP.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use amiforge_emulator::{Launch, LaunchState, Launcher, RegionConfig, RegionServer, Windows};
use amiforge_tests::python;
use tempfile::TempDir;

/// A name that a browser must not obey; the same in `tests/oracles/local_region/page.py`.
pub(crate) const HOSTILE: &str =
    "<script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\">";

/// Remembers launches and starts nothing.
#[derive(Debug, Default)]
pub(crate) struct TestLauncher(Mutex<Vec<Launch>>);

impl Launcher for TestLauncher {
    fn launch(&self, region: &str, image: &str) -> Result<u64, String> {
        let mut all = self.0.lock().expect("launches");
        let id = all.len() as u64 + 1;
        let console = format!("\u{1b}[2J{HOSTILE}\r\nlogin: ").into_bytes();
        let (region, image) = (region.to_owned(), image.to_owned());
        all.push(Launch {
            id,
            region,
            image,
            begun: SystemTime::now(),
            state: LaunchState::Running,
            console,
        });
        Ok(id)
    }

    fn stop(&self, id: u64) {
        let mut all = self.0.lock().expect("launches");
        all.iter_mut().filter(|one| one.id == id).for_each(|one| one.state = LaunchState::Ended);
    }

    fn launches(&self) -> Vec<Launch> {
        self.0.lock().expect("launches").clone()
    }
}

/// A served region with a page.
pub(crate) struct Fixture {
    pub(crate) server: RegionServer,
    pub(crate) launcher: Arc<TestLauncher>,
    pub(crate) folder: TempDir,
}

/// A response.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Fixture {
    /// A region that a client of others has filled; `None` without that client.
    pub(crate) fn filled() -> Option<Self> {
        let python = python::with(&["boto3"])?;
        let folder = tempfile::tempdir().expect("a scratch folder");
        let mut config = RegionConfig::new(folder.path().join("region"));
        // Copies and tasks stay in progress for the whole test.
        let long = Duration::from_mins(30);
        config.windows = Windows { copy: long, task: long, ..Windows::default() };
        let launcher = Arc::new(TestLauncher::default());
        let address = (Ipv4Addr::LOCALHOST, 0).into();
        let shared = Arc::clone(&launcher) as Arc<dyn Launcher>;
        let server = RegionServer::start_with_page(config, address, Some(shared)).expect("the region starts");
        python::must(&python, "local_region/page.py", &[server.endpoint()]);
        Some(Self { server, launcher, folder })
    }

    /// The token of the printed link.
    pub(crate) fn token(&self) -> String {
        let link = self.server.page_link().expect("a page");
        link.split_once("token=").expect("a token").1.to_owned()
    }

    /// The header with the cookie that the printed link sets.
    pub(crate) fn cookie(&self) -> String {
        let link = self.server.page_link().expect("a page");
        let target = link.strip_prefix(&self.server.endpoint()).expect("a link of the region");
        let response = self.send("GET", target, &[], "");
        assert_eq!(response.status, 303, "{response:?}");
        let line = response.head.lines().find(|line| line.to_lowercase().starts_with("set-cookie:"));
        let cookie = line.and_then(|line| line.split_once(':')).expect("a cookie").1.trim().to_owned();
        assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
        format!("Cookie: {}", cookie.split(';').next().expect("its value"))
    }

    /// Sends a request with further header lines.
    pub(crate) fn send(&self, method: &str, target: &str, headers: &[&str], body: &str) -> Response {
        let endpoint = self.server.endpoint();
        let host = endpoint.strip_prefix("http://").expect("an address");
        let mut stream = TcpStream::connect(host).expect("a connection");
        let host_line = format!("Host: {host}");
        let mut lines = vec![format!("{method} {target} HTTP/1.1")];
        if !headers.iter().any(|line| line.starts_with("Host:")) {
            lines.push(host_line);
        }
        lines.extend(headers.iter().map(|line| (*line).to_owned()));
        lines.push(format!("Content-Length: {}", body.len()));
        lines.push("Connection: close".to_owned());
        let text = format!("{}\r\n\r\n{body}", lines.join("\r\n"));
        stream.write_all(text.as_bytes()).expect("sent");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("a response");
        let answer = String::from_utf8(answer).expect("text");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
        Response { status, head: head.to_owned(), body: body.to_owned() }
    }

    /// Every document that can be reached by links, with its text.
    pub(crate) fn crawl(&self) -> Vec<(String, String)> {
        let cookie = self.cookie();
        let (mut seen, mut documents) = (BTreeSet::new(), Vec::new());
        let mut waiting = vec!["/_region".to_owned()];
        while let Some(target) = waiting.pop() {
            if !seen.insert(target.clone()) {
                continue;
            }
            let response = self.send("GET", &target, &[&cookie], "");
            if response.status == 303 {
                let location = response.head.lines().find_map(|line| line.strip_prefix("location: "));
                waiting.push(location.expect("a target").to_owned());
                continue;
            }
            assert_eq!(response.status, 200, "{target}: {}", response.body);
            waiting
                .extend(values(&response.body, "href=\"").into_iter().filter(|link| link.starts_with('/')));
            documents.push((target, response.body));
        }
        documents
    }
}

/// The values of an attribute in a document.
pub(crate) fn values(document: &str, attribute: &str) -> Vec<String> {
    let parts = document.split(attribute).skip(1);
    parts.filter_map(|part| part.split('"').next()).map(|value| value.replace("&amp;", "&")).collect()
}
