//! What several commands read: recipe, lock, store and `SOURCE_DATE_EPOCH`, each with the failure and its hint.

use std::env;
use std::path::{Path, PathBuf};
#[cfg(feature = "fetch")]
use std::time::{SystemTime, UNIX_EPOCH};

#[cfg(all(feature = "aws", feature = "fetch"))]
use amiforge::fetch::SnapshotFiles;
#[cfg(feature = "fetch")]
use amiforge::fetch::{Fetcher, HttpClient};
use amiforge::lock::LockError;
use amiforge::pipeline;
use amiforge::recipe::{Recipe, RecipeError};
use amiforge_packages::backend::LockFailure;
#[cfg(feature = "fetch")]
use amiforge_packages::host::HostSettings;
#[cfg(feature = "fetch")]
use amiforge_progress::Monitor;
use amiforge_store::Store;
#[cfg(feature = "fetch")]
use anyhow::Context as _;

use crate::outcome::Failure;

/// Reads the recipe; its errors are usage errors.
pub(super) fn load_recipe(path: &Path) -> Result<Recipe, Failure> {
    let name = format!("cannot use the recipe `{}`", path.display());
    Recipe::load(path).map_err(|error| match &error {
        RecipeError::Invalid(_) => Failure::usage(anyhow::Error::from(error).context(name))
            .hint("`amiforge schema` prints every key, for editors that complete and check them"),
        RecipeError::Read { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
            Failure::usage(anyhow::Error::from(error).context(name))
                .hint("`amiforge new DIR` starts a recipe that builds as it is")
        }
        _ => Failure::usage(anyhow::Error::from(error).context(name)),
    })
}

/// The value of `SOURCE_DATE_EPOCH`, if it is set and not empty.
pub(super) fn source_date_epoch() -> Result<Option<i64>, Failure> {
    let Some(value) = env::var_os("SOURCE_DATE_EPOCH").filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    let seconds = pipeline::parse_source_date_epoch(&value.to_string_lossy());
    seconds.map(Some).map_err(|error| {
        Failure::usage(anyhow::Error::from(error).context("cannot determine the time of the build"))
    })
}

/// The cache folder of this program (XDG Base Directory Specification); `None` if neither `XDG_CACHE_HOME` nor `HOME`
/// is an absolute path.
pub(super) fn default_store() -> Option<PathBuf> {
    let set = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let cache = set("XDG_CACHE_HOME").or_else(|| set("HOME").map(|home| home.join(".cache")));
    cache.map(|cache| cache.join("amiforge"))
}

/// The file of the disk that the image of a bundle keeps, if it is in the store.
#[cfg(feature = "aws")]
pub(super) fn base_disk(image: &Path, store: Option<&Path>) -> Option<PathBuf> {
    let source = amiforge_publish::source::ImageSource::open(image).ok()?;
    let base = source.manifest()?.origin.base_snapshot()?.sha256;
    let store = Store::at(&store.map(Path::to_owned).or_else(default_store)?);
    Some(store.objects().path(base)).filter(|path| path.is_file())
}

/// Opens the store in `folder`, else in the user's cache folder.
pub(super) fn open_store(folder: Option<&Path>) -> Result<Store, Failure> {
    let folder = folder.map(Path::to_owned).or_else(default_store);
    let folder = folder.ok_or_else(|| {
        let error =
            anyhow::anyhow!("neither `XDG_CACHE_HOME` nor `HOME` is set").context("cannot find the store");
        Failure::usage(error).hint("name it with `--store DIR`")
    })?;
    Ok(Store::at(&folder))
}

/// The failure for a lock that is missing, stale or invalid, with the command that makes one.
pub(super) fn lock_failure(error: LockError, title: String, recipe: &Path) -> Failure {
    let recipe = recipe.display();
    let (mistake, hint) = match &error {
        LockError::Missing { .. } => (true, Some(format!("`amiforge lock {recipe}` makes it"))),
        LockError::Stale { .. } => (true, Some(format!("`amiforge lock {recipe}` brings it up to date"))),
        LockError::Malformed { .. } => {
            let hint =
                format!("remove it, and `amiforge lock {recipe}` makes it anew, with the newest versions");
            (true, Some(hint))
        }
        LockError::UnknownPackage { .. } => {
            (true, Some("`--update` alone takes newer versions of all".to_owned()))
        }
        LockError::Packages(LockFailure::Resolve { .. }) => (true, None),
        _ => (false, None),
    };
    let error = anyhow::Error::from(error).context(title);
    let failure = if mistake { Failure::usage(error) } else { Failure::from(error) };
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

/// Writes a summary in Markdown to the file of `--summary`.
#[cfg(feature = "fetch")]
pub(super) fn write_summary(path: &Path, text: &str) -> Result<(), Failure> {
    let written = std::fs::write(path, text).with_context(|| format!("cannot write `{}`", path.display()));
    Ok(written?)
}

/// The connections, the mirrors and the clock of a fetch.
#[cfg(feature = "fetch")]
#[derive(Debug)]
pub(super) struct FetchSetup {
    client: HttpClient,
    host: HostSettings,
    now: i64,
    #[cfg(feature = "aws")]
    snapshots: super::region_snapshots::RegionSnapshots,
}

#[cfg(feature = "fetch")]
impl FetchSetup {
    /// Reads the settings and the clock of this machine; opens no connection yet.
    pub(super) fn from_system() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64);
        Self {
            client: HttpClient::new(),
            host: HostSettings::from_system(),
            now,
            #[cfg(feature = "aws")]
            snapshots: super::region_snapshots::RegionSnapshots {
                consent: super::region_snapshots::consent(false),
                now,
            },
        }
    }

    /// The same, for a command whose user agreed to copies of snapshots, or did not.
    #[cfg(feature = "aws")]
    pub(super) fn with_copies(mut self, copies: &SourceCopyArgs) -> Self {
        self.snapshots.consent = super::region_snapshots::consent(copies.copy);
        self
    }

    /// The settings of this machine, which may name mirrors.
    pub(super) fn host(&self) -> &HostSettings {
        &self.host
    }

    /// A fetch into a store, of `jobs` files in parallel.
    pub(super) fn fetcher<'a>(&'a self, store: &'a Store, jobs: usize, monitor: Monitor<'a>) -> Fetcher<'a> {
        #[cfg(feature = "aws")]
        let snapshots = Some(&self.snapshots as &dyn SnapshotFiles);
        #[cfg(not(feature = "aws"))]
        let snapshots = None;
        Fetcher { store, client: &self.client, host: &self.host, snapshots, jobs, now: self.now, monitor }
    }
}

#[cfg(feature = "fetch")]
/// Where inputs are stored and how many are fetched in parallel.
#[derive(Debug, clap::Args)]
pub(super) struct StoreArgs {
    /// Folder where inputs are kept [default: amiforge in the user's cache folder]
    #[arg(long, value_name = "DIR")]
    store: Option<PathBuf>,

    /// Files fetched in parallel
    #[arg(short, long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=64))]
    jobs: u16,
}

#[cfg(feature = "fetch")]
impl StoreArgs {
    /// Opens the store.
    pub(super) fn open(&self) -> Result<Store, Failure> {
        open_store(self.store.as_deref())
    }

    /// Its folder, if one is named or the user has a cache folder.
    #[cfg(feature = "aws")]
    pub(super) fn folder(&self) -> Option<PathBuf> {
        self.store.clone().or_else(default_store)
    }

    /// The number of files fetched in parallel.
    pub(super) fn jobs(&self) -> usize {
        usize::from(self.jobs)
    }
}

#[cfg(all(feature = "aws", feature = "fetch"))]
/// Whether snapshots may be copied.
#[derive(Debug, clap::Args)]
pub(super) struct SourceCopyArgs {
    /// Copy a public snapshot into this account to read it, and delete the copy afterwards: the EBS direct APIs do not read
    /// public ones, as those of Amazon's AMIs are
    #[arg(long)]
    pub(super) copy: bool,
}

/// Adds the hint of an error that says that a copy is needed.
#[cfg(all(feature = "aws", feature = "fetch"))]
pub(super) fn copy_hint(failure: Failure) -> Failure {
    if super::region_snapshots::needs_copy(failure.error.as_ref()) {
        return failure.hint("add `--copy` to copy it, and to have the copy deleted once it was read");
    }
    failure
}

/// Whether an error says that a snapshot is gone, or not shared any more.
#[cfg(all(feature = "aws", feature = "fetch"))]
pub(super) fn is_gone(error: &(dyn std::error::Error + 'static)) -> bool {
    super::region_snapshots::is_gone(error)
}

/// Without a client of the service nothing is known of it.
#[cfg(all(not(feature = "aws"), feature = "fetch"))]
pub(super) fn is_gone(_error: &(dyn std::error::Error + 'static)) -> bool {
    false
}

/// Without a client of the service nothing is copied.
#[cfg(all(not(feature = "aws"), feature = "fetch"))]
pub(super) fn copy_hint(failure: Failure) -> Failure {
    failure
}
