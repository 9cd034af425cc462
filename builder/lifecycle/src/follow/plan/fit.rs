//! Whether instance types can run an image.

use super::super::error::Mismatch;
use super::super::image::LaunchableImage;
use super::super::survey::Fleet;

/// How the instance types of a use fit an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fit {
    /// All can run it, as far as is known.
    Runs,
    /// None can run it: they are of another architecture.
    Foreign(Vec<String>),
    /// Some can run it and these cannot.
    Mixed(Vec<String>),
    /// These do not support the boot mode.
    BootMode(Vec<String>),
}

impl Fit {
    /// The fit of instance types. Types that are not known are taken to fit: attributes choose them.
    pub(super) fn of(fleet: &Fleet, types: &[String], image: &LaunchableImage) -> Self {
        let known: Vec<_> = types.iter().filter_map(|name| fleet.types.get(name)).collect();
        if let Some(architecture) = &image.architecture {
            let foreign: Vec<_> =
                known.iter().filter(|kind| !kind.architectures.contains(architecture)).collect();
            let named = |kind: &&&crate::api::templates::InstanceType| {
                format!("{} ({})", kind.name, kind.architectures.join(", "))
            };
            let names: Vec<_> = foreign.iter().map(named).collect();
            match foreign.len() {
                0 => {}
                count if count == known.len() => return Self::Foreign(names),
                _ => return Self::Mixed(names),
            }
        }
        let mode = image.boot_mode.as_deref().filter(|mode| matches!(*mode, "uefi" | "legacy-bios"));
        let Some(mode) = mode else { return Self::Runs };
        let lacks = |kind: &&&crate::api::templates::InstanceType| {
            !kind.boot_modes.is_empty() && !kind.boot_modes.iter().any(|one| one == mode)
        };
        let lacking: Vec<_> = known.iter().filter(lacks).map(|kind| kind.name.clone()).collect();
        if lacking.is_empty() { Self::Runs } else { Self::BootMode(lacking) }
    }

    /// The error for a use that has to follow.
    pub(super) fn mismatch(self, group: &str, image: &LaunchableImage) -> Option<Mismatch> {
        let (group, image_id) = (group.to_owned(), image.id.clone());
        match self {
            Self::Runs => None,
            Self::Foreign(types) | Self::Mixed(types) => Some(Mismatch::Architecture {
                group,
                image: image_id,
                architecture: image.architecture.clone().unwrap_or_default(),
                types: types.join(", "),
            }),
            Self::BootMode(types) => Some(Mismatch::BootMode {
                group,
                image: image_id,
                mode: image.boot_mode.clone().unwrap_or_default(),
                types: types.join(", "),
            }),
        }
    }
}
