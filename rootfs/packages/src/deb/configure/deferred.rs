//! Work that packages' scripts request and that no later script depends on: while dpkg runs it is only recorded, and done
//! in parallel when all packages are configured.
//!
//! Of initrds, one would be made when the kernel is configured and another when `initramfs-tools` is triggered: one is
//! enough, of a system that is complete. Bundles of certificates are made when `ca-certificates` is configured and, for
//! the hooks of other packages, once more when it is triggered: the second has all that the first had. Compiling the
//! Python of a package takes longer than configuring it, and Python does the same without; so that what is compiled does
//! not depend on who was first, no import but the compiler's own writes what it compiled.
//!
//! `update-initramfs(8)`, `py3compile(1)`; Debian Python policy, section "Byte-compilation".

use amiforge_formats::time::Time;
use amiforge_formats::tree::{Content, Meta, Name, Node, NodeKind, Tree};
use amiforge_sandbox::SandboxStep;

use crate::configure::shim::{InstalledShim, Shim, put, remove};
use crate::deb::unpack::UnpackedPackage;

/// Makes initrds. The request of a kernel package comes with the trigger as well.
const INITRDS: Shim = Shim {
    path: b"usr/sbin/update-initramfs",
    script: concat!(
        "#!/bin/sh\ncase \"$*\" in\n-c*) exit 0 ;;\n-u) mkdir -p /run/amiforge && : >/run/amiforge/initrd ;;\n",
        "*) exec /usr/sbin/update-initramfs.amiforge \"$@\" ;;\nesac\n"
    ),
};

/// Path of the real program.
const REAL_INITRDS: &str = "usr/sbin/update-initramfs.amiforge";

/// Makes the bundle of certificates: without hooks when the package is configured, and again with them.
const CERTIFICATES: Shim = Shim {
    path: b"usr/sbin/update-ca-certificates",
    script: concat!(
        "#!/bin/sh\nif [ \"$*\" = '--hooksdir ' ]; then\n",
        "mkdir -p /run/amiforge && : >/run/amiforge/certificates && exit 0\nfi\n",
        "rm -f /run/amiforge/certificates\nexec /usr/sbin/update-ca-certificates.amiforge \"$@\"\n"
    ),
};

/// Path of the real program.
const REAL_CERTIFICATES: &str = "usr/sbin/update-ca-certificates.amiforge";

/// Compiles the Python of a package; words that a shell would read otherwise are not left to one.
const PYTHON: Shim = Shim {
    path: b"usr/bin/py3compile",
    script: concat!(
        "#!/bin/sh\nfor word; do case $word in\n",
        "'' | *[!A-Za-z0-9/.,:+_=-]*) exec /usr/bin/py3compile.amiforge \"$@\" ;;\nesac; done\n",
        "mkdir -p /run/amiforge && echo \"$*\" >>/run/amiforge/python\n"
    ),
};

/// Path of the real program.
const REAL_PYTHON: &str = "usr/bin/py3compile.amiforge";

/// The variable that stops imports from writing compiled files.
pub(in crate::deb) const IMPORTS_COMPILE_NOTHING: (&str, &str) = ("PYTHONDONTWRITEBYTECODE", "1");

/// Does the recorded work: one program on each core, one of which makes the initrd.
const RUN_DEFERRED: &str = "\
cd /run/amiforge 2>/dev/null || exit 0
failed() {
    echo \"amiforge: failed: $*\" >&2
    exit 1
}
if [ -e certificates ]; then
    /usr/sbin/update-ca-certificates.amiforge || failed update-ca-certificates
fi
cores=$(nproc)
if [ -e initrd ]; then
    [ \"$cores\" = 1 ] || cores=$((cores - 1))
    /usr/sbin/update-initramfs.amiforge -u &
    initrd=$!
fi
if [ -s python ]; then
    xargs -d '\\n' -n 1 -P \"$cores\" sh -c '
        env -u PYTHONDONTWRITEBYTECODE /usr/bin/py3compile.amiforge $0 && exit
        echo \"amiforge: failed: py3compile $0\" >&2
        exit 1' <python || compiled=no
fi
if [ -e initrd ]; then
    wait \"$initrd\" || failed update-initramfs -u
fi
[ \"$compiled\" != no ]
";

/// Prefix of [`RUN_DEFERRED`]'s message that names the command that failed.
pub(super) const FAILED: &str = "amiforge: failed: ";

/// The shims of programs whose work is deferred.
pub(super) struct DeferredPrograms {
    placed: Vec<(InstalledShim, &'static str)>,
    kernels: Vec<String>,
}

impl DeferredPrograms {
    /// Replaces these programs by the shims, as far as the packages have them.
    pub(super) fn prepare(tree: &mut Tree, packages: &[UnpackedPackage], epoch: Time) -> Self {
        let kernels = create_empty_initrds(tree, packages, epoch);
        let mut deferred = Self { placed: Vec::new(), kernels };
        if !deferred.kernels.is_empty() {
            deferred.add_shim(INITRDS, REAL_INITRDS, tree, epoch);
        }
        deferred.add_shim(CERTIFICATES, REAL_CERTIFICATES, tree, epoch);
        deferred.add_shim(PYTHON, REAL_PYTHON, tree, epoch);
        deferred
    }

    fn add_shim(&mut self, shim: Shim, real: &'static str, tree: &mut Tree, epoch: Time) {
        if tree.lookup(shim.path).is_none() {
            return;
        }
        let Some(placed) = shim.install(tree, epoch) else { return };
        if let Some(replaced) = placed.replaced() {
            put(tree, real.as_bytes(), replaced.clone());
        }
        self.placed.push((placed, real));
    }

    /// The steps that run when all packages are configured.
    pub(super) fn steps(&self) -> Vec<SandboxStep> {
        if self.placed.is_empty() {
            return Vec::new();
        }
        let mut steps = vec![SandboxStep::shell("deferred work of the packages", RUN_DEFERRED)];
        for kernel in &self.kernels {
            let name = format!("making the initrd of Linux {kernel}");
            let script = format!("test -s '/boot/initrd.img-{kernel}' || /{REAL_INITRDS} -c -k '{kernel}'");
            steps.push(SandboxStep::shell(name, script));
        }
        steps
    }

    /// Restores the programs.
    pub(super) fn restore(self, tree: &mut Tree) {
        for (placed, real) in self.placed {
            placed.restore(tree);
            remove(tree, real.as_bytes());
        }
    }
}

/// Makes empty initrds for kernels that would make one while they are configured and another when the trigger runs.
/// The trigger fills the newest's; boot loaders that look for one find it.
fn create_empty_initrds(tree: &mut Tree, packages: &[UnpackedPackage], epoch: Time) -> Vec<String> {
    let Some(boot) = tree.lookup(b"boot") else { return Vec::new() };
    if !packages.iter().any(|package| package.locked.name == "initramfs-tools") {
        return Vec::new();
    }
    let entries = tree.entries(boot).into_iter().flatten();
    let kernels: Vec<String> = entries
        .filter_map(|(name, _)| name.as_bytes().strip_prefix(b"vmlinuz-"))
        .filter_map(|version| std::str::from_utf8(version).ok())
        // It becomes part of a script.
        .filter(|version| {
            version.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-._~".contains(&byte))
        })
        .map(str::to_owned)
        .collect();
    for kernel in &kernels {
        let Ok(name) = Name::new(format!("initrd.img-{kernel}").as_bytes()) else { continue };
        let node = Node { meta: Meta::root_owned(0o644, epoch), kind: NodeKind::File(Content::empty()) };
        // One that is there already stays.
        let _ = tree.add(boot, name, node);
    }
    kernels
}
