//! The filter of system calls, as a program of classic BPF (seccomp(2)): refuses some, and hands others to the tracer.
//!
//! It is a second barrier: namespaces and missing capabilities prevent the same operations. It removes parts of the
//! kernel that a build does not need and that had vulnerabilities, new user namespaces, and the kernel's random
//! numbers. The calls of other ABIs (32-bit programs, x32) would need tables of their own; they are not allowed.

use super::super::SandboxClock;
use libc::{BPF_ABS, BPF_JEQ, BPF_JGE, BPF_JMP, BPF_JSET, BPF_K, BPF_LD, BPF_RET, BPF_W, sock_filter};

#[cfg(target_arch = "x86_64")]
const ARCH: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const ARCH: u32 = 0xc000_00b7;

/// Offsets in the kernel's `seccomp_data`; both machines are little-endian, so the low half of an argument is first.
const NUMBER: u32 = 0;
const MACHINE: u32 = 4;
const fn argument(index: u32) -> u32 {
    16 + 8 * index
}

/// Calls from this number on belong to x32 on x86-64; no architecture has as many.
const X32: u32 = 0x4000_0000;

/// Flags of new namespaces.
const NAMESPACES: u32 = (libc::CLONE_NEWNS
    | libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET
    | 0x80) as u32;

/// Calls that fail with EPERM.
const REFUSED: &[libc::c_long] = &[
    libc::SYS_acct,
    libc::SYS_adjtimex,
    libc::SYS_bpf,
    libc::SYS_clock_adjtime,
    libc::SYS_clock_settime,
    libc::SYS_delete_module,
    libc::SYS_fanotify_init,
    libc::SYS_finit_module,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fsopen,
    libc::SYS_fspick,
    libc::SYS_init_module,
    libc::SYS_kcmp,
    libc::SYS_kexec_file_load,
    libc::SYS_kexec_load,
    libc::SYS_mount,
    libc::SYS_mount_setattr,
    libc::SYS_move_mount,
    libc::SYS_open_by_handle_at,
    libc::SYS_open_tree,
    libc::SYS_perf_event_open,
    libc::SYS_pidfd_getfd,
    libc::SYS_pivot_root,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_ptrace,
    libc::SYS_quotactl,
    libc::SYS_reboot,
    libc::SYS_setns,
    libc::SYS_settimeofday,
    libc::SYS_swapoff,
    libc::SYS_swapon,
    libc::SYS_syslog,
    libc::SYS_umount2,
    libc::SYS_userfaultfd,
    libc::SYS_vhangup,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_ioperm,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_iopl,
];

/// Calls that fail with ENOSYS, so that programs use the older ones: random numbers from `/dev/urandom`, `clone` for `clone3`, whose
/// flags a filter cannot read, no `io_uring`, whose operations a filter cannot see, and `getcpu` for restartable sequences,
/// in which the kernel stores the processor.
const ABSENT: &[libc::c_long] = &[
    libc::SYS_add_key,
    libc::SYS_clone3,
    libc::SYS_getrandom,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_io_uring_setup,
    libc::SYS_keyctl,
    libc::SYS_request_key,
    libc::SYS_rseq,
];

/// Socket families that are allowed: those that stay in the network namespace. (vsock and others do not.)
const FAMILIES: &[i32] = &[libc::AF_UNIX, libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK];

/// Requests that insert input into a terminal: TIOCSTI and TIOCLINUX.
const TYPING: &[u32] = &[0x5412, 0x541c];

/// Clocks of the time of day (`linux/time.h`): `CLOCK_REALTIME`, its coarse form, and `CLOCK_TAI`.
#[cfg(target_arch = "x86_64")]
const TIMES_OF_DAY: &[u32] = &[0, 5, 11];

/// Hands the calls that return the time of day, random numbers, facts about the machine or attributes of files to the
/// tracer, and those that wait with a timeout.
#[cfg(target_arch = "x86_64")]
fn trace_emulated(out: &mut Vec<sock_filter>) {
    let trace = || end(libc::SECCOMP_RET_TRACE);
    for call in TRACED {
        on_call(out, *call, &[trace()]);
    }
    let mut gettime = vec![load(argument(0))];
    for clock in TIMES_OF_DAY {
        gettime.extend([jump(BPF_JEQ, *clock, 0, 1), trace()]);
    }
    gettime.push(allow());
    on_call(out, libc::SYS_clock_gettime, &gettime);
    // A null pointer means no timeout. Only its lower half is compared: no program passes a pointer here of which only the
    // lower half is zero.
    let with_timeout = |index| [load(argument(index)), jump(BPF_JEQ, 0, 0, 1), allow(), trace()];
    for (call, index) in WITH_POINTER {
        on_call(out, *call, &with_timeout(*index));
    }
    for (call, index) in WITH_MILLISECONDS {
        let negative = 1 << 31;
        let asks = [
            load(argument(*index)),
            jump(BPF_JEQ, 0, 1, 0),
            jump(BPF_JSET, negative, 0, 1),
            allow(),
            trace(),
        ];
        on_call(out, *call, &asks);
    }
    let mut futex = vec![load(argument(1)), jump(BPF_JSET, libc::FUTEX_CLOCK_REALTIME.cast_unsigned(), 5, 0)];
    let private = libc::FUTEX_PRIVATE_FLAG;
    let waits = [
        libc::FUTEX_WAIT,
        libc::FUTEX_WAIT | private,
        libc::FUTEX_WAIT_BITSET,
        libc::FUTEX_WAIT_BITSET | private,
    ];
    for (at, operation) in (0..).zip(waits) {
        futex.push(jump(BPF_JEQ, operation.cast_unsigned(), 4 - at, 0));
    }
    futex.push(allow());
    futex.extend(with_timeout(3));
    on_call(out, libc::SYS_futex, &futex);
}

#[cfg(not(target_arch = "x86_64"))]
fn trace_emulated(_: &mut Vec<sock_filter>) {}

/// Calls that the tracer always emulates or changes.
#[cfg(target_arch = "x86_64")]
const TRACED: &[libc::c_long] = &[
    libc::SYS_stat,
    libc::SYS_lstat,
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_statfs,
    libc::SYS_fstatfs,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_restart_syscall,
    libc::SYS_getcpu,
    libc::SYS_getpriority,
    libc::SYS_getrandom,
    libc::SYS_gettimeofday,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_setaffinity,
    libc::SYS_sysinfo,
    libc::SYS_time,
    libc::SYS_uname,
];

/// Calls that wait without a timeout where a pointer argument is null; with the index of that argument.
#[cfg(target_arch = "x86_64")]
const WITH_POINTER: &[(libc::c_long, u32)] = &[
    (libc::SYS_epoll_pwait2, 3),
    (libc::SYS_ppoll, 2),
    (libc::SYS_pselect6, 4),
    (libc::SYS_rt_sigtimedwait, 2),
    (libc::SYS_select, 4),
    (libc::SYS_semtimedop, 3),
];

/// Calls whose timeout is a number of milliseconds, none if negative; with the index of that argument.
#[cfg(target_arch = "x86_64")]
const WITH_MILLISECONDS: &[(libc::c_long, u32)] =
    &[(libc::SYS_epoll_pwait, 3), (libc::SYS_epoll_wait, 3), (libc::SYS_poll, 2)];

/// The program. With a tracer, calls for random numbers go to it, so that a process gets new ones with each call; with an
/// emulated clock also the calls for the time and the machine.
pub(super) fn filter(traced: Option<SandboxClock>) -> Vec<sock_filter> {
    let mut out = vec![load(MACHINE), jump(BPF_JEQ, ARCH, 1, 0), kill(), load(NUMBER)];
    out.extend([jump(BPF_JGE, X32, 0, 1), fail(libc::ENOSYS)]);
    match traced {
        Some(SandboxClock::Still) => trace_emulated(&mut out),
        Some(SandboxClock::Real) => on_call(&mut out, libc::SYS_getrandom, &[end(libc::SECCOMP_RET_TRACE)]),
        None => {}
    }
    for call in ABSENT {
        out.extend([jump(BPF_JEQ, *call as u32, 0, 1), fail(libc::ENOSYS)]);
    }
    for call in REFUSED {
        out.extend([jump(BPF_JEQ, *call as u32, 0, 1), fail(libc::EPERM)]);
    }
    for call in [libc::SYS_clone, libc::SYS_unshare] {
        on_call(
            &mut out,
            call,
            &[load(argument(0)), jump(BPF_JSET, NAMESPACES, 0, 1), fail(libc::EPERM), allow()],
        );
    }
    let mut socket = vec![load(argument(0))];
    for family in FAMILIES {
        socket.extend([jump(BPF_JEQ, family.cast_unsigned(), 0, 1), allow()]);
    }
    socket.push(fail(libc::EAFNOSUPPORT));
    on_call(&mut out, libc::SYS_socket, &socket);
    let mut ioctl = vec![load(argument(1))];
    for request in TYPING {
        ioctl.extend([jump(BPF_JEQ, *request, 0, 1), fail(libc::EPERM)]);
    }
    ioctl.push(allow());
    on_call(&mut out, libc::SYS_ioctl, &ioctl);
    out.push(allow());
    out
}

/// Instructions for one call; they must not fall through.
fn on_call(out: &mut Vec<sock_filter>, call: libc::c_long, then: &[sock_filter]) {
    out.push(jump(BPF_JEQ, call as u32, 0, then.len() as u8));
    out.extend_from_slice(then);
}

fn load(at: u32) -> sock_filter {
    sock_filter { code: (BPF_LD | BPF_W | BPF_ABS) as u16, jt: 0, jf: 0, k: at }
}

fn jump(test: u32, value: u32, yes: u8, no: u8) -> sock_filter {
    sock_filter { code: (BPF_JMP | test | BPF_K) as u16, jt: yes, jf: no, k: value }
}

fn end(with: u32) -> sock_filter {
    sock_filter { code: (BPF_RET | BPF_K) as u16, jt: 0, jf: 0, k: with }
}

fn allow() -> sock_filter {
    end(libc::SECCOMP_RET_ALLOW)
}

fn kill() -> sock_filter {
    end(libc::SECCOMP_RET_KILL_PROCESS)
}

fn fail(with: i32) -> sock_filter {
    end(libc::SECCOMP_RET_ERRNO | with.cast_unsigned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The action of the filter for a call.
    fn action(traced: Option<SandboxClock>, arch: u32, call: u32, args: [u32; 6]) -> u32 {
        let program = filter(traced);
        let (mut at, mut value) = (0, 0);
        loop {
            let step = program[at];
            at += 1;
            match u32::from(step.code) & 0x07 {
                BPF_LD => {
                    value = match step.k {
                        NUMBER => call,
                        MACHINE => arch,
                        other => args[(other as usize - 16) / 8],
                    }
                }
                BPF_JMP => {
                    let yes = match u32::from(step.code) & 0xf0 {
                        BPF_JEQ => value == step.k,
                        BPF_JGE => value >= step.k,
                        _ => value & step.k != 0,
                    };
                    at += usize::from(if yes { step.jt } else { step.jf });
                }
                _ => return step.k,
            }
        }
    }

    #[test]
    fn only_calls_that_builds_need_are_allowed() {
        let no = |errno: i32| libc::SECCOMP_RET_ERRNO | errno as u32;
        let of_call = |call: libc::c_long, first: u32, second: u32| {
            action(None, ARCH, call as u32, [first, second, 0, 0, 0, 0])
        };
        assert_eq!(of_call(libc::SYS_read, 0, 0), libc::SECCOMP_RET_ALLOW);
        assert_eq!(of_call(libc::SYS_mount, 0, 0), no(libc::EPERM));
        assert_eq!(of_call(libc::SYS_getrandom, 0, 0), no(libc::ENOSYS));
        assert_eq!(of_call(libc::SYS_clone, libc::SIGCHLD as u32, 0), libc::SECCOMP_RET_ALLOW);
        assert_eq!(of_call(libc::SYS_clone, libc::CLONE_NEWUSER as u32, 0), no(libc::EPERM));
        assert_eq!(of_call(libc::SYS_unshare, libc::CLONE_NEWNS as u32, 0), no(libc::EPERM));
        assert_eq!(of_call(libc::SYS_unshare, libc::CLONE_FS as u32, 0), libc::SECCOMP_RET_ALLOW);
        assert_eq!(of_call(libc::SYS_socket, libc::AF_UNIX as u32, 0), libc::SECCOMP_RET_ALLOW);
        assert_eq!(of_call(libc::SYS_socket, libc::AF_VSOCK as u32, 0), no(libc::EAFNOSUPPORT));
        assert_eq!(of_call(libc::SYS_ioctl, 0, 0x5412), no(libc::EPERM));
        assert_eq!(of_call(libc::SYS_ioctl, 0, 0x5401), libc::SECCOMP_RET_ALLOW);
        assert_eq!(of_call(libc::SYS_clock_gettime, 0, 0), libc::SECCOMP_RET_ALLOW);
        assert_eq!(action(None, ARCH, X32 + 165, [0; 6]), no(libc::ENOSYS));
        assert_eq!(action(None, 0x4000_0003, 4, [0; 6]), libc::SECCOMP_RET_KILL_PROCESS);
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn calls_for_the_time_of_day_random_numbers_or_the_machine_go_to_the_tracer() {
        let of_call = |call: libc::c_long, first: u32| {
            action(Some(SandboxClock::Still), ARCH, call as u32, [first, 0, 0, 0, 0, 0])
        };
        let traced = libc::SECCOMP_RET_TRACE;
        let real = |call: libc::c_long| action(Some(SandboxClock::Real), ARCH, call as u32, [0; 6]);
        assert_eq!(real(libc::SYS_getrandom), traced);
        assert_eq!(real(libc::SYS_gettimeofday), libc::SECCOMP_RET_ALLOW);
        assert_eq!(real(libc::SYS_stat), libc::SECCOMP_RET_ALLOW);
        assert_eq!(of_call(libc::SYS_clock_gettime, libc::CLOCK_REALTIME as u32), traced);
        assert_eq!(of_call(libc::SYS_clock_gettime, libc::CLOCK_MONOTONIC as u32), libc::SECCOMP_RET_ALLOW);
        assert_eq!(of_call(libc::SYS_gettimeofday, 0), traced);
        assert_eq!(of_call(libc::SYS_getrandom, 0), traced);
        assert_eq!(of_call(libc::SYS_read, 0), libc::SECCOMP_RET_ALLOW);
        let waits = |call: libc::c_long, args: [u32; 4]| {
            action(Some(SandboxClock::Still), ARCH, call as u32, [args[0], args[1], args[2], args[3], 0, 0])
        };
        let until = (libc::FUTEX_WAIT_BITSET | libc::FUTEX_CLOCK_REALTIME).cast_unsigned();
        assert_eq!(waits(libc::SYS_futex, [8, until, 0, 8]), traced);
        assert_eq!(waits(libc::SYS_futex, [8, until, 0, 0]), libc::SECCOMP_RET_ALLOW);
        for wait in [libc::FUTEX_WAIT, libc::FUTEX_WAIT_BITSET] {
            for wait in [wait, wait | libc::FUTEX_PRIVATE_FLAG].map(i32::cast_unsigned) {
                assert_eq!(waits(libc::SYS_futex, [8, wait, 0, 8]), traced);
                assert_eq!(waits(libc::SYS_futex, [8, wait, 0, 0]), libc::SECCOMP_RET_ALLOW);
            }
        }
        for wake in [libc::FUTEX_WAKE, libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG].map(i32::cast_unsigned) {
            assert_eq!(waits(libc::SYS_futex, [8, wake, 1, 8]), libc::SECCOMP_RET_ALLOW);
        }
        assert_eq!(waits(libc::SYS_clock_nanosleep, [0, 1, 8, 0]), traced);
        assert_eq!(waits(libc::SYS_poll, [8, 1, 500, 0]), traced);
        assert_eq!(waits(libc::SYS_poll, [8, 1, 0, 0]), libc::SECCOMP_RET_ALLOW);
        assert_eq!(waits(libc::SYS_poll, [8, 1, u32::MAX, 0]), libc::SECCOMP_RET_ALLOW);
        assert_eq!(waits(libc::SYS_ppoll, [8, 1, 0, 0]), libc::SECCOMP_RET_ALLOW);
        assert_eq!(waits(libc::SYS_ppoll, [8, 1, 8, 0]), traced);
        for call in [libc::SYS_newfstatat, libc::SYS_uname, libc::SYS_sched_getaffinity] {
            assert_eq!(of_call(call, 0), traced);
        }
        assert_eq!(of_call(libc::SYS_mount, 0), libc::SECCOMP_RET_ERRNO | libc::EPERM as u32);
    }
}
