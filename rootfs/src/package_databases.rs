//! Where package managers keep their databases in a tree: the only list of these paths.
//!
//! Does not read a database: the crate of packages does.

use amiforge_formats::path::{self, PathError};
use amiforge_formats::tree::Tree;

/// What dpkg knows of each package (dpkg(1), FILES).
pub const DPKG_STATUS: &str = "/var/lib/dpkg/status";

/// What apk knows of each package.
pub const APK_INSTALLED: &str = "/lib/apk/db/installed";

/// Folders of rpm's database, without the first `/`: that of Fedora since 36, its derivatives and SUSE; that of rpm itself
/// where nothing else is set; that of systems whose `/var` is not of their image (rpm-ostree, bootc).
pub const RPM_FOLDERS: [&str; 3] = ["usr/lib/sysimage/rpm", "var/lib/rpm", "usr/share/rpm"];

/// Files of rpm's database in such a folder, by its back ends: `sqlite`, `ndb`, `bdb`. Of several the first counts.
pub const RPM_FILES: [&str; 3] = ["rpmdb.sqlite", "Packages.db", "Packages"];

/// Whether a tree has a database of rpm, of whatever back end.
///
/// # Errors
/// A path that cannot be resolved.
pub fn has_rpm(tree: &Tree) -> Result<bool, PathError> {
    for folder in RPM_FOLDERS {
        for file in RPM_FILES {
            if path::find(tree, format!("/{folder}/{file}").as_bytes())?.is_some() {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// Whether a tree has a database of dpkg.
///
/// # Errors
/// A path that cannot be resolved.
pub fn has_dpkg(tree: &Tree) -> Result<bool, PathError> {
    Ok(path::find(tree, DPKG_STATUS.as_bytes())?.is_some())
}
