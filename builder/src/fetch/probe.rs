//! What can be learned of a file elsewhere without fetching it: its length, or the names in its repository.

use amiforge_packages::host::without_credentials;
use amiforge_progress::CancelToken;

use super::error::FetchError;
use super::git::{self, RemoteRef};
use super::http::HttpClient;

/// The length of the first of these files that exists, if its server states it.
///
/// # Errors
/// [`FetchError::Url`].
pub(crate) fn len(
    urls: &[String],
    client: &HttpClient,
    cancel: &CancelToken,
) -> Result<Option<u64>, FetchError> {
    let mut missing = None;
    for url in urls {
        match client.len(url, cancel) {
            Ok(len) => return Ok(len),
            Err(source) => {
                let is_missing = source.is_missing();
                let error = FetchError::Url { url: without_credentials(url), source };
                if !is_missing {
                    return Err(error);
                }
                missing = Some(error);
            }
        }
    }
    missing.map_or(Ok(None), Err)
}

/// The branches and tags of a repository, and its `HEAD`. `commit` names the request in errors.
///
/// # Errors
/// [`FetchError::Git`].
pub(crate) fn refs(url: &str, commit: &str) -> Result<Vec<RemoteRef>, FetchError> {
    git::remote_refs(url).map_err(|source| FetchError::Git {
        url: without_credentials(url),
        commit: commit.to_owned(),
        source,
    })
}
