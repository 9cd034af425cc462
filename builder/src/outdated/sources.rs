//! Whether sources of stages differ from their pins, as far as that can be seen without fetching them: the length of a file
//! on a server, the digest of a file on this machine, the tags of a repository.

use std::fs::File;

use amiforge_formats::digest::Digest;
use amiforge_packages::host::without_credentials;

use super::tags::{CommitState, commit_state};
use crate::fetch::{self, FetchError, Fetcher, FileLocation};
use crate::lock::{Lock, LockedSource};
use crate::recipe::{Recipe, StageSource};

/// A source of a stage, or an AMI as a source of the image, and whether it differs from its pin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceStatus {
    /// The stage; none for a source of the image.
    pub stage: Option<String>,
    /// Its name.
    pub label: String,
    /// Its location: a URL without credentials, a path as the recipe names it, or what names the AMI.
    pub location: String,
    /// What pins it.
    pub pinned_by: PinnedBy,
    /// Whether it differs.
    pub state: SourceState,
}

/// What pins a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PinnedBy {
    /// The lock alone: a new lock pins whatever is there then.
    Lock,
    /// The recipe, by a digest or a commit: no new lock changes it.
    Recipe,
}

/// Whether a source differs from its pin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceState {
    /// No difference can be seen.
    Same,
    /// It differs: how.
    Changed(String),
    /// A newer version of it has another name: which.
    Newer(String),
    /// There is no such file any more.
    Missing(String),
    /// It could not be seen: why.
    Unknown(String),
}

impl SourceState {
    /// The state as one word, and what there is to say of it.
    pub fn parts(&self) -> (&'static str, Option<&str>) {
        match self {
            Self::Same => ("same", None),
            Self::Changed(detail) => ("changed", Some(detail)),
            Self::Newer(detail) => ("newer", Some(detail)),
            Self::Missing(detail) => ("missing", Some(detail)),
            Self::Unknown(detail) => ("unknown", Some(detail)),
        }
    }
}

impl SourceStatus {
    /// Whether a new lock would pin something else.
    pub fn would_change(&self) -> bool {
        self.pinned_by == PinnedBy::Lock && matches!(self.state, SourceState::Changed(_))
    }
}

/// The sources of every stage that the lock has.
pub(super) fn statuses(recipe: &Recipe, lock: &Lock, fetcher: &Fetcher<'_>) -> Vec<SourceStatus> {
    let mut all = Vec::new();
    for stage in &recipe.stages {
        let Some(locked) = lock.stages.iter().find(|locked| locked.name == stage.name) else { continue };
        for (source, locked) in stage.sources.iter().zip(&locked.sources) {
            let location =
                FileLocation::of(&source.from, recipe.packages.as_ref(), &lock.archives, fetcher.host);
            let state = match &location {
                Ok(location) => state(source, locked, location, fetcher),
                Err(error) => SourceState::Unknown(error.to_string()),
            };
            all.push(SourceStatus {
                stage: Some(stage.name.clone()),
                label: source.label.clone(),
                location: location.as_ref().map(shown).unwrap_or_default(),
                pinned_by: pinned_by(source, location.as_ref().ok()),
                state,
            });
        }
    }
    all
}

fn pinned_by(source: &StageSource, location: Option<&FileLocation>) -> PinnedBy {
    match location {
        Some(FileLocation::Git(..)) => PinnedBy::Recipe,
        _ if source.sha256.is_some() => PinnedBy::Recipe,
        _ => PinnedBy::Lock,
    }
}

fn shown(location: &FileLocation) -> String {
    match location {
        FileLocation::Urls(urls) => urls.first().map(|url| without_credentials(url)).unwrap_or_default(),
        FileLocation::Path(_, name) => name.clone(),
        FileLocation::Git(url, commit) => format!("{} at {commit}", without_credentials(url)),
    }
}

fn state(
    source: &StageSource,
    locked: &LockedSource,
    location: &FileLocation,
    fetcher: &Fetcher<'_>,
) -> SourceState {
    match location {
        FileLocation::Urls(urls) => {
            of_length(fetch::len(urls, fetcher.client, fetcher.monitor.cancel), locked.size)
        }
        FileLocation::Path(path, _) => {
            let measured =
                amiforge_progress::regular::open(path).and_then(|mut file: File| fetch::measure(&mut file));
            match measured {
                Ok((digest, _)) => of_digest(digest, locked.sha256),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                    SourceState::Missing(error.to_string())
                }
                Err(error) => SourceState::Unknown(error.to_string()),
            }
        }
        FileLocation::Git(url, commit) => match fetch::refs(url, commit) {
            Ok(refs) => of_commit(commit_state(&refs, commit)),
            Err(error) => SourceState::Unknown(reason(&error, &source.label)),
        },
    }
}

fn of_length(len: Result<Option<u64>, FetchError>, locked: u64) -> SourceState {
    match len {
        Ok(Some(len)) if len == locked => SourceState::Same,
        Ok(Some(len)) => SourceState::Changed(format!("it has {len} bytes, and the lock pins {locked}")),
        Ok(None) => SourceState::Unknown("its server does not state its length".to_owned()),
        Err(FetchError::Url { source, .. }) if source.is_missing() => {
            SourceState::Missing(source.to_string())
        }
        Err(FetchError::Url { source, .. }) => SourceState::Unknown(source.to_string()),
        Err(error) => SourceState::Unknown(error.to_string()),
    }
}

fn of_digest(digest: Digest, locked: Digest) -> SourceState {
    if digest == locked {
        return SourceState::Same;
    }
    SourceState::Changed(format!("its digest is {digest}, and the lock pins {locked}"))
}

fn of_commit(state: CommitState) -> SourceState {
    match state {
        CommitState::Newest => SourceState::Same,
        CommitState::Newer { tag, newest, commit } => {
            SourceState::Newer(format!("tag {newest} at {commit}; the recipe names that of {tag}"))
        }
        CommitState::Unnamed(Some(head)) => SourceState::Newer(format!(
            "the default branch is at {head}; no branch or tag is at the recipe's commit"
        )),
        CommitState::Unnamed(None) => SourceState::Unknown("no branch or tag names its commit".to_owned()),
    }
}

/// The innermost cause of a failure of git.
fn reason(error: &FetchError, label: &str) -> String {
    match error {
        FetchError::Git { source, .. } => source.to_string(),
        other => format!("{label}: {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fetch::TransferError;

    #[test]
    fn a_file_of_another_length_has_changed_and_one_that_is_gone_is_missing() {
        assert_eq!(of_length(Ok(Some(5)), 5), SourceState::Same);
        assert!(matches!(of_length(Ok(Some(6)), 5), SourceState::Changed(_)));
        assert!(matches!(of_length(Ok(None), 5), SourceState::Unknown(_)));
        let url = |source| Err(FetchError::Url { url: "u".into(), source });
        assert!(matches!(of_length(url(TransferError::Missing("x".into())), 5), SourceState::Missing(_)));
        assert!(matches!(of_length(url(TransferError::Status(405)), 5), SourceState::Unknown(_)));
    }
}
