//! `boot = "keep"`: what a recipe must have for a disk that stays as it is, and what it cannot say of one.

use amiforge_rootfs::sources::{SourceKind, SourceSpec};

use super::checker::Checker;
use super::diagnostic::KeyPath;
use super::keys::{Fstab, RecipeKeys, SourceKindKey};

/// Checks a recipe that keeps the disk of its first source, and marks that source. Gives what is done about the fstab.
pub(super) fn check(
    keys: &RecipeKeys,
    sources: &mut [SourceSpec],
    at: &KeyPath,
    checker: &mut Checker<'_>,
) -> Fstab {
    match keys.source.first() {
        Some(first) if first.kind == SourceKindKey::Image => {
            let at = at.key("source").index(0);
            for (key, given) in [("prefix", first.prefix.is_some()), ("strip", first.strip.is_some())] {
                if given {
                    let message = format!(
                        "`boot = \"keep\"` keeps the whole disk, so its files are where they are: leave `{key}` out"
                    );
                    checker.reject_key(at.key(key), message);
                }
            }
        }
        _ => {
            let message = "`keep` is for the disk of an image, and the first source is none: name one (`kind = \"image\"`), or \
                           write a table `[boot]`, which makes a disk that boots";
            checker.reject(at.key("boot"), message);
        }
    }
    words_of_a_new_disk(keys, at, checker);
    if let Some(SourceKind::Image { keep, .. }) = sources.first_mut().map(|first| &mut first.kind) {
        *keep = true;
    }
    Fstab::Keep
}

/// Whether a disk that is kept gets zeros where no file has bytes.
pub(super) fn erases(keys: &RecipeKeys, at: &KeyPath, checker: &mut Checker<'_>) -> bool {
    if keys.disk.erase_free_space.is_some() && !keys.keeps_disk() {
        let message = "a new disk has nothing where no file has bytes: leave `erase-free-space` out; it is for `boot = \"keep\"`";
        checker.reject_key(at.key("disk").key("erase-free-space"), message);
    }
    keys.disk.erase_free_space.unwrap_or_default()
}

/// Rejects what says how a new disk should be.
fn words_of_a_new_disk(keys: &RecipeKeys, at: &KeyPath, checker: &mut Checker<'_>) {
    if !keys.partition.is_empty() {
        let message = "the partitions are those of the image, which `boot = \"keep\"` leaves as they are: leave `[[partition]]` \
                       out, or write a table `[boot]` for a new disk";
        checker.reject(at.key("partition").index(0), message);
    }
    let disk = at.key("disk");
    if keys.disk.size.is_some() {
        let message = "the disk has the length of the image's, which `boot = \"keep\"` leaves as it is: leave `size` out; \
                       machines grow the root when they start with a larger volume, if something in the image does that";
        checker.reject_key(disk.key("size"), message);
    }
    if keys.disk.guid.is_some() {
        let message = "the disk keeps its GUID, by which its boot loader may know it: leave `guid` out";
        checker.reject_key(disk.key("guid"), message);
    }
    if keys.system.fstab.is_some_and(|fstab| fstab != Fstab::Keep) {
        let message = "the partitions keep their ids, and the fstab that names them stays: leave `fstab` out";
        checker.reject_key(at.key("system").key("fstab"), message);
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::recipe::{Fstab, Recipe};

    const IMAGE: &str = "[[source]]\nkind = \"image\"\npath = \"a.raw\"\n";

    fn recipe(head: &str, tail: &str) -> Result<Recipe, String> {
        let text = format!("{head}\n[image]\nname = \"web\"\narch = \"x86_64\"\n{tail}");
        Recipe::parse(&text, Path::new("recipe.toml")).map_err(|error| error.to_string())
    }

    #[test]
    fn a_kept_disk_has_the_partitions_and_the_fstab_of_its_image() {
        let kept = recipe("boot = \"keep\"", IMAGE).unwrap();
        assert!(kept.keep && kept.boot.is_none() && kept.partitions.is_empty());
        assert_eq!(kept.fstab, Fstab::Keep);
        assert!(!recipe("", IMAGE).unwrap().keep && !kept.erase_free_space);
        let erase = "[disk]\nerase-free-space = true\n";
        assert!(recipe("boot = \"keep\"", &format!("{IMAGE}{erase}")).unwrap().erase_free_space);
        let said = recipe("", &format!("{IMAGE}{erase}")).unwrap_err();
        assert!(said.contains("leave `erase-free-space` out"), "{said}");
    }

    #[test]
    fn what_contradicts_it_is_refused_with_the_reason() {
        for (tail, expected) in [
            ("[[source]]\nkind = \"tar\"\npath = \"a.tar\"\n", "the first source is none"),
            ("", "the first source is none"),
            (&format!("{IMAGE}[disk]\nsize = 8\n"), "leave `size` out"),
            (&format!("{IMAGE}[disk]\nguid = \"x\"\n"), "leave `guid` out"),
            (&format!("{IMAGE}[[partition]]\nrole = \"root\"\n"), "leave `[[partition]]` out"),
            (&format!("{IMAGE}[system]\nfstab = \"replace\"\n"), "leave `fstab` out"),
            (&format!("{IMAGE}prefix = \"/x\"\n"), "leave `prefix` out"),
            (&format!("{IMAGE}[trust]\nprofile = \"verity\"\n"), "the recipe has none"),
        ] {
            let said = recipe("boot = \"keep\"", tail).unwrap_err();
            assert!(said.contains(expected), "{tail}: {said}");
        }
        let said = recipe("boot = \"kept\"", IMAGE).unwrap_err();
        assert!(said.contains("`kept` is not `keep`"), "{said}");
        let said = recipe("", "boot = \"keep\"").unwrap_err();
        assert!(said.contains("stands above the first table"), "{said}");
    }
}
