//! Which tag or branch names a commit, and whether the repository has a newer one.

use std::cmp::Ordering;

use crate::fetch::RemoteRef;

/// What the names of a repository say of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum CommitState {
    /// It is the newest: of the tags of its kind, or of a branch.
    Newest,
    /// It has this tag, and a newer tag of its kind names another commit.
    Newer {
        /// Its tag.
        tag: String,
        /// The newest tag of the kind.
        newest: String,
        /// The commit of that tag.
        commit: String,
    },
    /// No tag or branch names it; the default branch is at this commit, if there is one.
    Unnamed(Option<String>),
}

/// What the names of a repository say of a commit.
pub(super) fn commit_state(refs: &[RemoteRef], commit: &str) -> CommitState {
    let tags = tags(refs);
    let own = tags.iter().filter(|(_, id)| *id == commit).map(|(name, _)| *name);
    // Of several tags the highest version; `latest` and the like are no versions.
    if let Some((tag, version)) = highest(own) {
        let same_kind = tags
            .iter()
            .map(|(name, _)| *name)
            .filter(|name| Version::parse(name).is_some_and(|other| other.prefix == version.prefix));
        let Some((newest, _)) = highest(same_kind).filter(|(newest, _)| *newest != tag) else {
            return CommitState::Newest;
        };
        let commit = tags.iter().find(|(name, _)| *name == newest).map(|(_, id)| *id).unwrap_or_default();
        return CommitState::Newer {
            tag: tag.to_owned(),
            newest: newest.to_owned(),
            commit: commit.to_owned(),
        };
    }
    if refs.iter().any(|one| one.name.starts_with("refs/heads/") && one.id == commit) {
        return CommitState::Newest;
    }
    CommitState::Unnamed(refs.iter().find(|one| one.name == "HEAD").map(|head| head.id.clone()))
}

/// Every tag with its commit. An annotated tag is listed twice: as an object of its own, and with `^{}` for its commit.
fn tags(refs: &[RemoteRef]) -> Vec<(&str, &str)> {
    let mut tags: Vec<(&str, &str)> = Vec::new();
    for one in refs {
        let Some(name) = one.name.strip_prefix("refs/tags/") else { continue };
        match name.strip_suffix("^{}") {
            Some(name) => match tags.iter_mut().find(|(known, _)| *known == name) {
                Some(tag) => tag.1 = &one.id,
                None => tags.push((name, &one.id)),
            },
            None => tags.push((name, &one.id)),
        }
    }
    tags
}

/// The tag with the highest version.
fn highest<'a>(tags: impl Iterator<Item = &'a str>) -> Option<(&'a str, Version<'a>)> {
    let versions = tags.filter_map(|tag| Some((tag, Version::parse(tag)?)));
    versions.max_by(|(_, a), (_, b)| a.compare(b))
}

/// A tag such as `v1.22.3`: what precedes the first digit, and the numbers. Pre-releases are none.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Version<'a> {
    prefix: &'a str,
    numbers: Vec<u64>,
}

impl<'a> Version<'a> {
    fn parse(tag: &'a str) -> Option<Self> {
        let (prefix, rest) = tag.split_at(tag.find(|c: char| c.is_ascii_digit())?);
        let numbers = rest.split(['.', '_', '-']).map(|number| number.parse().ok());
        Some(Self { prefix, numbers: numbers.collect::<Option<_>>()? })
    }

    /// `1.2` precedes `1.2.0`.
    fn compare(&self, other: &Self) -> Ordering {
        self.numbers.cmp(&other.numbers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refs(all: &[(&str, &str)]) -> Vec<RemoteRef> {
        all.iter().map(|(name, id)| RemoteRef { name: (*name).to_owned(), id: (*id).to_owned() }).collect()
    }

    #[test]
    fn a_tag_is_compared_with_the_newest_of_its_kind() {
        let all = refs(&[
            ("HEAD", "h"),
            ("refs/heads/main", "h"),
            ("refs/tags/v1.9", "a"),
            ("refs/tags/v1.10", "t"),
            ("refs/tags/v1.10^{}", "b"),
            ("refs/tags/v2.0-rc1", "c"),
            ("refs/tags/lib-7.0", "d"),
            ("refs/tags/latest", "b"),
        ]);
        let newer = CommitState::Newer { tag: "v1.9".into(), newest: "v1.10".into(), commit: "b".into() };
        assert_eq!(commit_state(&all, "a"), newer);
        for newest in ["b", "d", "h"] {
            assert_eq!(commit_state(&all, newest), CommitState::Newest, "{newest}");
        }
        assert_eq!(commit_state(&all, "c"), CommitState::Unnamed(Some("h".into())));
        assert_eq!(commit_state(&[], "x"), CommitState::Unnamed(None));
    }
}
