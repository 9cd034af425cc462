//! The origins of what firmware starts: each section of a unified kernel image is a file of the tree, or made by the build.

use amiforge_formats::path::{self, Last};
use amiforge_formats::tree::Tree;
use amiforge_image::origins::OriginNumber;
use amiforge_image::seal::{BootSpec, EspFile, LoaderPrograms};

use super::{OriginRecorder, RecipeOrigins};

/// Folder of stubs and of systemd-boot.
const SYSTEMD: &str = "/usr/lib/systemd/boot/efi";
/// Files with the text of `.osrel`; the first that exists is taken.
const OS_RELEASE: [&str; 2] = ["/etc/os-release", "/usr/lib/os-release"];

/// The origins of the parts of what firmware starts.
pub(super) struct SealedOrigins {
    /// Kernel, initrd and command line.
    pub(super) kernel: OriginNumber,
    pub(super) initrd: Option<OriginNumber>,
    pub(super) cmdline: OriginNumber,
    os_release: OriginNumber,
    stub: OriginNumber,
    program: OriginNumber,
    signature: OriginNumber,
    written: OriginNumber,
    loader: Loader,
}

/// What UEFI starts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Loader {
    None,
    Uki,
    SystemdBoot,
    Grub,
}

impl SealedOrigins {
    /// The origins for an image that boots; `tree` is the tree that was observed last.
    pub(super) fn of(
        recorder: &mut OriginRecorder,
        recipe: RecipeOrigins<'_>,
        boot: &BootSpec,
        tree: &Tree,
    ) -> Self {
        let made = recipe.table("boot-files", "boot");
        let written = recorder.table.number(made.with("part", "written by the build"));
        let of_file = |recorder: &OriginRecorder, path: &str| {
            let found = path::resolve(tree, path.as_bytes(), Last::Follow).ok().flatten()?;
            let known = recorder.of(found.path.strip_prefix(b"/").unwrap_or(&found.path))?;
            Some(known.content)
        };
        let firmware = recipe.0.image.arch.firmware();
        let loader = match boot.uefi.as_ref().map(|uefi| &uefi.loader) {
            None => Loader::None,
            Some(LoaderPrograms::Uki(_)) => Loader::Uki,
            Some(LoaderPrograms::SystemdBoot { .. }) => Loader::SystemdBoot,
            Some(LoaderPrograms::Grub(_)) => Loader::Grub,
        };
        let program = match loader {
            Loader::Grub => firmware.grub.to_owned(),
            _ => format!("{SYSTEMD}/systemd-boot{}.efi", firmware.suffix),
        };
        let stub = of_file(recorder, &format!("{SYSTEMD}/linux{}.efi.stub", firmware.suffix));
        let program = of_file(recorder, &program);
        let kernel = of_file(recorder, &boot.kernel.path);
        let os_release = OS_RELEASE.iter().find_map(|path| of_file(recorder, path));
        let initrd = boot.initrd.as_ref().map(|initrd| match &initrd.path {
            Some(path) => of_file(recorder, path).unwrap_or(written),
            None => recorder.table.number(recipe.table("own-initrd", "boot")),
        });
        let cmdline = recorder.table.number(recipe.table("command-line", "boot"));
        let signature = recorder.table.number(recipe.table("signature", "trust"));
        Self {
            kernel: kernel.unwrap_or(written),
            initrd,
            cmdline,
            os_release: os_release.unwrap_or(written),
            stub: stub.unwrap_or(written),
            program: program.unwrap_or(written),
            signature,
            written,
            loader,
        }
    }

    /// What the build makes of these.
    pub(super) fn written(&self) -> OriginNumber {
        self.written
    }

    /// The origin of a file of the EFI system partition, and those of its sections.
    pub(super) fn file(&self, file: &EspFile) -> (OriginNumber, Vec<(&'static str, OriginNumber)>) {
        let path = &file.path;
        let is_program = path.to_ascii_uppercase().ends_with(".EFI");
        let is_default = path.to_ascii_uppercase().starts_with("EFI/BOOT/");
        let is_uki = match self.loader {
            Loader::None | Loader::Grub => false,
            Loader::Uki => is_default,
            Loader::SystemdBoot => !is_default,
        };
        // Where there is no place for a signature there is no section of it.
        let signature = file.signing.as_ref().map(|_| ("signatures", self.signature));
        match (is_program, is_uki) {
            (false, _) => (self.written, Vec::new()),
            (true, false) => (self.program, signature.into_iter().collect()),
            (true, true) => {
                let mut sections = vec![
                    (".cmdline", self.cmdline),
                    (".linux", self.kernel),
                    (".osrel", self.os_release),
                    // The key of a policy for PCRs, and the signatures over it.
                    (".pcrpkey", self.signature),
                    (".pcrsig", self.signature),
                    (".uname", self.kernel),
                ];
                sections.extend(self.initrd.map(|initrd| (".initrd", initrd)));
                sections.push((".sbat", self.written));
                sections.extend(signature);
                sections.sort_unstable();
                // The other sections are the stub's own.
                (self.stub, sections)
            }
        }
    }
}
