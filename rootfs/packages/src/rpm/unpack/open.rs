//! Opening one package: from its file, or from the store if that has it decompressed, to its headers, its files, and where
//! their contents are. Knows nothing of the tree or of other packages.

use amiforge_progress::Monitor;
use amiforge_rootfs::sources::expand::ExpandError;
use amiforge_store::Store;

use super::error::{RpmContentError, RpmUnpackError};
use crate::backend::PackageFile;
use crate::locked::LockedPackage;
use crate::rpm::evr::Evr;
use crate::rpm::file::{self, RpmFile, RpmFileError};
use crate::rpm::header::{RpmHeader, tag};
use crate::unpack::gather::EntryRead;
use crate::unpack::{PackageFileError, spool, title};

/// Reads one package, from the store if that has it.
pub(super) fn open(
    file: &PackageFile<'_>,
    store: &Store,
    monitor: Monitor<'_>,
) -> Result<EntryRead<RpmFile>, RpmUnpackError> {
    if monitor.cancel.is_cancelled() {
        return Err(RpmUnpackError::Interrupted);
    }
    let (entry, read, rename) = if let Some((entry, parts)) = spool::find(file.package, store)? {
        monitor.progress.advance(file.package.size);
        let read = file::stored(&entry, parts).map_err(|error| refused(file, error))?;
        (entry, read, None)
    } else {
        let expanded = file::expand(&file.path, file.package, store, monitor);
        let (entry, _, read, rename) = expanded.map_err(|error| refused(file, error))?;
        (entry, read, Some(rename))
    };
    agrees(file.package, &read.head.header).map_err(|source| RpmUnpackError::Package {
        package: title(file.package),
        source: Box::new(source),
    })?;
    Ok(EntryRead { read, entry, rename })
}

fn refused(file: &PackageFile<'_>, error: RpmFileError) -> RpmUnpackError {
    match error {
        RpmFileError::Store(error)
        | RpmFileError::File(PackageFileError::Store(error))
        | RpmFileError::Expand(ExpandError::Store(error)) => error.into(),
        RpmFileError::File(PackageFileError::Hash(ExpandError::Interrupted))
        | RpmFileError::Expand(ExpandError::Interrupted) => RpmUnpackError::Interrupted,
        error => RpmUnpackError::File {
            package: title(file.package),
            path: file.path.clone(),
            source: Box::new(error),
        },
    }
}

/// The lock and the package must speak of the same thing, and it must be one to install.
fn agrees(locked: &LockedPackage, header: &RpmHeader) -> Result<(), RpmContentError> {
    if let Some(os) = header.text(tag::OS).filter(|os| !os.eq_ignore_ascii_case(b"linux")) {
        return Err(RpmContentError::System { os: os.to_vec() });
    }
    let text = |tag| header.text(tag).map(|text| String::from_utf8_lossy(text).into_owned());
    for (field, tag, expected) in
        [("name", tag::NAME, &locked.name), ("architecture", tag::ARCH, &locked.arch)]
    {
        let actual = text(tag).unwrap_or_default();
        if actual != *expected {
            return Err(RpmContentError::Differs { field, expected: expected.clone(), actual });
        }
    }
    let epoch = header.number(tag::EPOCH).and_then(|epoch| u32::try_from(epoch).ok());
    let actual = Evr { epoch, version: text(tag::VERSION).unwrap_or_default(), release: text(tag::RELEASE) };
    let (actual, expected) = (actual.to_string(), Evr::parse(&locked.version).to_string());
    if actual != expected {
        return Err(RpmContentError::Differs { field: "version", expected, actual });
    }
    Ok(())
}
