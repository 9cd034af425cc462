//! Where the files of packages are: the address that the paths of a lock are below, and these paths. Paths may lead out of a
//! repository (Amazon Linux keeps its packages beside the folders that list them); those of a lock lead down only.

use super::available::AvailablePackage;

/// The addresses of a repository's packages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PackagePlaces {
    /// How many folders above the repository the paths begin.
    climb: usize,
    /// The folders of the repository below there, each with a slash.
    below: String,
}

impl PackagePlaces {
    /// The places of packages of a repository at an address.
    ///
    /// # Errors
    /// A sentence on a path that leads out of the address.
    pub(super) fn of<'a>(
        base: &str,
        packages: impl Iterator<Item = &'a AvailablePackage>,
    ) -> Result<Self, String> {
        let mut climb = 0;
        for package in packages {
            let path = relative(base, package)?;
            climb = climb.max(path.split('/').take_while(|part| *part == "..").count());
        }
        let (_, tail) =
            split(base, climb).ok_or_else(|| format!("a package of it is {climb} folders above it"))?;
        Ok(Self { climb, below: tail.to_owned() })
    }

    /// The address that paths are below, by that of the repository.
    pub(super) fn root<'b>(&self, base: &'b str) -> &'b str {
        split(base, self.climb).map_or(base, |(root, _)| root)
    }

    /// Whether paths lead out of the repository.
    pub(super) fn climbs(&self) -> bool {
        self.climb > 0
    }

    /// The path of a package below [`PackagePlaces::root`].
    ///
    /// # Errors
    /// A sentence on a path that is none.
    pub(super) fn path(&self, base: &str, package: &AvailablePackage) -> Result<String, String> {
        let mut parts: Vec<&str> = self.below.split('/').filter(|part| !part.is_empty()).collect();
        let path = relative(base, package)?;
        for part in path.split('/') {
            match part {
                ".." => {
                    parts.pop().ok_or_else(|| format!("`{path}` leads out of the repository"))?;
                }
                "" | "." => {}
                part => parts.push(part),
            }
        }
        if parts.is_empty() || path.contains(['\0', '?', '#']) {
            return Err(format!("`{path}` is not the path of a package"));
        }
        Ok(parts.join("/"))
    }
}

/// The path of a package relative to the repository: `xml:base` may name another address below it.
fn relative(base: &str, package: &AvailablePackage) -> Result<String, String> {
    let Some(other) =
        package.base.as_deref().map(|other| other.trim_end_matches('/')).filter(|other| !other.is_empty())
    else {
        return Ok(package.path.clone());
    };
    if !other.contains("://") {
        return Ok(format!("{other}/{}", package.path));
    }
    match other.strip_prefix(base) {
        Some(below) if below.is_empty() || below.starts_with('/') => {
            Ok(format!("{}/{}", below.trim_start_matches('/'), package.path)
                .trim_start_matches('/')
                .to_owned())
        }
        _ => Err(format!("the package `{}` is at another address, `{other}`", package.name)),
    }
}

/// An address without its last folders, and these with slashes.
fn split(base: &str, climb: usize) -> Option<(&str, &str)> {
    let mut root = base;
    for _ in 0..climb {
        root = root.rsplit_once('/')?.0;
    }
    // The name of a host is no folder.
    let host = root.split_once("://").map_or(root, |(_, rest)| rest);
    if climb > 0 && host.is_empty() {
        return None;
    }
    Some((root, base.get(root.len()..)?.trim_start_matches('/')))
}

#[cfg(test)]
mod tests {
    use super::super::testing::package;
    use super::*;

    #[test]
    fn paths_that_climb_are_below_a_folder_above() {
        let base = "https://cdn/al2023/core/guids/1/x86_64";
        let mut far = package("a");
        far.path = "../../../../blobstore/2/a.rpm".to_owned();
        let mut near = package("b");
        near.path = "Packages/b.rpm".to_owned();
        let places = PackagePlaces::of(base, [&far, &near].into_iter()).unwrap();
        assert_eq!(places.root(base), "https://cdn/al2023");
        assert_eq!(places.path(base, &far).unwrap(), "blobstore/2/a.rpm");
        assert_eq!(places.path(base, &near).unwrap(), "core/guids/1/x86_64/Packages/b.rpm");
        let flat = PackagePlaces::of(base, [&near].into_iter()).unwrap();
        assert_eq!((flat.root(base), flat.climbs()), (base, false));
        assert_eq!(flat.path(base, &near).unwrap(), "Packages/b.rpm");
        near.base = Some(format!("{base}/sub/"));
        assert_eq!(flat.path(base, &near).unwrap(), "sub/Packages/b.rpm");
        near.base = Some("https://elsewhere/".to_owned());
        assert!(flat.path(base, &near).unwrap_err().contains("elsewhere"));
        far.path = "../".repeat(9) + "x.rpm";
        assert!(PackagePlaces::of(base, [&far].into_iter()).is_err());
    }
}
