//! `[[source]]`.

use schemars::JsonSchema;
use serde::Deserialize;

/// An input. Sources are merged in their order into one tree.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct SourceKeys {
    /// What it is.
    pub(crate) kind: SourceKindKey,
    /// The folder or archive.
    pub(crate) path: String,
    /// SHA-256 of the file (as it lies there, so of the compressed one), or of the image manifest of an `oci` source:
    /// refused if it is another. `"record"`: take it and write it in the manifest, even where that costs a read.
    pub(crate) sha256: Option<String>,
    /// So many leading names are dropped from every path.
    #[schemars(range(min = 0, max = 255))]
    pub(crate) strip: Option<i64>,
    /// Folder in the image that the entries are put under, such as `"/opt/app"`.
    pub(crate) prefix: Option<String>,
    /// Globs of paths (after `strip`, before `prefix`) to leave out; a folder that matches goes with all in it.
    #[serde(default)]
    pub(crate) exclude: Vec<String>,
    /// Whether paths that earlier sources gave may be given anew, differently; `false` if not given.
    #[serde(default)]
    pub(crate) r#override: bool,
    /// Owners of a `dir` source; everything is root's that no rule names. The owners on the host play no part.
    #[serde(default)]
    pub(crate) owners: Vec<OwnerRuleKeys>,
    /// Platform to pick from an `oci` source; `linux/amd64` or `linux/arm64` by the architecture if not given.
    pub(crate) platform: Option<String>,
    /// Tag or reference name to pick from an `oci` source that holds several images.
    pub(crate) reference: Option<String>,
}

/// What a source is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum SourceKindKey {
    /// A folder.
    Dir,
    /// A tar archive, plain or compressed with gzip, xz or zstd.
    Tar,
    /// An OCI image layout, as a folder or an archive, or an archive of `docker save`.
    Oci,
}

/// Gives an owner to entries of a `dir` source; the last rule that matches a path counts.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct OwnerRuleKeys {
    /// Glob of paths in the source.
    pub(crate) path: String,
    /// Owner and group by number, such as `"33:33"`.
    pub(crate) owner: String,
}
