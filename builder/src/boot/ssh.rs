//! Running a command in the guest with the ssh client of the host, with a key of the user's or one of this launch.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::Read as _;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::BootError;
use super::check::Try;
use super::provider::{Need, on_path};

/// Time between two tries.
const BETWEEN: Duration = Duration::from_secs(1);
/// How long a server may take to greet.
const GREETING: Duration = Duration::from_secs(2);
/// What cloud-init lets root's login say, before the name.
const REDIRECTED: &str = "Please login as the user \"";
/// What is said where the client had nobody to talk to.
const NOBODY: &str = "nobody answers at port 22: no ssh server, or the guest has no network";
/// Status of the ssh client when it did not come to run anything.
const NO_LOGIN: i32 = 255;

/// A key pair; the private half may be with an agent.
#[derive(Debug, Clone)]
pub(super) struct Key {
    /// The line for `authorized_keys`.
    pub(super) public: String,
    /// The file of the private half.
    private: Option<PathBuf>,
}

impl Key {
    /// The key of a file: the public half, or the private one beside which the public one is.
    pub(super) fn of(path: &Path) -> Result<Self, BootError> {
        let (private, public) = if path.extension().is_some_and(|extension| extension == "pub") {
            (path.with_extension(""), path.to_owned())
        } else {
            let mut public = path.as_os_str().to_owned();
            public.push(".pub");
            (path.to_owned(), PathBuf::from(public))
        };
        let not_a_key = || BootError::NotAKey { path: path.to_owned() };
        let text = match fs::read_to_string(&public) {
            Err(error) if error.kind() == std::io::ErrorKind::InvalidData => return Err(not_a_key()),
            other => other.map_err(|source| BootError::File { path: public, source })?,
        };
        let line = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'));
        let line = line.filter(|line| line.split_whitespace().count() >= 2 && !line.starts_with('-'));
        let public = line.ok_or_else(not_a_key)?.to_owned();
        Ok(Self { public, private: private.is_file().then_some(private) })
    }

    /// A new key in a folder.
    pub(super) fn new(folder: &Path) -> Result<Self, BootError> {
        if !on_path("ssh-keygen") {
            return Err(BootError::Missing { need: Need::Ssh });
        }
        let path = folder.join("key");
        let program = || "ssh-keygen".to_owned();
        let output = Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-C", "amiforge-boot", "-f"])
            .arg(&path)
            .stdin(Stdio::null())
            .output()
            .map_err(|source| BootError::Start { program: program(), source })?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            return Err(BootError::Program { program: program(), said });
        }
        Self::of(&path)
    }
}

/// Logins of a guest: who may be let in, and where.
#[derive(Debug)]
pub(super) struct Door {
    /// Port of this host that leads to the guest's ssh.
    port: u16,
    key: Key,
    folder: PathBuf,
    /// Whom to log in as; the first is tried next.
    users: VecDeque<String>,
    /// Whether somebody was let in, who is the first then.
    known: bool,
    next: Instant,
    running: Option<Child>,
    /// What the client said last.
    said: String,
}

impl Door {
    /// A guest's ssh behind a port.
    pub(super) fn new(port: u16, key: Key, users: &[String], folder: &Path) -> Self {
        Self {
            port,
            key,
            folder: folder.to_owned(),
            users: users.iter().cloned().collect(),
            known: false,
            next: Instant::now(),
            running: None,
            said: String::new(),
        }
    }

    /// What the client said last: why there is no login yet.
    pub(super) fn said(&self) -> &str {
        &self.said
    }

    /// Makes a step towards the end of a command; never waits long.
    pub(super) fn step(&mut self, command: &str) -> Result<Try, BootError> {
        if let Some(child) = &mut self.running {
            let failed = |source| BootError::Start { program: "ssh".to_owned(), source };
            let Some(status) = child.try_wait().map_err(failed)? else { return Ok(Try::NotYet) };
            self.running = None;
            return Ok(self.ended(status.code()));
        }
        if Instant::now() < self.next {
            return Ok(Try::NotYet);
        }
        self.next = Instant::now() + BETWEEN;
        if greets(self.port) {
            self.running = Some(self.start(command)?);
        } else if self.said.is_empty() {
            NOBODY.clone_into(&mut self.said);
        }
        Ok(Try::NotYet)
    }

    fn start(&self, command: &str) -> Result<Child, BootError> {
        let file = |name| {
            let path = self.folder.join(name);
            File::create(&path).map_err(|source| BootError::File { path, source })
        };
        let (out, err) = (file("ssh.out")?, file("ssh.err")?);
        let mut ssh = Command::new("ssh");
        // No file of this user decides anything, and the guest's host key is new to everybody.
        ssh.args(["-F", "none", "-T", "-p", &self.port.to_string()]);
        for option in [
            "StrictHostKeyChecking=no",
            "UserKnownHostsFile=/dev/null",
            "GlobalKnownHostsFile=/dev/null",
            "LogLevel=ERROR",
            "BatchMode=yes",
            "ConnectTimeout=20",
            "ServerAliveInterval=15",
        ] {
            ssh.args(["-o", option]);
        }
        if let Some(private) = &self.key.private {
            ssh.args(["-o", "IdentitiesOnly=yes", "-i"]).arg(private);
        }
        let user = self.users.front().map_or("root", String::as_str);
        ssh.arg(format!("{user}@127.0.0.1")).arg("--").arg(command);
        ssh.stdin(Stdio::null()).stdout(out).stderr(err).spawn().map_err(|source| match source.kind() {
            std::io::ErrorKind::NotFound => BootError::Missing { need: Need::Ssh },
            _ => BootError::Start { program: "ssh".to_owned(), source },
        })
    }

    fn ended(&mut self, code: Option<i32>) -> Try {
        let read = |name| fs::read(self.folder.join(name)).unwrap_or_default();
        let (out, err) = (read("ssh.out"), read("ssh.err"));
        let text = String::from_utf8_lossy(&out);
        if let Some((_, rest)) = text.split_once(REDIRECTED)
            && let Some((user, _)) = rest.split_once('"')
        {
            self.users.retain(|known| known != user);
            self.users.push_front(user.to_owned());
            return Try::NotYet;
        }
        if code == Some(NO_LOGIN) && !self.known {
            String::from_utf8_lossy(&err).trim().clone_into(&mut self.said);
            // The key may not be there yet, or be another user's.
            self.users.rotate_left(usize::from(!self.users.is_empty()));
            return Try::NotYet;
        }
        self.known = true;
        if code == Some(0) {
            return Try::Passed(out);
        }
        let status = code.map_or_else(|| "a signal".to_owned(), |code| format!("status {code}"));
        let said = String::from_utf8_lossy(&err);
        let said = said.trim();
        let said = if said.is_empty() { String::new() } else { format!(": {said}") };
        Try::Failed(out, format!("it ended with {status}{said}"))
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        if let Some(child) = &mut self.running {
            // It has ended by itself then.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Whether a server of ssh answers; a port of QEMU can be connected to before anybody listens in the guest.
fn greets(port: u16) -> bool {
    let greeting = || {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut stream = TcpStream::connect_timeout(&address, GREETING).ok()?;
        stream.set_read_timeout(Some(GREETING)).ok()?;
        let mut first = [0; 4];
        stream.read_exact(&mut first).ok()?;
        Some(first == *b"SSH-")
    };
    greeting() == Some(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_named_by_either_half_and_anything_else_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("id"), "-----BEGIN OPENSSH PRIVATE KEY-----\n").unwrap();
        fs::write(at("id.pub"), "# mine\nssh-ed25519 AAAA me\n").unwrap();
        for name in ["id", "id.pub"] {
            let key = Key::of(&at(name)).unwrap();
            assert_eq!((key.public.as_str(), key.private), ("ssh-ed25519 AAAA me", Some(at("id"))), "{name}");
        }
        fs::write(at("x.pub"), "-----BEGIN OPENSSH PRIVATE KEY-----\n").unwrap();
        assert!(matches!(Key::of(&at("x.pub")), Err(BootError::NotAKey { .. })));
        assert!(matches!(Key::of(&at("missing")), Err(BootError::File { .. })));
    }

    #[test]
    fn a_login_that_is_sent_to_another_user_follows() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("key.pub"), "ssh-ed25519 AAAA me\n").unwrap();
        let key = Key::of(&folder.path().join("key.pub")).unwrap();
        let users = ["root".to_owned(), "admin".to_owned()];
        let mut door = Door::new(1, key, &users, folder.path());
        let said = "Please login as the user \"debian\" rather than the user \"root\".\n";
        fs::write(folder.path().join("ssh.out"), said).unwrap();
        assert_eq!(door.ended(Some(142)), Try::NotYet);
        assert_eq!(door.users, ["debian", "root", "admin"]);
        fs::write(folder.path().join("ssh.out"), "").unwrap();
        fs::write(folder.path().join("ssh.err"), "Permission denied (publickey).\n").unwrap();
        assert_eq!(door.ended(Some(255)), Try::NotYet);
        assert_eq!(
            (door.said(), door.users.front().unwrap().as_str()),
            ("Permission denied (publickey).", "root")
        );
        assert!(matches!(door.ended(Some(3)), Try::Failed(_, why) if why.contains("status 3: Permission")));
    }
}
