//! Addresses of repositories: of the lock, the recipe, or the environment. Reads no file and opens no connection.

use super::distributions;
use super::source::{RepositoryAddress, RepositoryRole, RpmRepository, RpmSource};
use crate::host::{HostSettings, without_credentials};

/// The variable that names the mirror of the distribution.
pub(super) const VARIABLE: &str = "AMIFORGE_RPM_MIRROR";

/// The variable of the environment that names the address of a repository.
pub(super) fn variable_of(repository: &str) -> String {
    let part = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    format!("{VARIABLE}_{}", repository.chars().map(part).collect::<String>())
}

/// Where a repository is looked for: the address that the environment names for it, else that of the recipe; variables are
/// replaced, and the mirror stands in for the public address of the distribution.
///
/// # Errors
/// A sentence on an address that is none.
pub(super) fn address(
    source: &RpmSource,
    repository: &RpmRepository,
    host: &HostSettings,
) -> Result<RepositoryAddress, String> {
    if let Some(own) = host.variable(&variable_of(&repository.name)) {
        return checked(&source.expand(own), &repository.name).map(RepositoryAddress::Base);
    }
    let place =
        |text: &str| checked(&by_mirror(source, repository, &source.expand(text), host), &repository.name);
    Ok(match &repository.address {
        RepositoryAddress::Base(text) => RepositoryAddress::Base(place(text)?),
        RepositoryAddress::MirrorList(text) => RepositoryAddress::MirrorList(place(text)?),
        RepositoryAddress::Metalink(text) => RepositoryAddress::Metalink(place(text)?),
    })
}

/// An address below the public one of the distribution, with the mirror in its place if there is one.
pub(super) fn by_mirror(
    source: &RpmSource,
    repository: &RpmRepository,
    url: &str,
    host: &HostSettings,
) -> String {
    let root = distributions::known(&source.distribution).map(|known| known.root);
    let below = root
        .filter(|_| repository.role == RepositoryRole::Distribution)
        .and_then(|root| url.strip_prefix(root))
        .filter(|rest| rest.is_empty() || rest.starts_with('/'));
    let mirror = source.mirror.as_deref().or_else(|| host.variable(VARIABLE));
    match (below, mirror) {
        (Some(rest), Some(mirror)) => format!("{}{rest}", mirror.trim_end_matches('/')),
        _ => url.to_owned(),
    }
}

/// The address that the paths of a repository's packages are below: `base` is that of the lock, if lists of mirrors named it
/// or paths lead out of the repository.
///
/// # Errors
/// A sentence with what to do.
pub(super) fn package_address(
    source: &RpmSource,
    repository: &RpmRepository,
    base: Option<&str>,
    host: &HostSettings,
) -> Result<String, String> {
    let own = host.variable(&variable_of(&repository.name)).map(|own| source.expand(own));
    match (base, own) {
        // Paths that lead out of a repository are below a folder above it.
        (Some(base), Some(own)) if own.starts_with(base) => Ok(base.to_owned()),
        (_, Some(own)) => checked(&own, &repository.name),
        (Some(base), None) => checked(&by_mirror(source, repository, base, host), &repository.name),
        (None, None) => match address(source, repository, host)? {
            RepositoryAddress::Base(url) => Ok(url),
            RepositoryAddress::MirrorList(_) | RepositoryAddress::Metalink(_) => Err(format!(
                "the lock does not say which mirror of `{}` it was made from: make it anew",
                repository.name
            )),
        },
    }
}

/// An address without a slash at its end.
fn checked(url: &str, name: &str) -> Result<String, String> {
    let url = url.trim_end_matches('/');
    if ["http://", "https://", "file:///"].iter().any(|scheme| url.starts_with(scheme)) {
        return Ok(url.to_owned());
    }
    Err(format!(
        "the address `{}` of the repository `{name}` does not begin with `https://`, `http://` or `file:///`",
        without_credentials(url)
    ))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{repository, source};
    use super::*;

    fn host(variables: &[(&str, &str)]) -> HostSettings {
        let owned = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        HostSettings::new(owned.collect(), "/nonexistent".into())
    }

    #[test]
    fn a_mirror_stands_in_for_the_address_of_the_distribution() {
        let amazon = distributions::known("amazonlinux").unwrap().repositories(None).remove(0);
        let mut from = source(vec![amazon.clone()]);
        from.distribution = "amazonlinux".to_owned();
        from.release = "2023.1.20230101".to_owned();
        let list = "core/mirrors/2023.1.20230101/x86_64/mirror.list";
        let found = address(&from, &amazon, &host(&[])).unwrap();
        assert_eq!(found.text(), format!("https://cdn.amazonlinux.com/al2023/{list}"));
        let found = address(&from, &amazon, &host(&[(VARIABLE, "file:///m/")])).unwrap();
        assert_eq!(found.text(), format!("file:///m/{list}"));
        let public = "https://cdn.amazonlinux.com/al2023";
        let base = Some(public);
        assert_eq!(package_address(&from, &amazon, base, &host(&[])).unwrap(), public);
        from.mirror = Some("https://m/al".to_owned());
        assert_eq!(package_address(&from, &amazon, base, &host(&[])).unwrap(), "https://m/al");
        let own =
            host(&[("AMIFORGE_RPM_MIRROR_AMAZONLINUX", "https://cdn.amazonlinux.com/al2023/core/guids/1")]);
        assert_eq!(package_address(&from, &amazon, base, &own).unwrap(), public);
        assert!(package_address(&from, &amazon, None, &host(&[])).unwrap_err().contains("anew"));
    }

    #[test]
    fn further_repositories_have_addresses_and_variables_of_their_own() {
        let further = repository("my own", "https://x/$releasever/");
        let from = source(vec![further.clone()]);
        let mirrored = host(&[(VARIABLE, "file:///m")]);
        assert_eq!(package_address(&from, &further, None, &mirrored).unwrap(), "https://x/1");
        let own = host(&[("AMIFORGE_RPM_MIRROR_MY_OWN", "ftp://u:p@y")]);
        let said = package_address(&from, &further, None, &own).unwrap_err();
        assert!(said.contains("`ftp://y`"), "{said}");
    }
}
