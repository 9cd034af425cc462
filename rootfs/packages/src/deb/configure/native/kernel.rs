//! The effects of a kernel package's scripts: links to the newest kernel.

use crate::configure::effects::system::TargetSystem;

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
