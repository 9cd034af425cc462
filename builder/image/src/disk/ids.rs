//! GUIDs that follow from the name of the image and the id of a partition, so a kernel command line can be
//! written before the disk is laid out. The ids of file systems are those of `amiforge_formats::volume::VolumeIds`.

use amiforge_formats::guid::Guid;

/// GUID of the disk.
pub fn disk_guid(image: &str) -> Guid {
    Guid::derive(image, "disk")
}

/// GUID of the partition with that id (`PARTUUID`).
pub fn partition_guid(image: &str, id: &str) -> Guid {
    Guid::derive(image, &format!("partition\0{id}"))
}
