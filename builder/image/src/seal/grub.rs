//! GRUB as one file, which reads its configuration where Debian's build looks for it, and the kernel from its file system.

use super::spec::{BootSpec, EspFile, GrubParts};

/// The files on the ESP. An initrd that no file system holds goes there, too.
pub(super) fn files(parts: &GrubParts, boot: &BootSpec, default: String, cmdline: &str) -> Vec<EspFile> {
    let from_root = |path: &str| path.strip_prefix(parts.mount.as_str()).unwrap_or(path).to_owned();
    let mut files = vec![EspFile::inline(default, &parts.program)];
    let initrd = boot.initrd.as_ref().map(|initrd| {
        let Some(path) = &initrd.path else {
            let path = "EFI/debian/initrd.img".to_owned();
            files.push(EspFile { path, content: initrd.content.clone(), signing: None });
            return "initrd ($esp)/EFI/debian/initrd.img\n".to_owned();
        };
        format!("initrd {}\n", from_root(path))
    });
    let configuration = format!(
        "serial --unit=0 --speed=115200\nterminal_input console serial\nterminal_output console serial\n\
         set esp=$root\nsearch --no-floppy --fs-uuid --set=root {}\nlinux {} {cmdline}\n{}boot\n",
        parts.file_system,
        from_root(&boot.kernel.path),
        initrd.unwrap_or_default(),
    );
    files.push(EspFile::inline("EFI/debian/grub.cfg".to_owned(), configuration.as_bytes()));
    files
}
