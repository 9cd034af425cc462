//! Tests of the environment of commands in the sandbox.

use amiforge_sandbox::{CommandEnd, SandboxClock, SandboxError, SandboxJob, SandboxStep, Seed};

use crate::fixture::{EPOCH, Fixture, job};

pub(crate) const TESTS: &[crate::Test] = crate::tests![
    commands_are_root_of_a_system_of_their_own,
    every_machine_looks_the_same,
    commands_know_that_no_system_is_running,
    random_numbers_are_the_same_every_time,
    random_devices_end_rather_than_return_zeros,
    another_seed_changes_every_source_of_random_numbers,
    steps_run_in_order_with_their_own_variables_folder_and_input,
    the_error_of_a_failed_step_shows_the_end_of_its_output,
    a_missing_program_is_reported,
    processes_that_a_step_leaves_running_end_with_it,
    a_flood_of_output_is_cut,
    programs_may_make_terminals,
];

fn commands_are_root_of_a_system_of_their_own() {
    let text = Fixture::new().output(
        "id -u; uname -n; ls /proc | grep -c '^[0-9]*$' || true; ls -d /work /home /usr/share 2>&1 | head -1
         ls / ; cat /etc/greeting; test -c /dev/null; test -w /tmp; test -d /proc/self; echo x > /dev/null
         cat /proc/mounts | head -1",
    );
    assert!(text.starts_with("0\nlocalhost\n"), "{text}");
    assert!(text.contains("hello\n") && !text.contains("ext4"), "{text}");
}

fn every_machine_looks_the_same() {
    let text = Fixture::new().output("env; umask; pwd; cat /proc/sys/kernel/random/uuid; cat /proc/cmdline");
    for line in [
        "TZ=UTC",
        "LC_ALL=C.UTF-8",
        "HOME=/root",
        "SOURCE_DATE_EPOCH=1600000000",
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "0022",
        "/",
        "fd484729-5713-4c2e-84f0-09d864656aca",
    ] {
        assert!(text.lines().any(|text| text == line), "no {line} in {text}");
    }
    assert_eq!(text.lines().filter(|line| line.contains('=')).count(), 15, "{text}");
}

/// By the comparison that `ischroot(1)` makes too.
fn commands_know_that_no_system_is_running() {
    let text = Fixture::new().output(
        "test \"$(cat /proc/1/mountinfo)\" != \"$(cat /proc/self/mountinfo)\"
         cd ..; pwd -P; cat /etc/greeting",
    );
    assert_eq!(text, "/\nhello\n");
}

fn random_numbers_are_the_same_every_time() {
    // Perl seeds its own from /dev/urandom; 318 is getrandom on x86-64, 278 on arm64.
    let number = if cfg!(target_arch = "x86_64") { 318 } else { 278 };
    let script = format!(
        "head -c 16 /dev/urandom | perl -e 'print unpack(\"H*\", <STDIN>)'; echo; head -c 9 /dev/random | perl -0777 -ne \
         'print unpack(\"H*\", $_)'; perl -e 'print rand(), \" \", join(\",\", keys %{{{{map {{$_ => 1}} 1..20}}}}), \"\\n\";
         my ($a, $b) = (\"x\" x 8, \"x\" x 8); print join(\" \", syscall({number}, $a, 8, 0), syscall({number}, $b, 8, 0),
         $a eq $b), unpack(\"H*\", $b), \"\\n\"; printf \"%x\\n\", \\my $x'",
    );
    let (mut fixture, mut other) = (Fixture::new(), Fixture::new());
    let first = fixture.output(&script);
    // Other numbers with each call; or an error where programs cannot be traced, so that they read the file.
    let call = if cfg!(target_arch = "x86_64") { "\n8 8 " } else { "\n-1 -1 1" };
    assert!(first.contains(call) && !first.contains("8 8 1"), "{first}");
    assert_eq!(first, other.output(&script));
}

fn random_devices_end_rather_than_return_zeros() {
    let text = Fixture::new().output(
        "for file in random urandom; do
             head -c 3000000 /dev/$file | perl -0777 -ne 'print length($_), \" \", substr($_, -64) =~ /^\\0+$/ ? 1 : 0, \"\\n\"'
             head -c 8 /dev/$file | perl -0777 -ne 'print length($_), \"\\n\"'
         done",
    );
    assert_eq!(text, "1048576 0\n8\n".repeat(2));
}

fn another_seed_changes_every_source_of_random_numbers() {
    // By device, system call, file of the kernel and order of a hash table, and the 16 bytes on the stack of every program
    // (`AT_RANDOM`, 25 in the auxiliary vector).
    let script = "
        head -c 16 /dev/urandom > /etc/urandom; head -c 16 /dev/random > /etc/random
        cat /proc/sys/kernel/random/uuid > /etc/uuid; echo none > /etc/none
        perl -e 'my $b = \"x\" x 16; syscall(318, $b, 16, 0); print $b' > /etc/call
        PERL_HASH_SEED= perl -e 'print rand()' > /etc/perl
        perl -e 'open F, \"/proc/self/auxv\"; local $/; my %a = unpack(\"Q*\", <F>);
                 open M, \"/proc/self/mem\"; sysseek M, $a{25}, 0; sysread M, my $b, 16; print $b' > /etc/auxv";
    if !cfg!(target_arch = "x86_64") {
        return;
    }
    let mut fixture = Fixture::new();
    let image = |name, version| Seed::of_image(name, version);
    let seeds = [
        image("web", Some("1")),
        image("web", Some("2")),
        image("db", Some("1")),
        image("web", Some("1")).other(),
    ];
    let mut runs = Vec::new();
    for seed in seeds.into_iter().chain([image("web", Some("1"))]) {
        let mut job = SandboxJob { seed, clock: SandboxClock::Still, ..job(script) };
        job.env.insert("PERL_BADLANG".into(), "0".into());
        let captured = fixture.run_job(&job).unwrap_or_else(|error| panic!("{error}"));
        let names = ["urandom", "random", "uuid", "call", "perl", "auxv", "none"];
        runs.push(names.map(|name| fixture.read(&captured.tree, &format!("etc/{name}"))));
    }
    assert_eq!(runs[0], runs[4], "the same image reads the same numbers");
    for (one, other) in [(0, 1), (0, 2), (0, 3), (1, 2)] {
        let equal: Vec<_> = runs[one].iter().zip(&runs[other]).map(|(a, b)| a == b).collect();
        assert_eq!(equal, [false, false, false, false, false, false, true], "seeds {one} and {other}");
    }
    assert!(runs[0].iter().all(|bytes| bytes.len() >= 5), "{:?}", runs[0]);
    assert_ne!(image("ab", Some("c")), image("a", Some("bc")));
}

fn steps_run_in_order_with_their_own_variables_folder_and_input() {
    let mut fixture = Fixture::new();
    let mut job = job("echo one > /etc/out; echo $A $B >> /etc/out");
    job.env.insert("A".into(), "of all".into());
    job.env.insert("HOME".into(), "/nowhere".into());
    let mut second =
        SandboxStep::new("the second", ["sh", "-c", "pwd >> out; cat >> out; echo $HOME $A $B >> out"]);
    second.input = b"given\n".to_vec();
    job.steps.push(second.folder("/etc").env("B", "own"));
    let captured = fixture.run_job(&job).unwrap();
    let out = fixture.read(&captured.tree, "etc/out");
    assert_eq!(String::from_utf8(out).unwrap(), "one\nof all\n/etc\ngiven\n/nowhere of all own\n");
    let id = captured.tree.lookup(b"etc/out").unwrap();
    assert_eq!(captured.tree.node(id).meta.mtime, EPOCH);
}

fn the_error_of_a_failed_step_shows_the_end_of_its_output() {
    let error = Fixture::new().run("echo fine; printf 'a \\033[31mred\\t letter' >&2; exit 3").unwrap_err();
    assert!(matches!(error, SandboxError::Step { ended: CommandEnd::Status(3), .. }), "{error:?}");
    let message = error.to_string();
    assert!(message.contains("the script failed") && message.contains("exit status 3"), "{message}");
    assert!(message.ends_with("\n    fine\n    a \\x1b[31mred  letter"), "{message}");
    let error = Fixture::new().run("kill -9 $$").unwrap_err();
    assert!(matches!(error, SandboxError::Step { ended: CommandEnd::Signal(9), .. }), "{error:?}");
    let error = Fixture::new().run("false; true").unwrap_err();
    assert!(matches!(error, SandboxError::Step { ended: CommandEnd::Status(127 | 1), .. }), "{error:?}");
}

fn a_missing_program_is_reported() {
    let mut job = job(":");
    job.steps.push(SandboxStep::new("the missing one", ["/bin/missing"]));
    let error = Fixture::new().run_job(&job).unwrap_err();
    assert!(
        error.to_string().contains("the missing one failed: `/bin/missing` cannot be started: No such file")
    );
}

fn processes_that_a_step_leaves_running_end_with_it() {
    let mut fixture = Fixture::new();
    let mut job = job("(sleep 1000; :) & (trap '' HUP TERM; exec sleep 1000) & sleep 0.1");
    job.steps.push(SandboxStep::shell("the second", "for p in /proc/[0-9]*; do echo $p; done > /etc/out"));
    let captured = fixture.run_job(&job).unwrap();
    let left = String::from_utf8(fixture.read(&captured.tree, "etc/out")).unwrap();
    // The first process, the shell, and its tracer.
    let expected = if cfg!(target_arch = "x86_64") { 3 } else { 2 };
    assert_eq!(left.lines().count(), expected, "{left}");
}

fn a_flood_of_output_is_cut() {
    let captured =
        Fixture::new().run("perl -e 'print \"x\" x 999, \"\\n\" for 1..100000'; echo last").unwrap();
    assert!(captured.log.0.len() <= 64 << 10 && captured.log.0.ends_with(b"last\n"));
}

fn programs_may_make_terminals() {
    assert_eq!(Fixture::new().output("exec 3<>/dev/ptmx; ls /dev/pts"), "0\nptmx\n");
}
