//! Tests of operations that commands are not allowed.

use crate::fixture::{Fixture, job};

pub(crate) const TESTS: &[crate::Test] = crate::tests![
    nothing_of_the_kernel_can_be_reached,
    there_is_no_network,
    the_memory_of_the_first_process_cannot_be_read,
    no_file_of_the_host_can_be_reached,
    nothing_can_be_mounted_or_made_a_device,
    a_very_deep_folder_is_refused_or_captured,
];

#[cfg(target_arch = "x86_64")]
mod number {
    pub(super) const CALLS: &[(&str, u32, i32)] = &[
        ("mount", 165, 1),
        ("umount2", 166, 1),
        ("ptrace", 101, 1),
        ("unshare", 272, 1),
        ("setns", 308, 1),
        ("bpf", 321, 1),
        ("keyctl", 250, 38),
        ("add_key", 248, 38),
        ("io_uring_setup", 425, 38),
        ("perf_event_open", 298, 1),
        ("userfaultfd", 323, 1),
        ("init_module", 175, 1),
        ("kexec_load", 246, 1),
        ("settimeofday", 164, 1),
        ("open_by_handle_at", 304, 1),
        ("process_vm_writev", 311, 1),
        ("clone3", 435, 38),
        ("x32 mount", 0x4000_0000 + 165, 38),
    ];
}
#[cfg(not(target_arch = "x86_64"))]
mod number {
    pub(super) const CALLS: &[(&str, u32, i32)] =
        &[("mount", 40, 1), ("ptrace", 117, 1), ("keyctl", 219, 38), ("clone3", 435, 38)];
}

fn nothing_of_the_kernel_can_be_reached() {
    let mut fixture = Fixture::new();
    for (name, number, errno) in number::CALLS {
        // All bits set are namespaces for `unshare`, and invalid for the others, whose arguments are not read.
        let script =
            format!("perl -e 'my $r = syscall({number}, 0x10000000, 0, 0, 0, 0, 0); print \"$r \", $!+0'");
        assert_eq!(fixture.output(&script), format!("-1 {errno}"), "{name}");
    }
}

fn there_is_no_network() {
    let mut fixture = Fixture::new();
    // An address is unreachable; vsock and packet sockets cannot be created; the loopback device works.
    let connect = "socket(my $s, 2, 1, 0) or die; print connect($s, pack(\"SnC4x8\", 2, 80, 192, 0, 2, 1)) ? \"up\" : $!+0, \"\\n\";";
    let families = "for my $f (40, 17, 38) { print socket(my $v, $f, 1, 0) ? \"made\" : $!+0, \"\\n\" }";
    let own = "socket(my $l, 2, 1, 0) or die; bind($l, pack(\"SnC4x8\", 2, 4242, 127, 0, 0, 1)) or die $!; listen($l, 1) or die;
        socket(my $c, 2, 1, 0) or die; print connect($c, pack(\"SnC4x8\", 2, 4242, 127, 0, 0, 1)) ? \"self\" : $!+0, \"\\n\";";
    assert_eq!(fixture.output(&format!("perl -e '{connect} {families} {own}'")), "101\n97\n97\n97\nself\n");
    assert_eq!(
        fixture.output("ls /sys; cat /proc/net/dev | perl -ne 'print \"$1 \" if /^ *(\\w+):/'"),
        "lo "
    );
}

fn the_memory_of_the_first_process_cannot_be_read() {
    let text = Fixture::new().output(
        "for f in mem environ root/etc exe cwd/etc fd/3 maps; do cat /proc/1/$f > /dev/null 2>&1 && echo /proc/1/$f; done
         readlink /proc/1/exe /proc/1/root || true; (echo x > /proc/1/mem) && echo written
         kill -9 1; kill -STOP 1; echo alive",
    );
    let lines: Vec<_> =
        text.lines().filter(|line| !line.starts_with("sh:") && !line.starts_with("/bin/sh:")).collect();
    assert_eq!(lines, ["alive"], "{text}");
}

fn no_file_of_the_host_can_be_reached() {
    let mark = tempfile::Builder::new().prefix("amiforge-outside-").tempfile_in("/tmp").unwrap();
    let path = mark.path().display();
    // By the usual escape from a chroot, and by every open file of the shell.
    let script = format!(
        "perl -e 'mkdir \"/etc/in\"; opendir(my $d, \"/\"); chroot(\"/etc/in\") or print \"no chroot\\n\"; chdir($d);
           chdir(\"..\") for 1..50; chroot(\".\"); print -e \"{path}\" ? \"out\" : \"in\", \"\\n\"; print -e \"/etc/greeting\" ? \"own\" : \"lost\", \"\\n\"'
         ls -l /proc/self/fd | perl -ne 'print \"$1\\n\" if m,-> (/.*), and $1 !~ m,^/(dev/null|proc/),'"
    );
    assert_eq!(Fixture::new().output(&script), "in\nown\n");
}

fn nothing_can_be_mounted_or_made_a_device() {
    let text = Fixture::new().output(
        "mknod /etc/sda b 8 0 2>/dev/null && echo device; mknod /etc/mem c 1 1 2>/dev/null && echo device
         echo 1 > /proc/sys/kernel/panic && echo sysctl; echo b > /proc/sysrq-trigger && echo sysrq
         echo x > /sys/x && echo sys; echo 0 > /proc/sys/user/max_user_namespaces && echo spaces; : ",
    );
    let lines: Vec<_> = text.lines().filter(|line| !line.contains("sh: ")).collect();
    // The trigger is a read-only empty file.
    assert_eq!(lines, [""; 0], "{text}");
}

fn a_very_deep_folder_is_refused_or_captured() {
    let deep = |depth: u32| {
        let script = format!("perl -e 'for (1..{depth}) {{ mkdir \"d\"; chdir \"d\" or die }}'");
        Fixture::new().run_job(&job(&script))
    };
    let captured = deep(1000).unwrap();
    assert_eq!(captured.tree.walk().map(|entry| entry.path.len()).max(), Some(1999));
    let error = deep(20_000).unwrap_err().to_string();
    assert!(error.contains("nested 2048 deep"), "{error}");
}
