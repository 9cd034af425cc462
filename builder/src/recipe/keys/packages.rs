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

/// A repository of rpm packages. Addresses may hold `$releasever` and `$basearch`; one of the three is needed.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct RepositoryKeys {
    /// Its name in the lock and in the image. `AMIFORGE_RPM_MIRROR_NAME` of the environment names another address of it.
    pub(crate) name: String,
    /// Its address: `repodata/repomd.xml` is below it.
    pub(crate) url: Option<String>,
    /// Address of a text file with its addresses, a line each. The lock pins the one that was used.
    pub(crate) mirror_list: Option<String>,
    /// Address of a metalink with its addresses and the digests of its `repomd.xml`.
    pub(crate) metalink: Option<String>,
    /// OpenPGP keys that its packages are signed with, as a file beside the recipe.
    pub(crate) keyring: Option<String>,
    /// Fingerprints of those keys of `keyring` that count; all if not given.
    #[serde(default)]
    pub(crate) fingerprints: Vec<String>,
    /// `true`: its packages are taken without a signature.
    #[serde(default)]
    pub(crate) trusted: bool,
    /// Whether its metadata must be signed too, by `repomd.xml.asc`; `false` if not given.
    pub(crate) signed_metadata: Option<bool>,
    /// Packages of a repository with a lower number go before those of others, whatever their versions; 99 if not given.
    #[schemars(range(min = 1, max = 99))]
    pub(crate) priority: Option<i64>,
    /// `[]`: hide the packages of its modules. A repository with modules is refused if not given.
    pub(crate) modules: Option<Vec<String>>,
    /// Where machines of the image fetch its packages from; its own address if not given, and where that is `file:///…` the
    /// repository is not listed in the image.
    pub(crate) machine_url: Option<String>,
}
