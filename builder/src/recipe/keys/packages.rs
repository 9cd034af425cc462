//! The tables and words inside a `[[source]]` of packages.

use schemars::JsonSchema;
use serde::Deserialize;

/// An answer to a question of debconf.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum AnswerKey {
    /// To one of yes or no.
    Switch(bool),
    /// To any other: a text, or one of the choices, or several with `, ` between them.
    Text(String),
}

/// A further archive.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct ArchiveKeys {
    /// Its name in the lock.
    pub(crate) name: String,
    /// Where it is fetched from; `AMIFORGE_DEB_MIRROR_NAME` of the environment if not given.
    pub(crate) mirror: Option<String>,
    /// Where machines of the image fetch its packages from; `mirror` if not given, and where that is not given either or
    /// is `file:///…` the archive is not listed in the image.
    pub(crate) apt_mirror: Option<String>,
    /// Its suites.
    pub(crate) suites: Vec<String>,
    /// Its components; `["main"]` if not given.
    pub(crate) components: Option<Vec<String>>,
    /// OpenPGP keys that it is signed with, as a file beside the recipe.
    pub(crate) keyring: Option<String>,
    /// `true`: taken without a signature.
    #[serde(default)]
    pub(crate) trusted: bool,
}

/// A preference among versions.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct PinKeys {
    /// Packages that it is about: a name, in which `*` stands for anything.
    pub(crate) package: String,
    /// Versions that are meant; `*` stands for anything. Either this or `suite`.
    pub(crate) version: Option<String>,
    /// Suite of which the versions are meant.
    pub(crate) suite: Option<String>,
    /// Priority; 990 if not given, below 0 for never, above 1000 even for a downgrade.
    #[schemars(range(min = -32768, max = 32767))]
    pub(crate) priority: Option<i64>,
}
