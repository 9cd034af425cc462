//! What every emission keeps to: the bytes of the plan, the digests of another implementation, holes.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use amiforge_formats::digest::{BLOCK, Digest};
use amiforge_formats::plan::{Claims, Data, NoSources, Plan, SourceId, Sources};
use amiforge_progress::{CancelToken, Monitor, Progress};
use proptest::prelude::*;

use super::emission::DigestMode;
use super::emit::emit_by;
use super::*;

/// Two sources of bytes that are a function of their offset.
struct Pattern;

fn pattern(source: SourceId, at: u64) -> u8 {
    (at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8 ^ source.0 as u8
}

impl Sources for Pattern {
    fn read_exact_at(&self, source: SourceId, at: u64, buf: &mut [u8]) -> io::Result<()> {
        for (index, byte) in buf.iter_mut().enumerate() {
            *byte = pattern(source, at + index as u64);
        }
        Ok(())
    }
}

/// Lengths that matter: a byte, less and more than a page, a small file, what is read alone, blocks, a window.
fn length() -> impl Strategy<Value = u64> {
    prop_oneof![1..600u64, 1..9000u64, 1..80_000u64, (1..4u64).prop_map(|n| n * 4096), BLOCK / 2..3 * BLOCK]
}

fn data() -> impl Strategy<Value = Data> {
    prop_oneof![
        2 => Just(Data::Zero),
        2 => Just(Data::Free),
        1 => Just(Data::Bytes { bytes: vec![0xbb; 4 * BLOCK as usize].into(), at: 7 }),
        4 => (0..2u32, 0..2_000_000u64).prop_map(|(id, at)| Data::Slice { source: SourceId(id), at }),
    ]
}

/// Plans in which neighbours often come from near offsets of a source, as files of an archive do.
fn plan() -> impl Strategy<Value = Plan> {
    let extent = (length(), data(), prop::option::of(0..3000u64));
    prop::collection::vec(extent, 0..60).prop_map(|extents| {
        let mut claims = Claims::new(extents.iter().map(|(len, ..)| len).sum());
        let (mut offset, mut archive) = (0, 0);
        for (len, data, near) in extents {
            let data = match near {
                Some(gap) if matches!(data, Data::Slice { .. }) => {
                    archive += gap;
                    Data::Slice { source: SourceId(1), at: archive }
                }
                _ => data,
            };
            claims.claim(offset, len, data);
            offset += len;
            archive += len;
        }
        claims.finish(&Data::Free).unwrap()
    })
}

fn emit_to(path: &Path, plan: &Plan, threads: usize) -> Result<Emitted, EmitError> {
    emit(plan, &Pattern, path, &EmitOptions { threads }, None, Monitor::none())
}

fn expected_bytes(plan: &Plan) -> Vec<u8> {
    let mut bytes = vec![0; plan.len() as usize];
    plan.read_exact_at(&Pattern, 0, &mut bytes).unwrap();
    bytes
}

/// The digest of each block by the definitions.
fn expected_blocks(plan: &Plan, bytes: &[u8]) -> Vec<Block> {
    let of = |(index, block): (usize, &[u8])| {
        let start = index as u64 * BLOCK;
        if plan.range(start, start + BLOCK).all(|extent| extent.data == Data::Free) {
            return Block::Free;
        }
        let mut padded = block.to_vec();
        padded.resize(BLOCK as usize, 0);
        Block::hashed(Digest::of(&padded))
    };
    bytes.chunks(BLOCK as usize).enumerate().map(of).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn the_file_has_the_bytes_of_the_plan_and_the_digests_are_of_the_file(plan in plan()) {
        let directory = tempfile::tempdir().unwrap();
        let bytes = expected_bytes(&plan);
        let ways = [(1, DigestMode::Chain), (2, DigestMode::Chain), (5, DigestMode::Chain), (3, DigestMode::Gatherers)];
        for (threads, hashing) in ways {
            let path = directory.path().join(format!("{threads}.raw"));
            let options = EmitOptions { threads };
            let emitted = emit_by(hashing, &plan, &Pattern, &path, options, Monitor::none()).unwrap();
            prop_assert!(fs::read(&path).unwrap() == bytes, "bytes with {} threads", threads);
            prop_assert_eq!(emitted.plain, Digest::of(&bytes));
            prop_assert_eq!(emitted.blocks.iter().collect::<Vec<_>>(), expected_blocks(&plan, &bytes));
            let again = directory.path().join("again.raw");
            write(&plan, &Pattern, &again, &options, Monitor::none()).unwrap();
            prop_assert!(fs::read(&again).unwrap() == bytes, "bytes without digests");
            fs::remove_file(&again).unwrap();
            let seen = digest(&plan, &Pattern, &options, Monitor::none()).unwrap();
            prop_assert_eq!((&seen.blocks, seen.plain), (&emitted.blocks, emitted.plain));
            prop_assert_eq!((emitted.len, emitted.blocks.len()), (plan.len(), plan.len().div_ceil(BLOCK)));
        }
    }
}

fn slice(at: u64) -> Data {
    Data::Slice { source: SourceId(0), at }
}

/// Data at the start and end of a long disk, zeros and free space between.
fn sparse() -> Plan {
    let mut claims = Claims::new(64 << 20);
    claims.claim(0, 5000, slice(0));
    claims.claim(20 << 20, 4 << 20, Data::Zero);
    claims.claim((64 << 20) - 100, 100, slice(9));
    claims.finish(&Data::Free).unwrap()
}

#[test]
fn zeros_and_free_space_are_holes() {
    use std::os::unix::fs::MetadataExt;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("disk.raw");
    let emitted = emit_to(&path, &sparse(), 2).unwrap();
    assert_eq!(emitted.written, 8192 + 4096);
    let file = fs::metadata(&path).unwrap();
    assert_eq!(file.len(), 64 << 20);
    assert!(file.blocks() * 512 <= 64 << 10, "{} bytes are allocated", file.blocks() * 512);
    let kinds = emitted
        .blocks
        .runs()
        .iter()
        .map(|run| (run.block == Block::Free, run.block == Block::Zero, run.count));
    let expected =
        [(false, false, 1), (true, false, 39), (false, true, 8), (true, false, 79), (false, false, 1)];
    assert_eq!(kinds.collect::<Vec<_>>(), expected);
}

#[test]
fn a_file_that_exists_is_neither_overwritten_nor_removed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("disk.raw");
    fs::write(&path, "mine").unwrap();
    assert!(matches!(emit_to(&path, &sparse(), 2), Err(EmitError::Create { .. })));
    assert_eq!(fs::read(&path).unwrap(), b"mine");
}

/// A file of an archive that ends too early.
struct Shrunk(u64);

impl Sources for Shrunk {
    fn read_exact_at(&self, source: SourceId, at: u64, buf: &mut [u8]) -> io::Result<()> {
        if at + buf.len() as u64 > self.0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, format!("source {} ends", source.0)));
        }
        Pattern.read_exact_at(source, at, buf)
    }
}

#[test]
fn a_source_that_shrank_fails_at_the_very_slice_and_leaves_no_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("disk.raw");
    let mut claims = Claims::new(8 << 20);
    // Neighbours in the source, so they are read together; the third is the one that is gone.
    for index in 0..5 {
        claims.claim((1 << 20) + index * 8192, 1000, slice(index * 1500));
    }
    let plan = claims.finish(&Data::Zero).unwrap();
    let failed = emit(&plan, &Shrunk(3000), &path, &EmitOptions { threads: 2 }, None, Monitor::none());
    let Err(EmitError::Read { offset, source }) = failed else { panic!("{failed:?}") };
    assert_eq!((offset, source.to_string().as_str()), ((1 << 20) + 2 * 8192, "source 0 ends"));
    assert!(!path.exists());
    let missing = emit(&plan, &NoSources, &path, &EmitOptions { threads: 1 }, None, Monitor::none());
    assert!(matches!(missing, Err(EmitError::Read { offset, .. }) if offset == 1 << 20), "{missing:?}");
}

/// Raises the interrupt when the first bytes are done.
struct StopSoon<'a>(&'a CancelToken, AtomicU64);

impl Progress for StopSoon<'_> {
    fn begin(&self, _step: &str, _total: Option<u64>) {}
    fn advance(&self, bytes: u64) {
        self.1.fetch_add(bytes, Ordering::Relaxed);
        self.0.cancel();
    }
    fn end(&self) {}
}

#[test]
fn what_is_known_is_believed_of_the_same_blocks_only() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let plan = sparse();
    let emit_knowing = |known, path: &Path| {
        emit(&plan, &Pattern, path, &EmitOptions { threads: 2 }, Some(known), Monitor::none()).unwrap()
    };
    let first = emit_to(&at("first"), &plan, 2).unwrap();
    assert!(!first.plain_from_cache);
    let again = emit_knowing(first.known(), &at("again"));
    assert_eq!(again, Emitted { plain_from_cache: true, ..first.clone() });
    assert_eq!(fs::read(at("again")).unwrap(), fs::read(at("first")).unwrap());
    let other = KnownImage { root: Digest::of(b"other"), plain: Digest::of(b"lie") };
    let corrected = emit_knowing(other, &at("corrected"));
    assert_eq!(corrected, first);
    assert_eq!(fs::read(at("corrected")).unwrap(), fs::read(at("first")).unwrap());
}

#[test]
fn an_interrupt_stops_soon_and_leaves_no_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("disk.raw");
    let mut claims = Claims::new(1 << 30);
    claims.claim(0, 32 << 20, slice(0));
    let plan = claims.finish(&Data::Free).unwrap();
    let cancel = CancelToken::new();
    let progress = StopSoon(&cancel, AtomicU64::new(0));
    let stopped =
        emit(&plan, &Pattern, &path, &EmitOptions { threads: 2 }, None, Monitor::new(&progress, &cancel));
    assert!(matches!(stopped, Err(EmitError::Interrupted)), "{stopped:?}");
    assert!(!path.exists());
    assert!(progress.1.into_inner() <= 16 << 20);
}

#[test]
fn progress_adds_up_to_the_length() {
    let never = CancelToken::new();
    let counted = StopSoon(&never, AtomicU64::new(0));
    let directory = tempfile::tempdir().unwrap();
    emit(
        &sparse(),
        &Pattern,
        &directory.path().join("disk.raw"),
        &EmitOptions { threads: 3 },
        None,
        Monitor::new(&counted, &CancelToken::new()),
    )
    .unwrap();
    assert_eq!(counted.1.into_inner(), 64 << 20);
}

#[test]
fn a_full_disk_says_how_much_is_needed_and_leaves_no_file() {
    // Mounting a small file system takes root; the device that is always full does not.
    let full = Path::new("/dev/full");
    let mut claims = Claims::new(BLOCK);
    claims.claim(0, BLOCK, slice(0));
    let plan = claims.finish(&Data::Zero).unwrap();
    let target = super::target::ImageFile::over(full, File::options().write(true).open(full).unwrap());
    let failed = target.write(&[1; 4096], 0, plan.len());
    assert!(matches!(failed, Err(EmitError::NoSpace { needed: BLOCK, .. })), "{failed:?}");
}
