//! Upgrade sources of machines: the recipe's archives by addresses that are valid outside of this host.

use amiforge_formats::time::Time;
use amiforge_formats::tree::Tree;
use amiforge_rootfs::steps::apt_sources::{self, AptArchive, Preference, SignedBy, Versions};
use amiforge_store::blobs::Blobs;

use super::source::{ArchiveRole, DebArchive, DebSource, PinTarget, SignerKeys, VersionPin};
use crate::backend::{OpenHostFile, PackageError};

/// Public addresses of archives by their names. Those of Ubuntu depend on the architecture and the suite.
const PUBLIC: [(&str, &str); 2] = [
    ("debian", "http://deb.debian.org/debian"),
    ("debian-security", "http://security.debian.org/debian-security"),
];

/// Writes the sources and returns warnings.
pub(super) fn install(
    deb: &DebSource,
    tree: &mut Tree,
    blobs: &mut Blobs,
    open: &mut OpenHostFile<'_>,
    time: Time,
) -> Result<Vec<String>, PackageError> {
    if !deb.apt_sources {
        return Ok(Vec::new());
    }
    let (mut archives, mut warnings) = (Vec::new(), Vec::new());
    for archive in &deb.archives {
        let addresses = addresses(deb, archive);
        if addresses.is_empty() {
            warnings.push(format!(
                "machines get no upgrades from the archive `{}`, because its address is known to this host only: give it \
                 an `apt-mirror` in the recipe",
                archive.name
            ));
            continue;
        }
        let signed_by = signed_by(archive, blobs, open)?;
        archives.extend(addresses.into_iter().map(|(uri, suites)| AptArchive {
            file: file(deb, archive),
            uri,
            suites,
            components: archive.components.clone(),
            signed_by: signed_by.clone(),
        }));
    }
    let preferences: Vec<Preference> = deb.pins.iter().map(preference).collect();
    warnings.extend(apt_sources::install(tree, blobs, &archives, &preferences, time)?);
    Ok(warnings)
}

/// A pin of the recipe, which holds for upgrades in machines as for the lock.
fn preference(pin: &VersionPin) -> Preference {
    let versions = match &pin.to {
        PinTarget::Version(pattern) => Versions::Matching(pattern.clone()),
        PinTarget::Suite(suite) => Versions::OfSuite(suite.clone()),
    };
    Preference { package: pin.package.clone(), versions, priority: pin.priority }
}

/// The name of the file: archives of the distribution share one, as its own installer has it.
fn file(deb: &DebSource, archive: &DebArchive) -> String {
    let first = deb.archives.first().filter(|_| archive.role == ArchiveRole::Security);
    first.unwrap_or(archive).name.clone()
}

/// Addresses with their suites; none where neither the recipe nor the table of public addresses has one.
fn addresses(deb: &DebSource, archive: &DebArchive) -> Vec<(String, Vec<String>)> {
    // A folder of this host or a password is nothing for a machine.
    let portable = |uri: &&String| !uri.starts_with("file:") && !uri.contains('@');
    if let Some(uri) = archive.apt_mirror.as_ref().or(archive.mirror.as_ref().filter(portable)) {
        return vec![(uri.clone(), archive.suites.clone())];
    }
    if archive.role == ArchiveRole::Further {
        return Vec::new();
    }
    if archive.name == "ubuntu" {
        return ubuntu(&deb.arch, &archive.suites);
    }
    let public = PUBLIC.iter().filter(|(name, _)| *name == archive.name);
    public.map(|(_, uri)| ((*uri).to_owned(), archive.suites.clone())).collect()
}

/// Ubuntu has ports apart, and a host of its own for security updates.
fn ubuntu(arch: &str, suites: &[String]) -> Vec<(String, Vec<String>)> {
    if arch != "amd64" {
        return vec![("http://ports.ubuntu.com/ubuntu-ports".to_owned(), suites.to_vec())];
    }
    let (security, main): (Vec<_>, Vec<_>) =
        suites.iter().cloned().partition(|suite| suite.ends_with("-security"));
    let both = [("http://archive.ubuntu.com/ubuntu", main), ("http://security.ubuntu.com/ubuntu", security)];
    let some = both.into_iter().filter(|(_, suites)| !suites.is_empty());
    some.map(|(uri, suites)| (uri.to_owned(), suites)).collect()
}

fn signed_by(
    archive: &DebArchive,
    blobs: &mut Blobs,
    open: &mut OpenHostFile<'_>,
) -> Result<SignedBy, PackageError> {
    Ok(match &archive.keys {
        SignerKeys::Unsigned => SignedBy::Unsigned,
        SignerKeys::Host { distribution } => SignedBy::Packaged { distribution: distribution.clone() },
        SignerKeys::File { path, name } => {
            let keys = open(path, name, blobs).map_err(PackageError::HostFile)?;
            SignedBy::Keyring { name: archive.name.clone(), keys }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{archive, source};
    use super::*;

    /// The addresses of the archives of a source, with their suites.
    fn listed(archives: Vec<DebArchive>) -> Vec<(String, String)> {
        let deb = source(archives);
        let all = deb.archives.iter().flat_map(|archive| addresses(&deb, archive));
        all.map(|(uri, suites)| (uri, suites.join(" "))).collect()
    }

    fn pairs(all: &[(&str, &str)]) -> Vec<(String, String)> {
        all.iter().map(|(uri, suites)| ((*uri).to_owned(), (*suites).to_owned())).collect()
    }

    fn debian(mirror: Option<&str>, apt_mirror: Option<&str>) -> Vec<DebArchive> {
        let with = |name, role, suites, ending: &str| DebArchive {
            mirror: mirror.map(|mirror| format!("{mirror}{ending}")),
            apt_mirror: apt_mirror.map(|mirror| format!("{mirror}{ending}")),
            ..archive(name, role, suites)
        };
        vec![
            with("debian", ArchiveRole::Distribution, &["trixie", "trixie-updates"], ""),
            with("debian-security", ArchiveRole::Security, &["trixie-security"], "-security"),
        ]
    }

    #[test]
    fn distributions_have_public_addresses_whatever_this_host_uses() {
        let public = [
            ("http://deb.debian.org/debian", "trixie trixie-updates"),
            ("http://security.debian.org/debian-security", "trixie-security"),
        ];
        assert_eq!(listed(debian(None, None)), pairs(&public));
        let local = debian(Some("file:///srv/debian"), None);
        assert_eq!(listed(local), pairs(&public), "a folder of this host is of no use to a machine");
        let secret = debian(Some("https://me:word@deb.example/debian"), None);
        assert_eq!(listed(secret), pairs(&public), "and neither is a password");
        let ubuntu = archive("ubuntu", ArchiveRole::Distribution, &["noble", "noble-security"]);
        let public = [
            ("http://archive.ubuntu.com/ubuntu", "noble"),
            ("http://security.ubuntu.com/ubuntu", "noble-security"),
        ];
        assert_eq!(listed(vec![ubuntu]), pairs(&public));
    }

    #[test]
    fn the_recipe_decides_what_machines_use() {
        let both = |host: &str| {
            pairs(&[
                (&format!("https://{host}/debian"), "trixie trixie-updates"),
                (&format!("https://{host}/debian-security"), "trixie-security"),
            ])
        };
        let mirror = debian(Some("https://deb.example/debian"), None);
        assert_eq!(listed(mirror.clone()), both("deb.example"));
        let other = debian(Some("https://deb.example/debian"), Some("https://inside.example/debian"));
        assert_eq!(listed(other), both("inside.example"));
        let own = archive("own", ArchiveRole::Further, &["x"]);
        let further = [mirror.clone(), vec![own.clone()]].concat();
        assert_eq!(listed(further).len(), 2, "its address is known to this host only");
        let named = DebArchive { apt_mirror: Some("https://own.example".to_owned()), ..own };
        let further = [mirror, vec![named]].concat();
        assert_eq!(listed(further)[2], ("https://own.example".to_owned(), "x".to_owned()));
    }
}
