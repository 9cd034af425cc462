//! Puts what an image was made from into the image: its recipe, its lock and the predicate of its provenance, in a folder of
//! `/usr/lib`. Knows neither the format of the three nor what they say.
//!
//! So a copy of the image that has lost its bundle and its tags still says what it is, and can be built again.

use amiforge_formats::path::{self, Last, PathError};
use amiforge_formats::time::Time;
use amiforge_formats::tree::{Content, NodeKind, Tree};

use super::error::StepError;
use super::write::replace_file;

/// The folder, without its first `/`.
pub const FOLDER: &str = "usr/lib/amiforge";
/// Path of the recipe, as the user wrote it, without its first `/`. Readable by root alone: it may hold hashes of passwords.
pub const RECIPE: &str = "usr/lib/amiforge/recipe.toml";
/// Path of the lock, without its first `/`.
pub const LOCK: &str = "usr/lib/amiforge/recipe.lock";
/// Path of the predicate of the provenance (SLSA, JSON), without its first `/`.
pub const PREDICATE: &str = "usr/lib/amiforge/provenance.json";

/// The texts to put into an image.
#[derive(Debug, Clone, Copy)]
pub struct ProvenanceTexts<'a> {
    /// The recipe.
    pub recipe: &'a str,
    /// The lock, for a recipe that has one.
    pub lock: Option<&'a str>,
    /// The predicate.
    pub predicate: Option<&'a str>,
}

/// Puts the texts into a tree that is an operating system, and gives whether it is one: it has `/usr/lib` and
/// `/etc/os-release`. All files have the time `time`.
///
/// # Errors
/// [`StepError::Provenance`] when something in the tree is in the way.
pub fn apply(tree: &mut Tree, texts: &ProvenanceTexts<'_>, time: Time) -> Result<bool, StepError> {
    if !is_system(tree).map_err(StepError::Provenance)? {
        return Ok(false);
    }
    let files =
        [(RECIPE, Some(texts.recipe), 0o600), (LOCK, texts.lock, 0o644), (PREDICATE, texts.predicate, 0o644)];
    for (name, text, mode) in files {
        let Some(text) = text else { continue };
        let content = Content::Inline(text.as_bytes().into());
        replace_file(tree, &format!("/{name}"), content, mode, time).map_err(StepError::Provenance)?;
    }
    Ok(true)
}

/// Whether a tree is an operating system. A container with one program has no use for the files, and no folder for them.
fn is_system(tree: &Tree) -> Result<bool, PathError> {
    let lib = path::find(tree, b"/usr/lib")?;
    let is_dir = lib.is_some_and(|lib| matches!(tree.node(lib).kind, NodeKind::Dir(_)));
    // A link counts even where it leads nowhere in this tree.
    let release = path::resolve(tree, b"/etc/os-release", Last::Keep)?;
    Ok(is_dir && release.is_some_and(|release| release.node.is_some()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::steps::testing::{NOW, shape, text, tree};

    const TEXTS: ProvenanceTexts<'_> =
        ProvenanceTexts { recipe: "[image]\n", lock: Some("version = 1\n"), predicate: Some("{}\n") };

    #[test]
    fn the_recipe_is_readable_by_root_alone_and_all_have_the_time_of_the_build() {
        let mut tree = tree(&[("/usr/lib", "dir 0755"), ("/etc/os-release", "link ../usr/lib/os-release")]);
        assert!(apply(&mut tree, &TEXTS, NOW).unwrap());
        assert_eq!(shape(&tree, "/usr/lib/amiforge/recipe.toml"), "file 0600 0:0");
        assert_eq!(shape(&tree, "/usr/lib/amiforge/recipe.lock"), "file 0644 0:0");
        assert_eq!(shape(&tree, "/usr/lib/amiforge/provenance.json"), "file 0644 0:0");
        assert_eq!(shape(&tree, "/usr/lib/amiforge"), "dir 0755 0:0");
        assert_eq!(text(&tree, "/usr/lib/amiforge/recipe.toml"), TEXTS.recipe);
        let id = path::find(&tree, b"/usr/lib/amiforge/recipe.toml").unwrap().unwrap();
        assert_eq!(tree.node(id).meta.mtime, NOW);
    }

    #[test]
    fn a_recipe_without_a_lock_leaves_none() {
        let mut tree = tree(&[("/usr/lib", "dir 0755"), ("/etc/os-release", "file 0644 ID=x")]);
        let texts = ProvenanceTexts { lock: None, predicate: None, ..TEXTS };
        assert!(apply(&mut tree, &texts, NOW).unwrap());
        assert_eq!(shape(&tree, "/usr/lib/amiforge/recipe.lock"), "-");
        assert_eq!(shape(&tree, "/usr/lib/amiforge/provenance.json"), "-");
    }

    #[test]
    fn a_tree_that_is_no_system_is_left_as_it_is() {
        for entries in [
            &[("/usr/lib", "dir 0755")][..],
            &[("/etc/os-release", "file 0644 ID=x")],
            &[("/usr/lib", "file 0644 x"), ("/etc/os-release", "file 0644 ID=x")],
        ] {
            let mut tree = tree(entries);
            let before = tree.walk().count();
            assert!(!apply(&mut tree, &TEXTS, NOW).unwrap(), "{entries:?}");
            assert_eq!(tree.walk().count(), before);
        }
    }
}
