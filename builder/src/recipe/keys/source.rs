//! `[[source]]`.

use amiforge_packages::backend::Scripts;
use amiforge_packages::deb::resolve::BasePackages;
use amiforge_packages::over::UpgradePolicy;
use amiforge_rootfs::sources::Modes;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{ArchiveKeys, PinKeys, RepositoryKeys};

/// An input. Sources are merged in their order into one tree.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct SourceKeys {
    /// What it is.
    pub(crate) kind: SourceKindKey,
    /// The folder, archive or disk image; not for a `deb` or `rpm` source, which is made of packages.
    pub(crate) path: Option<String>,
    /// SHA-256 of the file (as it is on the disk, so of the compressed one), or of the image manifest of an `oci` source:
    /// refused if it is another. `"record"`: take it and write it in the manifest, even where that costs a read.
    pub(crate) sha256: Option<String>,
    /// So many leading names are dropped from every path.
    #[schemars(range(min = 0, max = 255))]
    pub(crate) strip: Option<i64>,
    /// Folder in the image that the entries are put under, such as `"/opt/app"`.
    pub(crate) prefix: Option<String>,
    /// Globs of paths (after `strip`, before `prefix`) to leave out; a folder that matches goes with all in it. Of a
    /// source of packages: paths in its packages, such as `"/usr/share/doc/**"`, unless `include` names them.
    #[serde(default)]
    pub(crate) exclude: Vec<String>,
    /// Whether paths that earlier sources gave may be given anew, differently; `false` if not given.
    #[serde(default)]
    pub(crate) r#override: bool,
    /// Owners of a `dir` source; everything is root's that no rule names. The owners on the host play no part.
    #[serde(default)]
    pub(crate) owners: Vec<OwnerRuleKeys>,
    /// Where the permission bits of a `dir` source come from; `"disk"` if not given.
    pub(crate) modes: Option<Modes>,
    /// Platform to pick from an `oci` source, as `os/architecture` or `os/architecture/variant`; `linux/amd64` or
    /// `linux/arm64` by the architecture if not given. Of several variants the newest is taken that the named one runs.
    pub(crate) platform: Option<String>,
    /// Tag, reference name or digest (`sha256:…`) to pick from an `oci` source that holds several images.
    pub(crate) reference: Option<String>,
    /// Snapshot (`"snap-…"`) whose disk is an `image` source, in place of `path`. `lock` reads its blocks into the store and
    /// pins them by one digest.
    pub(crate) snapshot: Option<String>,
    /// AMI whose root volume is an `image` source, in place of `path`: `"ami-…"`; `"ssm:/…"` for the one whose id an SSM
    /// parameter holds, such as `"ssm:/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"`; or
    /// `{ owner = "amazon", name = "al2023-ami-2023.*-x86_64" }` for the newest by its name. `lock` asks once and pins the AMI and
    /// its snapshot; `lock --update` asks again.
    pub(crate) ami: Option<AmiKey>,
    /// Region of `snapshot` or `ami`; as AWS tools find it if not given.
    pub(crate) region: Option<String>,
    /// Partition of an `image` source that holds the root file system: its number, its name, or the name of its type such as
    /// `"root"`. If not given: the one of a root's type, else the only file system with `/etc` and `/usr`.
    pub(crate) partition: Option<String>,
    /// Distribution of a `deb` source: `"debian"`, `"ubuntu"`, or a name of your own. Names the archive that `suites`
    /// are taken from; a suite of `debian` that ends in `-security` is in the archive `debian-security`. Of an `rpm` source:
    /// `"amazonlinux"`, `"centos-stream"` or `"fedora"`, whose repositories are known, or a name of your own with a
    /// `[[source.repository]]`.
    pub(crate) distribution: Option<String>,
    /// Release of an `rpm` source, which `$releasever` stands for: `"2023.12.20260817"` of Amazon Linux, `"9"` of CentOS Stream.
    /// Words for the newest one, such as `latest`, are refused.
    pub(crate) release: Option<String>,
    /// Suites of a `deb` source, such as `["bookworm", "bookworm-updates", "bookworm-security"]`.
    #[serde(default)]
    pub(crate) suites: Vec<String>,
    /// Components of a `deb` source; `["main"]` if not given.
    pub(crate) components: Option<Vec<String>>,
    /// Set of packages that a `deb` source begins with; `"required"` if not given.
    pub(crate) base: Option<BasePackages>,
    /// Packages of a `deb` source, with all that they depend on: `"name"`, `"name=version"` (`*` stands for anything),
    /// `"name/suite"` or `"name:architecture"`. Of an `rpm` source: `"name"`, `"name-version-release"`, `"name.architecture"`,
    /// or `"@group"`, of which mandatory and default packages are taken.
    #[serde(default)]
    pub(crate) packages: Vec<String>,
    /// Packages that a `deb` or `rpm` source shall not hold; refused where something needs one.
    #[serde(default)]
    pub(crate) without: Vec<String>,
    /// Which packages of the image that comes before a `deb` or `rpm` source get newer versions; `"keep"` if not given.
    /// `without` removes packages of the image.
    pub(crate) upgrade: Option<UpgradePolicy>,
    /// Whether a `deb` or `rpm` source holds what its packages recommend, too; `false` if not given.
    pub(crate) recommends: Option<bool>,
    /// Foreign architectures of a `deb` source as its archive names them, such as `["i386"]`.
    #[serde(default)]
    pub(crate) architectures: Vec<String>,
    /// Where the archive of a `deb` source is fetched from. If not given: `AMIFORGE_DEB_MIRROR` of the environment, else
    /// what apt of this machine is configured to use for the same suite, or for another one of the same archive. The lock
    /// holds for every mirror. Of an `rpm` source: an address in place of the public one of its distribution;
    /// `AMIFORGE_RPM_MIRROR` of the environment, else the public one, if not given.
    pub(crate) mirror: Option<String>,
    /// Whether the archives of a `deb` source are written into the image as sources of its apt, with the suites of the
    /// recipe and the keys that they are signed with; `true` if not given. An image without apt gets none, and sources
    /// that are in the image already stay.
    pub(crate) apt_sources: Option<bool>,
    /// Where machines of the image fetch packages from. If not given: `mirror`, unless it is `file:///…`, else the public
    /// address of the distribution, such as `http://deb.debian.org/debian`.
    pub(crate) apt_mirror: Option<String>,
    /// OpenPGP keys that a `deb` source's archive is signed with, as a file beside the recipe; if not given,
    /// `/usr/share/keyrings/DISTRIBUTION-archive-keyring.gpg` of this machine. Of an `rpm` source: the keys that the packages of
    /// its distribution are signed with; if not given, those that the distribution publishes, by their fingerprints.
    pub(crate) keyring: Option<String>,
    /// Whether to take an archive of a `deb` source whose `Valid-Until` is past; `false` if not given.
    pub(crate) allow_expired: Option<bool>,
    /// How the packages of a `deb` or `rpm` source are configured; `"run"` if not given.
    pub(crate) scripts: Option<Scripts>,
    /// Globs of paths in the packages of a `deb` or `rpm` source that `exclude` shall not leave out.
    #[serde(default)]
    pub(crate) include: Vec<String>,
    /// Whether a `deb` or `rpm` source brings `/usr/share/doc` and the like; `true` if not given. Copyright files stay.
    pub(crate) docs: Option<bool>,
    /// Whether a `deb` or `rpm` source brings manual pages; `true` if not given.
    pub(crate) man: Option<bool>,
    /// Locales of which a `deb` or `rpm` source brings the translations, such as `["C", "en"]`; all if not given.
    pub(crate) locales: Option<Vec<String>>,
    /// Whether the repositories of an `rpm` source are written into the image as sources of its dnf, with their keys; `true` if
    /// not given. Repositories that its packages bring stay, and then none are written.
    pub(crate) repo_files: Option<bool>,
    /// Repositories of an `rpm` source beside those of its distribution.
    #[serde(default)]
    pub(crate) repository: Vec<RepositoryKeys>,
    /// Further archives of a `deb` source.
    #[serde(default)]
    pub(crate) archive: Vec<ArchiveKeys>,
    /// Preferences among versions of packages, as in `apt_preferences(5)`. With `apt-sources` they hold for upgrades in
    /// machines too.
    #[serde(default)]
    pub(crate) pin: Vec<PinKeys>,
}

/// What names an AMI.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum AmiKey {
    /// Its id, or `ssm:` with the name of a parameter.
    Text(String),
    /// The newest by its owner and its name.
    Newest(NewestAmiKeys),
}

/// The newest AMI that is available, not deprecated, and for the architecture of the image, by `creationDate`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct NewestAmiKeys {
    /// Its owner: `"amazon"`, `"self"`, or an account by its twelve digits. A name alone may be taken by anybody.
    pub(crate) owner: String,
    /// Its name, in which `*` stands for any characters and `?` for one.
    pub(crate) name: String,
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
    /// A disk image: raw, qcow2, VMDK, VHD or VHDX (by its content), with a GPT, an MBR, or one file system. The other
    /// partitions are mounted into the root as its own `/etc/fstab` says.
    Image,
    /// Packages of a Debian archive, as the lock beside the recipe pins them. There may be one, and it comes first, or second over
    /// an `image`, whose own apt installs them then.
    Deb,
    /// Packages of repositories of Amazon Linux, Fedora or derived distributions, as the lock beside the recipe pins them. There may be
    /// one, and it comes first, or second over an `image`, whose own rpm installs them then.
    Rpm,
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
