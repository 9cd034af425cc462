//! Builds a recipe several times under changed conditions, to test whether the image depends on its inputs only.
//!
//! Owns the conditions, the order of the builds and the result. The caller provides the function that makes a build;
//! [`child`] makes it by running this program again, the only module that does so.

pub mod child;
mod conditions;
mod host_load;
mod readdir_order;
mod result;
mod store_setup;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::Serialize;

pub use conditions::{Condition, matrix};
pub use result::{ComparedBuild, NotVaried, ReproResult};
pub use store_setup::StoreSetup;

use amiforge_store::StoreError;

use amiforge_image::bundle::{MANIFEST, SUMS};
use amiforge_image::diff::{self, DiffError};
use amiforge_image::manifest::{Manifest, ManifestError};
use amiforge_progress::Monitor;

/// Why builds could not be compared.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReproError {
    /// A folder for the builds could not be made or removed.
    #[error("making room for the builds in `{}`", path.display())]
    Scratch {
        /// The folder.
        path: PathBuf,
        /// The error of the system.
        #[source]
        source: io::Error,
    },
    /// This program could not be started again.
    #[error("starting `{}` to build", path.display())]
    Start {
        /// The program.
        path: PathBuf,
        /// The error of the system.
        #[source]
        source: io::Error,
    },
    /// A build failed.
    #[error("build {number} ({conditions}) failed: {stderr}")]
    Build {
        /// Its number, counted from 0.
        number: usize,
        /// The changed conditions.
        conditions: String,
        /// Its standard error.
        stderr: String,
    },
    /// A bundle could not be read.
    #[error("reading `{}`", path.display())]
    Bundle {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        #[source]
        source: io::Error,
    },
    /// A manifest could not be read.
    #[error("reading `{}`", path.display())]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// The error in it.
        #[source]
        source: ManifestError,
    },
    /// The store does not have a file of the lock.
    #[error("`{label}` is not in the store")]
    NotFetched {
        /// The package or source.
        label: String,
    },
    /// A store cannot be used.
    #[error("filling a store for a build")]
    Store(#[source] StoreError),
    /// Two bundles could not be compared.
    #[error("comparing two builds")]
    Diff(#[source] DiffError),
    /// Fewer than two builds were requested.
    #[error("{0} builds are too few: at least two are compared")]
    TooFew(usize),
    /// The user interrupted the builds.
    #[error("stopped before all builds were done")]
    Interrupted,
}

/// Makes one build under conditions in a folder that does not exist yet, and returns the conditions that could not be
/// changed.
pub type BuildFn<'a> = dyn FnMut(usize, &[Condition], &Path) -> Result<Vec<NotVaried>, ReproError> + 'a;

/// The options of the comparison.
#[derive(Clone, Copy)]
pub struct ReproOptions<'a> {
    /// The conditions of each build. The others are compared with the first.
    pub matrix: &'a [Vec<Condition>],
    /// An existing folder for the bundles.
    pub folder: &'a Path,
    /// Whether the bundles are kept.
    pub keep: KeepBundles,
    /// Receives the progress of the builds, and ends them.
    pub monitor: Monitor<'a>,
}

/// Whether the bundles are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeepBundles {
    /// They are removed.
    Nothing,
    /// They are kept.
    Everything,
}

/// The result of all builds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ReproReport {
    /// Whether all builds gave the same bundle.
    pub equal: bool,
    /// The builds.
    pub builds: Vec<ComparedBuild>,
    /// The conditions that are likely to matter.
    #[serde(rename = "verdict")]
    pub result: ReproResult,
    /// The differences between the first build and the first one that differs from it.
    pub differences: Option<diff::DiffReport>,
}

/// Makes a build for each row of the matrix, and further ones to find out which of several suspected conditions
/// matters.
///
/// # Errors
/// [`ReproError`].
pub fn run(options: ReproOptions<'_>, build: &mut BuildFn<'_>) -> Result<ReproReport, ReproError> {
    if options.matrix.len() < 2 {
        return Err(ReproError::TooFew(options.matrix.len()));
    }
    let mut series = Series { options, build, builds: Vec::new(), first: None, differences: None };
    options.monitor.progress.begin("building", None);
    let outcome = series.build_all();
    options.monitor.progress.end();
    let result = outcome?;
    let Series { builds, differences, .. } = series;
    if options.keep == KeepBundles::Nothing {
        for build in &builds {
            remove(&bundle(options.folder, build.number))?;
        }
    }
    Ok(ReproReport { equal: builds.iter().all(|build| build.equal), builds, result, differences })
}

/// A series of builds.
struct Series<'a, 'b> {
    options: ReproOptions<'a>,
    build: &'a mut BuildFn<'b>,
    builds: Vec<ComparedBuild>,
    /// `SHA256SUMS` of the first build.
    first: Option<Vec<u8>>,
    differences: Option<diff::DiffReport>,
}

impl Series<'_, '_> {
    /// Makes all builds and evaluates them.
    fn build_all(&mut self) -> Result<ReproResult, ReproError> {
        for conditions in self.options.matrix {
            self.build_one(conditions)?;
        }
        let result = result::evaluate(&self.builds);
        let ReproResult::Suspects(suspects) = &result else { return Ok(result) };
        if suspects.len() < 2 {
            return Ok(result);
        }
        // Of several suspects, each is changed alone.
        for suspect in Condition::ALL.into_iter().filter(|one| suspects.contains(&one.to_string())) {
            self.build_one(&[suspect])?;
        }
        Ok(result::evaluate(&self.builds))
    }

    /// Makes one build and compares it with the first.
    fn build_one(&mut self, conditions: &[Condition]) -> Result<(), ReproError> {
        if self.options.monitor.cancel.is_cancelled() {
            return Err(ReproError::Interrupted);
        }
        let number = self.builds.len();
        let out = bundle(self.options.folder, number);
        let begun = Instant::now();
        let not_varied = (self.build)(number, conditions, &out)?;
        let seconds = begun.elapsed().as_secs_f64();
        let sums = read(&out.join(SUMS))?;
        let manifest = out.join(MANIFEST);
        let parsed = Manifest::parse(&read(&manifest)?);
        let parsed = parsed.map_err(|source| ReproError::Manifest { path: manifest, source })?;
        let equal = self.first.as_ref().is_none_or(|first| *first == sums);
        self.first.get_or_insert(sums);
        let failed =
            |condition: &Condition| not_varied.iter().any(|one| one.condition == condition.to_string());
        let varied: Vec<_> = conditions.iter().copied().filter(|one| !failed(one)).collect();
        self.builds.push(ComparedBuild {
            number,
            conditions: conditions.iter().map(ToString::to_string).collect(),
            not_varied,
            sha256: parsed.plain.to_string(),
            equal,
            seconds,
            varied,
        });
        if !equal && self.differences.is_none() {
            self.explain(&out)?;
        }
        if number > 0 && self.options.keep == KeepBundles::Nothing {
            remove(&out)?;
        }
        Ok(())
    }

    /// Compares a build that differs with the first one.
    fn explain(&mut self, out: &Path) -> Result<(), ReproError> {
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let options = diff::DiffOptions { threads, monitor: Monitor::silent(self.options.monitor.cancel) };
        let report = diff::diff(&bundle(self.options.folder, 0), out, options).map_err(ReproError::Diff)?;
        self.differences = Some(report);
        Ok(())
    }
}

/// The folder of a build.
fn bundle(folder: &Path, number: usize) -> PathBuf {
    folder.join(format!("build-{number}"))
}

fn read(path: &Path) -> Result<Vec<u8>, ReproError> {
    std::fs::read(path).map_err(|source| ReproError::Bundle { path: path.to_owned(), source })
}

fn remove(path: &Path) -> Result<(), ReproError> {
    match std::fs::remove_dir_all(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(ReproError::Scratch { path: path.to_owned(), source })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
