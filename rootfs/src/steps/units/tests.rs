//! Compares the links of units with those of `systemctl --root`, and tests input that systemctl is never given.

use std::path::Path;

use amiforge_formats::plan::NoSources;
use amiforge_formats::tree::{Content, Meta, Node, NodeKind, Tree, WalkEntry};

use super::{Presets, UnitError, UnitsSpec, apply};
use crate::steps::StepError;
use crate::steps::testing::{self, NOW, OLD, add, extract, oracle, tree};
use amiforge_formats::path::{self, Last};

/// An operation on a tree, for this module and for systemctl.
#[derive(Debug, Clone, Copy)]
enum Op<'a> {
    Enable(&'a str),
    Disable(&'a str),
    Mask(&'a str),
    PresetAll,
}

impl Op<'_> {
    fn spec(self) -> UnitsSpec {
        let mut spec = UnitsSpec::default();
        match self {
            Self::Enable(unit) => spec.enable.push(unit.into()),
            Self::Disable(unit) => spec.disable.push(unit.into()),
            Self::Mask(unit) => spec.mask.push(unit.into()),
            Self::PresetAll => spec.presets = Presets::All,
        }
        spec
    }

    fn args(self) -> Vec<String> {
        match self {
            Self::Enable(unit) => vec!["enable".into(), unit.into()],
            Self::Disable(unit) => vec!["disable".into(), unit.into()],
            Self::Mask(unit) => vec!["mask".into(), unit.into()],
            Self::PresetAll => vec!["preset-all".into()],
        }
    }
}

/// The listing of `/etc/systemd/system` in a tree, as [`testing::listing`] gives it.
fn ours(tree: &Tree) -> Vec<String> {
    let below = |entry: &WalkEntry| entry.path.starts_with(b"etc/systemd/system/");
    let mut lines: Vec<String> = tree
        .walk()
        .filter(below)
        .map(|entry| {
            let name = String::from_utf8_lossy(&entry.path[19..]).into_owned();
            match &tree.node(entry.id).kind {
                NodeKind::Symlink(target) => format!("{name} -> {}", String::from_utf8_lossy(target)),
                NodeKind::Dir(_) => name + "/",
                _ => name,
            }
        })
        .collect();
    lines.sort();
    lines
}

/// Applies an operation with this module and with systemctl and records the differences; where systemctl fails, this module
/// must refuse.
fn compare(before: &Tree, op: Op<'_>, differences: &mut Vec<String>) -> Option<Tree> {
    let folder = testing::folder();
    extract(before, folder.path());
    let mut args = vec![format!("--root={}", folder.path().display())];
    args.extend(op.args());
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let systemctl = oracle("systemctl", &args)?;
    let mut after = before.clone();
    let result = apply(&mut after, &NoSources, &op.spec(), NOW);
    let output = String::from_utf8_lossy(&systemctl.stderr).into_owned();
    // Some failures it only prints, with status 0.
    let systemctl_succeeded = systemctl.status.success()
        && !output.contains("does not exist")
        && !output.contains("non-template unit");
    let nothing = matches!(result, Err(StepError::Unit { source: UnitError::NoInstall { .. }, .. }));
    let agreed = if nothing {
        output.contains("no installation config")
    } else {
        result.is_ok() == systemctl_succeeded
    };
    // This module succeeds where single units of the distribution cannot be preset.
    if !agreed && !matches!(op, Op::PresetAll) {
        differences.push(format!("{op:?}: {result:?} but systemctl: {output}"));
    }
    if result.is_err() && !nothing {
        return None;
    }
    let (ours, theirs) = (ours(&after), testing::listing(&folder.path().join("etc/systemd/system")));
    for line in ours.iter().filter(|line| !theirs.contains(line)) {
        differences.push(format!("{op:?}: only ours: {line}"));
    }
    for line in theirs.iter().filter(|line| !ours.contains(line)) {
        differences.push(format!("{op:?}: only theirs: {line}"));
    }
    Some(after)
}

/// The unit files and links of the tar of a real system, held in memory.
fn units_of(tar: &Path) -> Tree {
    let mut tree = testing::empty();
    let mut archive = tar::Archive::new(std::fs::File::open(tar).unwrap());
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = format!("/{}", entry.path().unwrap().display());
        let path = path.replace("/./", "/");
        let path = path.trim_end_matches('/');
        let relevant =
            path.starts_with("/etc/systemd/") || path.contains("lib/systemd/system") || path == "/lib";
        if !relevant {
            continue;
        }
        let kind = match entry.header().entry_type() {
            tar::EntryType::Directory => NodeKind::dir(),
            tar::EntryType::Symlink => {
                NodeKind::Symlink(entry.link_name_bytes().unwrap().into_owned().into_boxed_slice())
            }
            _ => {
                let mut bytes = Vec::new();
                std::io::Read::read_to_end(&mut entry, &mut bytes).unwrap();
                NodeKind::File(Content::Inline(bytes.into()))
            }
        };
        let resolved = path::resolve_with_parents(&mut tree, path.as_bytes(), Last::Keep, OLD).unwrap();
        if resolved.node.is_none() {
            path::put(&mut tree, &resolved, Node { meta: Meta::root_owned(0o755, OLD), kind }).unwrap();
        }
    }
    tree
}

/// Operations on a real system, each on the original tree.
const REAL: [Op<'static>; 35] = [
    Op::Enable("systemd-networkd"),
    Op::Enable("systemd-networkd.service"),
    Op::Disable("systemd-networkd"),
    Op::Enable("getty@tty5.service"),
    Op::Enable("getty@"),
    Op::Enable("getty@.service"),
    Op::Disable("getty@.service"),
    Op::Disable("getty@tty1.service"),
    Op::Enable("serial-getty@ttyS0.service"),
    Op::Enable("serial-getty@.service"),
    Op::Enable("console-getty.service"),
    Op::Disable("apt-daily.timer"),
    Op::Enable("apt-daily.timer"),
    Op::Disable("fstrim.timer"),
    Op::Enable("fstrim.service"),
    Op::Enable("reboot.target"),
    Op::Enable("halt.target"),
    Op::Enable("ctrl-alt-del.target"),
    Op::Enable("runlevel6.target"),
    Op::Enable("tmp.mount"),
    Op::Enable("debug-shell.service"),
    Op::Enable("systemd-pstore.service"),
    Op::Disable("systemd-pstore.service"),
    Op::Enable("rescue.target"),
    Op::Enable("systemd-time-wait-sync.service"),
    Op::Enable("systemd-boot-check-no-failures.service"),
    Op::Enable("systemd-journald.service"),
    Op::Enable("remote-cryptsetup.target"),
    Op::Enable("x11-common.service"),
    Op::Enable("no-such.service"),
    Op::Disable("no-such.service"),
    Op::Mask("fstrim.timer"),
    Op::Mask("systemd-networkd"),
    Op::Mask("no-such.service"),
    Op::PresetAll,
];

#[test]
fn real_units_get_the_links_of_systemctl() {
    let mut differences = Vec::new();
    let Some(tar) = testing::input("min.tar") else { return };
    let before = units_of(&tar);
    for op in REAL {
        compare(&before, op, &mut differences);
    }
    let mut tree = before;
    for op in [
        Op::PresetAll,
        Op::Disable("getty@"),
        Op::Enable("getty@tty7"),
        Op::Mask("debug-shell"),
        Op::Enable("debug-shell"),
        Op::Disable("debug-shell"),
        Op::Mask("debug-shell"),
        Op::Disable("reboot.target"),
        Op::Enable("kexec.target"),
        Op::Disable("systemd-networkd.service"),
        Op::PresetAll,
    ] {
        tree = compare(&tree, op, &mut differences).unwrap_or(tree);
    }
    assert!(differences.is_empty(), "{differences:#?}");
}

const LIB: &str = "/usr/lib/systemd/system";

/// Units that cover the syntax of `[Install]` sections.
fn unusual_units() -> Tree {
    let mut tree = tree(&[("/etc/systemd/system", "dir 0755"), ("/lib", "link usr/lib")]);
    for (name, install) in [
        ("plain.service", "WantedBy=multi-user.target graphical.target\nRequiredBy=basic.target"),
        ("aliased.service", "Alias=nick.service other.service\nWantedBy=multi-user.target"),
        ("self.service", "Alias=self.service\nWantedBy=multi-user.target"),
        ("badalias.service", "Alias=x.socket"),
        ("escape.service", "Alias=../../passwd"),
        ("escape2.service", "WantedBy=../../x.target"),
        ("legacy.service", "Alias=multi-user.target.wants/legacy.service"),
        ("legacy2.service", "Alias=multi-user.target.wants/other.service"),
        ("a.service", "Also=b.service\nWantedBy=multi-user.target"),
        ("b.service", "Also=a.service missing.service\nWantedBy=multi-user.target"),
        ("onlyalso.service", "Also=a.service"),
        ("t@.service", "WantedBy=multi-user.target\nAlias=s@.service"),
        ("d@.service", "WantedBy=multi-user.target\nDefaultInstance=one\nAlias=dd@%i.service"),
        ("e@.service", "WantedBy=w@.target"),
        ("f@.service", "WantedBy=w@%i.target\nDefaultInstance=x\nAlso=plain.service"),
        ("spec-last@.service", "WantedBy=%p.target %j.target\nAlias=%p-x@%i.service"),
        ("host.service", "Alias=nick.socket"),
        ("reset.service", "WantedBy=a.target\nWantedBy=\nWantedBy=b.target"),
        ("quoted.service", "WantedBy=\"a.target\" 'b.target' \\\n  c.target"),
        ("m.mount", "Alias=n.mount"),
        ("static.service", ""),
    ] {
        add(
            &mut tree,
            &format!("{LIB}/{name}"),
            &format!("file 0644 [Service]\nExecStart=/x\n\n[Install]\n{install}\n"),
        );
    }
    add(&mut tree, &format!("{LIB}/d@one.service"), "file 0644 [Install]\nWantedBy=own.target\n");
    add(&mut tree, &format!("{LIB}/empty.service"), "file 0644 ");
    add(&mut tree, "/etc/systemd/system/nulled.service", "link /dev/null");
    add(&mut tree, &format!("{LIB}/nulled.service"), "file 0644 [Install]\nWantedBy=a.target\n");
    add(&mut tree, "/etc/systemd/system/local.service", "file 0644 [Install]\nWantedBy=a.target\n");
    add(
        &mut tree,
        "/etc/systemd/system/plain.service.d/10.conf",
        "file 0644 [Install]\nWantedBy=\nWantedBy=x.target\n",
    );
    add(&mut tree, &format!("{LIB}/plain.service.d/20.conf"), "file 0644 [Install]\nWantedBy=y.target\n");
    add(
        &mut tree,
        &format!("{LIB}/plain.service.d/10.conf"),
        "file 0644 [Install]\nWantedBy=hidden.target\n",
    );
    add(&mut tree, &format!("{LIB}/t@.service.d/10.conf"), "file 0644 [Install]\nWantedBy=z.target\n");
    add(&mut tree, "/etc/systemd/system/empty.target.wants", "dir 0755");
    add(&mut tree, "/opt/linked.service", "file 0644 [Install]\nWantedBy=a.target\n");
    add(&mut tree, "/etc/systemd/system/linked.service", "link /opt/linked.service");
    add(
        &mut tree,
        "/usr/local/lib/systemd/system/reset.service",
        "file 0644 [Install]\nWantedBy=local.target\n",
    );
    add(&mut tree, &format!("{LIB}/alias.service"), "link plain.service");
    add(&mut tree, "/etc/systemd/system/a.target.wants/x.service", "link /lib/systemd/system/static.service");
    tree
}

/// Debian's systemctl writes `/lib`, most others `/usr/lib`: the same directory here.
#[test]
fn unusual_units_get_the_links_of_systemctl() {
    let mut differences = Vec::new();
    let mut before = unusual_units();
    for name in [
        "plain",
        "aliased",
        "self",
        "badalias",
        "escape",
        "escape2",
        "legacy",
        "legacy2",
        "a",
        "b",
        "onlyalso",
        "t@",
        "t@1",
        "d@",
        "d@two",
        "d@one",
        "e@",
        "e@1",
        "f@",
        "spec-last@",
        "spec-last@q",
        "host",
        "reset",
        "quoted",
        "m.mount",
        "static",
        "empty",
        "nulled",
        "local",
        "linked",
        "alias",
    ] {
        let after = compare(&before, Op::Enable(name), &mut differences);
        if let Some(after) = after {
            compare(&after, Op::Enable(name), &mut differences);
            compare(&after, Op::Disable(name), &mut differences);
        }
    }
    compare(&before, Op::Enable("dangling"), &mut differences);
    for op in [Op::Disable("static"), Op::Mask("local"), Op::Mask("linked"), Op::PresetAll] {
        compare(&before, op, &mut differences);
    }
    add(
        &mut before,
        "/usr/lib/systemd/system-preset/50-a.preset",
        "file 0644 enable t@.service i j\n enable p*.service\n disable l*\n# x\ndisable *\n",
    );
    add(&mut before, "/etc/systemd/system-preset/40-b.preset", "file 0644 enable loc?l.service\n");
    let after = compare(&before, Op::PresetAll, &mut differences);
    if let Some(after) = after {
        compare(&after, Op::PresetAll, &mut differences);
    }
    assert!(differences.is_empty(), "{differences:#?}");
}

/// Why enabling fails.
fn refusal(tree: &Tree, unit: &str) -> String {
    let error = apply(&mut tree.clone(), &NoSources, &Op::Enable(unit).spec(), NOW).unwrap_err();
    std::error::Error::source(&error).unwrap().to_string()
}

#[test]
fn hostile_units_are_refused() {
    let mut tree = unusual_units();
    add(&mut tree, "/etc/systemd/system/ring.service", "link ring2.service");
    add(&mut tree, "/etc/systemd/system/ring2.service", "link ring.service");
    add(&mut tree, "/etc/systemd/system/self.socket", "link self.socket");
    add(&mut tree, "/etc/systemd/system/out.service", "link ../../../../etc/passwd");
    let grow = "file 0644 [Install]\nAlso=grow@a%i.service grow@b%i.service\nWantedBy=x.target\n";
    add(&mut tree, &format!("{LIB}/grow@.service"), grow);
    add(&mut tree, &format!("{LIB}/host.timer"), "file 0644 [Install]\nWantedBy=%H.target\n");
    for (unit, expected) in [
        ("ring", "more than 40 symbolic links"),
        ("self.socket", "more than 40 symbolic links"),
        ("out", "which is not a unit"),
        ("grow@1", "more than 1000 units by Also="),
        ("host.timer", "`%H` in `%H.target` is not known in an image"),
        ("escape", "`../../passwd` of Alias= cannot be an alias"),
        ("escape2", "`../../x.target` of WantedBy= is not valid"),
        ("../etc/passwd", "`../etc/passwd` is not a unit name"),
        ("/etc/systemd/system/local.service", "is not a unit name"),
        ("a\nb", "`a\\nb` is not a unit name"),
        ("nulled", "`/etc/systemd/system/nulled.service` masks it"),
        ("static", "has no [Install] section"),
    ] {
        let output = refusal(&tree, unit);
        assert!(output.contains(expected), "{unit}: {output}");
    }
    let all = UnitsSpec { presets: Presets::All, ..UnitsSpec::default() };
    apply(&mut tree, &NoSources, &all, NOW).unwrap();
}

#[test]
fn masking_a_unit_with_a_file_in_etc_is_refused() {
    let mut tree = unusual_units();
    let error = apply(&mut tree, &NoSources, &Op::Mask("local").spec(), NOW).unwrap_err();
    assert!(matches!(error, StepError::Unit { source: UnitError::Taken { .. }, .. }), "{error:?}");
    apply(&mut tree, &NoSources, &Op::Mask("plain").spec(), NOW).unwrap();
    assert_eq!(testing::shape(&tree, "/etc/systemd/system/plain.service"), "symlink 0777 0:0 /dev/null");
}

proptest::proptest! {
    /// Sections, presets and names are untrusted input.
    #[test]
    fn no_bytes_of_a_unit_file_panic(bytes: Vec<u8>, text in "[ -~]{0,40}", name in "[a@%.-]{0,6}\\.service") {
        let mut install = super::install::InstallSection::default();
        install.merge(&[b"[Install]\nAlias=", &bytes[..], b"\nWantedBy=", text.as_bytes()].concat());
        let mut presets = super::preset::Presets::default();
        presets.add(&[b"enable ", &bytes[..], b"\ndisable ", text.as_bytes()].concat());
        if let Some(unit) = super::name::UnitName::new(&name) {
            presets.decision(&unit);
            let _ = super::install::expand(&text, &unit, Some(&text));
            proptest::prop_assert_eq!(unit.with_instance(unit.instance()).map_or(name.clone(), |unit| unit.to_string()), name);
        }
    }
}
