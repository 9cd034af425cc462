//! What an image says of itself: the recipe, the lock and the predicate of the provenance that the build put into it.
//!
//! Reads them from any medium, and holds them against each other. All three are texts of others: bounded, and parsed only as
//! far as they are needed.

mod predicate;

use std::path::Path;

use amiforge_formats::digest::Digest;
use amiforge_formats::read_at::ReadAt;
use amiforge_image::inspect::{InspectError, system_files};
use amiforge_rootfs::steps::provenance::{LOCK, PREDICATE, RECIPE};
use serde::Deserialize;

pub use predicate::{Dependency, EmbeddedStatement};

/// The longest file that is read, in bytes: a lock of a hundred thousand packages.
const MAX_LEN: u64 = 32 << 20;

/// The texts in an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Embedded {
    /// The partition that holds them, such as ``2 `root` ``.
    pub partition: String,
    /// Name of its file system.
    pub file_system: &'static str,
    /// The recipe.
    pub recipe: Vec<u8>,
    /// The lock, if there is one.
    pub lock: Option<Vec<u8>>,
    /// The predicate of the provenance, if there is one.
    pub predicate: Option<Vec<u8>>,
}

impl Embedded {
    /// Reads them from a disk, whose name is `name` in errors; `None` where there is no recipe.
    ///
    /// # Errors
    /// [`InspectError`] when the disk cannot be read or is damaged on the way.
    pub fn read(disk: &dyn ReadAt, name: &Path) -> Result<Option<Self>, InspectError> {
        let Some(read) = system_files(disk, name, &[RECIPE, LOCK, PREDICATE], MAX_LEN)? else {
            return Ok(None);
        };
        let (partition, file_system) = (read.partition, read.file_system);
        let mut files = read.files.into_iter();
        let Some(recipe) = files.next().flatten() else { return Ok(None) };
        let (lock, predicate) = (files.next().flatten(), files.next().flatten());
        Ok(Some(Self { partition, file_system, recipe, lock, predicate }))
    }

    /// SHA-256 of the recipe.
    pub fn recipe_sha256(&self) -> Digest {
        Digest::of(&self.recipe)
    }

    /// SHA-256 of the lock.
    pub fn lock_sha256(&self) -> Option<Digest> {
        self.lock.as_deref().map(Digest::of)
    }

    /// What the predicate states; nothing where there is none, or none that can be read.
    pub fn statement(&self) -> Option<EmbeddedStatement> {
        EmbeddedStatement::parse(self.predicate.as_deref()?)
    }

    /// Name and version of the image by its recipe, read without the rest of it: a recipe of another version of this program
    /// may have other keys. Nothing where the recipe is no TOML.
    pub fn name_and_version(&self) -> Option<(Option<String>, Option<String>)> {
        #[derive(Default, Deserialize)]
        struct Image {
            name: Option<String>,
            version: Option<String>,
        }
        #[derive(Deserialize)]
        struct Named {
            #[serde(default)]
            image: Image,
        }
        let named: Named = toml::from_str(std::str::from_utf8(&self.recipe).ok()?).ok()?;
        Some((named.image.name, named.image.version))
    }

    /// In what the three contradict each other, in words.
    pub fn contradictions(&self) -> Vec<String> {
        let mut found = Vec::new();
        if self.predicate.is_none() {
            return found;
        }
        let Some(statement) = self.statement() else {
            found.push("provenance.json in the image cannot be read".to_owned());
            return found;
        };
        // A recipe that cannot be read has another digest, which says it all.
        let named = self.name_and_version().unwrap_or((statement.name.clone(), statement.version.clone()));
        let (name, version) = named;
        let lock = self.lock_sha256().map(|digest| digest.to_string());
        for (what, actual, stated) in [
            ("recipe.toml", Some(self.recipe_sha256().to_string()), statement.recipe),
            ("recipe.lock", lock, statement.lock),
            ("the name in recipe.toml", name, statement.name),
            ("the version in recipe.toml", version, statement.version),
        ] {
            if actual != stated {
                let (actual, stated) = (or_absent(actual.as_deref()), or_absent(stated.as_deref()));
                found.push(format!("{what}: {actual} in the image, {stated} in its provenance.json"));
            }
        }
        found
    }
}

/// A value, or the word for none.
pub fn or_absent(value: Option<&str>) -> &str {
    value.unwrap_or("absent")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn embedded(recipe: &str, lock: Option<&str>, predicate: Option<String>) -> Embedded {
        Embedded {
            partition: "1".to_owned(),
            file_system: "ext4",
            recipe: recipe.into(),
            lock: lock.map(Into::into),
            predicate: predicate.map(Into::into),
        }
    }

    fn predicate(recipe: &str, lock: &str) -> String {
        let digest = |text: &str| json!({ "digest": { "sha256": Digest::of(text.as_bytes()).to_string() } });
        let external = json!({
            "image": { "name": "web", "version": "1" },
            "options": { "sourceDateEpoch": 5 },
            "recipe": digest(recipe),
            "lock": digest(lock),
        });
        let tool = json!({ "tool": { "name": "amiforge", "version": "9.9" } });
        let dependency =
            json!({ "name": "a 1", "annotations": { "kind": "deb" }, "digest": { "sha256": "00" } });
        json!({ "buildDefinition": {
            "externalParameters": external, "internalParameters": tool, "resolvedDependencies": [dependency],
        } })
        .to_string()
    }

    const RECIPE: &str = "[image]\nname = \"web\"\nversion = \"1\"\nunknown = 1\n";

    #[test]
    fn what_belongs_together_does_not_contradict_itself() {
        let whole = embedded(RECIPE, Some("lock"), Some(predicate(RECIPE, "lock")));
        assert_eq!(whole.contradictions(), [""; 0]);
        let statement = whole.statement().unwrap();
        assert_eq!((statement.tool.as_deref(), statement.source_date_epoch), (Some("9.9"), Some(5)));
        assert_eq!(statement.dependencies[0].name, "a 1");
        assert_eq!(embedded(RECIPE, None, None).contradictions(), [""; 0]);
    }

    #[test]
    fn every_contradiction_is_named() {
        let edited = format!("{RECIPE}# edited\n");
        let found = embedded(&edited, Some("lock"), Some(predicate(RECIPE, "lock"))).contradictions();
        assert!(found.len() == 1 && found[0].starts_with("recipe.toml: "), "{found:?}");
        let found = embedded(RECIPE, None, Some(predicate(RECIPE, "lock"))).contradictions();
        assert!(found[0].starts_with("recipe.lock: absent in the image"), "{found:?}");
        let renamed = RECIPE.replace("web", "db");
        let found = embedded(&renamed, Some("lock"), Some(predicate(&renamed, "lock"))).contradictions();
        assert_eq!(found, ["the name in recipe.toml: db in the image, web in its provenance.json"]);
        let found = embedded(RECIPE, None, Some("[".repeat(100_000))).contradictions();
        assert_eq!(found, ["provenance.json in the image cannot be read"]);
    }
}
