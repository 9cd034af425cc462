//! The floor: 64 connections that send requests which are prepared and signed before the measurement.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use sha2::{Digest as _, Sha256};
use tokio::net::TcpStream;

use super::clock::Sample;
use super::sign::{Signer, base64, hex};

const BLOCK: usize = 512 * 1024;
const CONNECTIONS: usize = 64;

/// Runs the floor's process and measures its time and processor seconds after its preparation.
pub(crate) fn timed(mut command: Command) -> Sample {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the benchmark starts itself");
    let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
    assert_eq!(lines.next().expect("a line").expect("text"), "ready");
    let start = Instant::now();
    child.stdin.take().expect("its input").write_all(b"go\n").expect("it listens");
    let cpu = lines.next().expect("a line").expect("text").parse().expect("processor seconds");
    let seconds = start.elapsed().as_secs_f64();
    assert!(child.wait().expect("it ends").success());
    Sample { seconds, cpu, anon: None }
}

/// Prepares everything, prints `ready`, waits for a line, sends, and prints the processor seconds of sending.
pub(crate) fn send(endpoint: &str, image: &Path) {
    let host = endpoint.strip_prefix("http://").expect("http").to_owned();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    let signer = Signer::new(now);
    let image = Bytes::from(std::fs::read(image).expect("the image"));
    let snapshot = runtime.block_on(start(&host, &signer, image.len()));
    let (requests, written, aggregate) = prepare(&host, &signer, &snapshot, &image);
    let queue = Arc::new(Mutex::new(requests));
    println!("ready");
    std::io::stdin().lines().next().expect("a line").expect("text");
    let before = own_cpu();
    runtime.block_on(async {
        let mut connections = Vec::new();
        for _ in 0..CONNECTIONS {
            connections.push(tokio::spawn(drain(connect(&host).await, Arc::clone(&queue))));
        }
        for connection in connections {
            connection.await.expect("a connection");
        }
        complete(&host, &signer, &snapshot, written, &aggregate).await;
    });
    println!("{}", own_cpu() - before);
}

type Put = Request<Full<Bytes>>;

/// Every request, in reverse order, their number, and the digest over all digests.
fn prepare(host: &str, signer: &Signer, snapshot: &str, image: &Bytes) -> (Vec<Put>, usize, String) {
    let zeros = vec![0; BLOCK];
    let mut requests = Vec::new();
    let mut all = Sha256::new();
    for (index, at) in (0..image.len()).step_by(BLOCK).enumerate() {
        let block = image.slice(at..image.len().min(at + BLOCK));
        let block = if block.len() == BLOCK {
            block
        } else {
            let mut padded = block.to_vec();
            padded.resize(BLOCK, 0);
            padded.into()
        };
        if block == zeros {
            continue;
        }
        let digest = Sha256::digest(&block);
        all.update(digest);
        let (length, sum) = (BLOCK.to_string(), base64(&digest));
        let path = format!("/snapshots/{snapshot}/blocks/{index}");
        let headers = [
            ("host", host),
            ("x-amz-checksum", &sum),
            ("x-amz-checksum-algorithm", "SHA256"),
            ("x-amz-content-sha256", "UNSIGNED-PAYLOAD"),
            ("x-amz-data-length", &length),
            ("x-amz-date", &signer.date),
        ];
        requests.push(request("PUT", &path, &headers, "UNSIGNED-PAYLOAD", signer, block));
    }
    let count = requests.len();
    requests.reverse();
    (requests, count, base64(&all.finalize()))
}

fn request(
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    payload: &str,
    signer: &Signer,
    body: Bytes,
) -> Put {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let authorization = signer.authorization(method, path, headers, payload);
    request.header("authorization", authorization).body(Full::new(body)).expect("a request")
}

async fn connect(host: &str) -> SendRequest<Full<Bytes>> {
    let stream = TcpStream::connect(host).await.expect("the server");
    stream.set_nodelay(true).expect("a socket");
    let (sender, connection) = handshake(TokioIo::new(stream)).await.expect("HTTP");
    tokio::spawn(connection);
    sender
}

/// Sends what is in the queue, one after another.
async fn drain(mut sender: SendRequest<Full<Bytes>>, queue: Arc<Mutex<Vec<Put>>>) {
    loop {
        let Some(request) = queue.lock().expect("no panic").pop() else { return };
        let answer = sender.send_request(request).await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::CREATED);
        answer.into_body().collect().await.expect("a body");
    }
}

/// Starts a snapshot and returns its id.
async fn start(host: &str, signer: &Signer, size: usize) -> String {
    let body = format!("{{\"VolumeSize\":{}}}", size.div_ceil(1 << 30));
    let headers =
        [("content-type", "application/json"), ("host", host), ("x-amz-date", signer.date.as_str())];
    let digest = hex(&Sha256::digest(body.as_bytes()));
    let request = request("POST", "/snapshots", &headers, &digest, signer, body.into());
    let answer = connect(host).await.send_request(request).await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::CREATED);
    let body = answer.into_body().collect().await.expect("a body").to_bytes();
    let body: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
    body["SnapshotId"].as_str().expect("an id").to_owned()
}

async fn complete(host: &str, signer: &Signer, snapshot: &str, written: usize, aggregate: &str) {
    let count = written.to_string();
    let headers = [
        ("host", host),
        ("x-amz-changedblockscount", &count),
        ("x-amz-checksum", aggregate),
        ("x-amz-checksum-aggregation-method", "LINEAR"),
        ("x-amz-checksum-algorithm", "SHA256"),
        ("x-amz-date", &signer.date),
    ];
    let path = format!("/snapshots/completion/{snapshot}");
    let request = request("POST", &path, &headers, &hex(&Sha256::digest(b"")), signer, Bytes::new());
    let answer = connect(host).await.send_request(request).await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::ACCEPTED);
}

/// Processor seconds of this process (proc(5), `utime` and `stime`; a tick is a hundredth).
fn own_cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("proc");
    let fields: Vec<&str> = stat.rsplit(") ").next().expect("fields").split(' ').collect();
    let ticks = |at: usize| fields[at].parse::<f64>().expect("a number");
    (ticks(11) + ticks(12)) / 100.0
}
