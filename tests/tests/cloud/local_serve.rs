//! `amiforge local serve`, as other programs meet it: its endpoint is told, boto3 and the aws command line run the whole
//! life of an AMI against it, and killing it at any moment loses nothing that it acknowledged.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use amiforge_tests::{program, python};

/// A server that is killed when it is dropped.
struct Server {
    child: Child,
    endpoint: String,
}

impl Server {
    fn start(folder: &Path) -> Self {
        let mut child = Command::new(program::path())
            .args(["--json", "local", "serve", "--folder"])
            .arg(folder)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("amiforge starts");
        let report = serde_json::Deserializer::from_reader(child.stdout.take().expect("its output"))
            .into_iter::<serde_json::Value>()
            .next();
        let report = report.expect("it tells of itself").expect("JSON");
        Self { child, endpoint: report["endpoint"].as_str().expect("an endpoint").to_owned() }
    }

    /// SIGKILL.
    fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Runs a script against a server of its own.
fn life(name: &str, modules: &[&str]) {
    let Some(python) = python::with(modules) else { return };
    let folder = tempfile::tempdir().expect("a scratch folder");
    let server = Server::start(&folder.path().join("region"));
    let output = python::must(&python, name, &[&server.endpoint]);
    assert_eq!(output.lines().last(), Some("OK"), "{output}");
}

#[test]
fn boto3_runs_the_whole_life_of_an_ami_against_the_served_region() {
    life("local_region/life.py", &["boto3"]);
}

#[test]
fn the_aws_command_line_runs_the_whole_life_of_an_ami_against_the_served_region() {
    life("local_region/life_cli.py", &["boto3", "awscli"]);
}

#[test]
fn killing_the_server_loses_nothing_that_it_acknowledged() {
    const ROUNDS: u32 = 8;
    let Some(python) = python::with(&["boto3"]) else { return };
    let folder = tempfile::tempdir().expect("a scratch folder");
    let state = folder.path().join("region");
    let script = |endpoint: &str, word: &str| {
        let mut command = python::script(&python, "local_region/churn.py");
        command.args([endpoint, word]).stdin(Stdio::piped()).stdout(Stdio::piped());
        command.spawn().expect("Python starts")
    };
    let mut acknowledged = Vec::new();
    for round in 1..=ROUNDS {
        let mut server = Server::start(&state);
        let mut churn = script(&server.endpoint, &round.to_string());
        // A different number of acknowledgements each time; what is under way then is cut anywhere.
        let enough = 1 + (round * 7919 % 41) as usize;
        let mut lines = BufReader::new(churn.stdout.take().expect("its output")).lines();
        acknowledged.extend(lines.by_ref().take(enough).map(|line| line.expect("text")));
        server.kill();
        // What was acknowledged before the blow but read after it.
        acknowledged.extend(lines.map(|line| line.expect("text")));
        assert!(churn.wait().expect("its status").success(), "round {round}");
    }
    assert!(acknowledged.len() > ROUNDS as usize * 5, "{}", acknowledged.len());
    let server = Server::start(&state);
    let mut check = script(&server.endpoint, "check");
    check.stdin.take().expect("its input").write_all(acknowledged.join("\n").as_bytes()).expect("written");
    assert!(check.wait_with_output().expect("its status").status.success());
}
