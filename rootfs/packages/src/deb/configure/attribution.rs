//! Attributes a failure of dpkg to a package's script: dpkg's messages name the package, the script and its output. Of
//! deferred work, the command that failed.

use amiforge_sandbox::{CommandEnd, OutputTail, SandboxError};

use super::deferred::FAILED;

/// Adds to the error of a step of dpkg which package failed; any other error is returned unchanged.
pub(super) fn attribute(error: SandboxError) -> SandboxError {
    let SandboxError::Step { name, command, ended, tail } = error else { return error };
    if let Some(FailedScript { package, command, ended, tail }) = failed_script(&tail.0) {
        let name = format!("the package `{package}`");
        return SandboxError::Step { name, command, ended, tail: OutputTail(tail) };
    }
    let command = deferred_command(&tail.0).unwrap_or(command);
    SandboxError::Step { name, command, ended, tail }
}

/// The deferred command that failed.
fn deferred_command(output: &[u8]) -> Option<String> {
    let output = String::from_utf8_lossy(output);
    output.lines().find_map(|line| line.strip_prefix(FAILED)).map(str::to_owned)
}

/// A script that failed.
#[derive(Debug, PartialEq, Eq)]
struct FailedScript {
    package: String,
    command: String,
    ended: CommandEnd,
    tail: Vec<u8>,
}

/// The first package that dpkg could not process because of its script.
fn failed_script(output: &[u8]) -> Option<FailedScript> {
    let output = String::from_utf8_lossy(output);
    let lines: Vec<&str> = output.lines().collect();
    let (at, package) = lines.iter().enumerate().find_map(|(at, line)| {
        let rest = line.split_once("dpkg: error processing package ")?.1;
        Some((at, rest.split(' ').next()?))
    })?;
    // " installed PACKAGE package post-installation script subprocess returned error exit status N"
    let reason = lines.get(at + 1)?;
    let ended = reason.split_once("exit status ").map(|(_, rest)| CommandEnd::Status(number(rest)));
    let ended =
        ended.or_else(|| reason.split_once("signal (").map(|_| CommandEnd::Signal(signal(reason))))?;
    let begins = |line: &&str| {
        let rest = line.strip_prefix("Setting up ").or_else(|| line.strip_prefix("Processing triggers for "));
        rest.is_some_and(|rest| rest.split(' ').next() == Some(package))
    };
    let from = lines.get(..at)?.iter().rposition(begins).map_or(0, |from| from + 1);
    // The script may have ended without a newline: text before dpkg's message is its output.
    let own = lines.get(at)?.split_once("dpkg: error").map(|(own, _)| own).filter(|own| !own.is_empty());
    let wrote: Vec<&str> = lines.get(from..at)?.iter().copied().chain(own).collect();
    let triggered = from > 0 && lines.get(from - 1).is_some_and(|line| line.starts_with("Processing"));
    let argument = if triggered { "triggered" } else { "configure" };
    let command = format!("/var/lib/dpkg/info/{package}.postinst {argument}");
    Some(FailedScript { package: package.to_owned(), command, ended, tail: wrote.join("\n").into_bytes() })
}

fn number(text: &str) -> i32 {
    let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or(-1)
}

/// The signal of "subprocess was killed by signal (Killed)": dpkg prints no number, so the usual ones are known by name.
fn signal(reason: &str) -> i32 {
    let names = [
        ("Killed", 9),
        ("Segmentation fault", 11),
        ("Aborted", 6),
        ("Terminated", 15),
        ("Bad system call", 31),
    ];
    names.iter().find(|(name, _)| reason.contains(name)).map_or(-1, |(_, number)| *number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_package_its_script_and_what_it_wrote_are_told() {
        let output = b"Setting up a (1) ...\nfine\nSetting up b:amd64 (2) ...\nso\nfardpkg: error processing package b:amd64 \
            (--configure):\n installed b:amd64 package post-installation script subprocess returned error exit status 255\n\
            Setting up c (3) ...\nErrors were encountered while processing:\n b:amd64\n";
        let found = failed_script(output).unwrap();
        assert_eq!((found.package.as_str(), found.ended), ("b:amd64", CommandEnd::Status(255)));
        assert_eq!(String::from_utf8(found.tail).unwrap(), "so\nfar");
        assert_eq!(found.command, "/var/lib/dpkg/info/b:amd64.postinst configure");
    }

    #[test]
    fn a_trigger_that_was_killed_is_told() {
        let output = b"Processing triggers for man-db (2.11) ...\ndpkg: error processing package man-db (--configure):\n \
            installed man-db package post-installation script subprocess was killed by signal (Killed)\n";
        let found = failed_script(output).unwrap();
        assert_eq!(
            (found.command.as_str(), found.ended),
            ("/var/lib/dpkg/info/man-db.postinst triggered", CommandEnd::Signal(9))
        );
    }

    #[test]
    fn a_command_that_was_left_for_the_end_is_told() {
        let output = b"  File \"/usr/lib/x.py\", line 1\namiforge: failed: py3compile -p python3-x\n";
        assert_eq!(deferred_command(output).unwrap(), "py3compile -p python3-x");
        assert_eq!(deferred_command(b"Setting up a (1) ...\n"), None);
    }

    #[test]
    fn other_failures_stay_as_they_are() {
        assert_eq!(failed_script(b"dpkg: unrecoverable fatal error, aborting:\n"), None);
        assert_eq!(
            failed_script(b"dpkg: error processing package x (--configure):\n dependency problems\n"),
            None
        );
        assert_eq!(failed_script(b""), None);
    }
}
