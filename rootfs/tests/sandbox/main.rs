//! The sandbox from outside: what commands can do in it, and what they cannot. The program that these tests are
//! enters the sandboxes itself, therefore it has its own `main`: `enter` has to be called before a thread starts.
#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test fails by panicking and says what it skips"
)]

mod yard;

use std::process::ExitCode;

use amiforge_rootfs::sandbox::SUBCOMMAND;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    match arguments.next().as_deref() {
        Some(SUBCOMMAND) => amiforge_rootfs::sandbox::enter(),
        Some("time") => yard::time(&arguments.collect::<Vec<_>>()),
        _ => ExitCode::SUCCESS,
    }
}
