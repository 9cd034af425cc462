//! An independent client: one keep-alive connection, requests as text, and its own signer.

use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use amiforge_emulator::{
    ACCESS_KEY_ID, Clock, ManualClock, RegionConfig, RegionServer, SECRET_ACCESS_KEY, Timestamp,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// The size of a block in bytes.
pub(crate) const BLOCK_SIZE: usize = 524_288;

/// A response.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map_or("", |(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("{self:?}"))
    }

    /// The error code without its namespace.
    pub(crate) fn error(&self) -> &str {
        self.header("x-amzn-errortype").split(':').next().unwrap()
    }

    pub(crate) fn message(&self) -> String {
        let json = self.json();
        let message = json.get("Message").or_else(|| json.get("message"));
        message.and_then(Value::as_str).unwrap_or_default().to_owned()
    }
}

/// A client of a local region.
pub(crate) struct Client {
    address: String,
    region: String,
    key: (String, String),
    stream: Option<BufReader<TcpStream>>,
    clock: Option<Arc<ManualClock>>,
}

impl Client {
    pub(crate) fn new(endpoint: &str) -> Self {
        Self {
            address: endpoint.strip_prefix("http://").unwrap().to_owned(),
            region: "local".to_owned(),
            key: (ACCESS_KEY_ID.to_owned(), SECRET_ACCESS_KEY.to_owned()),
            stream: None,
            clock: None,
        }
    }

    pub(crate) fn region(mut self, region: &str) -> Self {
        region.clone_into(&mut self.region);
        self
    }

    pub(crate) fn key(mut self, id: &str, secret: &str) -> Self {
        self.key = (id.to_owned(), secret.to_owned());
        self
    }

    /// Uses a clock for the dates of requests.
    pub(crate) fn clock(mut self, clock: &Arc<ManualClock>) -> Self {
        self.clock = Some(Arc::clone(clock));
        self
    }

    fn date(&self) -> String {
        let now = self.clock.as_ref().map_or_else(
            || Timestamp(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64),
            |clock| clock.now(),
        );
        let iso = now.iso();
        iso.split('.').next().unwrap().replace(['-', ':'], "") + "Z"
    }

    /// Sends a signed request and returns the response; panics if it is incomplete.
    pub(crate) fn call(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        self.attempt(method, path, headers, body).unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    /// Sends a signed request; an error if the connection is closed.
    pub(crate) fn attempt(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> std::io::Result<Answer> {
        let head = self.sign(method, path, headers, body);
        self.send(&head, body)
    }

    /// Sends bytes unchanged.
    pub(crate) fn send(&mut self, head: &str, body: &[u8]) -> std::io::Result<Answer> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => BufReader::new(TcpStream::connect(&self.address)?),
        };
        stream.get_mut().write_all(head.as_bytes())?;
        stream.get_mut().write_all(body)?;
        let answer = receive(&mut stream)?;
        if answer.header("connection") != "close" {
            self.stream = Some(stream);
        }
        Ok(answer)
    }

    /// The signed head of a request.
    pub(crate) fn sign(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> String {
        let date = self.date();
        let mut signed: Vec<(String, String)> =
            headers.iter().map(|(name, value)| (name.to_lowercase(), (*value).to_owned())).collect();
        signed.push(("host".to_owned(), self.address.clone()));
        signed.push(("x-amz-date".to_owned(), date.clone()));
        signed.sort();
        let names: Vec<_> = signed.iter().map(|(name, _)| name.as_str()).collect();
        let names = names.join(";");
        let lines: Vec<_> = signed.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
        let lines = lines.concat();
        let (path_only, query) = path.split_once('?').unwrap_or((path, ""));
        let mut query: Vec<_> = query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| if pair.contains('=') { pair.to_owned() } else { format!("{pair}=") })
            .collect();
        query.sort();
        let unsigned = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("x-amz-content-sha256"));
        let payload = if unsigned { "UNSIGNED-PAYLOAD".to_owned() } else { hex(&Sha256::digest(body)) };
        let canonical = format!(
            "{method}\n{}\n{}\n{lines}\n{names}\n{payload}",
            path_only.replace('%', "%25"),
            query.join("&")
        );
        let scope = format!("{}/{}/ebs/aws4_request", &date[..8], self.region);
        let text = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", hex(&Sha256::digest(canonical)));
        let mut key = format!("AWS4{}", self.key.1).into_bytes();
        for part in [&date[..8], &self.region, "ebs", "aws4_request"] {
            key = mac(&key, part);
        }
        let signature = hex(&mac(&key, &text));
        let id = &self.key.0;
        let extra: Vec<_> = signed.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let extra = extra.concat();
        let length = body.len();
        let length = if method == "GET" { String::new() } else { format!("content-length: {length}\r\n") };
        format!(
            "{method} {path} HTTP/1.1\r\n{extra}{length}authorization: AWS4-HMAC-SHA256 Credential={id}/{scope}, \
             SignedHeaders={names}, Signature={signature}\r\n\r\n"
        )
    }

    /// Starts a snapshot and returns its id.
    pub(crate) fn start(&mut self, body: &Value) -> String {
        let answer = self.post("/snapshots", body);
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.json()["SnapshotId"].as_str().unwrap().to_owned()
    }

    pub(crate) fn post(&mut self, path: &str, body: &Value) -> Answer {
        self.call("POST", path, &[("content-type", "application/json")], body.to_string().as_bytes())
    }

    pub(crate) fn put(&mut self, id: &str, index: u32, bytes: &[u8]) -> Answer {
        self.try_put(id, index, bytes).unwrap()
    }

    pub(crate) fn try_put(&mut self, id: &str, index: u32, bytes: &[u8]) -> std::io::Result<Answer> {
        let checksum = base64(&Sha256::digest(bytes));
        let length = bytes.len().to_string();
        let headers = [
            ("x-amz-checksum", checksum.as_str()),
            ("x-amz-checksum-algorithm", "SHA256"),
            ("x-amz-content-sha256", "UNSIGNED-PAYLOAD"),
            ("x-amz-data-length", &length),
        ];
        self.attempt("PUT", &format!("/snapshots/{id}/blocks/{index}"), &headers, bytes)
    }

    pub(crate) fn complete(&mut self, id: &str, count: usize) -> Answer {
        let count = count.to_string();
        self.call(
            "POST",
            &format!("/snapshots/completion/{id}"),
            &[("x-amz-changedblockscount", &count)],
            b"",
        )
    }

    /// Creates a completed snapshot of 1 GiB with these blocks.
    pub(crate) fn snapshot(&mut self, parent: Option<&str>, blocks: &[(u32, u8)]) -> String {
        let mut body = serde_json::json!({"VolumeSize": 1});
        if let Some(parent) = parent {
            body["ParentSnapshotId"] = parent.into();
        }
        let id = self.start(&body);
        for (index, byte) in blocks {
            let answer = self.put(&id, *index, &block(*byte));
            assert_eq!(answer.status, 201, "{answer:?}");
        }
        assert_eq!(self.complete(&id, blocks.len()).status, 202);
        id
    }

    pub(crate) fn list(&mut self, id: &str, query: &str) -> Answer {
        self.call("GET", &format!("/snapshots/{id}/blocks{query}"), &[], b"")
    }

    pub(crate) fn changes(&mut self, id: &str, query: &str) -> Answer {
        self.call("GET", &format!("/snapshots/{id}/changedblocks{query}"), &[], b"")
    }

    /// Reads a block of a snapshot with a token from its block list.
    pub(crate) fn read(&mut self, id: &str, index: u32) -> Answer {
        let list = self.list(id, &format!("?startingBlockIndex={index}"));
        assert_eq!(list.status, 200, "{list:?}");
        let token = list.json()["Blocks"][0]["BlockToken"].as_str().unwrap().to_owned();
        self.call("GET", &format!("/snapshots/{id}/blocks/{index}?blockToken={token}"), &[], b"")
    }
}

fn receive(stream: &mut BufReader<TcpStream>) -> std::io::Result<Answer> {
    let mut line = String::new();
    if stream.read_line(&mut line)? == 0 {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    let status = line.split(' ').nth(1).and_then(|word| word.parse().ok()).ok_or(ErrorKind::InvalidData)?;
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
    let mut answer = Answer { status, headers, body: Vec::new() };
    let length = answer.header("content-length").parse().unwrap_or(0);
    answer.body.resize(length, 0);
    stream.read_exact(&mut answer.body)?;
    Ok(answer)
}

/// A block that repeats one byte.
pub(crate) fn block(byte: u8) -> Vec<u8> {
    vec![byte; BLOCK_SIZE]
}

pub(crate) fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    let digits: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    digits.concat()
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

/// A temporary folder in memory if possible.
pub(crate) fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// A running local region with its own folder and clock.
pub(crate) struct TestRegion {
    pub(crate) running: RegionServer,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) folder: tempfile::TempDir,
}

impl TestRegion {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(change: impl FnOnce(&mut RegionConfig)) -> Self {
        let folder = folder();
        let clock = Arc::new(ManualClock::new(Timestamp::parse("2026-11-21T12:00:00Z").unwrap()));
        let mut config = RegionConfig { clock: clock.clone(), ..RegionConfig::new(folder.path()) };
        change(&mut config);
        Self { running: RegionServer::start(config).unwrap(), clock, folder }
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(&self.running.endpoint()).clock(&self.clock)
    }
}
