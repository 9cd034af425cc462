//! How much the processes of the sandbox use together, as `/proc` tells (`proc_pid_statm(5)`, `proc_pid_stat(5)`).

use std::fs;

/// What is in use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Usage {
    /// Bytes of memory that are not part of a file.
    pub(super) memory: u64,
    /// Threads, those of the first process left out.
    pub(super) threads: u64,
}

/// Adds up all processes but the first.
pub(super) fn measure() -> Usage {
    let page = rustix::param::page_size() as u64;
    let mut usage = Usage::default();
    let Ok(entries) = fs::read_dir("/proc") else { return usage };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(name) = name.to_str().filter(|name| name.bytes().all(|byte| byte.is_ascii_digit())) else {
            continue;
        };
        if name == "1" {
            continue;
        }
        // A process may end while it is looked at.
        let statm = fs::read_to_string(format!("/proc/{name}/statm")).unwrap_or_default();
        usage.memory = usage.memory.saturating_add(own_pages(&statm).saturating_mul(page));
        let stat = fs::read_to_string(format!("/proc/{name}/stat")).unwrap_or_default();
        usage.threads = usage.threads.saturating_add(threads(&stat));
    }
    usage
}

/// Resident pages that are not shared with a file.
fn own_pages(statm: &str) -> u64 {
    let mut fields = statm.split(' ').skip(1).map(|field| field.trim().parse::<u64>().unwrap_or(0));
    let resident = fields.next().unwrap_or(0);
    resident.saturating_sub(fields.next().unwrap_or(0))
}

/// The 20th field; the second, a name in parentheses, may hold anything.
fn threads(stat: &str) -> u64 {
    let rest = stat.rfind(')').map_or("", |at| stat.get(at + 1..).unwrap_or(""));
    rest.split_ascii_whitespace().nth(17).and_then(|field| field.parse().ok()).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_hide_threads() {
        let rest = "S 1 1 1 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 33 0 100 200 300";
        assert_eq!(threads(&format!("7 (a) b) {rest}")), 33);
        assert_eq!(threads(""), 1);
        assert_eq!(own_pages("100 40 30 1 0 9 0\n"), 10);
        assert_eq!(own_pages(""), 0);
    }
}
