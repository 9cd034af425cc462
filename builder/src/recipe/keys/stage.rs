//! `[[stage]]`, `[[run]]` and `[sandbox]`: what is run while an image is built.

use std::collections::BTreeMap;

use amiforge_sandbox::SandboxClock;
use schemars::JsonSchema;
use serde::Deserialize;

use super::NumberOrText;

/// Software built from its source in a sandbox without network, with tools of its own: packages from the archives of
/// the `deb` source, pinned in the lock. Stages are built in their order, each from nothing but its sources and tools.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct StageKeys {
    /// Its name, unique in the recipe.
    pub(crate) name: String,
    /// Packages that the tools are made of, written as in the `deb` source, beside those that every system requires.
    #[serde(default)]
    pub(crate) packages: Vec<String>,
    /// Whether the tools hold what their packages recommend.
    #[serde(default)]
    pub(crate) recommends: bool,
    /// Patches beside the recipe, applied with `-p1` to the first source, in this order.
    #[serde(default)]
    pub(crate) patches: Vec<String>,
    /// Commands, each by `sh -e -c` in the folder of the first source. `DESTDIR` names the folder to install to.
    pub(crate) run: Vec<String>,
    /// Environment of the commands.
    #[serde(default)]
    pub(crate) env: BTreeMap<String, String>,
    /// What is built.
    #[serde(default)]
    pub(crate) source: Vec<StageSourceKeys>,
    /// What of `DESTDIR` goes into the image.
    pub(crate) install: Vec<StageInstallKeys>,
}

/// An archive of source code. One of `url`, `path` and `git` says where it is.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct StageSourceKeys {
    /// `https`, `http` or `file` address of a tar archive, plain or compressed with gzip, xz or zstd.
    pub(crate) url: Option<String>,
    /// A tar archive beside the recipe; with `archive`, its path there, such as
    /// `"pool/main/h/hello/hello_2.10.orig.tar.gz"`.
    pub(crate) path: Option<String>,
    /// Name of an archive of the `deb` source that has the tar archive at `path`; its mirror is that of the packages.
    pub(crate) archive: Option<String>,
    /// Address of a git repository; the lock pins the archive that git makes of the `commit`.
    pub(crate) git: Option<String>,
    /// Full id of the commit of `git`.
    pub(crate) commit: Option<String>,
    /// SHA-256 of the tar archive; needed for a `url`, and with `archive`.
    pub(crate) sha256: Option<String>,
    /// Name of the folder that it is unpacked to; that of the archive without its ending if not given.
    pub(crate) folder: Option<String>,
    /// So many leading names are dropped from every path; 1 if not given, 0 for `git`.
    #[schemars(range(min = 0, max = 255))]
    pub(crate) strip: Option<i64>,
}

/// Something that a stage gives to the image.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct StageInstallKeys {
    /// Absolute path below `DESTDIR`; a folder goes with all in it.
    pub(crate) from: String,
    /// Absolute path in the image; that of `from` if not given.
    pub(crate) to: Option<String>,
}

/// A command that is run in a sandbox without network on the assembled tree, after files, users and units are in it.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct RunKeys {
    /// The command, run by `sh -e -c` of the image, as root of the sandbox.
    pub(crate) command: String,
    /// Its environment.
    #[serde(default)]
    pub(crate) env: BTreeMap<String, String>,
}

/// What is run in a sandbox: the packages' scripts, a stage, a `[[run]]`. Limits hold for each of them.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct SandboxKeys {
    /// Which time scripts, stages and commands see; `"still"` if not given.
    pub(crate) clock: Option<SandboxClock>,
    /// Time in seconds; 3600 if not given.
    #[schemars(range(min = 1, max = 604_800))]
    pub(crate) seconds: Option<i64>,
    /// Memory, as a number of GiB or a size such as `"512 MiB"`; 8 GiB if not given.
    pub(crate) memory: Option<NumberOrText>,
    /// What may be written; 16 GiB if not given.
    pub(crate) disk: Option<NumberOrText>,
    /// Processes at a time; 4096 if not given.
    #[schemars(range(min = 1, max = 4_194_304))]
    pub(crate) processes: Option<i64>,
}
