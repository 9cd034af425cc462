//! A unified kernel image: a stub with kernel, initrd and command line as sections.

use amiforge_formats::pcr::{PUBLIC_KEY_SECTION, SIGNATURE_SECTION};
use amiforge_formats::pe::{self, PeError, UkiSection};
use amiforge_formats::tree::Content;

use super::LateValues;
use super::spec::{BootSpec, UkiParts};

/// The first version of the stub that runs the kernel where it is loaded, which then takes the memory that its own headers
/// ask for. Older ones hand its bytes on to the firmware, which measures exactly those.
const STUB_IN_PLACE: u32 = 258;

/// What precedes the version in a stub's section `.sdmagic`.
const STUB_MAGIC: &[u8] = b"LoaderInfo: systemd-stub ";

/// The image (Unified Kernel Image Specification).
pub(super) fn uki(
    parts: &UkiParts,
    boot: &BootSpec,
    cmdline: &str,
    late: &LateValues,
) -> Result<Content, PeError> {
    let inline = |bytes: &[u8]| Content::Inline(bytes.into());
    let mut sections = Vec::new();
    if let Some(text) = &parts.os_release {
        sections.push(UkiSection::new(".osrel", inline(text)));
    }
    sections.push(UkiSection::new(".cmdline", inline(cmdline.as_bytes())));
    sections.push(UkiSection::new(".uname", inline(boot.kernel.release.as_bytes())));
    if let Some(key) = &boot.policy_key {
        sections.push(UkiSection::new(PUBLIC_KEY_SECTION, inline(key)));
    }
    if let Some(signatures) = &late.pcr_signatures {
        sections.push(UkiSection::new(SIGNATURE_SECTION, inline(signatures.as_bytes())));
    }
    if let Some(initrd) = &boot.initrd {
        sections.push(UkiSection::new(".initrd", initrd.content.clone()));
    }
    let in_place = stub_version(&parts.stub).is_some_and(|version| version >= STUB_IN_PLACE);
    let memory = if in_place { pe::size_of_image(&boot.kernel.head).unwrap_or(0) } else { 0 };
    let kernel = boot.kernel.content.clone();
    sections.push(UkiSection { memory: memory.into(), ..UkiSection::new(".linux", kernel) });
    pe::uki(&parts.stub, &sections)
}

/// The version of systemd that a stub comes from.
fn stub_version(stub: &[u8]) -> Option<u32> {
    let at = stub.windows(STUB_MAGIC.len()).position(|window| window == STUB_MAGIC)?;
    let rest = stub.get(at + STUB_MAGIC.len()..)?;
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit());
    digits.map(|digit| char::from(*digit)).collect::<String>().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_a_stub_is_read() {
        assert_eq!(stub_version(b"MZ#### LoaderInfo: systemd-stub 252.39-1~deb12u2 ####\0"), Some(252));
        assert_eq!(stub_version(b"#### LoaderInfo: systemd-stub 258~rc1 ####"), Some(258));
        assert_eq!(stub_version(b"#### LoaderInfo: systemd-boot 252 ####"), None);
    }
}
