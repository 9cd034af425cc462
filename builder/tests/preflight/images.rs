//! The images that are checked: folders built into disks, with what a machine in EC2 needs or without it.

use std::fs;
use std::path::Path;

use amiforge::pipeline::{self, BuildOptions};
use amiforge::recipe::Recipe;

use amiforge_formats::pe::{self, UkiSection};
use amiforge_formats::tree::{Content, Origin};
use amiforge_image::bundle::ExistingBundle;
use amiforge_image::inspect::Medium;
use amiforge_machine::preflight::{PreflightReport, preflight};
use amiforge_progress::Monitor;
use amiforge_sandbox::OnFailure;

/// GUID of the root partition.
pub(crate) const ROOT: &str = "6f3b6f9c-0000-4000-8000-000000000001";

/// The files of a system without findings, by path.
pub(crate) fn complete_system() -> Vec<(&'static str, String)> {
    let text = |text: &str| text.to_owned();
    vec![
        ("sbin/init", text("x")),
        ("usr/sbin/sshd", text("x")),
        ("usr/bin/cloud-init", text("x")),
        ("usr/bin/growpart", text("x")),
        ("usr/bin/sudo", text("x")),
        ("etc/locale.conf", text("LANG=C.UTF-8\n")),
        ("usr/lib/locale/C.utf8/LC_CTYPE", text("x")),
        ("etc/passwd", text("root:x:0:0::/root:/bin/sh\n")),
        (
            "usr/lib/modules/6.1/modules.builtin",
            text("kernel/drivers/nvme/host/nvme.ko\nkernel/fs/ext4/ext4.ko\n"),
        ),
        ("usr/lib/modules/6.1/modules.dep", text("kernel/drivers/net/ethernet/amazon/ena/ena.ko:\n")),
    ]
}

/// The text of a file, to be changed.
pub(crate) fn text_of<'a>(files: &'a mut [(&'static str, String)], path: &str) -> &'a mut String {
    &mut files.iter_mut().find(|(known, _)| *known == path).unwrap().1
}

/// The smallest stub of UEFI: a PE file with one section.
pub(crate) fn stub() -> Vec<u8> {
    let mut bytes = vec![0; 0x600];
    let mut put = |at: usize, new: &[u8]| bytes[at..at + new.len()].copy_from_slice(new);
    put(0, b"MZ");
    put(0x3c, &0x80_u32.to_le_bytes());
    put(0x80, b"PE\0\0\x64\x86\x01\0");
    put(0x80 + 20, &240_u16.to_le_bytes());
    put(0x98, &0x20b_u16.to_le_bytes());
    for (field, value) in [(8, 0x200_u32), (32, 0x200), (36, 0x200), (56, 0x1200), (60, 0x400), (108, 16)] {
        put(0x98 + field, &value.to_le_bytes());
    }
    put(0x98 + 68, &[10]);
    put(0x188, b".text\0\0\0");
    for (field, value) in [(8, 0x200_u32), (12, 0x1000), (16, 0x200), (20, 0x400), (36, 0x6000_0020)] {
        put(0x188 + field, &value.to_le_bytes());
    }
    bytes
}

/// The bytes of a unified kernel image.
pub(crate) fn unified(cmdline: &str, initrd: Option<&[u8]>) -> Vec<u8> {
    let inline = |bytes: &[u8]| Content::Inline(bytes.into());
    let mut sections = vec![
        UkiSection::new(".cmdline", inline(cmdline.as_bytes())),
        UkiSection::new(".uname", inline(b"6.1")),
    ];
    sections.extend(initrd.map(|initrd| UkiSection::new(".initrd", inline(initrd))));
    sections.push(UkiSection::new(".linux", inline(b"a kernel")));
    let content = pe::uki(&stub(), &sections).unwrap();
    let mut bytes = vec![0; content.len() as usize];
    for segment in content.segments() {
        let Origin::Inline { bytes: source, at } = segment.origin else { panic!("not inline") };
        let (from, len) = (segment.offset as usize, segment.len as usize);
        bytes[from..from + len].copy_from_slice(&source[at..at + len]);
    }
    bytes
}

/// Builds a folder into an image and checks it.
pub(crate) fn report_of(files: &[(&str, String)], start: Option<&[u8]>, partitions: &str) -> PreflightReport {
    report_after(files, start, partitions, |_| ())
}

/// The same, after a change of the folder.
pub(crate) fn report_after(
    files: &[(&str, String)],
    start: Option<&[u8]>,
    partitions: &str,
    change: impl FnOnce(&Path),
) -> PreflightReport {
    checked(files, start, partitions, change, |medium| preflight(medium).unwrap())
}

/// What a check says of the image.
pub(crate) fn checked(
    files: &[(&str, String)],
    start: Option<&[u8]>,
    partitions: &str,
    change: impl FnOnce(&Path),
    check: impl FnOnce(&Medium) -> PreflightReport,
) -> PreflightReport {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("src");
    let put = |path: &Path, bytes: &[u8]| {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
        fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    };
    put(&source.join("etc/hostname"), b"h\n");
    for (path, text) in files {
        put(&source.join(path), text.as_bytes());
    }
    if let Some(start) = start {
        put(&source.join("boot/efi/EFI/BOOT/BOOTX64.EFI"), start);
    }
    change(&source);
    let recipe = folder.path().join("recipe.toml");
    let text = format!(
        "[image]\nname = \"tried\"\narch = \"x86_64\"\n{partitions}\n[[source]]\nkind = \"dir\"\npath = \"src\"\n"
    );
    fs::write(&recipe, text).unwrap();
    let options = BuildOptions {
        out: folder.path().join("out"),
        existing: ExistingBundle::Refuse,
        threads: 1,
        store: Some(folder.path().join("store")),
        source_date_epoch: Some(0),
        lock: None,
        vendor: None,
        signatures: Vec::new(),
        vex: None,
        on_failure: OnFailure::Stop,
    };
    let recipe = Recipe::load(&recipe).unwrap();
    let built = pipeline::build(&recipe, &options, Monitor::none()).unwrap();
    check(&Medium::open(&built.bundle).unwrap())
}

/// Partitions with a known GUID of the root.
pub(crate) fn partitions() -> String {
    format!(
        "[[partition]]\nrole = \"esp\"\nsize = \"40 MiB\"\n[[partition]]\nrole = \"root\"\nguid = \"{ROOT}\"\n"
    )
}

pub(crate) fn checks(report: &PreflightReport) -> Vec<&'static str> {
    report.findings.iter().map(|finding| finding.check).collect()
}

pub(crate) fn good_cmdline() -> String {
    format!("root=PARTUUID={ROOT} ro console=ttyS0,115200n8")
}
