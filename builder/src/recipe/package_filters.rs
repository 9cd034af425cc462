//! Keys that sources of packages of every kind have: from keys to specs.

use amiforge_packages::backend::Recommends;
use amiforge_packages::path_filters::{PathFilters, Stays};

use super::checker::Checker;
use super::debian_syntax;
use super::diagnostic::KeyPath;
use super::keys::SourceKeys;

/// Whether recommended packages are taken.
pub(super) fn recommends(take: bool) -> Recommends {
    if take { Recommends::Take } else { Recommends::Leave }
}

/// Checks the paths of packages to leave out.
pub(super) fn filters(keys: &SourceKeys, at: &KeyPath, checker: &mut Checker<'_>) -> PathFilters {
    for (key, globs) in [("exclude", &keys.exclude), ("include", &keys.include)] {
        for (index, glob) in globs.iter().enumerate() {
            checker.accept(at.key(key).index(index), debian_syntax::glob(glob));
        }
    }
    for (index, locale) in keys.locales.iter().flatten().enumerate() {
        checker.accept(at.key("locales").index(index), debian_syntax::locale(locale));
    }
    let stays = |given: Option<bool>| if given == Some(false) { Stays::No } else { Stays::Yes };
    PathFilters {
        exclude: keys.exclude.clone(),
        include: keys.include.clone(),
        docs: stays(keys.docs),
        man: stays(keys.man),
        locales: keys.locales.clone(),
    }
}
