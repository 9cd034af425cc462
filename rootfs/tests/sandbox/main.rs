//! Tests of the sandbox from outside: what commands can do in it, and what they cannot. This test program is also the
//! program that enters the sandboxes, so it has its own `main`: `enter` must be called before a thread starts. Otherwise
//! it takes the arguments of every test program (`--list`, `--exact`, a filter).
#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test fails by panicking and prints what it skips"
)]

mod capture;
mod configured;
mod fixture;
mod forbidden;
mod hostile;
mod inside;
mod limits;
mod machine;
mod rpm;
mod shell;
mod stages;
mod steps;
mod still;

use std::process::ExitCode;

use amiforge_sandbox::SUBCOMMAND;
use libtest_mimic::{Arguments, Trial};

/// A test: its name and its function.
type Test = (&'static str, fn());

/// A list of tests, each with the name of its function.
#[macro_export]
macro_rules! tests {
    ($($name:ident),* $(,)?) => { &[$((stringify!($name), $name as fn())),*] };
}

/// Every test, with its module.
const ALL: [(&str, &[Test]); 12] = [
    ("inside", inside::TESTS),
    ("capture", capture::TESTS),
    ("limits", limits::TESTS),
    ("machine", machine::TESTS),
    ("shell", shell::TESTS),
    ("stages", stages::TESTS),
    ("steps", steps::TESTS),
    ("still", still::TESTS),
    ("hostile", hostile::TESTS),
    ("forbidden", forbidden::TESTS),
    ("configured", configured::TESTS),
    ("rpm", rpm::TESTS),
];

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.first().map(String::as_str) {
        Some(SUBCOMMAND) => return amiforge_sandbox::enter(),
        Some("at-terminal") => return shell::worker(),
        Some("worker") => return forbidden::worker(&args[1..]),
        _ => {}
    }
    let mut arguments = Arguments::from_args();
    // Some tests compare all processes or mounts of the machine, which sandboxes of other tests would change.
    arguments.test_threads.get_or_insert(1);
    libtest_mimic::run(&arguments, trials()).exit_code()
}

/// All tests for the harness, in which a panic is a failure.
fn trials() -> Vec<Trial> {
    let all = ALL.iter().flat_map(|(module, tests)| tests.iter().map(move |test| (module, test)));
    all.map(|(module, (name, test))| {
        let test = *test;
        Trial::test(format!("{module}::{name}"), move || {
            test();
            Ok(())
        })
    })
    .collect()
}
