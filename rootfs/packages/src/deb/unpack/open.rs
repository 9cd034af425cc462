//! Opening one package: from its file, or from the store if that has it decompressed, to its control data and entries.

use amiforge_progress::Monitor;
use amiforge_rootfs::sources::expand::ExpandError;
use amiforge_store::Store;

use super::error::UnpackError;
use super::read::{self, ReadPackage};
use crate::backend::PackageFile;
use crate::deb::file::{self, DebError};
use crate::unpack::gather::EntryRead;
use crate::unpack::{PackageFileError, spool, title};

/// Reads one package, from the store if that has it.
pub(super) fn open(
    deb: &PackageFile<'_>,
    store: &Store,
    monitor: Monitor<'_>,
) -> Result<EntryRead<ReadPackage>, UnpackError> {
    if monitor.cancel.is_cancelled() {
        return Err(UnpackError::Interrupted);
    }
    let (entry, parts, rename) = if let Some((entry, parts)) = spool::find(deb.package, store)? {
        monitor.progress.advance(deb.package.size);
        (entry, parts, None)
    } else {
        let expanded = file::expand(&deb.path, deb.package, store, monitor);
        let (entry, parts, rename) = expanded.map_err(|error| refused(deb, error))?;
        (entry, parts, Some(rename))
    };
    let read = read::read(deb.package, &entry, parts, monitor)
        .map_err(|source| UnpackError::Package { package: title(deb.package), source: Box::new(source) })?;
    Ok(EntryRead { read, entry, rename })
}

fn refused(deb: &PackageFile<'_>, error: DebError) -> UnpackError {
    match error {
        DebError::Store(error)
        | DebError::File(PackageFileError::Store(error))
        | DebError::Expand { source: ExpandError::Store(error), .. } => error.into(),
        DebError::File(PackageFileError::Hash(ExpandError::Interrupted))
        | DebError::Expand { source: ExpandError::Interrupted, .. } => UnpackError::Interrupted,
        error => {
            UnpackError::Deb { package: title(deb.package), path: deb.path.clone(), source: Box::new(error) }
        }
    }
}
