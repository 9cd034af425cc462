//! A new recipe: a folder with a recipe that builds as it is, and a small folder of files beside it.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::{Arch, parse};

/// The recipe, with placeholders between `@`.
const RECIPE: &str = include_str!("starter.toml");

/// An example of a file for the image.
const README: &str = "Everything in this folder goes into the image: files/etc/hosts becomes /etc/hosts.\n";

/// Why a recipe cannot be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The folder exists and is not empty.
    #[error("`{}` is there already and not an empty folder", path.display())]
    NotEmpty {
        /// The folder.
        path: PathBuf,
    },
    /// A file or folder cannot be made.
    #[error("writing `{}`", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Makes `folder` with a recipe for an image of its name, and returns the path of the recipe. `day` is the time in
/// seconds since 1970; the recipe's `epoch` is the midnight before it.
///
/// # Errors
/// [`StartError`]; a folder that is not empty is never changed.
pub fn start(folder: &Path, arch: Arch, day: i64) -> Result<PathBuf, StartError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| StartError::Write { path, source }
    };
    let occupied = match fs::read_dir(folder) {
        Ok(mut entries) => entries.next().is_some(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => false,
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => true,
        Err(source) => return Err(failed(folder)(source)),
    };
    if occupied {
        return Err(StartError::NotEmpty { path: folder.to_owned() });
    }
    let recipe = folder.join("recipe.toml");
    let files = folder.join("files/usr/share/doc/image");
    fs::create_dir_all(&files).map_err(failed(&files))?;
    for (path, text) in [(files.join("README"), README), (recipe.clone(), &text(folder, arch, day))] {
        let file = OpenOptions::new().write(true).create_new(true).open(&path);
        file.and_then(|mut file| file.write_all(text.as_bytes())).map_err(failed(&path))?;
    }
    Ok(recipe)
}

/// The text of the recipe; the image has the folder's name if that is valid.
fn text(folder: &Path, arch: Arch, day: i64) -> String {
    let absolute = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let name = absolute.file_name().unwrap_or_default().to_string_lossy();
    let name = if parse::image_name(&name, 3, 128).is_ok() { name.as_ref() } else { "my-image" };
    let host: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect();
    let host = host.trim_matches('-').get(..host.trim_matches('-').len().min(63)).unwrap_or_default();
    let other = Arch::ALL.into_iter().find(|other| *other != arch).unwrap_or(arch);
    let (year, month, day) = parse::date_of_day(day.div_euclid(86400));
    RECIPE
        .replace("@NAME@", name)
        .replace("@HOST@", if host.is_empty() { "my-image" } else { host })
        .replace("@ARCH@", arch.name())
        .replace("@OTHER@", other.name())
        .replace("@EPOCH@", &format!("{year:04}-{month:02}-{day:02}T00:00:00Z"))
        .replace("@DIR@", &folder.to_string_lossy().replace(char::is_control, "?"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::Recipe;

    #[test]
    fn the_recipe_has_no_mistake_and_the_name_of_its_folder() {
        let base = tempfile::tempdir().unwrap();
        for (folder, name) in [("web.one", "web.one"), ("ab", "my-image"), ("größe\n\"", "my-image")] {
            let folder = base.path().join(folder);
            let path = start(&folder, Arch::Aarch64, 1_793_535_000).unwrap();
            let recipe = Recipe::load(&path).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!((recipe.image.name.as_str(), recipe.image.arch), (name, Arch::Aarch64));
            assert_eq!(recipe.image.epoch, Some(1_793_491_200));
        }
    }

    #[test]
    fn a_folder_that_holds_something_is_not_touched() {
        let base = tempfile::tempdir().unwrap();
        start(base.path(), Arch::X86_64, 0).unwrap();
        let before = fs::read(base.path().join("recipe.toml")).unwrap();
        assert!(matches!(start(base.path(), Arch::Aarch64, 0), Err(StartError::NotEmpty { .. })));
        assert!(matches!(
            start(&base.path().join("recipe.toml"), Arch::X86_64, 0),
            Err(StartError::NotEmpty { .. })
        ));
        assert_eq!(fs::read(base.path().join("recipe.toml")).unwrap(), before);
    }
}
