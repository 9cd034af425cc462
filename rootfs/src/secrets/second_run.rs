//! Runs something in two sandboxes with different random numbers and finds the files that depend on them: exactly those
//! that differ, however a program derived them. Tracing the reads of random numbers would show less: every program that
//! allocates memory reads some (glibc 2.36 and later), and how it uses them is not visible.

use std::fs;
use std::io;

use amiforge_formats::digest::Digest;
use amiforge_formats::tree::{Content, NodeKind, Origin, Tree};
use amiforge_progress::Monitor;
use amiforge_store::blobs::Blobs;
use amiforge_store::digests;

/// Memory left to the rest of the machine where both runs are concurrent, in bytes.
const SPARE_MEMORY: u64 = 1 << 30;

/// Bytes that are read and compared at a time.
const CHUNK_LEN: u64 = 1 << 20;

/// The order of the two runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunOrder {
    /// Concurrent: needs the memory of both, and little more time than one where a core is idle.
    SideBySide,
    /// Sequential.
    InTurn,
}

/// The error of one of the two runs.
#[derive(Debug)]
pub enum RunTwiceError<E> {
    /// The first run, whose result is kept, failed.
    First(E),
    /// The second run, with other random numbers, failed.
    Second(E),
}

/// A path whose content depends on random numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RandomDependent {
    /// The path, without the leading `/`.
    pub path: Vec<u8>,
    /// Digest of the content of a file; none for a symlink.
    pub sha256: Option<Digest>,
}

/// Concurrent where the machine has a second core and enough free memory for two copies of all files of the tree, which
/// sandboxes hold in memory; sequential otherwise.
pub fn choose_order(tree: &Tree) -> RunOrder {
    let files = tree.walk().filter_map(|entry| match &tree.node(entry.id).kind {
        NodeKind::File(content) => Some(content.len()),
        _ => None,
    });
    let needed = files.sum::<u64>().saturating_mul(2).saturating_add(SPARE_MEMORY);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    if cores > 1 && available_memory().is_some_and(|bytes| bytes > needed) {
        RunOrder::SideBySide
    } else {
        RunOrder::InTurn
    }
}

/// Memory that is free or can be reclaimed, in bytes (`MemAvailable` of proc(5)).
fn available_memory() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// The results of both runs, and the blobs with the content of the second.
type BothRuns<T> = (T, T, Blobs);

/// Runs `first`, which adds its content to `blobs`, and `second`, which adds its content to a copy of them. The second
/// reports no progress, and is cancelled when the first has failed.
///
/// # Errors
/// [`RunTwiceError`]; if both fail, the error of the first.
pub fn run_twice<T: Send, E: Send>(
    blobs: &mut Blobs,
    order: RunOrder,
    monitor: Monitor<'_>,
    first: impl FnOnce(&mut Blobs) -> Result<T, E>,
    second: impl FnOnce(&mut Blobs, Monitor<'_>) -> Result<T, E> + Send,
) -> Result<BothRuns<T>, RunTwiceError<E>> {
    let cancel = monitor.cancel.child();
    let mut copy = blobs.fork();
    let run_second = |copy: &mut Blobs| second(copy, Monitor::silent(&cancel));
    let (one, other) = match order {
        RunOrder::InTurn => {
            let one = first(blobs).map_err(RunTwiceError::First)?;
            (one, run_second(&mut copy).map_err(RunTwiceError::Second)?)
        }
        RunOrder::SideBySide => std::thread::scope(|scope| {
            let running = scope.spawn(|| run_second(&mut copy));
            let one = first(blobs);
            if one.is_err() {
                cancel.cancel();
            }
            let other = running.join();
            let one = one.map_err(RunTwiceError::First)?;
            let other = other.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            Ok((one, other.map_err(RunTwiceError::Second)?))
        })?,
    };
    Ok((one, other, copy))
}

/// The files and symlinks of the first tree that differ in the second or do not exist there, sorted by path. Sources with
/// ids of `known` and above were added by the runs: their contents are in `blobs` for the first and in `copy` for the second.
///
/// # Errors
/// I/O errors of reading contents.
pub fn find_dependent(
    (first, blobs): (&Tree, &Blobs),
    (second, copy): (&Tree, &Blobs),
    known: u32,
) -> io::Result<Vec<RandomDependent>> {
    let mut dependent = Vec::new();
    for entry in first.walk() {
        let other = second.lookup(&entry.path).map(|id| &second.node(id).kind);
        let sha256 = match (&first.node(entry.id).kind, other) {
            (NodeKind::File(content), Some(NodeKind::File(other))) => {
                if content == other && !is_from_run(content, known) {
                    continue;
                }
                if same_bytes((content, blobs), (other, copy))? {
                    continue;
                }
                Some(digests::of(content, blobs)?.sha256)
            }
            (NodeKind::File(content), _) => Some(digests::of(content, blobs)?.sha256),
            (NodeKind::Symlink(target), Some(NodeKind::Symlink(other))) if target == other => continue,
            (NodeKind::Symlink(_), _) => None,
            _ => continue,
        };
        dependent.push(RandomDependent { path: entry.path, sha256 });
    }
    dependent.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(dependent)
}

/// Whether two contents have the same bytes.
fn same_bytes((content, blobs): (&Content, &Blobs), (other, copy): (&Content, &Blobs)) -> io::Result<bool> {
    if content.len() != other.len() {
        return Ok(false);
    }
    let len = content.len();
    let step = usize::try_from(len.min(CHUNK_LEN)).unwrap_or_default();
    let (mut one, mut two) = (vec![0; step], vec![0; step]);
    let mut at = 0;
    while at < len {
        let count = usize::try_from(len - at).unwrap_or(usize::MAX).min(step);
        content.read_at(blobs, at, &mut one[..count])?;
        other.read_at(copy, at, &mut two[..count])?;
        if one[..count] != two[..count] {
            return Ok(false);
        }
        at += count as u64;
    }
    Ok(true)
}

/// Whether a part of a content is in a source that the run added.
fn is_from_run(content: &Content, known: u32) -> bool {
    content.segments().iter().any(|segment| match segment.origin {
        Origin::Slice { source, .. } => source.0 >= known,
        Origin::Inline { .. } => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::steps::testing::tree;

    #[test]
    fn paths_that_differ_between_two_trees_are_listed_with_their_digests() {
        let both = [("/etc/same", "file 0644 same"), ("/etc/link", "link same"), ("/srv/dir", "dir 0755")];
        let first = [
            &both[..],
            &[("/etc/key", "file 0600 one"), ("/etc/l", "link one"), ("/tmp.one", "file 0644 x")],
        ]
        .concat();
        let second = [
            &both[..],
            &[("/etc/key", "file 0600 two"), ("/etc/l", "link two"), ("/tmp.two", "file 0644 x")],
        ]
        .concat();
        let (first, second, blobs) = (tree(&first), tree(&second), Blobs::new());
        let dependent = find_dependent((&first, &blobs), (&second, &blobs), 0).unwrap();
        let dependent: Vec<_> = dependent.iter().map(|one| (one.path.as_slice(), one.sha256)).collect();
        let digest = |text: &[u8]| Some(Digest::of(text));
        let expected = [(&b"etc/key"[..], digest(b"one")), (b"etc/l", None), (b"tmp.one", digest(b"x"))];
        assert_eq!(dependent, expected);
    }

    #[test]
    fn the_second_run_ends_when_the_first_fails_and_its_own_error_is_distinct() {
        for order in [RunOrder::SideBySide, RunOrder::InTurn] {
            let blobs = &mut Blobs::new();
            let wait = |_: &mut Blobs, monitor: Monitor<'_>| {
                while !monitor.cancel.is_cancelled() {
                    std::thread::yield_now();
                }
                Err::<(), _>("second")
            };
            let failed = run_twice(blobs, order, Monitor::none(), |_| Err("first"), wait);
            assert!(matches!(failed, Err(RunTwiceError::First("first"))));
            let failed = run_twice(blobs, order, Monitor::none(), |_| Ok(()), |_, _| Err("second"));
            assert!(matches!(failed, Err(RunTwiceError::Second("second"))));
            let (one, other, _) =
                run_twice(blobs, order, Monitor::none(), |_| Ok::<_, ()>(1), |_, _| Ok(2)).unwrap();
            assert_eq!((one, other), (1, 2));
        }
    }
}
