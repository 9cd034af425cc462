//! `scripts = "run"`: the tree's own dpkg configures the unpacked packages, in the sandbox.
//!
//! What dpkg does when it unpacks a package and what unpacking natively leaves out is done first: the `preinst`
//! scripts. Then come the essential packages, which every other may use without saying so, then the rest; scripts
//! that need other packages configured before they run (`Pre-Depends`) have them so. No service is started. What is only there for this (a policy, a stand-in for `start-stop-daemon`) is taken out again, and so
//! is what would differ from run to run.
//!
//! Debian policy chapters 6 and 9.3.3, dpkg(1), `invoke-rc.d(8)`.

use std::collections::BTreeMap;

use amiforge_formats::time::Time;
use amiforge_formats::tree::{Content, Kind, Meta, Name, Node, NodeId, Tree};

use super::blame::blame;
use super::order::Needs;
use crate::blobs::Blobs;
use crate::packages::unpack::UnpackedPackage;
use crate::sandbox::{Captured, Job, Limits, OnFailure, Sandbox, SandboxError, Step};
use crate::watch::Watch;

/// How packages are configured.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// What the scripts may use together.
    pub limits: Limits,
    /// `SOURCE_DATE_EPOCH`, and the youngest time that what they write may have.
    pub epoch: Time,
    /// What happens when a script fails.
    pub on_failure: OnFailure,
}

/// Where `invoke-rc.d` and `deb-systemd-invoke` ask whether a service may be started.
const POLICY: &[u8] = b"usr/sbin/policy-rc.d";

/// Its answer: no.
const REFUSES: &[u8] = b"#!/bin/sh\nexit 101\n";

/// What old scripts start services with themselves.
const STARTER: &[u8] = b"usr/sbin/start-stop-daemon";

/// Stands in for it.
const STARTS_NOTHING: &[u8] =
    b"#!/bin/sh\necho \"start-stop-daemon: nothing is started while an image is built\" >&2\n";

/// What makes initrds: once for a kernel that is configured, and again when its trigger runs.
const MAKER: &[u8] = b"usr/sbin/update-initramfs";

/// The real one while something stands in for it.
const REAL_MAKER: &[u8] = b"usr/sbin/update-initramfs.amiforge";

/// Leaves new initrds to the trigger, which comes when all is configured.
const MAKES_LATER: &[u8] =
    b"#!/bin/sh\n[ \"$1\" = -c ] && exit 0\nexec /usr/sbin/update-initramfs.amiforge \"$@\"\n";

/// dpkg without prompts, and without a sync of files that lie in memory.
const DPKG: &[&str] = &["dpkg", "--force-confdef", "--force-confnew", "--force-unsafe-io"];

/// What differs from run to run, or is left by dpkg for its next run: removed.
const REMOVED: &[&[u8]] = &[
    b"var/cache/ldconfig/aux-cache",
    b"var/cache/debconf/config.dat-old",
    b"var/cache/debconf/passwords.dat-old",
    b"var/cache/debconf/templates.dat-old",
    b"var/lib/dpkg/available-old",
    b"var/lib/dpkg/diversions-old",
    b"var/lib/dpkg/lock",
    b"var/lib/dpkg/lock-frontend",
    b"var/lib/dpkg/statoverride-old",
    b"var/lib/dpkg/status-old",
    b"var/lib/dpkg/triggers/Lock",
    b"var/lib/dbus/machine-id",
    b"var/log/alternatives.log",
    b"var/log/dpkg.log",
];

/// Configures every unpacked package of a tree whose dpkg database says that they are unpacked.
///
/// # Errors
/// [`SandboxError::Step`] when a script fails, with what it wrote last.
pub fn configure(
    tree: &Tree,
    packages: &[UnpackedPackage],
    settings: &Settings,
    sandbox: &Sandbox,
    blobs: &mut Blobs,
    watch: &dyn Watch,
) -> Result<Captured, SandboxError> {
    let mut tree = tree.clone();
    let policy = stand_in(&mut tree, POLICY, REFUSES, settings.epoch);
    let starter = stand_in(&mut tree, STARTER, STARTS_NOTHING, settings.epoch);
    let kernels = promise_initrds(&mut tree, packages, settings.epoch);
    let maker =
        if kernels.is_empty() { None } else { stand_in(&mut tree, MAKER, MAKES_LATER, settings.epoch) };
    if let Some(maker) = maker {
        let real = tree.node(maker).clone();
        place(&mut tree, REAL_MAKER, real);
    }
    let mut job = Job::new(steps(packages, &kernels), settings.epoch);
    (job.limits, job.on_failure) = (settings.limits, settings.on_failure);
    job.env = variables();
    let mut captured = sandbox.run(&tree, blobs, &job, watch).map_err(blame)?;
    let after = &mut captured.tree;
    put_back(after, POLICY, REFUSES, policy.map(|id| tree.node(id)));
    put_back(after, STARTER, STARTS_NOTHING, starter.map(|id| tree.node(id)));
    put_back(after, MAKER, MAKES_LATER, maker.map(|id| tree.node(id)));
    for path in REMOVED.iter().chain(maker.is_some().then_some(&REAL_MAKER)) {
        if let Some((dir, name)) = split(after, path) {
            after.unlink(dir, name);
        }
    }
    forget_machine(after, settings.epoch);
    Ok(captured)
}

/// Empties the machine's id, which some scripts draw from the clock: every machine makes its own.
fn forget_machine(tree: &mut Tree, epoch: Time) {
    let Some(id) = tree.lookup(b"etc/machine-id") else { return };
    let node = tree.node_mut(id);
    if let Kind::File(content) = &mut node.kind
        && !content.is_empty()
    {
        *content = Content::empty();
        node.meta.mtime = epoch;
    }
}

/// Variables of every script.
fn variables() -> BTreeMap<String, String> {
    let fixed = [
        ("DEBIAN_FRONTEND", "noninteractive"),
        ("DEBCONF_NONINTERACTIVE_SEEN", "true"),
        ("DEBCONF_NOWARNINGS", "yes"),
        ("DPKG_ADMINDIR", "/var/lib/dpkg"),
        ("UCF_FORCE_CONFFNEW", "1"),
    ];
    fixed.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn steps(packages: &[UnpackedPackage], kernels: &[String]) -> Vec<Step> {
    let needs = Needs::of(packages);
    let base = needs.base();
    let mut steps = Vec::new();
    let mut later = Vec::new();
    for at in needs.order() {
        let Some(preinst) = preinst(&packages[at]) else { continue };
        // What an essential package needs is unpacked, and that has to do.
        let before: Vec<_> = needs.before(at).difference(&base).map(|&at| qualified(&packages[at])).collect();
        if before.is_empty() || base.contains(&at) {
            steps.push(preinst);
        } else {
            later.push(configure_first(&packages[at], &before));
            later.push(preinst);
        }
    }
    let essential: Vec<String> =
        packages.iter().filter(|package| package.is_essential()).map(qualified).collect();
    if !essential.is_empty() {
        let options = ["--no-triggers", "--force-configure-any", "--configure"];
        let words = DPKG.iter().chain(&options).map(|word| (*word).to_owned());
        steps.push(Step::new("configuring the essential packages", words.chain(essential)));
    }
    steps.append(&mut later);
    let words = DPKG.iter().chain(&["--configure", "--pending"]).copied();
    steps.push(Step::new("configuring the packages", words));
    for kernel in kernels {
        let name = format!("making the initrd of Linux {kernel}");
        let script =
            format!("test -s '/boot/initrd.img-{kernel}' || update-initramfs.amiforge -c -k '{kernel}'");
        steps.push(Step::shell(name, script));
    }
    steps
}

/// Configures what a package pre-depends on. dpkg refuses what is configured already, so it is asked first.
fn configure_first(package: &UnpackedPackage, before: &[String]) -> Step {
    let script = format!(
        "set -- $(dpkg-query -W -f '${{db:Status-Status}} ${{binary:Package}}\n' {} | sed -n 's/^unpacked //p')\n\
         [ $# = 0 ] || {} --no-triggers --configure \"$@\"",
        before.join(" "),
        DPKG.join(" "),
    );
    Step::shell(format!("configuring what `{}` pre-depends on", package.locked.name), script)
}

/// What dpkg does before it unpacks a package.
fn preinst(package: &UnpackedPackage) -> Option<Step> {
    package.script("preinst")?;
    let script = format!("/var/lib/dpkg/info/{}.preinst", package.info_name());
    let step = Step::new(format!("the package `{}`", package.locked.name), [script.as_str(), "install"]);
    let step = step.env("DPKG_MAINTSCRIPT_PACKAGE", &package.locked.name);
    let step = step.env("DPKG_MAINTSCRIPT_ARCH", &package.locked.arch);
    let step = step.env("DPKG_MAINTSCRIPT_NAME", "preinst").env("DPKG_MAINTSCRIPT_PACKAGE_REFCOUNT", "1");
    Some(step.env("DPKG_MAINTSCRIPT_DEBUG", "0").env("DPKG_RUNNING_VERSION", "1.21.22").env("DPKG_ROOT", ""))
}

/// A package's name as dpkg takes it where there may be several architectures of it.
fn qualified(package: &UnpackedPackage) -> String {
    match package.locked.arch.as_str() {
        "all" => package.locked.name.clone(),
        arch => format!("{}:{arch}", package.locked.name),
    }
}

/// Makes empty initrds for kernels that would make one while they are configured and another when the trigger runs.
/// The trigger fills the newest's; boot loaders that look for one find it.
fn promise_initrds(tree: &mut Tree, packages: &[UnpackedPackage], epoch: Time) -> Vec<String> {
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
        let node = Node { meta: Meta::root_owned(0o644, epoch), kind: Kind::File(Content::empty()) };
        // One that is there already stays.
        let _ = tree.add(boot, name, node);
    }
    kernels
}

/// Puts a script in a path's place; gives what stood there.
fn stand_in(tree: &mut Tree, path: &[u8], script: &[u8], epoch: Time) -> Option<NodeId> {
    let (dir, last) = split(tree, path)?;
    let before = tree.unlink(dir, last);
    let meta = Meta::root_owned(0o755, epoch);
    place(tree, path, Node { meta, kind: Kind::File(Content::Inline(script.into())) });
    before
}

/// Puts a node in a place whose folder is there and whose name is free; elsewhere it does nothing.
fn place(tree: &mut Tree, path: &[u8], node: Node) {
    if let Some((dir, last)) = split(tree, path)
        && let Ok(name) = Name::new(last)
    {
        let _ = tree.add(dir, name, node);
    }
}

/// Takes the script out again, unless something else stands there now, and puts back what stood there.
fn put_back(tree: &mut Tree, path: &[u8], script: &[u8], before: Option<&Node>) {
    let Some((dir, last)) = split(tree, path) else { return };
    let ours = tree.child(dir, last).is_some_and(
        |id| matches!(&tree.node(id).kind, Kind::File(Content::Inline(bytes)) if **bytes == *script),
    );
    if !ours {
        return;
    }
    tree.unlink(dir, last);
    if let Some(before) = before {
        place(tree, path, before.clone());
    }
}

/// The folder of a path, and the path's last name.
fn split<'a>(tree: &Tree, path: &'a [u8]) -> Option<(NodeId, &'a [u8])> {
    let cut = path.iter().rposition(|&byte| byte == b'/')?;
    let (dir, last) = path.split_at_checked(cut)?;
    Some((tree.lookup(dir)?, last.get(1..)?))
}
