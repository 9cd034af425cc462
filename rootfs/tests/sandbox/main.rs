//! The sandbox from outside: what commands can do in it, and what they cannot. The program that these tests are
//! enters the sandboxes itself, therefore it has its own `main`: `enter` has to be called before a thread starts. After
//! that it takes the arguments that every test program takes (`--list`, `--exact`, a filter).
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
mod machine;
mod shell;
mod stages;
mod still;
mod yard;

use std::process::ExitCode;

use amiforge_sandbox::SUBCOMMAND;
use libtest_mimic::{Arguments, Trial};

/// A test: its name and what it does.
type Test = (&'static str, fn());

/// A list of tests, named as they are.
#[macro_export]
macro_rules! tests {
    ($($name:ident),* $(,)?) => { &[$((stringify!($name), $name as fn())),*] };
}

/// Every test, with its module.
const ALL: [(&str, &[Test]); 10] = [
    ("inside", inside::TESTS),
    ("capture", capture::TESTS),
    ("limits", limits::TESTS),
    ("machine", machine::TESTS),
    ("shell", shell::TESTS),
    ("stages", stages::TESTS),
    ("still", still::TESTS),
    ("hostile", hostile::TESTS),
    ("forbidden", forbidden::TESTS),
    ("configured", configured::TESTS),
];

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.first().map(String::as_str) {
        Some(SUBCOMMAND) => return amiforge_sandbox::enter(),
        Some("at-terminal") => return shell::worker(),
        Some("worker") => return forbidden::worker(&words[1..]),
        _ => {}
    }
    let mut arguments = Arguments::from_args();
    // Several look at all processes or mounts of this machine, which the sandboxes of another test would change.
    arguments.test_threads.get_or_insert(1);
    libtest_mimic::run(&arguments, trials()).exit_code()
}

/// What the harness runs. A panic is a failure there.
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
