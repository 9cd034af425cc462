//! Tests of the emulated clock and random numbers.

use std::time::{Duration, Instant};

use amiforge_formats::tree::{Content, NodeKind};
use amiforge_sandbox::{CommandEnd, SandboxClock, SandboxError, SandboxJob, SandboxStep};

use crate::fixture::{Fixture, job, meta};

pub(crate) const TESTS: &[crate::Test] = crate::tests![
    the_time_of_day_is_that_of_the_job,
    every_process_reads_the_same_random_numbers_in_order,
    a_relative_wait_takes_real_time,
    an_absolute_wait_takes_real_time,
    time_passes_for_a_program_that_polls,
    traced_programs_start_fork_fail_and_are_killed_as_usual,
    traced_processes_that_are_left_running_end,
    a_32_bit_program_is_reported,
];

/// A job with the emulated clock; none on machines without one.
pub(crate) fn still(script: &str) -> Option<SandboxJob> {
    let mut job = SandboxJob { clock: SandboxClock::Still, ..job(script) };
    job.limits.time = Duration::from_mins(1);
    // The tree has no locales, and perl would say so every time.
    job.env.insert("PERL_BADLANG".into(), "0".into());
    cfg!(target_arch = "x86_64").then_some(job)
}

pub(crate) fn log(job: &SandboxJob) -> String {
    let captured = Fixture::new().run_job(job).unwrap_or_else(|error| panic!("{error:?}"));
    String::from_utf8(captured.log.0).unwrap()
}

fn the_time_of_day_is_that_of_the_job() {
    // By `time`, by `gettimeofday` (96) and by `clock_gettime` of each clock (228), from a shell's child and its own.
    let script = r#"
        perl -e 'print time, "\n"; my $b = "x" x 16; print syscall(96, $b, 0), " ", join(" ", unpack("qq", $b)), "\n";
                 for (0, 5, 11) { my $b = "x" x 16; syscall(228, $_, $b); print join(" ", unpack("qq", $b)), "\n" }
                 print syscall(228, 0, 1), " ", $!+0, "\n"'
        perl -e 'fork; wait; print time, "\n"'
    "#;
    let Some(job) = still(script) else { return };
    let expected = "1600000000\n0 1600000000 0\n1600000000 0\n1600000000 0\n1600000000 0\n-1 14\n1600000000\n1600000000\n";
    assert_eq!(log(&job), expected);
}

fn every_process_reads_the_same_random_numbers_in_order() {
    let draw = "perl -e 'for (8, 8, 100000) { my $b = \"x\" x $_; print syscall(318, $b, $_, 0), \" \", unpack(\"H16\", $b), \"\\n\" }'";
    let Some(job) = still(&format!("{draw}; {draw}")) else { return };
    let text = log(&job);
    let lines = text.lines().collect::<Vec<_>>();
    let [a, b, c, again @ ..] = lines.as_slice() else { panic!("{text}") };
    assert!(a.starts_with("8 ") && b.starts_with("8 ") && c.starts_with("65536 "), "{text}");
    assert!(a != b && again == [*a, *b, *c], "{text}");
    assert_eq!(log(&job), text);
}

fn a_relative_wait_takes_real_time() {
    let script = "perl -e 'select(undef, undef, undef, 0.3); my $b = \"x\" x 16; syscall(228, 1, $b); my @a = unpack(\"qq\", $b);
                  select(undef, undef, undef, 0.2); syscall(228, 1, $b); my @b = unpack(\"qq\", $b);
                  my $s = $b[0] - $a[0] + ($b[1] - $a[1]) / 1e9; print $s >= 0.2 && $s < 5 ? \"well\" : $s'";
    let Some(job) = still(script) else { return };
    let begun = Instant::now();
    assert_eq!(log(&job), "well");
    assert!(begun.elapsed().as_millis() >= 500);
}

fn an_absolute_wait_takes_real_time() {
    // `futex` (202; 9 waits, by the time of day with 256, until woken) and `clock_nanosleep` (230, until a time with 1).
    let script = r#"perl -e '
        my $w = pack("l", 0); my $t = pack("qq", time + 1, 0);
        for (1, 2) { print syscall(202, $w, 9 | 256, 0, $t, 0, 0xffffffff), " ", $!+0, " ", time, "\n" }
        $t = pack("qq", time + 1, 500000000); print syscall(230, 0, 1, $t, 0), " ", time, "\n";
        print join(" ", unpack("qq", $t)), "\n"; $t = pack("qq", 5, 2000000000);
        print syscall(230, 0, 1, $t, 0), " ", $!+0, "\n"; $t = pack("qq", time + 1, 0);
        print syscall(202, $w, 9 | 256, 1, $t, 0, 0xffffffff), " ", $!+0, " ", time, "\n"'"#;
    let Some(job) = still(script) else { return };
    let begun = Instant::now();
    let text = log(&job);
    let expected =
        "-1 110 1600000001\n-1 110 1600000001\n0 1600000002\n1600000002 500000000\n-1 22\n-1 11 1600000002\n";
    assert_eq!(text, expected);
    let took = begun.elapsed();
    assert!(took >= Duration::from_millis(2500) && took < Duration::from_secs(30), "{took:?}");
}

fn time_passes_for_a_program_that_polls() {
    let Some(job) = still("perl -e 'my $end = time + 2; 1 while time < $end; print time - $end'") else {
        return;
    };
    assert_eq!(log(&job), "0");
}

fn traced_programs_start_fork_fail_and_are_killed_as_usual() {
    let script = r#"
        perl -e 'exit 7' || echo $?
        perl -e 'kill 9, $$' || echo $?
        perl -e '$SIG{USR1} = sub { print "heard\n" }; kill "USR1", $$;
                 my $child = fork // die; if (!$child) { kill "STOP", $$; exit 3 } waitpid $child, 0; print $? >> 8, "\n"'
        (exec perl -e 'print "again\n"')
        true | cat
    "#;
    let Some(mut job) = still(script) else { return };
    assert_eq!(log(&job), "7\nKilled\n137\nheard\n3\nagain\n");
    for (script, expected) in [("exit 9", CommandEnd::Status(9)), ("kill -TERM $$", CommandEnd::Signal(15))] {
        job.steps = vec![SandboxStep::shell("a step", script)];
        let error = Fixture::new().run_job(&job).unwrap_err();
        assert!(matches!(&error, SandboxError::Step { ended, .. } if *ended == expected), "{error:?}");
    }
    job.steps = vec![SandboxStep::new("a step", ["/no/such/program"])];
    let error = Fixture::new().run_job(&job).unwrap_err();
    assert!(format!("{error:?}").contains("No such file"), "{error:?}");
}

fn traced_processes_that_are_left_running_end() {
    let Some(job) = still("(sleep 1000; echo never) & echo begun") else { return };
    let begun = Instant::now();
    assert_eq!(log(&job), "begun\n");
    assert!(begun.elapsed().as_secs() < 60);
}

/// The shortest ELF program for i386 that calls `exit(0)`.
fn narrow() -> Vec<u8> {
    const BASE: u32 = 0x0804_8000;
    let code = [0xb8, 1, 0, 0, 0, 0x31, 0xdb, 0xcd, 0x80];
    let mut out = b"\x7fELF\x01\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x03\0".to_vec();
    let total = 84 + code.len() as u32;
    let word =
        |out: &mut Vec<u8>, words: &[u32]| words.iter().for_each(|word| out.extend(word.to_le_bytes()));
    word(&mut out, &[1, BASE + 84, 52, 0, 0]);
    for half in [52_u16, 32, 1, 40, 0, 0] {
        out.extend(half.to_le_bytes());
    }
    word(&mut out, &[1, 0, BASE, BASE, total, total, 5, 0x1000]);
    out.extend(code);
    out
}

fn a_32_bit_program_is_reported() {
    for clock in [SandboxClock::Real, SandboxClock::Still] {
        for script in ["exec /srv/narrow", "/srv/narrow; exit $?"] {
            let Some(still) = still(script) else { return };
            let mut fixture = Fixture::new();
            let content = Content::Inline(narrow().into());
            fixture.add("srv/narrow", meta(0o755), NodeKind::File(content));
            let error = fixture.run_job(&SandboxJob { clock, ..still }).unwrap_err().to_string();
            if error.contains("Exec format error") {
                eprintln!("SKIP: this kernel runs no program of 32 bits");
                return;
            }
            assert!(
                error.contains("a 32-bit program: the sandbox runs only 64-bit ones"),
                "{clock:?}: {error}"
            );
        }
    }
}
