//! Ids that follow from the name of the image and the part's role in it, so that whoever writes an fstab or a kernel
//! command line knows them before the disk is laid out.

use amiforge_formats::guid::Guid;

/// GUID of the disk.
pub fn disk_guid(image: &str) -> Guid {
    Guid::derive(image, "disk")
}

/// GUID of the partition with that id (`PARTUUID`).
pub fn partition_guid(image: &str, id: &str) -> Guid {
    Guid::derive(image, &format!("partition\0{id}"))
}

/// UUID of the ext4 file system or swap area in the partition with that id (`UUID`).
pub fn file_system_uuid(image: &str, id: &str) -> Guid {
    Guid::derive(image, &format!("file system\0{id}"))
}

/// Seed of the directory hashes of the ext4 file system in the partition with that id.
pub fn hash_seed(image: &str, id: &str) -> Guid {
    Guid::derive(image, &format!("hash seed\0{id}"))
}

/// Volume id of the FAT volume in the partition with that id (`UUID`, as `amiforge_formats::fat::id_text` shows it).
pub fn volume_id(image: &str, id: &str) -> u32 {
    let [a, b, c, d, ..] = file_system_uuid(image, id).to_bytes();
    u32::from_be_bytes([a, b, c, d])
}
