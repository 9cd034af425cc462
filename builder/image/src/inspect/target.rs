//! The target: what `IMAGE`, `IMAGE:PARTITION` and `IMAGE:PARTITION/path` mean. It opens nothing.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use super::InspectError;

/// An image, or something in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InspectedPath {
    /// The image or bundle.
    pub image: PathBuf,
    /// What of it, if not all.
    pub inside: Option<Inside>,
}

/// A partition of an image, or a path in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inside {
    /// Number, name or role of the partition; empty for an image that is one file system.
    pub partition: String,
    /// Names below the root of its file system, without `.` and empty ones.
    pub path: Vec<Vec<u8>>,
}

impl InspectedPath {
    /// Parses a target. File names may contain colons: the longest prefix that names an existing file is the image.
    ///
    /// # Errors
    /// [`InspectError::Open`] when no prefix names a file; [`InspectError::DotDot`] when the path has `..`.
    pub fn parse(text: &OsStr) -> Result<Self, InspectError> {
        let bytes = text.as_bytes();
        if std::fs::symlink_metadata(text).is_ok() {
            return Ok(Self { image: text.into(), inside: None });
        }
        let colons = bytes.iter().enumerate().rev().filter(|(_, byte)| **byte == b':').map(|(at, _)| at);
        let split = colons
            .map(|at| (OsStr::from_bytes(&bytes[..at]), &bytes[at + 1..]))
            .find(|(image, _)| std::fs::symlink_metadata(image).is_ok());
        let Some((image, rest)) = split else {
            // The error should name the image without the part after it: the text up to the first colon.
            let end = bytes.iter().position(|&byte| byte == b':').unwrap_or(bytes.len());
            let path = PathBuf::from(OsStr::from_bytes(&bytes[..end]));
            return Err(InspectError::Open { path, source: std::io::ErrorKind::NotFound.into() });
        };
        let cut = rest.iter().position(|&byte| byte == b'/').unwrap_or(rest.len());
        let (partition, path) = rest.split_at(cut);
        Ok(Self {
            image: image.into(),
            inside: Some(Inside {
                partition: String::from_utf8_lossy(partition).into_owned(),
                path: names(path)?,
            }),
        })
    }
}

/// The names of a path.
///
/// # Errors
/// [`InspectError::DotDot`].
fn names(path: &[u8]) -> Result<Vec<Vec<u8>>, InspectError> {
    if path.split(|&byte| byte == b'/').any(|name| name == b"..") {
        return Err(InspectError::DotDot { path: path.to_vec() });
    }
    let names = path.split(|&byte| byte == b'/').filter(|name| !name.is_empty() && *name != b".");
    Ok(names.map(<[u8]>::to_vec).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(folder: &tempfile::TempDir, text: &str) -> Result<InspectedPath, InspectError> {
        InspectedPath::parse(folder.path().join(text).as_os_str())
    }

    #[test]
    fn the_longest_existing_file_is_the_image() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a", "a:b", "a:b:c"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let whole = parse(&folder, "a:b:c").unwrap();
        assert_eq!(whole, InspectedPath { image: folder.path().join("a:b:c"), inside: None });
        let part = parse(&folder, "a:b:root/etc//x/./y:z").unwrap();
        assert_eq!(part.image, folder.path().join("a:b"));
        let inside = part.inside.unwrap();
        assert_eq!(inside.partition, "root");
        assert_eq!(inside.path, [b"etc".to_vec(), b"x".to_vec(), b"y:z".to_vec()]);
        let bare = parse(&folder, "a:/etc").unwrap().inside.unwrap();
        assert_eq!((bare.partition.as_str(), bare.path.len()), ("", 1));
    }

    #[test]
    fn a_path_that_climbs_and_a_file_that_is_not_there_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a"), "").unwrap();
        assert!(matches!(parse(&folder, "a:1/x/../../etc"), Err(InspectError::DotDot { .. })));
        let missing = parse(&folder, "b:1/x").unwrap_err();
        assert!(missing.to_string().ends_with("/b`"), "{missing}");
    }
}
