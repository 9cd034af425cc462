//! Enters a kernel in the menu of GRUB of a system whose boot loader stays as it is, as `grub-mkconfig` would have done in a
//! machine: it asks for the devices of a running system, which there are none of here.
//!
//! Owns which kernel is entered and where. `text` changes the text of a menu. Follows the GRUB manual ("Configuration
//! file", "Simple configuration handling") and what `10_linux` of GRUB 2.06 and 2.12 writes.

mod text;

use amiforge_formats::path;
use amiforge_formats::plan::Sources;
use amiforge_formats::time::Time;
use amiforge_formats::tree::Tree;

use crate::boot::find_kernel;
use crate::steps::error::StepError;

/// Menus of GRUB: of Debian and its derivatives, of Fedora and its derivatives and of SUSE.
const MENUS: [&str; 2] = ["/boot/grub/grub.cfg", "/boot/grub2/grub.cfg"];

/// What a menu of GRUB starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GrubMenu {
    /// The system has none, or no kernel.
    None,
    /// The newest kernel, or what files of their own say (Boot Loader Specification).
    Newest,
    /// The newest kernel from now on: the menu was changed.
    Entered {
        /// Path of the menu.
        path: &'static str,
        /// The release of the kernel.
        release: String,
    },
    /// Another kernel, and it could not be changed.
    Other {
        /// Path of the menu.
        path: &'static str,
        /// The release of the newest kernel.
        release: String,
        /// Why.
        reason: &'static str,
    },
}

/// Enters the newest kernel of a system in the menu of its GRUB, if it is not there. Entries of kernels that the system no
/// longer has are left out. Owner and mode of the menu stay, and its time is `time`.
///
/// # Errors
/// [`StepError`] when the menu cannot be read or replaced.
pub fn enter_newest_kernel(
    tree: &mut Tree,
    sources: &dyn Sources,
    time: Time,
) -> Result<GrubMenu, StepError> {
    let Ok(kernel) = find_kernel(tree, sources, None) else { return Ok(GrubMenu::None) };
    let release = kernel.release;
    let Some((path, menu)) = menu(tree, sources)? else { return Ok(GrubMenu::None) };
    let Ok(menu) = String::from_utf8(menu) else {
        return Ok(GrubMenu::Other { path, release, reason: "it is not UTF-8" });
    };
    if text::starts(&menu, &release) || menu.contains("blscfg") {
        return Ok(GrubMenu::Newest);
    }
    if kernel.initrd.is_none() && text::has_initrd(&menu) {
        return Ok(GrubMenu::Other {
            path,
            release,
            reason: "it has no initrd, and that of the menu has one",
        });
    }
    let has_kernel = |release: &str| find_kernel(tree, sources, Some(release)).is_ok();
    let Some(changed) = text::with_kernel(&menu, &release, &has_kernel) else {
        return Ok(GrubMenu::Other {
            path,
            release,
            reason: "no entry of the menu starts a kernel by its release",
        });
    };
    path::write(tree, path.as_bytes(), changed.as_bytes(), 0o600, time).map_err(StepError::GrubMenu)?;
    Ok(GrubMenu::Entered { path, release })
}

/// The first menu that a tree has, with its path.
fn menu(tree: &Tree, sources: &dyn Sources) -> Result<Option<(&'static str, Vec<u8>)>, StepError> {
    for menu in MENUS {
        let bytes = path::read(tree, sources, menu.as_bytes()).map_err(StepError::GrubMenu)?;
        if let Some(bytes) = bytes {
            return Ok(Some((menu, bytes)));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests;
