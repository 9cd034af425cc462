//! Why a setting of `[system]` failed.

use amiforge_formats::path::PathError;

/// Folder of the time zone files.
pub(super) const ZONES: &str = "/usr/share/zoneinfo";

/// Why a setting failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SystemError {
    /// A path cannot be resolved or written.
    #[error(transparent)]
    Path(#[from] PathError),
    /// The host name is not valid.
    #[error("`{}` is not a host name: at most 64 of letters, digits, `-` and `.`, no label empty, over 63, or with `-` at an end", name.escape_debug())]
    Hostname {
        /// The name.
        name: String,
    },
    /// The name of the zone is not valid.
    #[error("`{}` cannot be a time zone, such as `Europe/Berlin`", zone.escape_debug())]
    ZoneName {
        /// The zone.
        zone: String,
    },
    /// The image does not have the zone.
    #[error("the image has no `{ZONES}/{zone}`")]
    NoZone {
        /// The zone.
        zone: String,
    },
    /// The image has no time zones.
    #[error("the image has no `{ZONES}` at all, so no zone but UTC: it lacks the package tzdata")]
    NoZones,
    /// The locale is not valid.
    #[error("`{}` cannot be a locale, such as `C.UTF-8` or `de_DE.UTF-8`", locale.escape_debug())]
    Locale {
        /// The locale.
        locale: String,
    },
}
