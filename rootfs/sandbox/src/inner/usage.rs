//! Memory and threads of all processes of the sandbox, from `/proc` (`proc_pid_statm(5)`, `proc_pid_stat(5)`,
//! `proc_pid_smaps(5)`), with shared memory that is no file of the sandbox: System V segments, anonymous shared mappings
//! and files of `memfd_create`.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};

/// Usage of all processes together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Usage {
    /// Bytes of memory that are not part of a file.
    pub(super) memory: u64,
    /// Threads, without those of the first process.
    pub(super) threads: u64,
}

/// Adds up all processes except the first. `segments` is the kernel's list of System V segments. Shared mappings are read
/// only if `limit` could be reached by them, because that takes long.
pub(super) fn measure(segments: Option<&File>, limit: u64) -> Usage {
    let page = rustix::param::page_size() as u64;
    let mut usage = Usage::default();
    let mut resident = 0_u64;
    let mut files = MemoryFiles::default();
    let processes = processes();
    for name in &processes {
        // A process may end meanwhile.
        let statm = fs::read_to_string(format!("/proc/{name}/statm")).unwrap_or_default();
        let (all, own) = pages(&statm);
        resident = resident.saturating_add(all.saturating_mul(page));
        usage.memory = usage.memory.saturating_add(own.saturating_mul(page));
        let stat = fs::read_to_string(format!("/proc/{name}/stat")).unwrap_or_default();
        usage.threads = usage.threads.saturating_add(threads(&stat));
        files.add_open(name);
    }
    let shared = segments.map_or(0, segment_bytes).saturating_add(files.bytes);
    usage.memory = usage.memory.saturating_add(shared);
    if usage.memory <= limit && resident.saturating_add(shared) > limit {
        for name in &processes {
            let maps = fs::read_to_string(format!("/proc/{name}/smaps")).unwrap_or_default();
            usage.memory = usage.memory.saturating_add(mapped(&maps, &files.seen));
        }
    }
    usage
}

/// The pids of all processes except the first.
fn processes() -> Vec<String> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    names.filter(|name| name != "1" && name.bytes().all(|byte| byte.is_ascii_digit())).collect()
}

/// Files of `memfd_create` that any process has open.
#[derive(Debug, Default)]
struct MemoryFiles {
    seen: BTreeSet<u64>,
    bytes: u64,
}

impl MemoryFiles {
    fn add_open(&mut self, process: &str) {
        let Ok(entries) = fs::read_dir(format!("/proc/{process}/fd")) else { return };
        for entry in entries.flatten() {
            let path = entry.path();
            let is_one = fs::read_link(&path)
                .is_ok_and(|target| target.as_os_str().as_encoded_bytes().starts_with(b"/memfd:"));
            if let Some(found) = is_one.then(|| fs::metadata(&path).ok()).flatten()
                && self.seen.insert(found.ino())
            {
                self.bytes = self.bytes.saturating_add(found.blocks().saturating_mul(512));
            }
        }
    }
}

/// Bytes of all segments of System V, attached or not: the columns `rss` and `swap` (`sysvipc(7)`).
fn segment_bytes(list: &File) -> u64 {
    let mut text = Vec::new();
    let mut chunk = vec![0; 64 << 10];
    while let Ok(got @ 1..) = list.read_at(&mut chunk, text.len() as u64) {
        text.extend_from_slice(&chunk[..got]);
    }
    sum_of_segments(&String::from_utf8_lossy(&text))
}

fn sum_of_segments(text: &str) -> u64 {
    let mut lines = text.lines();
    let columns: Vec<_> = lines.next().unwrap_or_default().split_ascii_whitespace().collect();
    let indices: Vec<_> =
        ["rss", "swap"].iter().filter_map(|name| columns.iter().position(|column| column == name)).collect();
    let mut sum = 0_u64;
    for line in lines {
        let fields: Vec<_> = line.split_ascii_whitespace().collect();
        for at in &indices {
            let bytes = fields.get(*at).and_then(|field| field.parse().ok()).unwrap_or(0);
            sum = sum.saturating_add(bytes);
        }
    }
    sum
}

/// Bytes of anonymous shared mappings, and of files of `memfd_create` except those in `counted`, as the proportional share
/// of the process (`Pss`).
fn mapped(smaps: &str, counted: &BTreeSet<u64>) -> u64 {
    let mut counts = false;
    let mut sum = 0_u64;
    for line in smaps.lines() {
        let mut fields = line.split_ascii_whitespace();
        let first = fields.next().unwrap_or_default();
        if first.contains('-') && !first.ends_with(':') {
            // Addresses, permissions, offset, device, inode, name.
            let inode = fields.clone().nth(3).and_then(|field| field.parse().ok()).unwrap_or(0);
            let name = fields.nth(4).unwrap_or_default();
            counts = name == "/dev/zero" || (name.starts_with("/memfd:") && !counted.contains(&inode));
        } else if counts && matches!(first, "Pss:" | "SwapPss:") {
            let kib: u64 = fields.next().and_then(|field| field.parse().ok()).unwrap_or(0);
            sum = sum.saturating_add(kib.saturating_mul(1024));
        }
    }
    sum
}

/// Resident pages: all of them, and those that belong to no file.
fn pages(statm: &str) -> (u64, u64) {
    let mut fields = statm.split(' ').skip(1).map(|field| field.trim().parse::<u64>().unwrap_or(0));
    let resident = fields.next().unwrap_or(0);
    (resident, resident.saturating_sub(fields.next().unwrap_or(0)))
}

/// The number of threads, field 20; field 2, a name in parentheses, may contain anything.
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
        assert_eq!(pages("100 40 30 1 0 9 0\n"), (40, 10));
        assert_eq!(pages(""), (0, 0));
    }

    #[test]
    fn segments_count_by_their_resident_and_swapped_bytes() {
        let text = "       key      shmid perms                  size  cpid  lpid nattch   uid   gid  cuid  cgid      atime      dtime      ctime                   rss                  swap\n\
                    0          0  1600               1048576    10    10      0     0     0     0     0 1 2 3               1044480                  4096\n\
                    0          1  1600               1048576    10    10      0     0     0     0     0 1 2 3                  8192                     0\n";
        assert_eq!(sum_of_segments(text), 1_056_768);
        assert_eq!(sum_of_segments(""), 0);
    }

    #[test]
    fn shared_mappings_without_a_file_count_and_those_of_files_do_not() {
        let part = |name: &str, inode: u64| {
            format!(
                "7f00-7f01 rw-s 00000000 00:01 {inode}                          {name}\nSize: 8 kB\nPss:                   4 kB\nSwapPss:               1 kB\n"
            )
        };
        let all =
            part("/dev/zero (deleted)", 7) + &part("/memfd:a (deleted)", 8) + &part("/memfd:b (deleted)", 9);
        let all = all + &part("/usr/bin/perl", 10) + &part("", 0);
        assert_eq!(mapped(&all, &BTreeSet::from([9])), 2 * 5 * 1024);
    }
}
