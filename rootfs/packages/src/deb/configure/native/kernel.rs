//! The effects of a kernel package's scripts: links to the newest kernel, and the indexes of its modules.

use super::system::TargetSystem;
use crate::configure::depmod;

/// `vmlinuz` and `initrd.img`, and the `.old` ones, as `linux-update-symlinks` makes them with its defaults: in the
/// root, relative. An initrd is linked where there is one.
pub(super) fn links(system: &mut TargetSystem<'_>, version: &str, image: &str) -> bool {
    let name = image.rsplit('/').next().unwrap_or(image).split('-').next().unwrap_or("vmlinuz").to_owned();
    let initrd = format!("/boot/initrd.img-{version}");
    let mut pairs = vec![(name, image.to_owned())];
    if system.is_file(&initrd) {
        pairs.push(("initrd.img".to_owned(), initrd));
    }
    for (name, path) in pairs {
        let target = path.trim_start_matches('/').to_owned();
        let link = format!("/{name}");
        let old = system.target(&link).unwrap_or_else(|| target.clone());
        system.link(&format!("{link}.old"), &old);
        system.link(&link, &target);
        system.done.push(format!("{link} -> {target}"));
    }
    true
}

/// Runs our `depmod` for every kernel.
pub(super) fn modules(system: &mut TargetSystem<'_>) -> Result<(), std::io::Error> {
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
