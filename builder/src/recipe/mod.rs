//! The recipe: the user's TOML file that describes an image.
//!
//! A recipe is checked in three steps, and each reports every mistake that it finds: the syntax of TOML; keys, types
//! and options, by the JSON Schema of the key types; and the values. The result is a [`Recipe`] of specs for the
//! libraries. Only the recipe itself is read here: the files that it names are opened by the build.

mod advice;
mod boot;
mod checker;
mod contents;
mod deb;
pub(crate) mod debian_syntax;
mod diagnostic;
pub mod disk_choice;
mod keep;
mod keys;
mod lines;
mod package_filters;
mod packages;
pub(crate) mod parse;
mod partitions;
mod pcr_policy;
mod reference;
mod rpm_source;
mod rpm_syntax;
mod schema;
mod secure_boot;
mod sources;
mod spec;
mod stages;
mod starter;
mod suggest;
mod trust;
mod validate;

use std::io::{self, Read};
use std::path::{Path, PathBuf};

pub use amiforge_formats::arch::{Arch, BootMode};
pub use amiforge_packages::PackageSource;
pub use amiforge_packages::backend::{Recommends, Scripts};
pub use deb::{RunStep, SourceFrom, Stage, StageSource};
pub use diagnostic::{Diagnostic, Diagnostics};
pub use disk_choice::DiskChoice;
pub use keys::{FirstBoot, Fstab, TrustProfile};
pub use lines::RecipeLines;
pub use pcr_policy::PcrPolicyRecipe;
pub use reference::{json_schema, reference};
pub use secure_boot::{NamedFile, SecureBootRecipe};
pub use spec::{
    Allowed, BootRecipe, FileEntry, FilePut, ImageSpec, Recipe, RecipeContent, RecipePartition, Secrets,
    SnapshotSource, TrustRecipe,
};
pub use starter::{StartError, start};

/// The longest recipe that is read, in bytes.
const MAX_LEN: u64 = 4 << 20;

/// Why a recipe cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecipeError {
    /// The file cannot be read.
    #[error("reading `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Longer than [`MAX_LEN`].
    #[error("`{}` is longer than {MAX_LEN} bytes, which no recipe is", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
    },
    /// Not UTF-8.
    #[error("`{}` is not UTF-8: byte {at} is not part of a character", path.display())]
    NotText {
        /// The file.
        path: PathBuf,
        /// The first wrong byte.
        at: usize,
    },
    /// The recipe has mistakes.
    #[error("{0}")]
    Invalid(Diagnostics),
}

impl Recipe {
    /// Reads and checks the recipe at `path`.
    ///
    /// # Errors
    /// [`RecipeError`], with every mistake that was found.
    pub fn load(path: &Path) -> Result<Self, RecipeError> {
        let failed = |source| RecipeError::Read { path: path.to_owned(), source };
        let mut bytes = Vec::new();
        amiforge_progress::regular::open(path)
            .and_then(|file| file.take(MAX_LEN + 1).read_to_end(&mut bytes))
            .map_err(failed)?;
        if bytes.len() as u64 > MAX_LEN {
            return Err(RecipeError::TooLong { path: path.to_owned() });
        }
        let text = std::str::from_utf8(&bytes)
            .map_err(|error| RecipeError::NotText { path: path.to_owned(), at: error.valid_up_to() })?;
        Self::parse(text, path)
    }

    /// Checks the text of a recipe. `path` names it in messages; paths in the recipe are relative to its folder.
    ///
    /// # Errors
    /// [`RecipeError::Invalid`].
    pub fn parse(text: &str, path: &Path) -> Result<Self, RecipeError> {
        let folder = path.parent().unwrap_or(Path::new(""));
        validate::recipe(text, folder)
            .map_err(|mistakes| RecipeError::Invalid(Diagnostics::new(path.to_owned(), mistakes)))
    }
}
