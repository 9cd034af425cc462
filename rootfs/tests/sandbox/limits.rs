//! Tests of the limits of commands.

use std::time::{Duration, Instant};

use amiforge_sandbox::{Limit, SandboxError};

use crate::fixture::{Fixture, job};

pub(crate) const TESTS: &[crate::Test] = crate::tests![
    a_command_that_sleeps_forever_is_stopped,
    a_command_that_fills_the_disk_is_stopped,
    a_disk_without_free_inodes_is_full,
    a_command_that_forks_without_end_is_stopped,
    a_command_that_takes_all_memory_is_stopped,
    memory_that_is_shared_counts,
    files_that_are_mapped_count_once,
    a_tree_that_does_not_fit_is_reported,
];

/// Runs a script with limits; returns the limit that was reached, and the message.
fn reached(script: &str, set: impl Fn(&mut amiforge_sandbox::SandboxLimits)) -> (Limit, String) {
    let mut job = job(script);
    job.limits.time = Duration::from_mins(1);
    set(&mut job.limits);
    let error = Fixture::new().run_job(&job).unwrap_err();
    let SandboxError::Limit { which, .. } = error else { panic!("{error:?}") };
    (which, error.to_string())
}

fn a_command_that_sleeps_forever_is_stopped() {
    let start = Instant::now();
    let (which, message) =
        reached("echo so far; trap '' TERM INT; sleep 1000 & sleep 1000; sleep 1000", |limits| {
            limits.time = Duration::from_secs(1);
        });
    assert_eq!(which, Limit::Time);
    assert!(
        message.contains("limit of 1 seconds") && message.contains("`seconds`") && message.contains("so far"),
        "{message}"
    );
    assert!(start.elapsed() < Duration::from_secs(30));
}

fn a_command_that_fills_the_disk_is_stopped() {
    let fill = "dd if=/dev/zero of=/etc/full bs=1M 2>&1";
    for script in [
        fill,
        "dd if=/dev/zero of=/tmp/full bs=1M",
        "dd if=/dev/zero of=/dev/shm/full bs=1M || true; sleep 1",
    ] {
        let (which, message) = reached(script, |limits| limits.disk = 64 << 20);
        assert_eq!(which, Limit::Disk, "{script}");
        assert!(message.contains("67108864 bytes of files"), "{message}");
    }
}

fn a_disk_without_free_inodes_is_full() {
    let script = "perl -e 'for my $i (0..9999999) { open(my $f, \">\", \"/etc/f$i\") or die \"$i $!\" }'";
    let (which, _) = reached(script, |limits| limits.disk = 64 << 20);
    assert_eq!(which, Limit::Disk);
}

fn a_command_that_forks_without_end_is_stopped() {
    // As root of the sandbox, and as many of its users, each of whom has a limit of its own.
    for bomb in [
        "perl -e 'while (1) { fork }'",
        "perl -e 'my $n; while (1) { $n++; next if fork; $> = $< = $n % 60000; }'",
    ] {
        let error = {
            let mut job = job(bomb);
            job.limits.processes = 200;
            // Otherwise this would be the limit that stops it.
            job.limits.time = Duration::from_mins(2);
            Fixture::new().run_job(&job).unwrap_err()
        };
        assert!(matches!(error, SandboxError::Limit { which: Limit::Processes, .. }), "{error:?}");
    }
}

fn a_command_that_takes_all_memory_is_stopped() {
    let hog = "perl -e 'my @a; while (1) { push @a, \"x\" x (1 << 20); }'";
    let (which, message) = reached(hog, |limits| limits.memory = 256 << 20);
    assert_eq!(which, Limit::Memory);
    assert!(message.contains("268435456 bytes of memory"), "{message}");
}

fn memory_that_is_shared_counts() {
    // Each takes at most 600 MiB and then waits: segments of System V that are not attached, a shared mapping without a
    // file (`mmap`, filled by `read`), and a file of `memfd_create`, which is not mapped.
    let hogs = [
        "my $x = \"x\" x (1 << 20); for (1..600) { my $id = shmget(0, 1 << 20, 0600 | 01000) // last; shmwrite($id, $x, 0, 1 << 20) }",
        "open(my $z, \"</dev/zero\"); for (1..600) { my $at = syscall(9, 0, 1 << 20, 3, 0x21, -1, 0); syscall(0, fileno $z, $at, 1 << 20) }",
        "my $n = \"x\"; my $f = syscall(319, $n, 0); open(my $o, \">&=\", $f); syswrite($o, \"x\" x (1 << 20)) for 1..600;",
    ];
    let hogs = hogs.iter().take(if cfg!(target_arch = "x86_64") { 3 } else { 1 });
    for hog in hogs {
        let (which, message) =
            reached(&format!("perl -e '{hog} sleep 20'"), |limits| limits.memory = 256 << 20);
        assert_eq!(which, Limit::Memory, "{hog}: {message}");
    }
}

fn files_that_are_mapped_count_once() {
    // A file of the sandbox that many programs map is limited by the disk, not by the memory.
    let script = "dd if=/dev/zero of=/etc/large bs=1M count=64 2>/dev/null
        perl -e 'open(my $f, \"+</etc/large\"); open(my $z, \"</dev/zero\");
            for (1..8) { next if fork; my $at = syscall(9, 0, 64 << 20, 3, 1, fileno $f, 0); syscall(0, fileno $z, $at, 64 << 20); sleep 1; exit }
            1 while wait > 0'; echo well";
    let mut job = job(script);
    job.limits.memory = 256 << 20;
    job.limits.time = Duration::from_mins(1);
    let captured = Fixture::new().run_job(&job).unwrap_or_else(|error| panic!("{error:?}"));
    assert!(captured.log.0.ends_with(b"well\n"));
}

fn a_tree_that_does_not_fit_is_reported() {
    let mut job = job(":");
    job.limits.disk = 1 << 20;
    let error = Fixture::new().run_job(&job).unwrap_err().to_string();
    assert!(error.contains("1048576") || error.contains("No space"), "{error}");
}
