//! Booting Linux by a legacy BIOS: our own loader, and the bytes that it needs on the disk.
//!
//! Owns the loader (`stage1.S`, `stage2.S` and their assembled bytes) and the numbers that are written into it. Follows
//! the boot protocol of Linux on x86 (`Documentation/arch/x86/boot.rst`). Must not know of partitions: the caller gives
//! the first sector and puts the bytes there.
//!
//! Stage 1 is the code of the MBR and reads stage 2, which is followed by the kernel and the initrd, each from the start
//! of a sector. Nothing is looked up in a file system, so nothing has to be installed.
#![warn(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

mod error;
pub mod map;
mod protocol;
pub(crate) mod residue;
mod setup;

use std::sync::Arc;

pub use error::BiosError;
pub use protocol::ProtocolVersion;
use setup::KernelSetup;

use crate::gpt::SECTOR;
use crate::tree::{Content, Origin, Segment};

/// The code of the MBR, as assembled from `stage1.S`.
pub const STAGE1: &[u8; 440] = include_bytes!("stage1.bin");

/// The loader, as assembled from `stage2.S`.
pub const STAGE2: &[u8; 4096] = include_bytes!("stage2.bin");

/// The longest command line in bytes; a NUL ends it.
pub const CMDLINE_MAX: usize = STAGE2.len() - CMDLINE_AT - 1;

/// Where the first sector of stage 2 is written into stage 1.
const LBA: usize = 432;

/// Where the numbers for stage 2 are written into it; the comments of `stage2.S` name them.
const NUMBERS: usize = 8;

/// Where the command line is written into stage 2, which a NUL ends: its offset in the loader's partition.
pub const CMDLINE_AT: usize = 0x800;

/// What makes a disk boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BiosBoot {
    /// The first bytes of the disk: the code of its MBR, up to the disk's signature.
    pub mbr: [u8; 440],
    /// The bytes from the given sector on: the loader, the kernel, the initrd; of the length [`len`].
    pub content: Content,
}

/// Bytes that [`BiosBoot::content`] takes, a multiple of the sector's length.
pub fn len(kernel: u64, initrd: u64) -> u64 {
    let whole = |len: u64| len.checked_next_multiple_of(SECTOR).unwrap_or(u64::MAX);
    (STAGE2.len() as u64).saturating_add(whole(kernel)).saturating_add(whole(initrd))
}

/// The loader for a kernel, `first_sector` being where [`BiosBoot::content`] is put on the disk.
///
/// `head` is the start of the kernel, 4 KiB or all of it. Kernel and initrd stay references.
///
/// # Errors
/// When the kernel is none that the loader can start, or the command line or the initrd does not suit it.
pub fn load(
    first_sector: u64,
    kernel: &Content,
    head: &[u8],
    initrd: Option<&Content>,
    cmdline: &str,
) -> Result<BiosBoot, BiosError> {
    let setup = KernelSetup::read(head, kernel.len())?;
    let initrd = initrd.filter(|initrd| !initrd.is_empty());
    let initrd_len = initrd.map_or(0, Content::len);
    check_cmdline(cmdline, &setup)?;
    let initrd_at = setup.initrd_address(initrd_len)?;
    let kernel_at = STAGE2.len() as u64;
    let (initrd_from, end) = (len(kernel.len(), 0), len(kernel.len(), initrd_len));
    if first_sector == 0 || first_sector.checked_add(sectors(end)).is_none() {
        return Err(BiosError::FirstSector { found: first_sector });
    }
    let numbers = Numbers {
        kernel_lba: first_sector.saturating_add(sectors(kernel_at)),
        initrd_lba: first_sector.saturating_add(sectors(initrd_from)),
        kernel_sectors: sectors(kernel.len()) as u32,
        initrd_sectors: sectors(initrd_len) as u32,
        initrd_bytes: initrd_len as u32,
        initrd_at,
        memory_kib: setup.memory_kib(initrd_at, initrd_len),
    };
    let mut segments = vec![Segment {
        offset: 0,
        len: kernel_at,
        origin: Origin::Inline { bytes: stage2(&numbers, cmdline), at: 0 },
    }];
    segments.extend(shifted(kernel, kernel_at));
    segments.extend(initrd.into_iter().flat_map(|initrd| shifted(initrd, initrd_from)));
    let content = Content::Sparse { len: end, segments: segments.into() };
    Ok(BiosBoot { mbr: stage1(first_sector), content })
}

/// The numbers for stage 2; a length of 4 GiB was refused before.
struct Numbers {
    kernel_lba: u64,
    initrd_lba: u64,
    kernel_sectors: u32,
    initrd_sectors: u32,
    initrd_bytes: u32,
    initrd_at: u32,
    memory_kib: u32,
}

/// Stage 1 for a disk.
fn stage1(first_sector: u64) -> [u8; 440] {
    let mut bytes = *STAGE1;
    put(&mut bytes, LBA, first_sector.to_le_bytes());
    bytes
}

/// Stage 2 for a kernel.
fn stage2(numbers: &Numbers, cmdline: &str) -> Arc<[u8]> {
    let mut bytes = STAGE2.to_vec();
    let lbas = [numbers.kernel_lba, numbers.initrd_lba].into_iter().flat_map(u64::to_le_bytes);
    let others = [
        numbers.kernel_sectors,
        numbers.initrd_sectors,
        numbers.initrd_bytes,
        numbers.initrd_at,
        numbers.memory_kib,
    ];
    put(&mut bytes, NUMBERS, lbas.chain(others.into_iter().flat_map(u32::to_le_bytes)));
    put(&mut bytes, CMDLINE_AT, cmdline.bytes());
    bytes.into()
}

/// Refuses a command line that would be cut.
fn check_cmdline(cmdline: &str, setup: &KernelSetup) -> Result<(), BiosError> {
    let most = CMDLINE_MAX.min(setup.cmdline_max as usize);
    if cmdline.len() > most {
        return Err(BiosError::CmdlineLong { len: cmdline.len(), most });
    }
    if cmdline.contains('\0') {
        return Err(BiosError::CmdlineNul);
    }
    Ok(())
}

/// The segments of a content that is put further on.
fn shifted(content: &Content, by: u64) -> impl Iterator<Item = Segment> {
    content.segments().into_iter().map(move |mut segment| {
        segment.offset = segment.offset.saturating_add(by);
        segment
    })
}

/// Sectors of `len` bytes.
fn sectors(len: u64) -> u64 {
    len.div_ceil(SECTOR)
}

/// Writes bytes over others.
fn put(bytes: &mut [u8], at: usize, new: impl IntoIterator<Item = u8>) {
    bytes.iter_mut().skip(at).zip(new).for_each(|(slot, byte)| *slot = byte);
}

#[cfg(test)]
mod tests {
    #![expect(
        clippy::arithmetic_side_effects,
        clippy::indexing_slicing,
        reason = "a test fails by panicking"
    )]

    use super::setup::sample;
    use super::*;
    use crate::fields;
    use crate::plan::SourceId;

    const KERNEL: Content = Content::Slice { source: SourceId(3), at: 7, len: 40_000 };

    fn inline(segment: &Segment) -> &[u8] {
        let Origin::Inline { bytes, at } = &segment.origin else { panic!("{segment:?}") };
        &bytes[*at..*at + segment.len as usize]
    }

    #[test]
    fn the_loader_knows_where_everything_stands() {
        let initrd = Content::Slice { source: SourceId(4), at: 0, len: 1001 };
        let boot = load(2048, &KERNEL, &sample(40_000), Some(&initrd), "root=/dev/x ro").unwrap();
        assert_eq!(fields::u64(&boot.mbr, 432), 2048);
        assert_eq!(boot.content.len(), len(40_000, 1001));
        assert_eq!(boot.content.len(), 4096 + 40_448 + 1024);
        let segments = boot.content.segments();
        assert_eq!((segments[1].offset, segments[1].len), (4096, 40_000));
        assert_eq!(segments[1].origin, Origin::Slice { source: SourceId(3), at: 7 });
        assert_eq!((segments[2].offset, segments[2].len), (4096 + 40_448, 1001));
        let stage2 = inline(&segments[0]);
        assert_eq!((fields::u64(stage2, 8), fields::u64(stage2, 16)), (2056, 2056 + 79));
        assert_eq!((fields::u32(stage2, 24), fields::u32(stage2, 28)), (79, 2));
        // 16 MiB of address, 50 MiB of need, rounded up to a MiB.
        assert_eq!((fields::u32(stage2, 32), fields::u32(stage2, 36)), (1001, 67 << 20));
        assert_eq!(fields::u32(stage2, 40), (67 << 10) + 1);
        assert_eq!(&stage2[0x800..0x80f], b"root=/dev/x ro\0");
        assert_eq!(stage2[0x30..0x800], STAGE2[0x30..0x800], "nothing else is written");
    }

    #[test]
    fn without_an_initrd_nothing_is_said_about_one() {
        let boot = load(34, &KERNEL, &sample(40_000), Some(&Content::empty()), "").unwrap();
        assert_eq!(boot, load(34, &KERNEL, &sample(40_000), None, "").unwrap());
        let segments = boot.content.segments();
        assert_eq!((segments.len(), fields::u32(inline(&segments[0]), 28)), (2, 0));
        assert_eq!(fields::u32(inline(&segments[0]), 40), (66 << 10) + 1, "the kernel's own need");
    }

    #[test]
    fn a_command_line_that_would_be_cut_is_refused() {
        let with = |cmdline: &str| load(34, &KERNEL, &sample(40_000), None, cmdline);
        assert!(with(&"x".repeat(2047)).is_ok());
        assert!(matches!(with(&"x".repeat(2048)), Err(BiosError::CmdlineLong { len: 2048, most: 2047 })));
        assert!(matches!(with("a\0b"), Err(BiosError::CmdlineNul)));
        let mut head = sample(40_000);
        head[0x238..0x23c].copy_from_slice(&255_u32.to_le_bytes());
        let error = load(34, &KERNEL, &head, None, &"x".repeat(256)).unwrap_err();
        assert!(matches!(error, BiosError::CmdlineLong { len: 256, most: 255 }), "{error}");
    }

    #[test]
    fn the_sector_of_the_mbr_and_the_end_of_numbers_are_refused() {
        for first in [0, u64::MAX - 10] {
            let error = load(first, &KERNEL, &sample(40_000), None, "").unwrap_err();
            assert!(matches!(error, BiosError::FirstSector { found } if found == first));
        }
    }

    #[test]
    fn the_assembled_bytes_have_what_is_written_into_them_empty() {
        assert_eq!(STAGE1[LBA..], [0; 8]);
        assert_eq!(&STAGE2[2..8], b"AMI2\0\0");
        assert!(STAGE2[NUMBERS..0x40].iter().chain(&STAGE2[CMDLINE_AT..]).all(|byte| *byte == 0));
    }
}
