//! Tests of entering a sandbox: which users can, that all get the same result, and that a killed one leaves nothing.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use amiforge_progress::{CancelToken, Monitor, Progress};
use amiforge_sandbox::SandboxError;

use crate::fixture::{Fixture, job, listing};
use crate::still::still;

pub(crate) const TESTS: &[crate::Test] = crate::tests![
    all_users_get_the_same_tree,
    the_error_of_a_user_without_ids_has_a_hint,
    the_error_of_a_system_without_namespaces_has_a_hint,
    a_killed_build_leaves_no_process_and_no_mount,
    a_cancelled_job_ends_at_once,
];

/// A script that uses ids, capabilities and every kind of file.
const SCRIPT: &str = "mkdir -p /srv/a; echo x > /srv/a/x; chown 33:44 /srv/a/x; chmod 4750 /srv/a/x; ln /srv/a/x /srv/y
    mkfifo /srv/p; ln -s a /srv/l; truncate -s 1M /srv/holes; chown -R 65534:65534 /srv/a; rm /etc/greeting; id > /srv/id
    id -u 2>/dev/null >> /srv/id; head -c 100 /dev/urandom > /srv/random; perl -e 'print $$' > /srv/pid; ls /proc >> /srv/proc-of-my-own || true
    rm /srv/proc-of-my-own; stat -c '%a %n' /dev/* /proc/self > /srv/devices 2>&1";

/// This program, started as another user: prints the tree that a script leaves, with the emulated clock if there is a
/// second argument.
pub(crate) fn worker(arguments: &[String]) -> ExitCode {
    let script = arguments.first().map_or(SCRIPT, String::as_str);
    let mut fixture = Fixture::new();
    let still = arguments.get(1).and_then(|_| still(script));
    let result = match &still {
        Some(job) => fixture.run_job(job),
        None => fixture.run(script),
    };
    match result {
        Ok(captured) => {
            eprint!("{}", listing(&fixture, &captured.tree));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// A copy of this program that every user can run, and its folder.
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

fn all_users_get_the_same_tree() {
    if !is_root() {
        return skip("only root can become another user");
    }
    let Some((uid, gid)) = user() else { return skip("no user has subordinate ids") };
    let (_folder, program) = copy();
    let (success, by_root) = run(Command::new(&program).arg("worker"));
    assert!(success, "{by_root}");
    let ids = [format!("--reuid={uid}"), format!("--regid={gid}")];
    let (success, by_user) =
        run(Command::new("setpriv").args(ids).arg("--clear-groups").arg(&program).arg("worker"));
    assert!(success, "{by_user}");
    assert_eq!(by_root, by_user);
    let (success, by_plain) = without_user_namespaces(&program, None);
    assert!(success, "{by_plain}");
    assert_eq!(by_root, by_plain);
}

/// Runs the worker as a root that can create every namespace except a user namespace, with a script or its own.
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

fn the_error_of_a_user_without_ids_has_a_hint() {
    if !is_root() {
        return skip("only root can become another user");
    }
    let (_folder, program) = copy();
    let nobody = ["--reuid=4242", "--regid=4242", "--clear-groups"];
    let (success, message) = run(Command::new("setpriv").args(nobody).arg(&program).arg("worker"));
    assert!(!success && message.contains("`4242` has 0 subordinate uids"), "{message}");
    assert!(
        message.contains("usermod --add-subuids") && message.contains("scripts = \"native\""),
        "{message}"
    );
}

fn the_error_of_a_system_without_namespaces_has_a_hint() {
    let (_folder, program) = copy();
    let one = ["--user", "--map-root-user"];
    let (success, message) = run(Command::new("unshare").args(one).arg(&program).arg("worker"));
    if message.starts_with("unshare:") {
        return skip("this system has no user namespaces");
    }
    assert!(
        !success && message.contains("does not allow a sandbox") && message.contains("scripts = \"native\""),
        "{message}"
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

fn a_cancelled_job_ends_at_once() {
    let mut fixture = Fixture::new();
    let start = Instant::now();
    let cancel = CancelToken::new();
    let progress = Impatient(&cancel);
    let monitor = Monitor::new(&progress, &cancel);
    let error =
        fixture.sandbox.run(&fixture.tree, &mut fixture.blobs, &job("sleep 1000"), monitor).unwrap_err();
    assert!(matches!(error, SandboxError::Interrupted), "{error:?}");
    assert!(start.elapsed() < Duration::from_secs(20));
}
