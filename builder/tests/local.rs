//! `amiforge local`: served, used by the other commands, read, emptied.
#![cfg(all(feature = "aws", feature = "local-region"))]
#![expect(clippy::unwrap_used, reason = "a test that cannot prepare its case fails")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

fn amiforge(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_amiforge"));
    command.args(args).env("AMIFORGE_LOCAL_REGION", folder).env("AWS_EC2_METADATA_DISABLED", "true");
    command
}

fn run(folder: &Path, args: &[&str]) -> Output {
    amiforge(folder, args).output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn json(output: &Output) -> Value {
    assert!(output.status.success(), "{}", stderr(output));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A server that is killed when a test fails.
struct Server(Child);

impl Server {
    /// Starts a server and returns its endpoint.
    fn start(folder: &Path, args: &[&str]) -> (Self, String) {
        let mut command = amiforge(folder, &[&["local", "serve", "--json"], args].concat());
        let mut server = Self(command.stdout(Stdio::piped()).spawn().unwrap());
        let lines = BufReader::new(server.0.stdout.take().unwrap()).lines().map(Result::unwrap);
        let mut text = String::new();
        for line in lines {
            text += &line;
            if line == "}" {
                break;
            }
        }
        let served: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(served["folder"], folder.to_string_lossy().as_ref());
        (server, served["endpoint"].as_str().unwrap().to_owned())
    }

    /// Sends SIGINT, as Ctrl-C does, and returns the exit code.
    fn interrupt(mut self) -> Option<i32> {
        let id = rustix::process::Pid::from_child(&self.0);
        rustix::process::kill_process(id, rustix::process::Signal::INT).unwrap();
        self.0.wait().unwrap().code()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_server_runs_until_ctrl_c_and_locks_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    let (server, endpoint) = Server::start(folder.path(), &[]);
    let mut stream = std::net::TcpStream::connect(endpoint.strip_prefix("http://").unwrap()).unwrap();
    stream
        .write_all(b"GET /snapshots/snap-1/blocks HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.contains("403") && answer.contains("MissingAuthenticationToken"), "{answer}");
    let second = run(folder.path(), &["local", "serve"]);
    assert_eq!(second.status.code(), Some(1));
    assert!(stderr(&second).contains(&endpoint) && stderr(&second).contains("hint:"), "{}", stderr(&second));
    assert_eq!(run(folder.path(), &["local", "reset"]).status.code(), Some(1));
    assert_eq!(server.interrupt(), Some(0));
    assert_eq!(json(&run(folder.path(), &["local", "reset", "--json"]))["removed"], true);
    assert_eq!(json(&run(folder.path(), &["local", "reset", "--json"]))["removed"], false);
}

#[test]
fn mistakes_in_the_options_are_reported() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("faults.json"), "{\"rules\": [{}]}").unwrap();
    let faults = folder.path().join("faults.json").to_string_lossy().into_owned();
    let state = folder.path().join("state");
    for (args, code, word) in [
        (&["local", "serve", "--listen", "0.0.0.0:0"][..], 2, "no loopback address"),
        (&["local", "serve", "--faults", &faults], 2, "missing field `what`"),
        (&["local", "volume", "snap-1", "-o", "x"], 1, "there is no snapshot `snap-1`"),
    ] {
        let output = run(&state, args);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(word), "{args:?}: {}", stderr(&output));
    }
    let output = run(folder.path(), &["local", "serve"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("faults.json") && folder.path().join("faults.json").exists());
}

#[test]
fn a_snapshot_is_exported_while_a_server_runs() {
    let scratch = tempfile::tempdir().unwrap();
    let (state, raw) = (scratch.path().join("state"), scratch.path().join("disk.raw"));
    // The first and the last MiB are written, the rest is a hole.
    let bytes: Vec<u8> = (0..1 << 20).map(|at: u32| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let mut file = std::fs::File::create(&raw).unwrap();
    file.write_all(&bytes).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &bytes, (64 << 20) - (1 << 20)).unwrap();
    drop(file);
    let raw_name = raw.to_string_lossy().into_owned();
    let uploaded = json(&run(&state, &["upload", &raw_name, "--region", "local", "--json"]));
    let id = uploaded["snapshotId"].as_str().unwrap();
    let _server = Server::start(&state, &[]);
    for (out, view) in [("plain.raw", &[][..]), ("encrypted.raw", &["--encrypted"])] {
        let out = scratch.path().join(out);
        let name = out.to_string_lossy().into_owned();
        let args = [&["local", "volume", id, "-o", &name, "--json"], view].concat();
        let report = json(&run(&state, &args));
        assert_eq!((&report["bytes"], &report["snapshotId"]), (&Value::from(1_u64 << 30), &Value::from(id)));
        let file = std::fs::File::open(&out).unwrap();
        let read = |at: u64| {
            let mut bytes = vec![0; 1 << 20];
            std::os::unix::fs::FileExt::read_exact_at(&file, &mut bytes, at).unwrap();
            bytes
        };
        assert!(read(0) == bytes && read(63 << 20) == bytes, "{name}");
        assert_eq!(read(512 << 20).iter().all(|&byte| byte == 0), view.is_empty(), "{name}");
        assert_eq!(run(&state, &args).status.code(), Some(1), "a file that exists is not written over");
    }
}
