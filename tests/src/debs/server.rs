//! A mirror on the loopback interface that serves a folder, with ranges (RFC 9110) and injected faults.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// A fault of the responses for a path.
#[derive(Debug, Clone, Copy)]
pub enum InjectedFault {
    /// The first `times` responses end after `after` bytes of the body.
    Cut {
        /// Bytes of the body that are sent.
        after: usize,
        /// Number of responses.
        times: u32,
    },
    /// The first `times` responses have this status.
    Status {
        /// The status.
        code: u16,
        /// Number of responses.
        times: u32,
    },
    /// The body is sent in pieces of 16 KiB with pauses of 20 ms.
    Slow,
}

/// A request that the server received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceivedRequest {
    /// The target of the request line; an absolute URL when the server is used as a proxy.
    pub target: String,
    /// The `Range` header.
    pub range: Option<String>,
}

/// A server; its thread ends with the process.
#[derive(Debug, Clone)]
pub struct Server {
    port: u16,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    folder: PathBuf,
    faults: Mutex<BTreeMap<String, InjectedFault>>,
    requests: Mutex<Vec<ReceivedRequest>>,
}

impl Server {
    /// Serves `folder`.
    ///
    /// # Panics
    /// When it cannot listen on a port.
    pub fn start(folder: &Path) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let state = State {
            folder: folder.to_owned(),
            faults: Mutex::new(BTreeMap::new()),
            requests: Mutex::new(Vec::new()),
        };
        let server = Self { port, state: Arc::new(state) };
        let state = Arc::clone(&server.state);
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let state = Arc::clone(&state);
                // A client may close the connection at any time.
                thread::spawn(move || drop(answer(connection, &state)));
            }
        });
        server
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Injects a fault into later requests for paths that end in `ending`.
    ///
    /// # Panics
    /// When another thread panicked.
    pub fn inject(&self, ending: &str, fault: InjectedFault) {
        self.state.faults.lock().expect("faults").insert(ending.to_owned(), fault);
    }

    /// The requests so far.
    ///
    /// # Panics
    /// When another thread panicked.
    pub fn requests(&self) -> Vec<ReceivedRequest> {
        self.state.requests.lock().expect("requests").clone()
    }

    /// Clears the list of requests.
    ///
    /// # Panics
    /// When another thread panicked.
    pub fn clear_requests(&self) {
        self.state.requests.lock().expect("requests").clear();
    }
}

impl State {
    /// The fault for this request; its counter is decremented.
    fn fault(&self, path: &str) -> Option<InjectedFault> {
        let mut faults = self.faults.lock().expect("faults");
        let (_, fault) = faults.iter_mut().find(|(ending, _)| path.ends_with(ending.as_str()))?;
        match fault {
            InjectedFault::Cut { times: 0, .. } | InjectedFault::Status { times: 0, .. } => None,
            InjectedFault::Cut { times, .. } | InjectedFault::Status { times, .. } => {
                let now = *times;
                *times -= 1;
                Some(match *fault {
                    InjectedFault::Cut { after, .. } => InjectedFault::Cut { after, times: now },
                    InjectedFault::Status { code, .. } => InjectedFault::Status { code, times: now },
                    InjectedFault::Slow => InjectedFault::Slow,
                })
            }
            InjectedFault::Slow => Some(InjectedFault::Slow),
        }
    }
}

fn answer(mut connection: TcpStream, state: &State) -> std::io::Result<()> {
    let mut lines = BufReader::new(connection.try_clone()?.take(1 << 16)).lines();
    let first = lines.next().unwrap_or_else(|| Ok(String::new()))?;
    let mut range = None;
    for line in lines {
        let line = line?;
        if line.is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("range")
        {
            range = Some(value.trim().to_owned());
        }
    }
    let target = first.split(' ').nth(1).unwrap_or_default().to_owned();
    state
        .requests
        .lock()
        .expect("requests")
        .push(ReceivedRequest { target: target.clone(), range: range.clone() });
    let path = match target.strip_prefix("http://") {
        Some(rest) => rest.split_once('/').map_or(String::new(), |(_, path)| format!("/{path}")),
        None => target,
    };
    let path = path.replace("%2B", "+").replace("%7E", "~").replace("%3A", ":");
    let fault = state.fault(&path);
    if let Some(InjectedFault::Status { code, .. }) = fault {
        return write!(
            connection,
            "HTTP/1.1 {code} Told To\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        );
    }
    let found = if path.contains("..") {
        None
    } else {
        fs::read(state.folder.join(path.trim_start_matches('/'))).ok()
    };
    let Some(bytes) = found else {
        return write!(
            connection,
            "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        );
    };
    let start =
        range.and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse::<usize>().ok());
    match start {
        Some(start) if start >= bytes.len() => {
            let len = bytes.len();
            write!(
                connection,
                "HTTP/1.1 416 Range\r\nContent-Range: bytes */{len}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            )
        }
        start => {
            let at = start.unwrap_or(0);
            head(&mut connection, start, bytes.len())?;
            body(&mut connection, &bytes[at..], fault)
        }
    }
}

fn head(connection: &mut TcpStream, start: Option<usize>, len: usize) -> std::io::Result<()> {
    match start {
        Some(at) => write!(
            connection,
            "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {at}-{}/{len}\r\nContent-Length: {}\r\n\
             Connection: close\r\n\r\n",
            len - 1,
            len - at
        ),
        None => write!(connection, "HTTP/1.1 200 OK\r\nContent-Length: {len}\r\nConnection: close\r\n\r\n"),
    }
}

fn body(connection: &mut TcpStream, bytes: &[u8], fault: Option<InjectedFault>) -> std::io::Result<()> {
    match fault {
        Some(InjectedFault::Cut { after, .. }) => connection.write_all(&bytes[..after.min(bytes.len())]),
        Some(InjectedFault::Slow) => {
            for piece in bytes.chunks(16 << 10) {
                connection.write_all(piece)?;
                thread::sleep(Duration::from_millis(20));
            }
            Ok(())
        }
        _ => connection.write_all(bytes),
    }
}
