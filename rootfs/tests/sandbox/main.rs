//! The sandbox from outside: what commands can do in it, and what they cannot. The program that these tests are
//! enters the sandboxes itself, therefore it has its own `main`: `enter` has to be called before a thread starts.
#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test fails by panicking and says what it skips"
)]

mod capture;
mod configured;
mod forbidden;
mod hostile;
mod inside;
mod limits;
mod shell;
mod stages;
mod still;
mod yard;

use std::process::ExitCode;

use amiforge_rootfs::sandbox::SUBCOMMAND;

/// A test: its name and what it does.
type Test = (&'static str, fn());

/// A list of tests, named as they are.
#[macro_export]
macro_rules! tests {
    ($($name:ident),* $(,)?) => { &[$((stringify!($name), $name as fn())),*] };
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some(SUBCOMMAND) => return amiforge_rootfs::sandbox::enter(),
        Some("at-terminal") => return shell::worker(),
        Some("worker") => return forbidden::worker(&arguments[1..]),
        Some("--list") => return ExitCode::SUCCESS,
        _ => {}
    }
    let wanted = arguments.iter().find(|word| !word.starts_with('-'));
    let all = [
        inside::TESTS,
        capture::TESTS,
        limits::TESTS,
        shell::TESTS,
        stages::TESTS,
        still::TESTS,
        hostile::TESTS,
        forbidden::TESTS,
        configured::TESTS,
    ];
    let chosen =
        all.into_iter().flatten().filter(|(name, _)| wanted.is_none_or(|wanted| name.contains(&**wanted)));
    let mut failed = Vec::new();
    for (name, test) in chosen {
        eprintln!("test {name}");
        if std::panic::catch_unwind(test).is_err() {
            failed.push(name);
        }
    }
    if failed.is_empty() {
        return ExitCode::SUCCESS;
    }
    eprintln!("failed: {failed:?}");
    ExitCode::FAILURE
}
