//! Why a unit cannot be enabled, disabled or masked.

use amiforge_formats::path::PathError;

/// Why a unit cannot be enabled, disabled or masked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UnitError {
    /// A path.
    #[error(transparent)]
    Path(#[from] PathError),
    /// The recipe's word is no unit name.
    #[error("`{}` is no unit name", text.escape_debug())]
    BadName {
        /// The word.
        text: String,
    },
    /// No unit file has that name.
    #[error(
        "the image has no unit file `{name}`: it is in systemd/system of neither /etc, /usr/local/lib nor /usr/lib"
    )]
    Missing {
        /// The name.
        name: String,
    },
    /// It is masked.
    #[error("`{path}` masks it: an empty file, or a link to /dev/null")]
    Masked {
        /// The mask.
        path: String,
    },
    /// It says nowhere how to be enabled.
    #[error("`{name}` has no [Install] section that says what wants it: it cannot be enabled, only wanted")]
    NoInstall {
        /// The unit.
        name: String,
    },
    /// A link in the search path leads to what is no unit.
    #[error("the link `{link}` leads to `{target}`, which is no unit")]
    BadLink {
        /// The link.
        link: String,
        /// Its target.
        target: String,
    },
    /// Aliases without end.
    #[error("`{name}` is an alias of an alias without end")]
    AliasLoop {
        /// The last name tried.
        name: String,
    },
    /// A specifier that only a running machine knows, or nobody.
    #[error("`%{specifier}` in `{text}` is not known in an image")]
    Specifier {
        /// The letter.
        specifier: String,
        /// The word that it stands in.
        text: String,
    },
    /// A word of `[Install]` is not what it has to be.
    #[error("`{}` of {key}= is not valid", value.escape_debug())]
    BadValue {
        /// The key.
        key: &'static str,
        /// The word, specifiers expanded.
        value: String,
    },
    /// A word of `Alias=` cannot be an alias of the unit.
    #[error("`{}` of Alias= cannot be an alias of it: {why}", alias.escape_debug())]
    BadAlias {
        /// The word, specifiers expanded.
        alias: String,
        /// Why.
        why: &'static str,
    },
    /// A template that is to be wanted by what is no template.
    #[error("`{unit}` is a template without DefaultInstance=, and `{by}` cannot want it: name an instance")]
    NoInstance {
        /// The template.
        unit: String,
        /// What should want it.
        by: String,
    },
    /// Something else stands where a link has to be.
    #[error("`{path}` is {found} already")]
    Taken {
        /// The path.
        path: String,
        /// What it is.
        found: String,
    },
    /// `Also=` without end.
    #[error("it names more than {limit} units by Also=")]
    TooMany {
        /// The bound.
        limit: usize,
    },
}
