//! FAT: the file system of EFI system partitions (Microsoft, "FAT: General Overview of On-Disk Format", 1.03).
//!
//! Writes FAT32 only; reads FAT12, FAT16 and FAT32. The reader and the checker share no planning code with the writer,
//! only the rules of the specification in [`spec`] and `dos_time`.

pub mod check;
pub mod corruption;
mod dos_time;
pub mod fields;
mod format;
pub mod map;
pub mod read;
mod residue;
mod spec;
pub mod write;

pub(crate) use format::FatFormat;

/// A volume id as people and `/dev/disk/by-uuid` write it, such as `A1B2-C3D4`.
pub fn id_text(volume_id: u32) -> String {
    format!("{:04X}-{:04X}", volume_id >> 16, volume_id & 0xffff)
}
