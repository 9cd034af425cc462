//! Files of the host that a recipe names one by one: `[[file]] source` and the bytes of raw partitions.
//!
//! Small ones are read at once, larger ones are hashed at once and read when the image is written; the blobs detect
//! whether one of those changed meanwhile.

use std::io::Read;
use std::path::Path;

use amiforge_formats::digest::Digest;
use amiforge_formats::tree::Content;
use amiforge_image::manifest::ManifestInput;
use amiforge_progress::Monitor;
use amiforge_store::blobs::Blobs;

use crate::pipeline::error::{BuildError, HostFileError};

/// Files up to this length are held in memory.
const SMALL: u64 = 64 << 10;

/// Every file of the host that was opened.
pub(in crate::pipeline) struct HostFiles<'a> {
    opened: Vec<OpenedFile>,
    monitor: Monitor<'a>,
}

#[derive(Debug)]
struct OpenedFile {
    name: String,
    digest: Digest,
}

impl<'a> HostFiles<'a> {
    /// No files yet; `monitor` receives the progress of those that take time.
    pub(in crate::pipeline) fn new(monitor: Monitor<'a>) -> Self {
        Self { opened: Vec::new(), monitor }
    }

    /// The content of the file at `path`, which the recipe calls `name`.
    pub(in crate::pipeline) fn open(
        &mut self,
        path: &Path,
        name: &str,
        blobs: &mut Blobs,
    ) -> Result<Content, BuildError> {
        let (opened, content) = open(path, name, blobs, self.monitor).map_err(|source| match source {
            HostFileError::Interrupted => BuildError::Interrupted,
            source => BuildError::HostFile { name: name.to_owned(), source },
        })?;
        self.opened.push(opened);
        Ok(content)
    }

    /// As the manifest lists them.
    pub(in crate::pipeline) fn inputs(&self) -> impl Iterator<Item = ManifestInput> + '_ {
        self.opened.iter().map(|opened| ManifestInput {
            kind: "file".to_owned(),
            name: opened.name.clone(),
            sha256: Some(opened.digest),
        })
    }
}

fn open(
    path: &Path,
    name: &str,
    blobs: &mut Blobs,
    monitor: Monitor<'_>,
) -> Result<(OpenedFile, Content), HostFileError> {
    let failed = |source| HostFileError::Read { path: path.to_owned(), source };
    // Looked at before it is opened: opening a pipe would wait for its other end.
    if !path.metadata().map_err(failed)?.is_file() {
        return Err(HostFileError::NotAFile { path: path.to_owned() });
    }
    let mut file = amiforge_progress::regular::open(path).map_err(failed)?;
    let len = file.metadata().map_err(failed)?.len();
    if len <= SMALL {
        let mut bytes = Vec::new();
        Read::by_ref(&mut file).take(SMALL + 1).read_to_end(&mut bytes).map_err(failed)?;
        if bytes.len() as u64 != len {
            return Err(HostFileError::Changed { path: path.to_owned() });
        }
        let opened = OpenedFile { name: name.to_owned(), digest: Digest::of(&bytes) };
        return Ok((opened, Content::Inline(bytes.into())));
    }
    monitor.progress.begin(&format!("hashing {name}"), Some(len));
    let hashed = blobs.add_hashed(file, path, monitor).map_err(failed)?;
    let ((source, at, len), digest) = hashed.ok_or(HostFileError::Interrupted)?;
    Ok((OpenedFile { name: name.to_owned(), digest }, Content::Slice { source, at, len }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    #[test]
    fn small_files_are_held_large_ones_are_referred_to_and_both_are_hashed() {
        let folder = tempfile::tempdir().unwrap();
        let mut blobs = Blobs::new();
        let mut files = HostFiles::new(Monitor::none());
        for len in [0, 5, SMALL, SMALL + 1, 3 << 20] {
            let path = folder.path().join(len.to_string());
            let bytes = vec![7; len as usize];
            std::fs::write(&path, &bytes).unwrap();
            let content = files.open(&path, "x", &mut blobs).unwrap();
            assert_eq!(content.len(), len);
            assert_eq!(matches!(content, Content::Inline(_)), len <= SMALL);
            assert_eq!(files.opened.last().unwrap().digest, Digest::of(&bytes));
        }
        assert_eq!(blobs.changed().unwrap(), None);
        let path = folder.path().join((3 << 20).to_string());
        std::fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"!").unwrap();
        assert_eq!(blobs.changed().unwrap(), Some(path.as_path()));
    }

    #[test]
    fn folders_and_missing_files_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let open =
            |path: &Path| HostFiles::new(Monitor::none()).open(path, "x", &mut Blobs::new()).unwrap_err();
        let source = |error| match error {
            BuildError::HostFile { source, .. } => source,
            other => panic!("{other}"),
        };
        assert!(matches!(source(open(folder.path())), HostFileError::NotAFile { .. }));
        assert!(matches!(source(open(&folder.path().join("none"))), HostFileError::Read { .. }));
    }
}
