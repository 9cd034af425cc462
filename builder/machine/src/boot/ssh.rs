//! Running a command in the guest with the ssh client of the host, with a key of the user's or one of this launch.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::Read as _;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::BootError;
use super::check::CheckProgress;
use super::host_packages::{HostDependency, is_on_path};

/// Time between two tries.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);
/// How long a server may take to greet.
const GREETING_TIMEOUT: Duration = Duration::from_secs(2);
/// What cloud-init lets root's login say, before the name.
const REDIRECT_PREFIX: &str = "Please login as the user \"";
/// Longest output of a command: what a guest writes without end must not fill this host.
const OUTPUT_MAX: u64 = 16 << 20;
/// Longest name of a user, as `useradd(8)` has it.
const USER_MAX: usize = 32;
/// Most users that are tried: a guest can send a login elsewhere again and again.
const USERS_MAX: usize = 32;
/// What is said where the client had nobody to talk to.
const NO_SERVER: &str = "nobody answers at port 22: no ssh server, or the guest has no network";
/// Files of the launch for what a command writes.
const STDOUT_FILE: &str = "ssh.out";
const STDERR_FILE: &str = "ssh.err";
/// Status of the ssh client when it did not come to run anything.
const LOGIN_FAILED: i32 = 255;

/// Whether a text may be the name of a user: letters, digits, `.`, `_` and `-`, no `-` first (POSIX.1-2017, 3.437, with
/// the length of `useradd`). Guests and images choose names, and a name that begins with `-` would be an option of ssh.
pub fn is_user_name(text: &str) -> bool {
    let portable = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=USER_MAX).contains(&text.len()) && !text.starts_with('-') && text.bytes().all(portable)
}

/// A key pair; the private half may be with an agent.
#[derive(Debug, Clone)]
pub(super) struct SshKey {
    /// The line for `authorized_keys`.
    pub(super) public: String,
    /// The file of the private half.
    private: Option<PathBuf>,
}

impl SshKey {
    /// The key of a file: the public half, or the private one beside which the public one is.
    pub(super) fn from_file(path: &Path) -> Result<Self, BootError> {
        let (private, public) = if path.extension().is_some_and(|extension| extension == "pub") {
            (path.with_extension(""), path.to_owned())
        } else {
            let mut public = path.as_os_str().to_owned();
            public.push(".pub");
            (path.to_owned(), PathBuf::from(public))
        };
        let not_a_key = || BootError::NotAKey { path: path.to_owned() };
        let text = match amiforge_progress::regular::read_to_string(&public) {
            Err(error) if error.kind() == std::io::ErrorKind::InvalidData => return Err(not_a_key()),
            other => other.map_err(|source| BootError::File { path: public, source })?,
        };
        let line = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'));
        let line = line.filter(|line| line.split_whitespace().count() >= 2 && !line.starts_with('-'));
        let public = line.ok_or_else(not_a_key)?.to_owned();
        Ok(Self { public, private: private.is_file().then_some(private) })
    }

    /// A new key in a folder.
    pub(super) fn generate(folder: &Path) -> Result<Self, BootError> {
        if !is_on_path("ssh-keygen") {
            return Err(BootError::Missing { dependency: HostDependency::Ssh });
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
            let output_text = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            return Err(BootError::Program { program: program(), output: output_text });
        }
        Self::from_file(&path)
    }
}

/// Logins of a guest: who may be let in, and where.
#[derive(Debug)]
pub(super) struct SshSession {
    /// Port of this host that leads to the guest's ssh.
    port: u16,
    key: SshKey,
    folder: PathBuf,
    /// Whom to log in as; the first is tried next.
    users: VecDeque<String>,
    /// Whether somebody was let in, who is the first then.
    logged_in: bool,
    next: Instant,
    running: Option<Child>,
    /// What the client said last.
    last_error: String,
}

impl SshSession {
    /// A guest's ssh behind a port.
    pub(super) fn new(port: u16, key: SshKey, users: &[String], folder: &Path) -> Self {
        Self {
            port,
            key,
            folder: folder.to_owned(),
            users: users.iter().filter(|user| is_user_name(user)).cloned().collect(),
            logged_in: false,
            next: Instant::now(),
            running: None,
            last_error: String::new(),
        }
    }

    /// What the client said last: why there is no login yet.
    pub(super) fn last_error(&self) -> &str {
        &self.last_error
    }

    /// Whether the client is connected to a server and the command has not ended.
    pub(super) fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// Makes a step towards the end of a command; never waits long.
    pub(super) fn step(&mut self, command: &str) -> Result<CheckProgress, BootError> {
        if let Some(child) = &mut self.running {
            let failed = |source| BootError::Start { program: "ssh".to_owned(), source };
            let Some(status) = child.try_wait().map_err(failed)? else {
                if !self.exceeds_output_limit() {
                    return Ok(CheckProgress::Pending);
                }
                self.stop();
                let problem = format!("it wrote more than {OUTPUT_MAX} bytes");
                return Ok(CheckProgress::Failed(Vec::new(), problem));
            };
            self.running = None;
            return Ok(self.finish(status.code()));
        }
        if Instant::now() < self.next {
            return Ok(CheckProgress::Pending);
        }
        self.next = Instant::now() + RETRY_INTERVAL;
        if is_ssh_server(self.port) {
            // Somebody answers now, whatever was so before.
            self.last_error.clear();
            self.running = Some(self.start(command)?);
        } else if self.last_error.is_empty() {
            NO_SERVER.clone_into(&mut self.last_error);
        }
        Ok(CheckProgress::Pending)
    }

    /// Whether the command wrote more than is kept.
    fn exceeds_output_limit(&self) -> bool {
        let len = |name| fs::metadata(self.folder.join(name)).map_or(0, |found| found.len());
        len(STDOUT_FILE).max(len(STDERR_FILE)) > OUTPUT_MAX
    }

    fn start(&self, command: &str) -> Result<Child, BootError> {
        let file = |name| {
            let path = self.folder.join(name);
            File::create(&path).map_err(|source| BootError::File { path, source })
        };
        let (out, err) = (file(STDOUT_FILE)?, file(STDERR_FILE)?);
        let mut ssh = self.client(command);
        ssh.stdin(Stdio::null()).stdout(out).stderr(err).spawn().map_err(|source| match source.kind() {
            std::io::ErrorKind::NotFound => BootError::Missing { dependency: HostDependency::Ssh },
            _ => BootError::Start { program: "ssh".to_owned(), source },
        })
    }

    /// The client's command line.
    fn client(&self, command: &str) -> Command {
        let mut ssh = Command::new("ssh");
        // No file of this user decides anything, and the guest's host key is new to everybody.
        ssh.args(["-F", "none", "-T", "-p", &self.port.to_string()]);
        for option in [
            "StrictHostKeyChecking=no",
            "UserKnownHostsFile=/dev/null",
            "GlobalKnownHostsFile=/dev/null",
            "LogLevel=ERROR",
            "BatchMode=yes",
            "ForwardAgent=no",
            "ClearAllForwardings=yes",
            "PermitLocalCommand=no",
            "ConnectTimeout=20",
            "ServerAliveInterval=15",
        ] {
            ssh.args(["-o", option]);
        }
        if let Some(private) = &self.key.private {
            ssh.args(["-o", "IdentitiesOnly=yes", "-i"]).arg(private);
        }
        let user = self.users.front().map_or("root", String::as_str);
        // The host after `--` and what follows it are no options, whatever they begin with.
        ssh.args(["-l", user, "--", "127.0.0.1"]).arg(command);
        ssh
    }

    /// The guest sends the login to another user. What it names as one is not believed to be a name.
    fn redirect_login(&mut self, user: &str) -> CheckProgress {
        if !is_user_name(user) {
            return CheckProgress::Failed(
                Vec::new(),
                format!("the guest names a user that no user can be: `{user}`"),
            );
        }
        self.users.retain(|other| other != user);
        if self.users.len() >= USERS_MAX {
            return CheckProgress::Failed(
                Vec::new(),
                format!("the guest sent the login to more than {USERS_MAX} users"),
            );
        }
        self.users.push_front(user.to_owned());
        CheckProgress::Pending
    }

    /// Ends the client.
    fn stop(&mut self) {
        if let Some(mut child) = self.running.take() {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    fn finish(&mut self, code: Option<i32>) -> CheckProgress {
        let read = |name| fs::read(self.folder.join(name)).unwrap_or_default();
        let (out, err) = (read(STDOUT_FILE), read(STDERR_FILE));
        let text = String::from_utf8_lossy(&out);
        if let Some((_, rest)) = text.split_once(REDIRECT_PREFIX)
            && let Some((user, _)) = rest.split_once('"')
            && !self.logged_in
        {
            return self.redirect_login(user);
        }
        if code == Some(LOGIN_FAILED) && !self.logged_in {
            String::from_utf8_lossy(&err).trim().clone_into(&mut self.last_error);
            // The key may not be there yet, or be another user's.
            self.users.rotate_left(usize::from(!self.users.is_empty()));
            return CheckProgress::Pending;
        }
        self.logged_in = true;
        if code == Some(0) {
            return CheckProgress::Passed(out);
        }
        let status = code.map_or_else(|| "a signal".to_owned(), |code| format!("status {code}"));
        let output_text = String::from_utf8_lossy(&err);
        let output_text = output_text.trim();
        let output_text = if output_text.is_empty() { String::new() } else { format!(": {output_text}") };
        CheckProgress::Failed(out, format!("it ended with {status}{output_text}"))
    }
}

impl Drop for SshSession {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Whether a server of ssh answers; a port of QEMU can be connected to before anybody listens in the guest.
fn is_ssh_server(port: u16) -> bool {
    let greeting = || {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut stream = TcpStream::connect_timeout(&address, GREETING_TIMEOUT).ok()?;
        stream.set_read_timeout(Some(GREETING_TIMEOUT)).ok()?;
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
            let key = SshKey::from_file(&at(name)).unwrap();
            assert_eq!((key.public.as_str(), key.private), ("ssh-ed25519 AAAA me", Some(at("id"))), "{name}");
        }
        fs::write(at("x.pub"), "-----BEGIN OPENSSH PRIVATE KEY-----\n").unwrap();
        assert!(matches!(SshKey::from_file(&at("x.pub")), Err(BootError::NotAKey { .. })));
        assert!(matches!(SshKey::from_file(&at("missing")), Err(BootError::File { .. })));
    }

    /// A session in a folder, with a key whose private half is not there.
    fn session(folder: &Path, users: &[&str]) -> SshSession {
        fs::write(folder.join("key.pub"), "ssh-ed25519 AAAA me\n").unwrap();
        let users: Vec<_> = users.iter().map(|user| (*user).to_owned()).collect();
        SshSession::new(1, SshKey::from_file(&folder.join("key.pub")).unwrap(), &users, folder)
    }

    #[test]
    fn names_of_users_are_portable() {
        for good in ["root", "ec2-user", "a.b_c-1", "0day", &"u".repeat(32)] {
            assert!(is_user_name(good), "{good}");
        }
        let long = "u".repeat(33);
        for bad in
            ["", "-oProxyCommand=x", "-", "a b", "a\n", "a@b", "a;b", "$IFS", "a/b", "käse", "a\0", &long]
        {
            assert!(!is_user_name(bad), "{bad}");
        }
    }

    #[test]
    fn a_user_that_a_guest_or_an_image_names_becomes_no_option() {
        let folder = tempfile::tempdir().unwrap();
        let mut session = session(folder.path(), &["root", "-oProxyCommand=touch pwned", "admin"]);
        assert_eq!(session.users, ["root", "admin"]);
        let output_text = "Please login as the user \"-oProxyCommand=touch$IFS/tmp/pwned #\" rather than the user \"root\".\n";
        fs::write(folder.path().join(STDOUT_FILE), output_text).unwrap();
        let CheckProgress::Failed(_, problem) = session.finish(Some(142)) else { panic!("it was followed") };
        assert!(problem.contains("`-oProxyCommand=touch$IFS/tmp/pwned #`"), "{problem}");
        assert_eq!(session.users, ["root", "admin"]);
        // Nor is a guest followed for ever, nor after it let somebody in.
        let mut redirects = 0;
        while redirects < 100 {
            let output_text = format!("Please login as the user \"u{redirects}\" rather than");
            fs::write(folder.path().join(STDOUT_FILE), output_text).unwrap();
            match session.finish(Some(142)) {
                CheckProgress::Pending => redirects += 1,
                _ => break,
            }
        }
        assert!(redirects < USERS_MAX, "{redirects}");
        session.logged_in = true;
        fs::write(folder.path().join(STDOUT_FILE), "Please login as the user \"other\" rather than").unwrap();
        assert!(matches!(session.finish(Some(0)), CheckProgress::Passed(_)));
    }

    #[test]
    fn the_client_takes_user_and_command_as_what_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let session = session(folder.path(), &["admin"]);
        let args: Vec<_> = session.client("-oProxyCommand=x").get_args().map(ToOwned::to_owned).collect();
        let end: Vec<_> = args.iter().rev().take(5).rev().map(|arg| arg.to_str().unwrap()).collect();
        assert_eq!(end, ["-l", "admin", "--", "127.0.0.1", "-oProxyCommand=x"]);
    }

    #[test]
    fn a_login_that_is_sent_to_another_user_follows() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("key.pub"), "ssh-ed25519 AAAA me\n").unwrap();
        let key = SshKey::from_file(&folder.path().join("key.pub")).unwrap();
        let users = ["root".to_owned(), "admin".to_owned()];
        let mut session = SshSession::new(1, key, &users, folder.path());
        let output_text = "Please login as the user \"debian\" rather than the user \"root\".\n";
        fs::write(folder.path().join("ssh.out"), output_text).unwrap();
        assert_eq!(session.finish(Some(142)), CheckProgress::Pending);
        assert_eq!(session.users, ["debian", "root", "admin"]);
        fs::write(folder.path().join("ssh.out"), "").unwrap();
        fs::write(folder.path().join("ssh.err"), "Permission denied (publickey).\n").unwrap();
        assert_eq!(session.finish(Some(255)), CheckProgress::Pending);
        assert_eq!(
            (session.last_error(), session.users.front().unwrap().as_str()),
            ("Permission denied (publickey).", "root")
        );
        assert!(
            matches!(session.finish(Some(3)), CheckProgress::Failed(_, problem) if problem.contains("status 3: Permission"))
        );
    }
}
