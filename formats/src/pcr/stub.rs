//! Versions of systemd-stub, and what each measures.
//!
//! From the sources and the programs of systemd 252.39, 254.26, 257.13 and 262.1 (`src/boot/{stub,pe,linux}.c`,
//! `src/fundamental/{tpm-pcr,uki}.h`). Versions between two that agree are taken to agree with both.

use std::fmt;

use super::PcrError;
use crate::pe::PeHeaders;
use crate::tree::Printable;

/// What precedes the version in `.sdmagic`, and what follows it.
const MAGIC: (&str, &str) = ("#### LoaderInfo: systemd-stub ", " ####");

/// The version of a stub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StubVersion {
    major: u32,
    /// The whole of it, such as `252.39-1~deb12u2`: printable ASCII.
    text: String,
}

impl StubVersion {
    /// Reads the content of the section `.sdmagic`.
    ///
    /// # Errors
    /// [`PcrError::Magic`], [`PcrError::UnknownStub`].
    pub fn from_magic(content: &[u8]) -> Result<Self, PcrError> {
        let wrong = || PcrError::Magic { text: Printable(content.get(..64).unwrap_or(content)).to_string() };
        let end = content.iter().rposition(|byte| *byte != 0).map_or(0, |last| last.saturating_add(1));
        let text = std::str::from_utf8(content.get(..end).unwrap_or_default()).map_err(|_| wrong())?;
        let version = text.strip_prefix(MAGIC.0).and_then(|rest| rest.strip_suffix(MAGIC.1));
        Self::parse(version.ok_or_else(wrong)?).map_err(|error| match error {
            PcrError::UnknownStub { version } if version.is_empty() => wrong(),
            other => other,
        })
    }

    /// Reads a version such as `252.39-1~deb12u2`, `258~rc1` or `262`.
    ///
    /// # Errors
    /// [`PcrError::UnknownStub`] where it is not known what a stub of this version measures, or the text is no version.
    pub fn parse(text: &str) -> Result<Self, PcrError> {
        let unknown = || PcrError::UnknownStub { version: Printable(text.as_bytes()).to_string() };
        let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, rest) = text.split_at(digits(text));
        let major = number.parse::<u32>().map_err(|_| unknown())?;
        let point = rest.strip_prefix('.').and_then(|rest| rest.split_at(digits(rest)).0.parse::<u32>().ok());
        let plain = text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_graphic());
        // The first ones of 252 measured sections that an image did not have, too.
        let known = match major {
            252 => point.is_some_and(|point| point >= 6),
            254..=262 => true,
            _ => false,
        };
        if plain && known { Ok(Self { major, text: text.to_owned() }) } else { Err(unknown()) }
    }

    /// The version as the stub names it.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether the stub hands the kernel to the firmware, which measures it into PCR 4. From 258 on it runs the kernel where it
    /// is; before, firmware measures nothing while the stub replaces its check of signatures, which it does when Secure
    /// Boot is on.
    pub fn firmware_loads_kernel(&self, secure_boot: bool) -> bool {
        self.major < 258 && !secure_boot
    }

    /// The sections that it measures into PCR 11, in its order. The signatures of PCR policies (`.pcrsig`) are not among
    /// them, since they sign the result.
    pub(super) fn sections(&self) -> &'static [&'static str] {
        match self.major {
            ..=252 => &[".linux", ".osrel", ".cmdline", ".initrd", ".splash", ".dtb", ".pcrpkey"],
            253..=256 => {
                &[".linux", ".osrel", ".cmdline", ".initrd", ".splash", ".dtb", ".uname", ".sbat", ".pcrpkey"]
            }
            _ => &[
                ".linux", ".osrel", ".cmdline", ".initrd", ".ucode", ".splash", ".dtb", ".uname", ".sbat",
                ".pcrpkey",
            ],
        }
    }

    /// Refuses sections of which it is not known here whether and when the stub measures them.
    ///
    /// # Errors
    /// [`PcrError::ByMachine`].
    pub(super) fn check(&self, image: &PeHeaders) -> Result<(), PcrError> {
        let doubtful: &[&'static str] = match self.major {
            ..=254 => &[],
            255..=256 => &[".ucode", ".profile", ".dtbauto", ".hwids", ".efifw"],
            _ => &[".profile", ".dtbauto", ".hwids", ".efifw"],
        };
        match doubtful.iter().copied().find(|name| image.section(name).is_some()) {
            Some(name) => Err(PcrError::ByMachine { name, version: self.text.clone() }),
            None => Ok(()),
        }
    }
}

impl fmt::Display for StubVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn magic(text: &str) -> Result<StubVersion, PcrError> {
        StubVersion::from_magic(format!("#### LoaderInfo: systemd-stub {text} ####\0").as_bytes())
    }

    #[test]
    fn the_known_stubs_are_read_and_others_refused() {
        for (text, loads) in [
            ("252.39-1~deb12u2", true),
            ("252.23-3.amzn2023", true),
            ("254.26-1~bpo12+1", true),
            ("257.13-1~deb13u1", true),
            ("258~rc1", false),
            ("262.1-1", false),
        ] {
            let version = magic(text).unwrap();
            assert_eq!((version.text(), version.firmware_loads_kernel(false)), (text, loads));
            assert!(!version.firmware_loads_kernel(true));
        }
        for text in ["251", "252", "252.5-1", "252-32.el9_4", "253.1", "263~rc1", "4294967548", "25 7"] {
            assert!(matches!(magic(text), Err(PcrError::UnknownStub { .. })), "{text}");
        }
        for text in ["", "abc"] {
            assert!(magic(text).is_err(), "{text}");
        }
        let other = StubVersion::from_magic(b"#### LoaderInfo: systemd-boot 252.39 ####\0\x1b");
        assert!(matches!(other, Err(PcrError::Magic { text }) if text.contains("\\x1b")));
        assert!(matches!(StubVersion::from_magic(&[]), Err(PcrError::Magic { .. })));
    }
}
