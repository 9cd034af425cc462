//! An update of a system sends little more than what is new. The system is made up, with the proportions of a small Debian
//! server: some 200 packages, most of them of a few files in shared folders, a kernel whose version is in its paths, and
//! files that belong to no package.

use std::collections::BTreeMap;

use amiforge_formats::ext4::write::Ext4Draft;
use amiforge_formats::plan::{Plan, SourceId};
use amiforge_formats::time::Time;
use amiforge_formats::tree::{ChangeGroups, Content, Name, NodeId, NodeKind, Tree};

use super::fixture::{MIB, add, dirty, empty, node, options};

/// Packages besides the kernel.
const PACKAGES: u64 = 200;

/// Pseudo-random numbers, the same for the same seed.
struct Draw(u64);

impl Draw {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }

    /// A length with the proportions of those of a Debian system.
    fn len(&mut self) -> u64 {
        match self.below(200) {
            0 => 500_000 + self.below(3_000_000),
            1..=16 => 30_000 + self.below(300_000),
            17..=99 => 4000 + self.below(16_000),
            _ => 1 + self.below(4000),
        }
    }
}

/// Files of a package, besides those in the package database.
fn files_of(package: u64) -> u64 {
    let mut draw = Draw(package * 31 + 7);
    match draw.below(20) {
        0 => 300 + draw.below(500),
        1..=4 => 40 + draw.below(100),
        _ => 3 + draw.below(20),
    }
}

/// A system with the packages' versions.
struct System {
    tree: Tree,
    groups: BTreeMap<Box<[u8]>, Vec<NodeId>>,
}

/// Which packages of a system have their newer version.
type Updated<'a> = &'a dyn Fn(u64) -> bool;

impl System {
    fn new(updated: Updated<'_>, kernel: u64) -> Self {
        let mut system = Self { tree: empty(), groups: BTreeMap::new() };
        for folder in [
            "boot",
            "usr/bin",
            "usr/lib/modules",
            "usr/lib/x86_64-linux-gnu",
            "usr/share/doc",
            "var/lib/dpkg/info",
        ] {
            system.file("", &format!("{folder}/.keep"), (0, 0), 0);
        }
        for package in 0..PACKAGES {
            system.package(package, u64::from(updated(package)));
        }
        system.kernel(kernel);
        let mut draw = Draw(77);
        for number in 0..400 {
            let folder = format!("etc/d{}", draw.below(60));
            let len = draw.below(5000);
            system.file("", &format!("{folder}/settings{number}"), (number, 0), len);
        }
        // Databases of all packages, which change with each of them.
        let version = (0..PACKAGES).filter(|package| updated(*package)).sum::<u64>() + kernel * 1000;
        system.file("", "var/lib/dpkg/status", (1 << 20, version), 350_000);
        system.file("", "var/cache/debconf/templates.dat", (1 << 21, 0), 2 * MIB + 77);
        system
    }

    fn package(&mut self, package: u64, version: u64) {
        let mut draw = Draw(package * 977 + 5);
        let name = format!("p{package}");
        let count = files_of(package);
        for number in 0..count {
            let path = match draw.below(8) {
                0 => format!("usr/bin/{name}-{number}"),
                1 => format!("usr/lib/x86_64-linux-gnu/lib{name}-{number}.so"),
                2 => format!("usr/lib/{name}/f{number}"),
                part => format!("usr/share/{name}/d{part}/f{number}"),
            };
            let len = draw.len();
            // Some files of a package are the same in its next version; others are a little longer or shorter.
            let changes = draw.below(10) < 7;
            let grown = if version > 0 && changes && draw.below(3) == 0 { len * 102 / 100 } else { len };
            self.file(&name, &path, (package << 32 | number, if changes { version } else { 0 }), grown);
        }
        for kind in ["list", "md5sums", "postinst"] {
            let changes = kind == "md5sums";
            let path = format!("var/lib/dpkg/info/{name}.{kind}");
            self.file(&name, &path, (package << 32, if changes { version } else { 0 }), 200 + count * 60);
        }
        self.file(&name, &format!("usr/share/doc/{name}/copyright"), (package << 32, 0), 5000);
    }

    fn kernel(&mut self, version: u64) {
        let mut draw = Draw(4242);
        let release = format!("6.1.{version}");
        for number in 0..2500 {
            let folder = format!("usr/lib/modules/{release}/kernel/d{}", draw.below(300));
            let len = 3000 + draw.below(40_000);
            self.file("kernel", &format!("{folder}/m{number}.ko"), (1 << 40 | number, version), len);
        }
        self.file("kernel", &format!("boot/vmlinuz-{release}"), (1 << 41, version), 8 * MIB);
        self.file("", &format!("boot/initrd.img-{release}"), (1 << 42, version), 28 * MIB + 12_345);
    }

    /// Adds a file, whose bytes and time follow from what it is of and from the version.
    fn file(&mut self, group: &str, path: &str, (of, version): (u64, u64), len: u64) {
        let (folders, name) = path.rsplit_once('/').unwrap();
        let mut dir = self.tree.root();
        let mut own = Vec::new();
        for folder in folders.split('/') {
            dir = self.tree.child(dir, folder.as_bytes()).unwrap_or_else(|| {
                let id = add(&mut self.tree, dir, folder.as_bytes(), NodeKind::dir());
                own.push(id);
                id
            });
        }
        let content = Content::Slice { source: SourceId(version as u32 + 1), at: of << 16, len };
        let mut file = node(NodeKind::File(content));
        file.meta.mtime = Time::from_secs(
            1_600_000_000 + (of >> 32) as i64 % 200 * 86_400 + version.min(9) as i64 * 40_000_000,
        );
        let id = self.tree.add(dir, Name::new(name.as_bytes()).unwrap(), file).unwrap();
        if !group.is_empty() {
            let members = self.groups.entry(group.as_bytes().into()).or_default();
            members.push(id);
            // Folders that only this package has: the name of each has that of the package or of the kernel.
            members.extend(
                own.into_iter()
                    .filter(|_| path.contains("/modules/") || path.contains(&format!("/{group}/"))),
            );
        }
    }

    fn plan(&self, len: u64) -> Plan {
        Ext4Draft::grouped(&self.tree, &ChangeGroups::new(&self.groups), &options())
            .unwrap()
            .plan(len)
            .unwrap()
    }

    /// Bytes, in whole blocks, of the files that another system does not have with this content.
    fn new_bytes(&self, other: &Self) -> u64 {
        let files = self.tree.walk().filter_map(|entry| match &self.tree.node(entry.id).kind {
            NodeKind::File(content) => Some((entry.path, content)),
            _ => None,
        });
        let same = |path: &[u8], content: &Content| {
            other.tree.lookup(path).is_some_and(
                |id| matches!(&other.tree.node(id).kind, NodeKind::File(other) if other == content),
            )
        };
        files
            .filter(|(path, content)| !same(path, content))
            .map(|(_, content)| content.len().next_multiple_of(4096))
            .sum()
    }
}

/// Blocks sent of those that the new content takes, in hundredths, and blocks sent.
fn update(before: &System, after: &System, len: u64) -> (u64, u64) {
    let (used, sent) = dirty(&before.plan(len), &after.plan(len));
    let new = after.new_bytes(before);
    let hundredths = sent as u64 * 100 / new.div_ceil(MIB / 2);
    println!("{sent} of {used} blocks for {new} bytes: {hundredths} hundredths");
    (hundredths, sent as u64)
}

#[test]
fn an_update_of_a_system_sends_little_more_than_its_new_content() {
    let before = System::new(&|_| false, 1);
    let security = System::new(&|package| package % 13 == 0, 2);
    let (hundredths, _) = update(&before, &security, 4096 * MIB);
    // Without the kernel and initrd that stand in other partitions too, and with more of small packages than a real one.
    assert!(hundredths <= 150, "{hundredths}");
}

#[test]
fn an_update_of_one_small_package_sends_few_blocks() {
    let before = System::new(&|_| false, 1);
    for package in (0..PACKAGES).filter(|package| files_of(*package) < 12).step_by(5) {
        let after = System::new(&|one| one == package, 1);
        if after.new_bytes(&before) > MIB {
            continue;
        }
        let (_, sent) = update(&before, &after, 4096 * MIB);
        assert!(sent <= 16, "{sent} blocks for package {package}");
    }
}
