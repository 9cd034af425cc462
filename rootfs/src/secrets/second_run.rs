//! Runs something in two sandboxes that draw different random numbers, and tells which files depend on them: exactly
//! those that differ, whatever a program made of the numbers. Tracing who reads random numbers would tell less: every
//! program that allocates memory draws some (glibc 2.36 and later), and what becomes of them is not seen.

use std::fs;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use amiforge_formats::digest::Digest;
use amiforge_formats::tree::{Content, NodeKind, Origin, Tree};
use amiforge_store::blobs::Blobs;
use amiforge_store::digests;
use amiforge_store::watch::Watch;

use crate::secrets::scan::read_at;

/// Memory that is left to the rest of the machine where both run at once, in bytes.
const SPARE: u64 = 1 << 30;

/// Bytes that are compared at a time.
const STEP: u64 = 1 << 20;

/// In which order the two run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunOrder {
    /// At the same time: takes the memory of both, and little more time where a core is idle.
    SideBySide,
    /// One after the other.
    InTurn,
}

/// Why one of both failed.
#[derive(Debug)]
pub enum RunTwiceError<E> {
    /// The first, whose outcome counts.
    First(E),
    /// The second, with other random numbers.
    Second(E),
}

/// A path whose content depends on random numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RandomDependent {
    /// The path, without the first `/`.
    pub path: Vec<u8>,
    /// Digest of a file's content; none for a link.
    pub sha256: Option<Digest>,
}

/// Watches a second run: it tells nothing, and ends when the first has failed.
pub struct SecondRunWatch<'a> {
    watch: &'a dyn Watch,
    over: &'a AtomicBool,
}

impl Watch for SecondRunWatch<'_> {
    fn interrupted(&self) -> bool {
        self.over.load(Ordering::Relaxed) || self.watch.interrupted()
    }
}

/// The order that suits a machine: both lie in memory with all files of the tree.
pub fn choose_order(tree: &Tree) -> RunOrder {
    let files = tree.walk().filter_map(|entry| match &tree.node(entry.id).kind {
        NodeKind::File(content) => Some(content.len()),
        _ => None,
    });
    let needed = files.sum::<u64>().saturating_mul(2).saturating_add(SPARE);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    if cores > 1 && available().is_some_and(|bytes| bytes > needed) {
        RunOrder::SideBySide
    } else {
        RunOrder::InTurn
    }
}

/// Memory that is free or can be freed, in bytes (proc(5)).
fn available() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// What both gave, and where the content of the second's lies.
type BothRuns<T> = (T, T, Blobs);

/// Runs `first`, whose content goes to `blobs`, and `second`, whose content goes to a copy of them.
///
/// # Errors
/// [`RunTwiceError`]; a failure of the first goes before one of the second.
pub fn run_twice<T: Send, E: Send>(
    blobs: &mut Blobs,
    order: RunOrder,
    watch: &dyn Watch,
    first: impl FnOnce(&mut Blobs) -> Result<T, E>,
    second: impl FnOnce(&mut Blobs, &SecondRunWatch<'_>) -> Result<T, E> + Send,
) -> Result<BothRuns<T>, RunTwiceError<E>> {
    let over = AtomicBool::new(false);
    let mut copy = blobs.fork();
    let run_second = |copy: &mut Blobs| second(copy, &SecondRunWatch { watch, over: &over });
    let (one, other) = match order {
        RunOrder::InTurn => {
            let one = first(blobs).map_err(RunTwiceError::First)?;
            (one, run_second(&mut copy).map_err(RunTwiceError::Second)?)
        }
        RunOrder::SideBySide => std::thread::scope(|scope| {
            let running = scope.spawn(|| run_second(&mut copy));
            let one = first(blobs);
            over.store(one.is_err(), Ordering::Relaxed);
            let other = running.join();
            let one = one.map_err(RunTwiceError::First)?;
            let other = other.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            Ok((one, other.map_err(RunTwiceError::Second)?))
        })?,
    };
    Ok((one, other, copy))
}

/// The paths of the first tree that are otherwise in the second, sorted. Contents of sources from the `known`-th on are
/// in `blobs` for the first and in `copy` for the second.
///
/// # Errors
/// What the medium says.
pub fn find_dependent(
    (first, blobs): (&Tree, &Blobs),
    (second, copy): (&Tree, &Blobs),
    known: u32,
) -> io::Result<Vec<RandomDependent>> {
    let mut found = Vec::new();
    for entry in first.walk() {
        let other = second.lookup(&entry.path).map(|id| &second.node(id).kind);
        let sha256 = match (&first.node(entry.id).kind, other) {
            (NodeKind::File(content), Some(NodeKind::File(other))) => {
                if content == other && !is_new(content, known) {
                    continue;
                }
                if equal((content, blobs), (other, copy))? {
                    continue;
                }
                Some(digests::of(content, blobs)?.sha256)
            }
            (NodeKind::File(content), _) => Some(digests::of(content, blobs)?.sha256),
            (NodeKind::Symlink(target), Some(NodeKind::Symlink(other))) if target == other => continue,
            (NodeKind::Symlink(_), _) => None,
            _ => continue,
        };
        found.push(RandomDependent { path: entry.path, sha256 });
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

/// Whether two contents have the same bytes.
fn equal((content, blobs): (&Content, &Blobs), (other, copy): (&Content, &Blobs)) -> io::Result<bool> {
    if content.len() != other.len() {
        return Ok(false);
    }
    let len = content.len();
    let step = usize::try_from(len.min(STEP)).unwrap_or_default();
    let (mut one, mut two) = (vec![0; step], vec![0; step]);
    let mut at = 0;
    while at < len {
        let count = usize::try_from(len - at).unwrap_or(usize::MAX).min(step);
        read_at(content, blobs, at, &mut one[..count])?;
        read_at(other, copy, at, &mut two[..count])?;
        if one[..count] != two[..count] {
            return Ok(false);
        }
        at += count as u64;
    }
    Ok(true)
}

/// Whether a content lies in a source that was added by the run.
fn is_new(content: &Content, known: u32) -> bool {
    content.segments().iter().any(|segment| match segment.origin {
        Origin::Slice { source, .. } => source.0 >= known,
        Origin::Inline { .. } => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::steps::testing::tree;
    use amiforge_store::watch::Unwatched;

    #[test]
    fn what_differs_between_two_trees_is_named_with_its_digest() {
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
        let found = find_dependent((&first, &blobs), (&second, &blobs), 0).unwrap();
        let found: Vec<_> = found.iter().map(|one| (one.path.as_slice(), one.sha256)).collect();
        let digest = |text: &[u8]| Some(Digest::of(text));
        let expected = [(&b"etc/key"[..], digest(b"one")), (b"etc/l", None), (b"tmp.one", digest(b"x"))];
        assert_eq!(found, expected);
    }

    #[test]
    fn the_second_ends_with_a_first_that_fails_and_its_own_failure_is_told_apart() {
        for order in [RunOrder::SideBySide, RunOrder::InTurn] {
            let blobs = &mut Blobs::new();
            let wait = |_: &mut Blobs, watch: &SecondRunWatch<'_>| {
                while !watch.interrupted() {
                    std::thread::yield_now();
                }
                Err::<(), _>("second")
            };
            let failed = run_twice(blobs, order, &Unwatched, |_| Err("first"), wait);
            assert!(matches!(failed, Err(RunTwiceError::First("first"))));
            let failed = run_twice(blobs, order, &Unwatched, |_| Ok(()), |_, _| Err("second"));
            assert!(matches!(failed, Err(RunTwiceError::Second("second"))));
            let (one, other, _) =
                run_twice(blobs, order, &Unwatched, |_| Ok::<_, ()>(1), |_, _| Ok(2)).unwrap();
            assert_eq!((one, other), (1, 2));
        }
    }
}
