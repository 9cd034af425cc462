//! Who may make a sandbox, what is left when it is killed, and that it is the same for everybody.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use amiforge_progress::{CancelToken, Monitor, Progress};
use amiforge_sandbox::SandboxError;

use crate::still::still;
use crate::yard::{Yard, job, listing};

pub(crate) const TESTS: &[crate::Test] = crate::tests![
    everybody_gets_the_same_tree,
    a_user_without_ids_is_told_what_to_do,
    a_system_without_namespaces_is_told_from_the_rest,
    a_killed_build_leaves_no_process_and_no_mount,
    an_interrupted_build_ends_at_once,
];

/// A script that uses ids, capabilities and every kind of file.
const SCRIPT: &str = "mkdir -p /srv/a; echo x > /srv/a/x; chown 33:44 /srv/a/x; chmod 4750 /srv/a/x; ln /srv/a/x /srv/y
    mkfifo /srv/p; ln -s a /srv/l; truncate -s 1M /srv/holes; chown -R 65534:65534 /srv/a; rm /etc/greeting; id > /srv/id
    id -u 2>/dev/null >> /srv/id; head -c 100 /dev/urandom > /srv/random; perl -e 'print $$' > /srv/pid; ls /proc >> /srv/proc-of-my-own || true
    rm /srv/proc-of-my-own; stat -c '%a %n' /dev/* /proc/self > /srv/devices 2>&1";

/// This program again, as another user: prints what the script leaves, with the clock that stands still if the next
/// word says so.
pub(crate) fn worker(arguments: &[String]) -> ExitCode {
    let script = arguments.first().map_or(SCRIPT, String::as_str);
    let mut yard = Yard::new();
    let still = arguments.get(1).and_then(|_| still(script));
    let result = match &still {
        Some(job) => yard.run_job(job),
        None => yard.run(script),
    };
    match result {
        Ok(captured) => {
            eprint!("{}", listing(&yard, &captured.tree));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// A copy of this program that every user can start, and its folder.
pub(crate) fn copy() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let program = folder.path().join("sandbox");
    std::fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    (folder, program)
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// A user with subordinate ids.
fn user() -> Option<(String, String)> {
    let ranges = std::fs::read_to_string("/etc/subuid").unwrap_or_default();
    let accounts = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    ranges.lines().find_map(|line| {
        let fields: Vec<_> = line.split(':').collect();
        let enough = fields.get(2)?.parse::<u64>().ok()? >= 65_536 && fields[0] != "root";
        let account = accounts.lines().find(|account| account.split(':').next() == Some(fields[0]))?;
        let account: Vec<_> = account.split(':').collect();
        enough.then(|| (account[2].to_owned(), account[3].to_owned()))
    })
}

pub(crate) fn skip(why: &str) {
    assert!(
        std::env::var_os("REQUIRE_ORACLES").is_none_or(|value| value != "1"),
        "an oracle is missing: {why}"
    );
    eprintln!("SKIP {why}");
}

pub(crate) fn run(command: &mut Command) -> (bool, String) {
    let output = command.current_dir("/").output().unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}

fn everybody_gets_the_same_tree() {
    if !is_root() {
        return skip("only root can become another user");
    }
    let Some((uid, gid)) = user() else { return skip("no user has subordinate ids") };
    let (_folder, program) = copy();
    let (well, by_root) = run(Command::new(&program).arg("worker"));
    assert!(well, "{by_root}");
    let ids = [format!("--reuid={uid}"), format!("--regid={gid}")];
    let (well, by_user) =
        run(Command::new("setpriv").args(ids).arg("--clear-groups").arg(&program).arg("worker"));
    assert!(well, "{by_user}");
    assert_eq!(by_root, by_user);
    let (well, by_plain) = without_user_namespaces(&program, None);
    assert!(well, "{by_plain}");
    assert_eq!(by_root, by_plain);
}

/// The worker as a root who may make every namespace but a user namespace, with a script or its own.
pub(crate) fn without_user_namespaces(program: &Path, script: Option<&str>) -> (bool, String) {
    // The first shell has no capability: it was started before it had an id.
    let shell = "read go; exec sh -c 'echo 0 > /proc/sys/user/max_user_namespaces; exec \"$0\" worker \"$@\"' \"$0\" \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["--user", "sh", "-c", shell]).arg(program).args(script).current_dir("/");
    let mut child = command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let own = std::fs::read_link("/proc/self/ns/user").unwrap();
    let entered =
        || std::fs::read_link(format!("/proc/{}/ns/user", child.id())).is_ok_and(|theirs| theirs != own);
    until("there is no user namespace", entered);
    for map in ["uid_map", "gid_map"] {
        std::fs::write(format!("/proc/{}/{map}", child.id()), "0 0 65536\n").unwrap();
    }
    child.stdin.take().unwrap().write_all(b"go\n").unwrap();
    let output = child.wait_with_output().unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}

fn a_user_without_ids_is_told_what_to_do() {
    if !is_root() {
        return skip("only root can become another user");
    }
    let (_folder, program) = copy();
    let nobody = ["--reuid=4242", "--regid=4242", "--clear-groups"];
    let (well, said) = run(Command::new("setpriv").args(nobody).arg(&program).arg("worker"));
    assert!(!well && said.contains("`4242` has 0 subordinate uids"), "{said}");
    assert!(said.contains("usermod --add-subuids") && said.contains("scripts = \"native\""), "{said}");
}

fn a_system_without_namespaces_is_told_from_the_rest() {
    let (_folder, program) = copy();
    let one = ["--user", "--map-root-user"];
    let (well, said) = run(Command::new("unshare").args(one).arg(&program).arg("worker"));
    if said.starts_with("unshare:") {
        return skip("this system has no user namespaces");
    }
    assert!(
        !well && said.contains("does not allow a sandbox") && said.contains("scripts = \"native\""),
        "{said}"
    );
}

/// Processes that have `mark` among their arguments.
fn alive(mark: &str) -> usize {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let lines = entries.map(|entry| std::fs::read(entry.path().join("cmdline")).unwrap_or_default());
    lines.filter(|line| String::from_utf8_lossy(line).contains(mark)).count()
}

fn until(what: &str, holds: impl Fn() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(20), "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn a_killed_build_leaves_no_process_and_no_mount() {
    let (_folder, program) = copy();
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    let mark = format!("86400.{}", std::process::id());
    // Killed while it sleeps in the sandbox, with daemons that ignore signals and have sessions of their own.
    let script =
        format!("(trap '' HUP TERM INT; sleep {mark}) & perl -e 'setpgrp; fork; exec qw(sleep {mark})'");
    let mut child = Command::new(&program).args(["worker", &script]).stderr(Stdio::null()).spawn().unwrap();
    until("the script does not run", || alive(&format!("sleep\0{mark}")) >= 3);
    child.kill().unwrap();
    child.wait().unwrap();
    until("processes are left", || alive(&mark) == 0);
    let path = program.display().to_string();
    until("the sandbox is left", || alive(&path) == 0);
    assert_eq!(mounts, std::fs::read_to_string("/proc/self/mountinfo").unwrap());
    // Killed at any other time.
    for delay in [0, 5, 20, 60, 150] {
        let mut child =
            Command::new(&program).args(["worker", &script]).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(delay));
        child.kill().unwrap();
        child.wait().unwrap();
        until("the sandbox is left", || alive(&path) == 0 && alive(&mark) == 0);
    }
    assert_eq!(mounts, std::fs::read_to_string("/proc/self/mountinfo").unwrap());
}

/// Cancels as soon as a step runs.
struct Impatient<'a>(&'a CancelToken);

impl Progress for Impatient<'_> {
    fn begin(&self, _: &str, _: Option<u64>) {
        self.0.cancel();
    }

    fn advance(&self, _: u64) {}
    fn end(&self) {}
}

fn an_interrupted_build_ends_at_once() {
    let mut yard = Yard::new();
    let start = Instant::now();
    let cancel = CancelToken::new();
    let progress = Impatient(&cancel);
    let monitor = Monitor::new(&progress, &cancel);
    let error = yard.sandbox.run(&yard.tree, &mut yard.blobs, &job("sleep 1000"), monitor).unwrap_err();
    assert!(matches!(error, SandboxError::Interrupted), "{error:?}");
    assert!(start.elapsed() < Duration::from_secs(20));
}
