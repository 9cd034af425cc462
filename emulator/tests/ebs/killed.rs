//! A killed server: the next one opens the state and finds everything that was acknowledged.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use amiforge_emulator::{RegionConfig, RegionServer};
use serde_json::json;

use crate::client::{Client, block, folder};

/// Makes the test program a server for this folder.
const FOLDER: &str = "AMIFORGE_TEST_SERVES";
/// The number of times that the server is killed.
const ROUNDS: usize = 30;
/// The number of blocks that are rewritten.
const BLOCKS: usize = 24;

/// Not a test: the server, when the test below starts this program again.
#[test]
fn serves_when_started_as_a_server() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let running = RegionServer::start(RegionConfig::new(folder)).unwrap();
    println!("\nat {}", running.endpoint());
    loop {
        std::thread::park();
    }
}

/// A server in another process, which is killed when dropped.
struct Server(Child);

impl Server {
    fn start(folder: &std::path::Path) -> (Self, String) {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "killed::serves_when_started_as_a_server", "--nocapture"])
            .env(FOLDER, folder)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let mut server = Self(child.unwrap());
        let lines = BufReader::new(server.0.stdout.take().unwrap()).lines();
        let endpoint = lines.map(Result::unwrap).find_map(|line| line.strip_prefix("at ").map(str::to_owned));
        let endpoint = endpoint.unwrap_or_else(|| {
            let mut said = String::new();
            std::io::Read::read_to_string(&mut server.0.stderr.take().unwrap(), &mut said).unwrap();
            panic!("the server does not start: {said}")
        });
        (server, endpoint)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // SIGKILL.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The possible content of a block: the last acknowledged write, and the writes attempted since.
#[derive(Debug, Default)]
struct May {
    acknowledged: Option<u8>,
    tried: Vec<u8>,
}

#[test]
fn acknowledged_blocks_survive_a_kill() {
    let folder = folder();
    let may: Mutex<BTreeMap<u32, May>> = Mutex::default();
    let start = json!({"VolumeSize": 1, "ClientToken": "kill"});
    let mut ids = Vec::new();
    for round in 0..ROUNDS {
        let (server, endpoint) = Server::start(folder.path());
        let id = Client::new(&endpoint).start(&start);
        write_until_killed(server, &endpoint, &id, round, &may);
        ids.push(id);
    }
    assert!(ids.iter().all(|id| *id == ids[0]), "one token, one snapshot: {ids:?}");
    let (_server, endpoint) = Server::start(folder.path());
    let mut client = Client::new(&endpoint);
    let may = may.into_inner().unwrap();
    let acknowledged = may.values().filter(|may| may.acknowledged.is_some()).count();
    assert!(acknowledged > BLOCKS / 2, "only {acknowledged} blocks were ever written");
    let id = &ids[0];
    // Unacknowledged blocks may exist or not, so all of them are written once more.
    for (index, may) in may.iter().filter(|(_, may)| may.acknowledged.is_none()) {
        assert_eq!(client.put(id, *index, &block(may.tried[0])).status, 201);
    }
    assert_eq!(client.complete(id, may.len()).status, 202);
    assert_eq!(client.complete(id, may.len()).json()["Status"], "completed");
    for (index, may) in &may {
        let found = client.read(id, *index).body;
        let byte = found[0];
        assert_eq!(found, block(byte), "block {index} is torn");
        assert!(
            may.acknowledged == Some(byte) || may.tried.contains(&byte),
            "block {index} is {byte}: {may:?}"
        );
    }
}

/// Writes through several connections, and kills the server during the writes after enough of them were
/// acknowledged.
fn write_until_killed(
    server: Server,
    endpoint: &str,
    id: &str,
    round: usize,
    may: &Mutex<BTreeMap<u32, May>>,
) {
    let acknowledged = AtomicUsize::new(0);
    let enough = 1 + round * 7 % 40;
    let server = Mutex::new(Some(server));
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (acknowledged, server) = (&acknowledged, &server);
            scope.spawn(move || {
                let mut client = Client::new(endpoint);
                for number in 0..1000 {
                    // Each thread has its own indexes, so that the order of its writes is known.
                    let index = (thread + 4 * (number % (BLOCKS / 4))) as u32;
                    let byte = ((round * 37 + number * 11 + thread * 3) % 251) as u8;
                    may.lock().unwrap().entry(index).or_default().tried.push(byte);
                    let Ok(answer) = client.try_put(id, index, &block(byte)) else { return };
                    assert_eq!(answer.status, 201, "{answer:?}");
                    let done = May { acknowledged: Some(byte), tried: Vec::new() };
                    may.lock().unwrap().insert(index, done);
                    if acknowledged.fetch_add(1, Ordering::SeqCst) + 1 == enough {
                        drop(server.lock().unwrap().take());
                    }
                }
            });
        }
    });
}
