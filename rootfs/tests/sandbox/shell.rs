//! Tests of the shell after a failed command, on a terminal and without one.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use amiforge_progress::{CancelToken, Monitor, Progress};
use amiforge_sandbox::{OnFailure, SUBCOMMAND};
use rustix::pty::OpenptFlags;
use rustix::termios::{LocalModes, Winsize};

use crate::fixture::{Fixture, job};

pub(crate) const TESTS: &[crate::Test] = crate::tests![
    a_shell_is_on_a_terminal_of_its_own,
    signals_that_the_caller_ignores_are_not_ignored_by_commands,
    without_a_terminal_a_shell_reads_standard_input,
];

const SCRIPT: &str = "echo hello > /tmp/left; echo so far; export SET=1; exit 7";

/// This program, started on a terminal: a command fails, and a shell is requested.
pub(crate) fn worker() -> ExitCode {
    let mut job = job(SCRIPT);
    job.on_failure = OnFailure::Shell;
    job.env.insert("GIVEN".into(), "by the step".into());
    let mut fixture = Fixture::new();
    let cancel = CancelToken::new();
    let monitor = Monitor::new(&Announcement, &cancel);
    let error = fixture.sandbox.run(&fixture.tree, &mut fixture.blobs, &job, monitor).unwrap_err();
    eprintln!("in the end: {error}");
    ExitCode::FAILURE
}

/// Prints the message that announces the shell.
struct Announcement;

impl Progress for Announcement {
    fn begin(&self, _: &str, _: Option<u64>) {}
    fn advance(&self, _: u64) {}
    fn end(&self) {}
    fn message(&self, text: &str) {
        eprintln!("at first: {text}");
    }
}

/// A terminal on which this program runs.
struct Terminal {
    keys: File,
    shown: Arc<Mutex<String>>,
    child: Child,
}

impl Terminal {
    fn begin() -> Self {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let ours = rustix::pty::openpt(flags).unwrap();
        rustix::pty::grantpt(&ours).unwrap();
        rustix::pty::unlockpt(&ours).unwrap();
        let theirs = rustix::pty::ioctl_tiocgptpeer(&ours, flags).unwrap();
        rustix::termios::tcsetwinsize(&ours, size(33, 111)).unwrap();
        let own = || Stdio::from(theirs.try_clone().unwrap());
        // The signals that nohup(1) and a shell ignore for processes in the background.
        let mut command = Command::new("sh");
        command.args(["-c", "trap '' HUP INT QUIT; exec setsid --ctty --wait \"$0\" at-terminal"]);
        command.arg(std::env::current_exe().unwrap());
        let child = command.env("TERM", "vt220").stdin(own()).stdout(own()).stderr(own()).spawn().unwrap();
        let shown = Arc::new(Mutex::new(String::new()));
        let (mut screen, into) = (File::from(ours.try_clone().unwrap()), Arc::clone(&shown));
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(got @ 1..) = screen.read(&mut bytes) {
                into.lock().unwrap().push_str(&String::from_utf8_lossy(&bytes[..got]));
            }
        });
        Self { keys: File::from(ours), shown, child }
    }

    fn type_in(&self, keys: &str) {
        (&self.keys).write_all(keys.as_bytes()).unwrap();
    }

    /// Waits until a text is shown after the texts of earlier calls.
    fn until(&self, text: &str) {
        let end = Instant::now() + Duration::from_mins(1);
        loop {
            let mut shown = self.shown.lock().unwrap();
            if let Some(at) = shown.find(text) {
                shown.drain(..at + text.len());
                return;
            }
            assert!(Instant::now() < end, "no {text:?} in {shown:?}");
            drop(shown);
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

fn size(rows: u16, columns: u16) -> Winsize {
    Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }
}

fn a_shell_is_on_a_terminal_of_its_own() {
    let mut terminal = Terminal::begin();
    terminal.until("exit status 7; it wrote last:");
    terminal.until("so far");
    terminal.until("# ");
    terminal.type_in("cat /tmp/left; tty; stty size; echo $GIVEN, $TERM.\n");
    for text in ["hello\r\n", "/dev/pts/0\r\n", "33 111\r\n", "by the step, vt220.\r\n"] {
        terminal.until(text);
    }
    // Ctrl-C ends the command of the shell and nothing else. The command tells that it runs, not the shell: until it has the
    // terminal, the shell takes the signal for itself and waits for the command.
    terminal.type_in("sh -c 'echo wa\"\"iting; exec sleep 1000'\n");
    terminal.until("waiting\r\n");
    terminal.type_in("\x03");
    // Input that was typed ahead would be discarded with the command.
    terminal.until("# ");
    terminal.type_in("echo status $?.\n");
    terminal.until("status 130.\r\n");
    rustix::termios::tcsetwinsize(&terminal.keys, size(44, 99)).unwrap();
    terminal.type_in(
        "until stty size | { read all; [ \"$all\" = '44 99' ]; }; do sleep 0.1; done; echo la''rger\n",
    );
    terminal.until("larger\r\n");
    terminal.type_in("exit\n");
    terminal.until("in the end: ");
    assert_eq!(terminal.child.wait().unwrap().code(), Some(1));
    let modes = rustix::termios::tcgetattr(&terminal.keys).unwrap().local_modes;
    assert!(modes.contains(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG), "{modes:?}");
}

fn signals_that_the_caller_ignores_are_not_ignored_by_commands() {
    let ends = "for s in HUP INT QUIT TERM USR1; do sh -c \"kill -$s \\$\\$\" 2> /dev/null || echo $?; done";
    let expected = "$(printf '129\\n130\\n131\\n143\\n138')";
    let script = format!("{{ {ends}; }} > /etc/told; test \"$(cat /etc/told)\" = \"{expected}\"");
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' HUP INT QUIT TERM USR1; exec \"$0\" worker \"$1\""]);
    let output = command.arg(std::env::current_exe().unwrap()).arg(script).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn without_a_terminal_a_shell_reads_standard_input() {
    let (input, keys) = std::io::pipe().unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.arg("at-terminal").stdin(OwnedFd::from(input)).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    drop(command);
    let mut keys = File::from(OwnedFd::from(keys));
    keys.write_all(b"cat /tmp/left; echo $GIVEN\n").unwrap();
    drop(keys);
    let output = child.wait_with_output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(stdout, "hello\nby the step\n", "{stderr}");
    assert!(stderr.contains("at first: ") && stderr.contains("in the end: "), "{stderr}");
    assert!(!stderr.contains(SUBCOMMAND), "{stderr}");
}
