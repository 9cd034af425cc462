//! A server of moto, which others wrote: it keeps the calls of AWS that it has, and forgets much of what they say.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::scratch;

/// A server of moto, ended when dropped.
#[derive(Debug)]
pub struct Moto {
    child: Child,
    /// Its endpoint.
    pub endpoint: String,
}

impl Moto {
    /// Starts a server.
    pub fn start(python: &Path) -> Self {
        Self::serve(Command::new(python))
    }

    /// Starts a server that writes each call into a file: a line of service and operation, such as `ec2 CopyImage`.
    pub fn recording(python: &Path, calls: &Path) -> Self {
        let mut command = Command::new(python);
        command.env("MOTO_CALLS", calls);
        Self::serve(command)
    }

    fn serve(mut command: Command) -> Self {
        command.arg(scratch::repository().join("tests/oracles/moto_serve.py"));
        command.env("PYTHONDONTWRITEBYTECODE", "1").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.stderr(Stdio::null()).spawn().expect("python starts");
        let mut endpoint = String::new();
        let stdout = child.stdout.take().expect("its standard output");
        BufReader::new(stdout).read_line(&mut endpoint).expect("its endpoint");
        Self { child, endpoint: endpoint.trim().to_owned() }
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
