//! The distributions that are known by name: their public addresses, repositories and keys. The only list; a recipe names
//! everything itself for any other.
//!
//! Fingerprints are those that the distributions publish. A key file may be issued anew under the same fingerprint, so that
//! the fingerprint is pinned and not the file.

use super::source::{
    MetadataSignature, ModularPackages, RepositoryAddress, RepositoryRole, RepositorySigners, RpmRepository,
};

/// Priority of a repository without one, as dnf has it.
pub const PRIORITY: i32 = 99;

/// How a known repository is found below the address of its distribution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum KnownAddress {
    /// A repository.
    Base(&'static str),
    /// A list of mirrors.
    MirrorList(&'static str),
}

/// A distribution that is known by name.
#[derive(Debug)]
pub struct KnownDistribution {
    /// Its name in recipes.
    pub name: &'static str,
    /// Its name in package URLs.
    pub purl: &'static str,
    /// The public address that everything of it is below.
    pub root: &'static str,
    /// The form of its releases, for messages.
    pub release_form: &'static str,
    /// Fingerprints of the keys that sign its packages, in upper-case hexadecimal. None where each release has another.
    pub fingerprints: &'static [&'static str],
    /// Public address of its keys; used where fingerprints are pinned.
    pub key_url: Option<&'static str>,
    /// Files of a machine that may have its keys, with variables.
    pub key_files: &'static [&'static str],
    /// Its repositories: name and address.
    repositories: &'static [(&'static str, KnownAddress)],
}

const KNOWN: [KnownDistribution; 3] = [
    KnownDistribution {
        name: "amazonlinux",
        purl: "amzn",
        root: "https://cdn.amazonlinux.com/al2023",
        release_form: "2023.12.20260817",
        fingerprints: &["B21C50FA44A99720EAA72F7FE951904AD832C631"],
        key_url: Some("https://cdn.amazonlinux.com/_assets/E951904AD832C631.asc"),
        key_files: &[
            "/etc/pki/rpm-gpg/RPM-GPG-KEY-amazon-linux-2023",
            "/usr/share/distribution-gpg-keys/amazon-linux/RPM-GPG-KEY-amazon-linux-2023",
        ],
        // The list of a release has one line with a folder that is named after its content.
        repositories: &[(
            "amazonlinux",
            KnownAddress::MirrorList("core/mirrors/$releasever/$basearch/mirror.list"),
        )],
    },
    KnownDistribution {
        name: "centos-stream",
        purl: "centos",
        root: "https://mirror.stream.centos.org",
        release_form: "9",
        fingerprints: &["99DB70FAE1D7CE227FB6488205B555B38483C65D"],
        key_url: Some("https://www.centos.org/keys/RPM-GPG-KEY-CentOS-Official"),
        key_files: &[
            "/etc/pki/rpm-gpg/RPM-GPG-KEY-centosofficial",
            "/usr/share/distribution-gpg-keys/centos/RPM-GPG-KEY-CentOS-Official",
        ],
        repositories: &[
            ("baseos", KnownAddress::Base("$releasever-stream/BaseOS/$basearch/os")),
            ("appstream", KnownAddress::Base("$releasever-stream/AppStream/$basearch/os")),
        ],
    },
    KnownDistribution {
        name: "fedora",
        purl: "fedora",
        root: "https://dl.fedoraproject.org/pub/fedora/linux",
        release_form: "44",
        fingerprints: &[],
        key_url: None,
        key_files: &[
            "/etc/pki/rpm-gpg/RPM-GPG-KEY-fedora-$releasever-$basearch",
            "/usr/share/distribution-gpg-keys/fedora/RPM-GPG-KEY-fedora-$releasever-primary",
        ],
        repositories: &[
            ("fedora", KnownAddress::Base("releases/$releasever/Everything/$basearch/os")),
            ("updates", KnownAddress::Base("updates/$releasever/Everything/$basearch")),
        ],
    },
];

/// The distribution of a name; none where it is not known.
pub fn known(name: &str) -> Option<&'static KnownDistribution> {
    KNOWN.iter().find(|known| known.name == name)
}

/// The names of the known distributions.
pub fn names() -> impl Iterator<Item = &'static str> {
    KNOWN.iter().map(|known| known.name)
}

impl KnownDistribution {
    /// Its repositories. `keys` are those of the recipe; if it names none, they are the published ones.
    pub fn repositories(&self, keys: Option<RepositorySigners>) -> Vec<RpmRepository> {
        let keys = keys.unwrap_or_else(|| RepositorySigners::Known {
            distribution: self.name.to_owned(),
            fingerprints: self.fingerprints.iter().map(|one| (*one).to_owned()).collect(),
        });
        let repository = |(name, address): &(&'static str, KnownAddress)| RpmRepository {
            name: (*name).to_owned(),
            role: RepositoryRole::Distribution,
            address: match address {
                KnownAddress::Base(path) => RepositoryAddress::Base(format!("{}/{path}", self.root)),
                KnownAddress::MirrorList(path) => {
                    RepositoryAddress::MirrorList(format!("{}/{path}", self.root))
                }
            },
            keys: keys.clone(),
            metadata: MetadataSignature::NotRequired,
            priority: PRIORITY,
            modules: ModularPackages::Refuse,
            machine_url: None,
        };
        self.repositories.iter().map(repository).collect()
    }

    /// Whether a release is one that can be pinned: `latest` and the like are another one each day.
    pub fn accepts(&self, release: &str) -> bool {
        release.starts_with(|first: char| first.is_ascii_digit())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_are_whole_and_repositories_below_the_root() {
        for known in &KNOWN {
            for one in known.fingerprints {
                assert!(one.len() == 40 && one.bytes().all(|byte| byte.is_ascii_hexdigit()), "{one}");
                assert_eq!(one.to_ascii_uppercase(), **one);
            }
            assert!(known.key_url.is_none() || !known.fingerprints.is_empty(), "{}", known.name);
            for repository in known.repositories(None) {
                assert!(repository.address.text().starts_with(&format!("{}/", known.root)));
            }
            assert!(known.accepts(known.release_form) && !known.accepts("latest"));
        }
    }
}
