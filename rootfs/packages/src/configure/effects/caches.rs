//! Caches that are made once, when all packages are configured: that of the loader, and the indexes of kernel modules.

use amiforge_formats::path::PathError;

use super::system::TargetSystem;
use crate::configure::{depmod, ldcache};

/// Makes `/etc/ld.so.cache` and the links of libraries, as `ldconfig`.
///
/// # Errors
/// A path that cannot be followed or read.
pub(crate) fn libraries(system: &mut TargetSystem<'_>) -> Result<(), PathError> {
    let made = ldcache::ldconfig(system.tree, system.sources)?;
    for (link, target) in &made.links {
        system.link(&String::from_utf8_lossy(link), &String::from_utf8_lossy(target));
    }
    if made.libraries > 0 {
        system.write("/etc/ld.so.cache", &made.cache);
        system.done.push(format!("ldconfig: {} libraries", made.libraries));
    }
    Ok(())
}

/// Runs our `depmod` for every kernel.
pub(crate) fn modules(system: &mut TargetSystem<'_>) -> Result<(), std::io::Error> {
    for version in system.names("/usr/lib/modules") {
        let folder = format!("/usr/lib/modules/{version}");
        let Some(id) = system.node(&folder).filter(|id| system.tree.entries(*id).is_some()) else { continue };
        let made = depmod::depmod(system.tree, system.sources, id)?;
        for (name, bytes) in &made.files {
            system.write(&format!("{folder}/{name}"), bytes);
        }
        let damaged = match made.damaged.len() {
            0 => String::new(),
            count => format!(", {count} files that are none"),
        };
        system.done.push(format!("depmod {version}: {} modules{damaged}", made.modules));
    }
    Ok(())
}
