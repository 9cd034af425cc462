//! Platforms of images: `os/architecture` and a variant (OCI image format specification 1.1, *image index*, property
//! `platform`). Which variants a machine runs is by level, as containerd has it: `linux/amd64/v3` also runs v2 and
//! what names no variant, which is v1 for amd64 and v8 for arm64.

use std::fmt;

use super::error::OciError;
use super::model::Platform;

/// The requested platform of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PlatformRequest {
    os: String,
    architecture: String,
    level: u32,
    /// As it is shown.
    text: String,
}

impl PlatformRequest {
    /// Reads `os/architecture` or `os/architecture/variant`.
    pub(super) fn parse(text: &str) -> Result<Self, OciError> {
        let wrong = |hint: Option<String>| OciError::NotAPlatform { text: text.to_owned(), hint };
        let parts: Vec<&str> = text.split('/').collect();
        let (os, architecture, variant) = match parts.as_slice() {
            [os, architecture] => (*os, *architecture, None),
            [os, architecture, variant] => (*os, *architecture, Some(*variant)),
            [architecture] if known(architecture) => {
                return Err(wrong(Some(format!("linux/{}", oci_name(architecture)))));
            }
            _ => return Err(wrong(None)),
        };
        if os.is_empty() || architecture.is_empty() {
            return Err(wrong(None));
        }
        if oci_name(architecture) != architecture {
            let variant = variant.map(|variant| format!("/{variant}")).unwrap_or_default();
            return Err(wrong(Some(format!("{os}/{}{variant}", oci_name(architecture)))));
        }
        let level = level(architecture, variant).ok_or_else(|| wrong(None))?;
        let (os, architecture) = (os.to_owned(), architecture.to_owned());
        Ok(Self { os, architecture, level, text: text.to_owned() })
    }

    /// The rank of a platform: its level, if a machine of the requested platform runs it.
    pub(super) fn fit(&self, found: &Platform) -> Option<u32> {
        if (&found.os, &found.architecture) != (&self.os, &self.architecture) {
            return None;
        }
        level(&found.architecture, found.variant.as_deref()).filter(|level| *level <= self.level)
    }
}

impl fmt::Display for PlatformRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The number of a variant; of those that name none, that of the oldest machines.
fn level(architecture: &str, variant: Option<&str>) -> Option<u32> {
    match variant.filter(|variant| !variant.is_empty()) {
        Some(variant) => variant.strip_prefix('v')?.parse().ok(),
        None => Some(match architecture {
            "arm64" => 8,
            "arm" => 7,
            _ => 1,
        }),
    }
}

/// The name of an architecture in images.
fn oci_name(architecture: &str) -> &str {
    match architecture {
        "x86_64" | "x86-64" | "x64" => "amd64",
        "aarch64" | "armv8" => "arm64",
        other => other,
    }
}

fn known(architecture: &str) -> bool {
    matches!(oci_name(architecture), "amd64" | "arm64" | "arm" | "386" | "riscv64" | "ppc64le" | "s390x")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn platform(architecture: &str, variant: Option<&str>) -> Platform {
        let (os, architecture) = ("linux".to_owned(), architecture.to_owned());
        Platform { os, architecture, variant: variant.map(str::to_owned) }
    }

    #[test]
    fn variants_fit_up_to_the_wanted_level() {
        let plain = PlatformRequest::parse("linux/amd64").unwrap();
        assert_eq!(plain.fit(&platform("amd64", None)), Some(1));
        assert_eq!(plain.fit(&platform("amd64", Some("v3"))), None);
        assert_eq!(plain.fit(&platform("arm64", None)), None);
        let third = PlatformRequest::parse("linux/amd64/v3").unwrap();
        assert_eq!(third.fit(&platform("amd64", Some("v2"))), Some(2));
        assert_eq!(third.fit(&platform("amd64", Some("odd"))), None);
        assert_eq!(
            PlatformRequest::parse("linux/arm64").unwrap().fit(&platform("arm64", Some("v8"))),
            Some(8)
        );
    }

    #[test]
    fn malformed_platforms_are_answered_with_a_suggestion() {
        for (text, hint) in [
            ("amd64", Some("linux/amd64")),
            ("x86_64", Some("linux/amd64")),
            ("linux/x86_64", Some("linux/amd64")),
            ("linux/aarch64/v8", Some("linux/arm64/v8")),
            ("", None),
            ("linux", None),
            ("linux/", None),
            ("linux/amd64/vx", None),
            ("a/b/c/d", None),
        ] {
            let Err(OciError::NotAPlatform { hint: found, .. }) = PlatformRequest::parse(text) else {
                panic!("{text}")
            };
            assert_eq!(found.as_deref(), hint, "{text}");
        }
    }
}
