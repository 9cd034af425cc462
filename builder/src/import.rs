//! A first recipe from a disk image that exists: the image as its source, with a disk and a way to boot that fit it, and
//! comments that say what it holds. Writes nothing.

use std::fmt::Write as _;

use amiforge_formats::digest::Digest;
use amiforge_formats::tree::Printable;
use amiforge_rootfs::sources::image::DiskSurvey;

use crate::recipe::{Arch, DiskChoice};

/// Bytes that a new disk has beyond its files: partitions to boot from, journal, and room to work in.
const ROOM: u64 = 1 << 30;

/// What is written of a disk that is kept.
const KEPT: &str = "\n# Its disk stays as it is: partitions, ids, boot loader and fstab. What the recipe changes is written into its ext4 file\n\
    # systems, and `publish --parent auto` sends only the blocks that change. `amiforge import --new-disk` writes a recipe with\n\
    # a table [boot] in the place of this line: a new disk of the size that you want, with loaders of amiforge's.\n\
    boot = \"keep\"\n";

/// Where the image is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImportOrigin {
    /// A file.
    File {
        /// Its path, as the recipe names it.
        path: String,
        /// Its digest.
        sha256: Digest,
    },
    /// The disk of a snapshot, which a lock pins.
    Region {
        /// What names the snapshot, or the AMI.
        choice: DiskChoice,
        /// Its region, if it is named.
        region: Option<String>,
    },
}

/// What becomes of the disk of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImportedDisk {
    /// It is kept with its partitions and its boot loader, where that can be; else a new one is made.
    Kept,
    /// A new one is made of its files, with loaders of amiforge's.
    New,
}

/// The text of a recipe that builds an image of the name `name` from a surveyed disk. `partition` is the root if the user
/// names it.
pub fn recipe_text(
    survey: &DiskSurvey,
    origin: &ImportOrigin,
    name: &str,
    partition: Option<&str>,
    disk: ImportedDisk,
) -> String {
    let kept = survey.keepable && disk == ImportedDisk::Kept;
    let mut text = String::from(
        "# An image that existed as the source of a new one. Everything else of a recipe works over it: [[file]], [[user]],\n\
         # [[run]], [normalize]. `amiforge schema` prints every key for your editor.\n#\n",
    );
    facts(survey, &mut text);
    let arch = survey.arch.unwrap_or(Arch::X86_64);
    if kept {
        text.push_str(KEPT);
    }
    let _ = write!(
        text,
        "\n[image]\nname = {}\nversion = \"0.1\"\narch = \"{}\"{}\n",
        quoted(name),
        arch.name(),
        if survey.arch.is_none() { "  # a guess: its shell says nothing" } else { "" },
    );
    if !kept {
        let _ = write!(text, "\n[disk]\nsize = \"{} GiB\"\n", disk_gib(survey));
        boot(survey, arch, &mut text);
    }
    source(origin, partition, &mut text);
    if kept {
        return text;
    }
    exclude(survey, &mut text);
    text.push_str(
        "\n[system]\n# The partitions of the new disk have ids of their own, which the image's own fstab does not know.\nfstab = \
         \"replace\"\n",
    );
    text
}

/// What the image holds, as comments.
fn facts(survey: &DiskSurvey, text: &mut String) {
    let system =
        survey.os_release.as_deref().and_then(pretty_name).unwrap_or("a system without os-release".into());
    let kernel = match &survey.kernel {
        Some(release) => format!("kernel {}", Printable(release.as_bytes())),
        None => "no kernel".to_owned(),
    };
    let packages = match &survey.packages {
        Some((kind, Some(count))) => format!("{count} packages ({kind})"),
        Some((kind, None)) => format!("packages ({kind})"),
        None => "no database of packages".to_owned(),
    };
    let _ = writeln!(text, "#   {system}, {kernel}, {packages}");
    let container = survey.container.map_or("a raw disk", |kind| kind.name());
    let _ =
        writeln!(text, "#   {container} of {} MiB, files of {} MiB", survey.size >> 20, survey.bytes >> 20);
    for part in &survey.parts {
        let mount = part.mount.as_deref().map(|mount| format!(" at {}", Printable(mount.as_bytes())));
        let mount = mount.unwrap_or_else(|| ", not taken".to_owned());
        let _ = writeln!(text, "#   {}: {}, {} MiB{mount}", part.title, part.content, part.len >> 20);
    }
    for warning in &survey.warnings {
        let _ = writeln!(text, "#   {}", Printable(warning.as_bytes()));
    }
}

/// The value of `PRETTY_NAME` in an os-release (os-release(5)), as a comment may have it.
fn pretty_name(os_release: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(os_release);
    let line = text.lines().find_map(|line| line.trim().strip_prefix("PRETTY_NAME="))?;
    let name = line.trim().trim_matches(['"', '\'']);
    Some(Printable(name.as_bytes()).to_string())
}

/// Length of the new disk: that of the old one, or more where its files need it.
fn disk_gib(survey: &DiskSurvey) -> u64 {
    let needed = survey.bytes.saturating_add(survey.bytes / 4).saturating_add(ROOM);
    survey.size.max(needed).div_ceil(1 << 30)
}

/// How the new image boots: as the old one does, by loaders of amiforge's.
fn boot(survey: &DiskSurvey, arch: Arch, text: &mut String) {
    if survey.kernel.is_none() {
        text.push_str("\n# It has no kernel, so nothing boots it: add one, and a [boot].\n");
        return;
    }
    let bios = survey.bios && arch.has_bios();
    let mode = match (survey.esp, bios) {
        (true, true) => "hybrid",
        (false, true) => "bios",
        _ => "uefi",
    };
    let _ = write!(
        text,
        "\n# Its kernel, started by loaders of amiforge's; those that the image brings are not used.\n[boot]\nmode = \
         \"{mode}\"\n"
    );
}

fn source(origin: &ImportOrigin, partition: Option<&str>, text: &mut String) {
    text.push_str("\n[[source]]\nkind = \"image\"\n");
    match origin {
        ImportOrigin::File { path, sha256 } => {
            let _ = writeln!(text, "path = {}\nsha256 = \"{sha256}\"", quoted(path));
        }
        ImportOrigin::Region { choice, region } => {
            let _ = writeln!(text, "{}", named_disk(choice));
            if let Some(region) = region {
                let _ = writeln!(text, "region = {}", quoted(region));
            }
        }
    }
    if let Some(partition) = partition {
        let _ = writeln!(text, "partition = {}", quoted(partition));
    }
}

/// The key of a source that names a disk in a region.
fn named_disk(choice: &DiskChoice) -> String {
    match choice {
        DiskChoice::Id(id) if id.starts_with("snap-") => format!("snapshot = {}", quoted(id)),
        DiskChoice::Id(text) => format!("ami = {}", quoted(text)),
        DiskChoice::Parameter(_) => format!("ami = {}", quoted(&choice.to_string())),
        DiskChoice::Newest { owner, name } => {
            format!("ami = {{ owner = {}, name = {} }}", quoted(owner), quoted(name))
        }
    }
}

/// What a new disk does not take: the loaders of the old one, and what belongs to its file systems.
fn exclude(survey: &DiskSurvey, text: &mut String) {
    let fat =
        survey.parts.iter().filter(|part| part.content == "fat").filter_map(|part| part.mount.as_deref());
    let loaders = fat.map(|mount| quoted(&format!("{}/**", mount.trim_start_matches('/'))));
    let exclude: Vec<_> = loaders.chain([quoted("lost+found")]).collect();
    let _ = writeln!(text, "exclude = [{}]", exclude.join(", "));
}

/// A text as TOML has it.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use amiforge_rootfs::sources::image::SurveyedPart;

    use super::*;
    use crate::recipe::Recipe;

    fn survey() -> DiskSurvey {
        let part = |title: &str, content, mount: Option<&str>| SurveyedPart {
            title: title.to_owned(),
            content,
            len: 1 << 30,
            mount: mount.map(str::to_owned),
        };
        DiskSurvey {
            container: None,
            size: 3 << 30,
            parts: vec![
                part("partition 1", "ext4", Some("/")),
                part("partition 15", "fat", Some("/boot/efi")),
            ],
            esp: true,
            bios: true,
            keepable: true,
            os_release: Some(b"ID=x\nPRETTY_NAME=\"Sample \x1b 1\"\n".to_vec()),
            arch: Some(Arch::X86_64),
            kernel: Some("6.1".to_owned()),
            packages: Some(("deb", Some(7))),
            bytes: 1 << 30,
            warnings: vec!["its /etc/fstab\nmounts".to_owned()],
        }
    }

    #[test]
    fn the_recipe_has_no_mistake_and_says_what_the_image_holds() {
        let file = ImportOrigin::File { path: "a \"b\"\n.qcow2".to_owned(), sha256: Digest::of(b"x") };
        let choice = DiskChoice::Id("ami-0a".to_owned());
        let region = ImportOrigin::Region { choice, region: Some("local".to_owned()) };
        for (origin, mode) in [(&file, "hybrid"), (&region, "bios")] {
            let found = DiskSurvey { esp: mode == "hybrid", ..survey() };
            let text = recipe_text(&found, origin, "web", Some("1"), ImportedDisk::New);
            let recipe = Recipe::parse(&text, Path::new("recipe.toml"))
                .unwrap_or_else(|error| panic!("{error}\n{text}"));
            assert!(text.contains(&format!("mode = \"{mode}\"")), "{text}");
            assert!(text.contains("#   Sample \\x1b 1, kernel 6.1, 7 packages (deb)\n"), "{text}");
            assert!(text.contains("partition 15: fat, 1024 MiB at /boot/efi\n"), "{text}");
            assert!(text.contains("exclude = [\"boot/efi/**\", \"lost+found\"]"), "{text}");
            assert_eq!(recipe.snapshots.len(), usize::from(mode == "bios"));
        }
        let newest =
            DiskChoice::Newest { owner: "amazon".to_owned(), name: "al2023-ami-2023.*-x86_64".to_owned() };
        for choice in [DiskChoice::Parameter("/web/stable:blue".to_owned()), newest] {
            let origin = ImportOrigin::Region { choice: choice.clone(), region: None };
            let text = recipe_text(&survey(), &origin, "web", None, ImportedDisk::Kept);
            let recipe = Recipe::parse(&text, Path::new("recipe.toml"))
                .unwrap_or_else(|error| panic!("{error}\n{text}"));
            assert_eq!(recipe.snapshots.first().map(|named| &named.choice), Some(&choice), "{text}");
        }
        let text = recipe_text(&survey(), &file, "web", None, ImportedDisk::Kept);
        let kept =
            Recipe::parse(&text, Path::new("recipe.toml")).unwrap_or_else(|error| panic!("{error}\n{text}"));
        assert!(kept.keep && !text.contains("exclude") && !text.contains("[disk]"), "{text}");
        let none = DiskSurvey {
            keepable: false,
            kernel: None,
            os_release: None,
            arch: None,
            bytes: 5 << 30,
            ..survey()
        };
        let text = recipe_text(&none, &file, "web", None, ImportedDisk::Kept);
        assert!(
            text.contains("no kernel") && text.contains("size = \"8 GiB\"") && !text.contains("\n[boot]"),
            "{text}"
        );
        assert!(Recipe::parse(&text, Path::new("recipe.toml")).is_ok());
    }
}
