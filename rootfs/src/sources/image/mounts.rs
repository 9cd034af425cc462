//! What the fstab of an image mounts (fstab(5)), and which partition of the disk a device of it is. Knows no trees.

use amiforge_formats::volume::format::ReadVolume;

use super::layout::DiskPart;

/// Most mounts that are read; real ones are few.
const MOUNTS_MAX: usize = 256;

/// An entry of an fstab that mounts a file system of a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ImageMount {
    /// The device, as the file names it.
    pub(super) device: String,
    /// Where: an absolute path.
    pub(super) point: String,
    /// Whether the machine does without it.
    pub(super) optional: bool,
}

/// The mounts of the text of an fstab, parents first. Swap, network and kernel file systems, and binds, are left out.
pub(super) fn parse(text: &str) -> Vec<ImageMount> {
    let mut mounts: Vec<_> = text.lines().filter_map(mount).take(MOUNTS_MAX).collect();
    mounts.sort_by(|a, b| a.point.cmp(&b.point));
    mounts.dedup_by(|later, earlier| later.point == earlier.point);
    mounts
}

fn mount(line: &str) -> Option<ImageMount> {
    let line = line.trim();
    if line.starts_with('#') {
        return None;
    }
    let mut fields = line.split_whitespace();
    let (device, point, kind) = (fields.next()?, fields.next()?, fields.next()?);
    let options: Vec<_> = fields.next().unwrap_or_default().split(',').collect();
    let of_a_disk = device.starts_with("/dev/") || TAGS.iter().any(|tag| device.starts_with(tag));
    if !of_a_disk || kind == "swap" || options.contains(&"bind") || !point.starts_with('/') {
        return None;
    }
    let optional = ["noauto", "nofail"].iter().any(|word| options.contains(word));
    let point = unescape(point).trim_end_matches('/').to_owned();
    Some(ImageMount { device: unescape(device).replace('"', ""), point, optional })
}

/// Tags of devices.
const TAGS: [&str; 4] = ["UUID=", "LABEL=", "PARTUUID=", "PARTLABEL="];

/// The folders of udev whose names are those of tags.
const FOLDERS: [(&str, &str); 4] = [
    ("/dev/disk/by-uuid/", "UUID="),
    ("/dev/disk/by-label/", "LABEL="),
    ("/dev/disk/by-partuuid/", "PARTUUID="),
    ("/dev/disk/by-partlabel/", "PARTLABEL="),
];

/// A field without its octal escapes, such as `\040` for a space.
fn unescape(field: &str) -> String {
    let mut out = Vec::with_capacity(field.len());
    let mut rest = field.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let octal = (byte == b'\\').then(|| after.get(..3)).flatten();
        let value = octal.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
        out.push(value.unwrap_or(byte));
        rest = if value.is_some() { &after[3..] } else { after };
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Whether a device is this partition, whose volume is `volume` if it can be read.
pub(super) fn is_device(device: &str, part: &DiskPart, volume: Option<&ReadVolume>) -> bool {
    let by_folder =
        FOLDERS.iter().find_map(|(folder, tag)| Some(format!("{tag}{}", device.strip_prefix(folder)?)));
    let device = by_folder.as_deref().unwrap_or(device);
    let Some((tag, value)) = device.split_once('=') else { return is_node(device, part) };
    match tag {
        "UUID" => {
            volume.and_then(|volume| volume.id.as_deref()).is_some_and(|id| id.eq_ignore_ascii_case(value))
        }
        "LABEL" => volume.is_some_and(|volume| volume.label == value.as_bytes()),
        "PARTUUID" => part.part_uuid.as_deref().is_some_and(|uuid| uuid.eq_ignore_ascii_case(value)),
        "PARTLABEL" => part.name == value,
        _ => false,
    }
}

/// Whether a name such as `/dev/sda1` or `/dev/nvme0n1p1` is that of the partition, on the first disk of a machine.
fn is_node(device: &str, part: &DiskPart) -> bool {
    let names = ["sda", "vda", "xvda", "hda", "nvme0n1p", "mmcblk0p"];
    let number = names.into_iter().find_map(|name| device.strip_prefix("/dev/")?.strip_prefix(name));
    part.number > 0 && number == Some(part.number.to_string().as_str())
}

#[cfg(test)]
mod tests {
    use amiforge_formats::volume::VolumeContent;

    use super::*;

    #[test]
    fn only_file_systems_of_disks_are_mounted_and_parents_come_first() {
        let text = "# comment\nUUID=1-2 /boot/efi vfat umask=0077 0 1\nLABEL=root / ext4 defaults 0 1\n\
                    PARTUUID=aa /my\\040data/ ext4 nofail\n/dev/vda5 none swap sw\ntmpfs /tmp tmpfs\n\
                    /home /srv none bind\nserver:/x /mnt nfs\nbroken\n";
        let found = parse(text);
        let points: Vec<_> = found.iter().map(|mount| (mount.point.as_str(), mount.optional)).collect();
        assert_eq!(points, [("", false), ("/boot/efi", false), ("/my data", true)]);
        assert_eq!(unescape("a\\"), "a\\");
        assert_eq!(unescape("\\999"), "\\999");
    }

    #[test]
    fn a_device_is_found_by_every_name_that_it_has() {
        let mut part = super::super::layout::of_test(3, "data", "AABB", VolumeContent::Unknown);
        part.part_uuid = Some("aabb".to_owned());
        let volume = ReadVolume { id: Some("1-2".to_owned()), label: b"x".to_vec(), ..ReadVolume::default() };
        for device in [
            "UUID=1-2",
            "/dev/disk/by-uuid/1-2",
            "LABEL=x",
            "PARTUUID=AABB",
            "PARTLABEL=data",
            "/dev/vda3",
            "/dev/nvme0n1p3",
        ] {
            assert!(is_device(device, &part, Some(&volume)), "{device}");
        }
        for device in ["UUID=1-3", "LABEL=", "PARTUUID=cc", "/dev/vda30", "/dev/sdb3", "X=1"] {
            assert!(!is_device(device, &part, Some(&volume)), "{device}");
        }
        assert!(!is_device("UUID=1-2", &part, None));
    }
}
