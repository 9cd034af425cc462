//! Writes `/etc/fstab` (fstab(5)) from a list of mounts and creates the mount points in the tree. Does not know partitions.

pub(super) mod error;

use std::collections::BTreeSet;
use std::fmt::Write as _;

use amiforge_formats::path::{self, Last, PathError};
use amiforge_formats::plan::Sources;
use amiforge_formats::time::Time;
use amiforge_formats::tree::{Meta, Node, NodeKind, Tree};

use super::error::StepError;

pub use self::error::FstabError;

/// The device of a mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Device {
    /// By the GUID of its partition.
    PartUuid(String),
    /// By the UUID of its file system.
    Uuid(String),
    /// By the label of its file system.
    Label(String),
    /// By a path or a name, such as `/dev/vdb` or `tmpfs`.
    Other(String),
}

/// An entry of fstab.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountSpec {
    /// The device.
    pub device: Device,
    /// Absolute path in the image; `None` for swap.
    pub mount_point: Option<String>,
    /// Type of the file system, such as `ext4`.
    pub fs_type: String,
    /// Mount options; `defaults` if empty.
    pub options: Vec<String>,
    /// Field of dump(8): 0, never dumped, unless set.
    pub dump: u8,
    /// Pass of fsck(8): 1 for the root, 2 for others, 0 for never.
    pub pass: u8,
}

impl MountSpec {
    /// The root file system: pass 1.
    pub fn root(device: Device, fs_type: &str) -> Self {
        Self::new(device, Some("/"), fs_type, &[], 1)
    }

    /// The EFI system partition: vfat, readable by root alone, pass 2.
    pub fn esp(device: Device, mount_point: &str) -> Self {
        Self::new(device, Some(mount_point), "vfat", &["umask=0077"], 2)
    }

    /// Any other file system: pass 2.
    pub fn data(device: Device, mount_point: &str, fs_type: &str) -> Self {
        Self::new(device, Some(mount_point), fs_type, &[], 2)
    }

    /// Swap space.
    pub fn swap(device: Device) -> Self {
        Self::new(device, None, "swap", &["sw"], 0)
    }

    fn new(device: Device, mount_point: Option<&str>, fs_type: &str, options: &[&str], pass: u8) -> Self {
        Self {
            device,
            mount_point: mount_point.map(str::to_owned),
            fs_type: fs_type.to_owned(),
            options: options.iter().map(|&option| option.to_owned()).collect(),
            dump: 0,
            pass,
        }
    }
}

/// What to do with an fstab of the sources.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ExistingFstab {
    /// Refuse it, unless it has only comments and blank lines.
    #[default]
    Refuse,
    /// Replace it.
    Replace,
}

/// The fstab to write.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FstabSpec {
    /// The mounts; written parents first.
    pub mounts: Vec<MountSpec>,
    /// What to do with an existing fstab.
    pub existing: ExistingFstab,
}

/// Writes `/etc/fstab` and creates the mount points. Without mounts nothing changes.
///
/// # Errors
/// [`StepError::Fstab`].
pub fn apply(tree: &mut Tree, sources: &dyn Sources, spec: &FstabSpec, time: Time) -> Result<(), StepError> {
    if spec.mounts.is_empty() {
        return Ok(());
    }
    write_fstab(tree, sources, spec, time).map_err(StepError::Fstab)
}

fn write_fstab(
    tree: &mut Tree,
    sources: &dyn Sources,
    spec: &FstabSpec,
    time: Time,
) -> Result<(), FstabError> {
    if spec.existing == ExistingFstab::Refuse {
        refuse_existing_entries(tree, sources)?;
    }
    let mut mounts: Vec<&MountSpec> = spec.mounts.iter().collect();
    // Parents before children, swap last; the sort is stable, so swap devices keep their order.
    mounts.sort_by_key(|mount| mount.mount_point.as_ref().map_or((1, ""), |path| (0, path.as_str())));
    let mut points = BTreeSet::new();
    let mut text = String::from("# <file system> <mount point> <type> <options> <dump> <pass>\n");
    for mount in mounts {
        write_line(mount, &mut text)?;
        let Some(point) = &mount.mount_point else { continue };
        if !points.insert(point) {
            return Err(FstabError::Twice { mount_point: point.clone() });
        }
        ensure_mount_point(tree, point, time)?;
    }
    Ok(path::write(tree, b"/etc/fstab", text.as_bytes(), 0o644, time)?)
}

/// Refuses an fstab with entries; one that has only comments, as distributions ship it, is replaced.
fn refuse_existing_entries(tree: &Tree, sources: &dyn Sources) -> Result<(), FstabError> {
    let text = path::read(tree, sources, b"/etc/fstab")?.unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    match text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#')) {
        Some(first) => Err(FstabError::Exists { first: first.to_owned() }),
        None => Ok(()),
    }
}

/// Creates the folder of a mount point if it does not exist.
fn ensure_mount_point(tree: &mut Tree, point: &str, time: Time) -> Result<(), FstabError> {
    let resolved = path::resolve_with_parents(tree, path::checked(point)?, Last::Follow, time)?;
    match resolved.node.map(|id| &tree.node(id).kind) {
        None => {
            path::put(tree, &resolved, Node { meta: Meta::root_owned(0o755, time), kind: NodeKind::dir() })?;
        }
        Some(NodeKind::Dir(_)) => {}
        Some(other) => return Err(PathError::NotADir { path: resolved.path, found: other.word() }.into()),
    }
    Ok(())
}

/// Appends the line of a mount.
fn write_line(mount: &MountSpec, text: &mut String) -> Result<(), FstabError> {
    let (tag, device) = match &mount.device {
        Device::PartUuid(guid) => ("PARTUUID=", guid),
        Device::Uuid(uuid) => ("UUID=", uuid),
        Device::Label(label) => ("LABEL=", label),
        Device::Other(device) => ("", device),
    };
    let point = mount.mount_point.as_deref().unwrap_or("none");
    if mount.pass > 2 {
        return Err(FstabError::BadPass { pass: mount.pass, mount_point: point.to_owned() });
    }
    let options = if mount.options.is_empty() { "defaults".to_owned() } else { mount.options.join(",") };
    let fields = [("device", device), ("mount point", &point.to_owned()), ("type", &mount.fs_type)];
    for (field, value) in fields.into_iter().chain(mount.options.iter().map(|option| ("option", option))) {
        if value.is_empty()
            || value.chars().any(|letter| letter.is_control() && letter != '\t' && letter != '\n')
        {
            return Err(FstabError::BadField { field, value: value.clone() });
        }
    }
    // Cannot fail: it writes to a String.
    let _ = writeln!(
        text,
        "{tag}{} {} {} {} {} {}",
        escaped(device),
        escaped(point),
        escaped(&mount.fs_type),
        escaped(&options),
        mount.dump,
        mount.pass
    );
    Ok(())
}

/// A field in which characters that would end it or start a comment are octal escapes, as getmntent(3) reads them.
fn escaped(field: &str) -> String {
    let mut out = String::with_capacity(field.len());
    for letter in field.chars() {
        match letter {
            ' ' | '\t' | '\n' | '\\' | '#' => {
                let _ = write!(out, "\\{:03o}", u32::from(letter));
            }
            _ => out.push(letter),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use amiforge_formats::plan::NoSources;

    use super::*;
    use crate::steps::testing::{NOW, add, empty, extract, folder, oracle, shape, text, tree};

    fn mounts(mounts: Vec<MountSpec>) -> FstabSpec {
        FstabSpec { mounts, existing: ExistingFstab::Refuse }
    }

    fn typical() -> FstabSpec {
        let guid = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b";
        let mut odd = MountSpec::data(Device::Other("tmpfs".into()), "/srv/a b\\#c", "tmpfs");
        odd.options = vec!["size=1m".into(), "mode=0700".into()];
        odd.pass = 0;
        mounts(vec![
            MountSpec::swap(Device::Uuid("5c3e4a5e-8f4e-4f6e-9d55-8f9cf6f5d0a1".into())),
            MountSpec::esp(Device::PartUuid(guid.into()), "/boot/efi"),
            odd,
            MountSpec::root(Device::Label("my root".into()), "ext4"),
        ])
    }

    #[test]
    fn mounts_are_written_and_their_folders_created() {
        let mut tree = tree(&[("/etc/fstab", "file 0600 # UNCONFIGURED FSTAB FOR BASE SYSTEM\n\n")]);
        apply(&mut tree, &NoSources, &typical(), NOW).unwrap();
        let expected = "# <file system> <mount point> <type> <options> <dump> <pass>\n\
            LABEL=my\\040root / ext4 defaults 0 1\n\
            PARTUUID=c12a7328-f81f-11d2-ba4b-00a0c93ec93b /boot/efi vfat umask=0077 0 2\n\
            tmpfs /srv/a\\040b\\134\\043c tmpfs size=1m,mode=0700 0 0\n\
            UUID=5c3e4a5e-8f4e-4f6e-9d55-8f9cf6f5d0a1 none swap sw 0 0\n";
        assert_eq!(text(&tree, "/etc/fstab"), expected);
        assert_eq!(shape(&tree, "/etc/fstab"), "file 0600 0:0");
        assert_eq!(shape(&tree, "/boot/efi"), "dir 0755 0:0");
        assert_eq!(shape(&tree, "/srv/a b\\#c"), "dir 0755 0:0");
    }

    #[test]
    fn findmnt_reads_the_same_fields() {
        let mut tree = empty();
        apply(&mut tree, &NoSources, &typical(), NOW).unwrap();
        let folder = folder();
        extract(&tree, folder.path());
        let file = folder.path().join("etc/fstab").display().to_string();
        let args = ["--fstab", "--tab-file", &file, "--noheadings", "--json", "--output", "SOURCE,TARGET"];
        let Some(result) = oracle("findmnt", &args) else { return };
        let output = String::from_utf8(result.stdout).unwrap();
        for part in ["LABEL=my root", r#""/boot/efi""#, r"/srv/a b\\#c"] {
            assert!(output.contains(part), "{part} in {output}");
        }
        let Some(result) = oracle("findmnt", &["--verify", "--tab-file", &file]) else { return };
        let output = String::from_utf8([result.stdout, result.stderr].concat()).unwrap();
        // The devices and one folder do not exist on this machine, so only the syntax is checked.
        assert!(output.contains("0 parse errors"), "{output}");
    }

    #[test]
    fn an_fstab_with_entries_is_refused_unless_it_may_be_replaced() {
        let mut tree = tree(&[("/etc/fstab", "file 0644 # c\nLABEL=x / ext4 defaults 0 1\n")]);
        let error = apply(&mut tree, &NoSources, &typical(), NOW).unwrap_err();
        assert!(
            matches!(error, StepError::Fstab(FstabError::Exists { first }) if first.starts_with("LABEL=x"))
        );
        let replace = FstabSpec { existing: ExistingFstab::Replace, ..typical() };
        apply(&mut tree, &NoSources, &replace, NOW).unwrap();
        assert!(!text(&tree, "/etc/fstab").contains("LABEL=x"));
        let before = text(&tree, "/etc/fstab");
        apply(&mut tree, &NoSources, &FstabSpec::default(), NOW).unwrap();
        assert_eq!(text(&tree, "/etc/fstab"), before);
    }

    #[test]
    fn invalid_mounts_are_refused() {
        let mut tree = empty();
        add(&mut tree, "/file", "file 0644 x");
        let device = || Device::Label("x".into());
        let mut pass = MountSpec::root(device(), "ext4");
        pass.pass = 3;
        let mut option = MountSpec::root(device(), "ext4");
        option.options.push(String::new());
        for (spec, expected) in [
            (vec![MountSpec::root(device(), "ext4"), MountSpec::root(device(), "ext4")], "two file systems"),
            (vec![MountSpec::data(device(), "/a/../b", "ext4")], "is not plain"),
            (vec![MountSpec::data(device(), "relative", "ext4")], "is not absolute"),
            (vec![MountSpec::data(device(), "/file", "ext4")], "is a file where a directory"),
            (vec![MountSpec::data(Device::Label("a\u{7}".into()), "/a", "ext4")], "cannot be the device"),
            (vec![MountSpec::data(device(), "/a", "")], "cannot be the type"),
            (vec![option], "cannot be the option"),
            (vec![pass], "pass 3"),
        ] {
            let error = apply(&mut tree.clone(), &NoSources, &mounts(spec), NOW).unwrap_err();
            let text = std::error::Error::source(&error).unwrap().to_string();
            assert!(text.contains(expected), "{text}");
        }
    }
}
