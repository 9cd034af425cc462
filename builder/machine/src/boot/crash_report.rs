//! The report of a Linux kernel that crashed: where it begins among the lines of a console. The panic that ends such a
//! report says only that there was one; what crashed, and where, stands in the lines before it.

/// How the panic reads that ends the report of a crash (`oops_end` in the kernel's arch/x86/kernel/dumpstack.c, `die` in
/// arch/arm64/kernel/traps.c).
const LAST_LINE: &str = "Kernel panic - not syncing: Fatal exception";

/// How the first line of a report reads: `die` and its callers on x86-64 and arm64, and `report_bug` in lib/bug.c.
const FIRST_LINES: [&str; 12] = [
    "BUG: unable to handle",
    "BUG: kernel NULL pointer",
    "kernel BUG at",
    "Unable to handle kernel",
    "Internal error:",
    "Oops:",
    "general protection fault",
    "invalid opcode:",
    "divide error:",
    "stack segment:",
    "double fault:",
    "int3:",
];

/// The most lines that a report has: registers, a stack of calls and the names of all modules.
const MAX_LINES: usize = 100;

/// The number of the line with which the report begins whose end is in `lines`; none if nothing crashed or only the end of
/// its report is left.
pub fn report_start<'a>(lines: impl Iterator<Item = &'a str>) -> Option<usize> {
    let lines: Vec<&str> = lines.collect();
    let end = lines.iter().rposition(|line| line.contains(LAST_LINE))?;
    let earliest = end.saturating_sub(MAX_LINES);
    let first =
        lines[earliest..end].iter().position(|line| FIRST_LINES.iter().any(|text| line.contains(text)))?;
    Some(earliest + first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_begins_with_what_crashed() {
        let lines = [
            "[    1.0] systemd[1]: Started.",
            "[    3.5] BUG: unable to handle page fault for address: ff3355b0be200000",
            "[    3.5] #PF: supervisor write access in kernel mode",
            "[    3.5] Oops: Oops: 0002 [#1] PREEMPT SMP NOPTI",
            "[    3.5] RIP: 0010:native_safe_halt+0xb/0x10",
            "[    3.6] Kernel panic - not syncing: Fatal exception in interrupt",
            "[    5.2] ---[ end Kernel panic - not syncing: Fatal exception in interrupt ]---",
        ];
        assert_eq!(report_start(lines.into_iter()), Some(1));
        assert_eq!(report_start(lines[..5].iter().copied()), None, "a process died, the kernel goes on");
        assert_eq!(report_start(lines[5..].iter().copied()), None, "only the end is left");
        let other = ["Oops: of long ago", "Kernel panic - not syncing: VFS: Unable to mount root fs"];
        assert_eq!(report_start(other.into_iter()), None);
    }
}
