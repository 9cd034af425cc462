//! Tests of the facts about kernel and machine that programs read: the same on every host.

use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::process::{Command, Stdio};
use std::time::Instant;

use amiforge_formats::tree::{Content, Meta, NodeKind};

use crate::fixture::{EPOCH, Fixture};
use crate::forbidden::{copy, run, skip, without_user_namespaces};
use crate::still::{log, still};

pub(crate) const TESTS: &[crate::Test] = crate::tests![
    the_kernel_and_the_machine_are_the_same_for_all_users,
    device_numbers_do_not_depend_on_the_mounts_of_the_host,
    proc_is_fixed_with_the_real_clock_too,
    written_files_keep_their_order_and_no_real_time,
    nodes_of_the_host_keep_their_attributes,
    sleeping_takes_time_in_every_form,
    a_script_that_sleeps_until_a_time_ends,
    new_processes_inherit_the_clock,
    processes_whose_creator_is_killed_run,
];

/// Prints all facts except durations.
const FACTS: &str = r#"
    uname -a; nproc; ulimit -a
    for file in version cpuinfo meminfo stat uptime loadavg cmdline filesystems devices swaps partitions modules vmstat
    do echo "== $file"; cat /proc/$file 2>/dev/null || true; done
    ls -R /proc/sys; for dir in kernel kernel/random vm fs net/core; do
        for file in /proc/sys/$dir/*; do test ! -f $file || { echo "$file"; cat $file; }; done; done
    stat -c '%d %i %h %f %u %g %s %b %X %Y %Z %n' / /bin /etc /etc/greeting /tmp /dev /dev/shm /dev/null /dev/tty
    stat -c '%d %f %X %Y %Z %n' /dev/zero /dev/full /dev/pts /proc/self /proc/uptime
    echo | stat -L -c '%d %i %f %Y' /dev/stdin; stat -L -c '%d %i %Y' /dev/fd/0 < /etc
    stat -f -c '%i %l %s %b %f %a %c %d' / /tmp; stat -f -c '%i' /proc /dev/null
    perl -e 'print getpriority(0, 0), "\n"; my $b = "\1" x 8; print syscall(309, $b, 0, 0), unpack("H*", $b), "\n";
             $b = "\1" x 112; print syscall(99, $b), unpack("H*", $b), "\n"; print $$, "\n"'
"#;

/// The facts that the worker prints when it is started by a command.
fn facts(starter: &[&str]) -> String {
    let (_folder, program) = copy();
    let (first, rest) = starter.split_first().unwrap_or((&"env", &[]));
    let mut command = Command::new(first);
    let (success, text) = run(command.args(rest).arg(&program).args(["worker", &log_of(FACTS), "still"]));
    assert!(success, "{text}");
    text
}

/// A script that stores the output of another in a file.
fn log_of(script: &str) -> String {
    format!("{{ {script}\n }} > /srv-facts 2>&1; cat /srv-facts")
}

fn the_kernel_and_the_machine_are_the_same_for_all_users() {
    let Some(job) = still(FACTS) else { return };
    let text = log(&job);
    for line in
        ["Linux localhost 6.12.0 #1 SMP x86_64", "MemTotal:        8388608 kB", "1000.00 4000.00", "4"]
    {
        assert!(
            text.lines().any(|text| text.trim_end() == line || text.starts_with(line)),
            "no {line} in {text}"
        );
    }
    let usual = facts(&[]);
    for starter in [&["taskset", "-c", "0"][..], &["nice", "-n", "7"], &["sh", "-c", "exec \"$0\" \"$@\""]] {
        assert_eq!(facts(starter), usual, "{starter:?}");
    }
}

/// The device number of a new tmpfs of the host, and a process that keeps it mounted.
fn minor() -> Option<(std::process::Child, u64)> {
    let script = "mount -t tmpfs none /tmp && stat -c %d /tmp && exec sleep 1000";
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c", script]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().ok()?;
    let mut line = Vec::new();
    let mut stdout = child.stdout.take()?;
    let mut byte = [0];
    while stdout.read(&mut byte).ok()? == 1 && byte != *b"\n" {
        line.push(byte[0]);
    }
    Some((child, String::from_utf8(line).ok()?.parse().ok()?))
}

fn device_numbers_do_not_depend_on_the_mounts_of_the_host() {
    let script = "for file in / /etc /tmp /dev /dev/null /dev/pts /proc; do stat -c '%d %n' $file; done
        perl -e 'for my $n (\"/etc\", \"/proc/self\") { my $f = $n; my $b = \"x\" x 256; syscall(332, -100, $f, 0, 0x7ff, $b);
                 print join(\" \", unpack(\"LL\", substr($b, 136, 8))), \"\\n\"; print((lstat $f)[0], \"\\n\") }'";
    let Some(job) = still(script) else { return };
    let text = log(&job);
    assert!(text.starts_with("40 /\n40 /etc\n40 /tmp\n40 /dev\n41 /dev/null\n"), "{text}");
    assert!(text.contains("\n0 40\n40\n"), "{text}");
    let mut mounts: Vec<_> = (0..2).map_while(|_| minor()).collect();
    if mounts.len() < 2 {
        return skip("no file system can be mounted");
    }
    assert_ne!(mounts[0].1, mounts[1].1);
    let again = log(&job);
    for (child, _) in &mut mounts {
        child.kill().unwrap();
        child.wait().unwrap();
    }
    assert_eq!(again, text);
}

fn proc_is_fixed_with_the_real_clock_too() {
    let script = "cat /proc/version /proc/uptime /proc/loadavg /proc/sys/kernel/osrelease /proc/sys/kernel/version
        for f in /proc/*; do test ! -f $f || test ! -r $f || { echo \"$f\"; cat $f; }; done | head -c 60000
        perl -e 'my $b = \"x\" x 16; for (1, 7) { syscall(228, $_, $b); print +(unpack(\"qq\", $b))[0] < 1060 ? \"early\\n\" : \"late\\n\" }'";
    let text = Fixture::new().output(script);
    assert!(text.starts_with("Linux version 6.12.0 (amiforge) #1 SMP\n1000.00 4000.00\n"), "{text}");
    let host = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    assert!(!text.contains(host.trim()), "{text}");
    if std::fs::exists("/proc/self/timens_offsets").unwrap() && cfg!(target_arch = "x86_64") {
        assert!(text.ends_with("early\nearly\n"), "{text}");
    }
}

fn written_files_keep_their_order_and_no_real_time() {
    let script = "stat -c %Y /etc/greeting; echo x > /etc/one; stat -c '%X %Y %Z %W' /etc/one
        perl -e 'select(undef, undef, undef, 0.05)'; echo y > /etc/two
        test /etc/two -nt /etc/one && echo younger; test /etc/one -nt /etc/greeting && echo younger
        touch -d @1234567890 /etc/two; stat -c %Y /etc/two; ls -l --time-style=+%s /etc/one | perl -ne 'print +(split)[5]'";
    let Some(job) = still(script) else { return };
    let expected = "1500000000\n1600000001 1600000001 1600000001 0\nyounger\nyounger\n1234567890\n1600000001";
    assert_eq!(log(&job).replace(" -\n", " 0\n"), expected);
}

fn nodes_of_the_host_keep_their_attributes() {
    let look = || {
        ["null", "zero", "full", "tty"].map(|name| {
            let found = std::fs::metadata(format!("/dev/{name}")).unwrap();
            (found.mode(), found.uid(), found.gid(), found.mtime(), found.mtime_nsec())
        })
    };
    let before = look();
    let script = "for node in null zero full tty; do
            chmod 600 /dev/$node && echo mode; chown 1:1 /dev/$node && echo owner; touch -d @1 /dev/$node && echo times
            touch /dev/$node && echo now; setfattr -n user.x -v y /dev/$node && echo attribute
        done 2>/dev/null
        echo gone > /dev/null; echo gone >> /dev/null; dd if=/dev/zero of=/dev/null bs=4k count=1 2>/dev/null
        head -c 4 /dev/zero | perl -ne 'print length, \"\\n\"'; echo x 2>/dev/null > /dev/full || echo full";
    let expected = "4\nfull\n";
    assert_eq!(Fixture::new().output(script), expected);
    assert_eq!(look(), before);
    if !rustix::process::geteuid().is_root() {
        return skip("only root can do without a user namespace");
    }
    let (_folder, program) = copy();
    let script =
        format!("{{ {script}\n }} > /etc/told; test \"$(cat /etc/told)\" = \"$(printf '4\\nfull')\"");
    let (success, text) = without_user_namespaces(&program, Some(&script));
    if text.starts_with("unshare:") {
        return skip("this system has no user namespaces");
    }
    assert!(success, "{text}");
    assert_eq!(look(), before);
}

fn sleeping_takes_time_in_every_form() {
    // Each call waits for half a second: nanosleep, clock_nanosleep (relative; until a time since the start), select,
    // pselect6, poll, ppoll, epoll_wait, epoll_pwait, futex (relative; until a time since the start) and rt_sigtimedwait.
    let script = r#"perl -e '
        my $t = pack("qq", 0, 500000000); my $v = pack("qq", 0, 500000); my $w = pack("l", 0); my $s = pack("Q", 0);
        my $e = syscall(291, 0); my $b = "x" x 16;
        sub at { syscall(228, 1, $b); my ($s, $n) = unpack("qq", $b); $n += 500000000; ($s, $n) = ($s + 1, $n - 1e9) if $n >= 1e9; pack("qq", $s, $n) }
        sub now { syscall(228, 0, $b); my ($s, $n) = unpack("qq", $b); sprintf "%.1f", $s - 1600000000 + $n / 1e9 }
        my @calls = ([35, $t, 0], [230, 1, 0, $t, 0], [230, 1, 1, \&at, 0], [23, 0, 0, 0, 0, $v], [270, 0, 0, 0, 0, $t, 0],
            [7, 0, 0, 500], [271, 0, 0, $t, 0, 8], [232, $e, $b, 1, 500], [281, $e, $b, 1, 500, 0, 8],
            [202, $w, 128, 0, $t, 0, 0], [202, $w, 137, 0, \&at, 0, 0xffffffff], [128, $s, 0, $t, 8]);
        for my $call (@calls) { my ($c, @a) = map { ref $_ ? $_->() : $_ } @$call;
            my $before = now(); syscall($c, @a); printf "%d %.1f\n", $c, now() - $before }
        syscall(7, 0, 0, 0); print now(), "\n"'"#;
    let Some(job) = still(script) else { return };
    let numbers = [35, 230, 230, 23, 270, 7, 271, 232, 281, 202, 202, 128];
    let mut expected: Vec<_> = numbers.iter().map(|number| format!("{number} 0.5")).collect();
    expected.push("6.0\n".to_owned());
    let begun = Instant::now();
    assert_eq!(log(&job), expected.join("\n"));
    assert!(begun.elapsed().as_millis() >= 5500);
}

fn a_script_that_sleeps_until_a_time_ends() {
    // `sleep` and `date` are programs of their own.
    let script = "now() { perl -e 'print time'; }; end=$(( $(now) + 2 ))
        until [ $(now) -ge $end ]; do sleep 1; done; echo $(( $(now) - end ))
        # A file that is as old as the present second may still be written to: postfix waits until it is over.
        perl -e 'my $m = (stat \"/etc/fresh\")[9]; for (1..100) { my $t = time; print(\"cold\\n\"), exit if $m < $t - 1; select(undef, undef, undef, 0.3) }'";
    let Some(job) = still(script) else { return };
    let mut fixture = Fixture::new();
    let fresh = Content::Inline(b"x".as_slice().into());
    let meta = Meta::root_owned(0o644, EPOCH);
    fixture.add("etc/fresh", meta, NodeKind::File(fresh));
    let captured = fixture.run_job(&job).unwrap_or_else(|error| panic!("{error:?}"));
    assert_eq!(String::from_utf8(captured.log.0).unwrap(), "0\ncold\n");
}

/// A new process may stop before its creator reports it.
fn new_processes_inherit_the_clock() {
    let script = "perl -e 'select undef, undef, undef, 1; my $start = time; my $early = 0;
        for (1..2000) { my $pid = fork; exit(time < $start) if !$pid; waitpid $pid, 0; $early += $? >> 8; } print $early'";
    let Some(job) = still(script) else { return };
    assert_eq!(log(&job), "0");
}

/// A creator that is killed while it forks reports nothing.
fn processes_whose_creator_is_killed_run() {
    let script = "perl -e 'pipe my $end, my $open;
        for my $round (1..300) {
            my $pid = fork;
            if (!$pid) { close $end; while (1) { fork || exit } }
            select undef, undef, undef, 0.0001 * ($round % 40); kill 9, $pid; waitpid $pid, 0;
        }
        close $open; read $end, my $nothing, 1; print \"all ended\"'";
    let Some(job) = still(script) else { return };
    assert_eq!(log(&job), "all ended");
}
