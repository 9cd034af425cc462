//! What commands find in the sandbox.

use amiforge_sandbox::{CommandEnd, SandboxClock, SandboxError, SandboxJob, SandboxStep, Seed};

use crate::yard::{EPOCH, Yard, job};

pub(crate) const TESTS: &[crate::Test] = crate::tests![
    commands_are_root_of_a_system_of_their_own,
    every_machine_looks_the_same,
    commands_know_that_no_system_is_running,
    random_numbers_are_the_same_every_time,
    random_numbers_end_rather_than_become_zeros,
    another_seed_gives_other_random_numbers_by_every_way,
    steps_run_in_order_with_their_own_variables_folder_and_input,
    a_step_that_fails_is_told_with_what_it_wrote_last,
    a_program_that_is_not_there_is_told,
    what_a_step_leaves_running_ends_with_it,
    a_flood_of_output_is_cut,
    programs_may_make_terminals,
];

fn commands_are_root_of_a_system_of_their_own() {
    let told = Yard::new().told(
        "id -u; uname -n; ls /proc | grep -c '^[0-9]*$' || true; ls -d /work /home /usr/share 2>&1 | head -1
         ls / ; cat /etc/greeting; test -c /dev/null; test -w /tmp; test -d /proc/self; echo x > /dev/null
         cat /proc/mounts | head -1",
    );
    assert!(told.starts_with("0\nlocalhost\n"), "{told}");
    assert!(told.contains("hello\n") && !told.contains("ext4"), "{told}");
}

fn every_machine_looks_the_same() {
    let told = Yard::new().told("env; umask; pwd; cat /proc/sys/kernel/random/uuid; cat /proc/cmdline");
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
        assert!(told.lines().any(|told| told == line), "no {line} in {told}");
    }
    assert_eq!(told.lines().filter(|line| line.contains('=')).count(), 15, "{told}");
}

/// As `ischroot(1)` finds out, which asks the same where it is installed.
fn commands_know_that_no_system_is_running() {
    let told = Yard::new().told(
        "test \"$(cat /proc/1/mountinfo)\" != \"$(cat /proc/self/mountinfo)\"
         cd ..; pwd -P; cat /etc/greeting",
    );
    assert_eq!(told, "/\nhello\n");
}

fn random_numbers_are_the_same_every_time() {
    // Perl draws its own from /dev/urandom; 318 is getrandom on x86-64, 278 on arm64.
    let number = if cfg!(target_arch = "x86_64") { 318 } else { 278 };
    let script = format!(
        "head -c 16 /dev/urandom | perl -e 'print unpack(\"H*\", <STDIN>)'; echo; head -c 9 /dev/random | perl -0777 -ne \
         'print unpack(\"H*\", $_)'; perl -e 'print rand(), \" \", join(\",\", keys %{{{{map {{$_ => 1}} 1..20}}}}), \"\\n\";
         my ($a, $b) = (\"x\" x 8, \"x\" x 8); print join(\" \", syscall({number}, $a, 8, 0), syscall({number}, $b, 8, 0),
         $a eq $b), unpack(\"H*\", $b), \"\\n\"; printf \"%x\\n\", \\my $x'",
    );
    let (mut yard, mut other) = (Yard::new(), Yard::new());
    let first = yard.told(&script);
    // Other numbers at each call; or none, where programs cannot be traced, and they read the file.
    let call = if cfg!(target_arch = "x86_64") { "\n8 8 " } else { "\n-1 -1 1" };
    assert!(first.contains(call) && !first.contains("8 8 1"), "{first}");
    assert_eq!(first, other.told(&script));
}

fn random_numbers_end_rather_than_become_zeros() {
    let told = Yard::new().told(
        "for file in random urandom; do
             head -c 3000000 /dev/$file | perl -0777 -ne 'print length($_), \" \", substr($_, -64) =~ /^\\0+$/ ? 1 : 0, \"\\n\"'
             head -c 8 /dev/$file | perl -0777 -ne 'print length($_), \"\\n\"'
         done",
    );
    assert_eq!(told, "1048576 0\n8\n".repeat(2));
}

fn another_seed_gives_other_random_numbers_by_every_way() {
    // What a file, a call, the kernel's own files and the hash of a program's table give; 16 bytes from a place of the
    // stack are what the kernel gives every program (`AT_RANDOM`, 25 in the auxiliary vector).
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
    let mut yard = Yard::new();
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
        let captured = yard.run_job(&job).unwrap_or_else(|error| panic!("{error}"));
        let names = ["urandom", "random", "uuid", "call", "perl", "auxv", "none"];
        runs.push(names.map(|name| yard.read(&captured.tree, &format!("etc/{name}"))));
    }
    assert_eq!(runs[0], runs[4], "the same image draws the same");
    for (one, other) in [(0, 1), (0, 2), (0, 3), (1, 2)] {
        let equal: Vec<_> = runs[one].iter().zip(&runs[other]).map(|(a, b)| a == b).collect();
        assert_eq!(equal, [false, false, false, false, false, false, true], "seeds {one} and {other}");
    }
    assert!(runs[0].iter().all(|bytes| bytes.len() >= 5), "{:?}", runs[0]);
    assert_ne!(image("ab", Some("c")), image("a", Some("bc")));
}

fn steps_run_in_order_with_their_own_variables_folder_and_input() {
    let mut yard = Yard::new();
    let mut job = job("echo one > /etc/out; echo $A $B >> /etc/out");
    job.env.insert("A".into(), "of all".into());
    job.env.insert("HOME".into(), "/nowhere".into());
    let mut second =
        SandboxStep::new("the second", ["sh", "-c", "pwd >> out; cat >> out; echo $HOME $A $B >> out"]);
    second.input = b"given\n".to_vec();
    job.steps.push(second.folder("/etc").env("B", "own"));
    let captured = yard.run_job(&job).unwrap();
    let out = yard.read(&captured.tree, "etc/out");
    assert_eq!(String::from_utf8(out).unwrap(), "one\nof all\n/etc\ngiven\n/nowhere of all own\n");
    let id = captured.tree.lookup(b"etc/out").unwrap();
    assert_eq!(captured.tree.node(id).meta.mtime, EPOCH);
}

fn a_step_that_fails_is_told_with_what_it_wrote_last() {
    let error = Yard::new().run("echo fine; printf 'a \\033[31mred\\t letter' >&2; exit 3").unwrap_err();
    assert!(matches!(error, SandboxError::Step { ended: CommandEnd::Status(3), .. }), "{error:?}");
    let said = error.to_string();
    assert!(said.contains("the script failed") && said.contains("exit status 3"), "{said}");
    assert!(said.ends_with("\n    fine\n    a \\x1b[31mred  letter"), "{said}");
    let error = Yard::new().run("kill -9 $$").unwrap_err();
    assert!(matches!(error, SandboxError::Step { ended: CommandEnd::Signal(9), .. }), "{error:?}");
    let error = Yard::new().run("false; true").unwrap_err();
    assert!(matches!(error, SandboxError::Step { ended: CommandEnd::Status(127 | 1), .. }), "{error:?}");
}

fn a_program_that_is_not_there_is_told() {
    let mut job = job(":");
    job.steps.push(SandboxStep::new("the missing one", ["/bin/missing"]));
    let error = Yard::new().run_job(&job).unwrap_err();
    assert!(
        error.to_string().contains("the missing one failed: `/bin/missing` cannot be started: No such file")
    );
}

fn what_a_step_leaves_running_ends_with_it() {
    let mut yard = Yard::new();
    let mut job = job("(sleep 1000; :) & (trap '' HUP TERM; exec sleep 1000) & sleep 0.1");
    job.steps.push(SandboxStep::shell("the second", "for p in /proc/[0-9]*; do echo $p; done > /etc/out"));
    let captured = yard.run_job(&job).unwrap();
    let left = String::from_utf8(yard.read(&captured.tree, "etc/out")).unwrap();
    // The first process, the shell, and who traces it.
    let expected = if cfg!(target_arch = "x86_64") { 3 } else { 2 };
    assert_eq!(left.lines().count(), expected, "{left}");
}

fn a_flood_of_output_is_cut() {
    let captured = Yard::new().run("perl -e 'print \"x\" x 999, \"\\n\" for 1..100000'; echo last").unwrap();
    assert!(captured.log.0.len() <= 64 << 10 && captured.log.0.ends_with(b"last\n"));
}

fn programs_may_make_terminals() {
    assert_eq!(Yard::new().told("exec 3<>/dev/ptmx; ls /dev/pts"), "0\nptmx\n");
}
