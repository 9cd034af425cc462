//! Why a unit cannot be enabled, disabled or masked.

use amiforge_formats::path::PathError;

/// Why a unit cannot be enabled, disabled or masked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UnitError {
    /// A path cannot be resolved, read or written.
    #[error(transparent)]
    Path(#[from] PathError),
    /// The name in the recipe is not a unit name.
    #[error("`{}` is not a unit name", text.escape_debug())]
    BadName {
        /// The name.
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
    /// The unit is masked.
    #[error("`{path}` masks it: an empty file, or a link to /dev/null")]
    Masked {
        /// The mask.
        path: String,
    },
    /// The unit has no `[Install]` section.
    #[error(
        "`{name}` has no [Install] section with WantedBy= or the like: it cannot be enabled, only started by other units"
    )]
    NoInstall {
        /// The unit.
        name: String,
    },
    /// A link in the search path leads to a file that is not a unit.
    #[error("the link `{link}` leads to `{target}`, which is not a unit")]
    BadLink {
        /// The link.
        link: String,
        /// Its target.
        target: String,
    },
    /// Aliases form a loop.
    #[error("`{name}` is an alias in a loop of aliases")]
    AliasLoop {
        /// The last name tried.
        name: String,
    },
    /// A specifier whose value only a running machine has, or that does not exist.
    #[error("`%{specifier}` in `{text}` is not known in an image")]
    Specifier {
        /// The letter.
        specifier: String,
        /// The value that contains it.
        text: String,
    },
    /// A value in `[Install]` is not valid.
    #[error("`{}` of {key}= is not valid", value.escape_debug())]
    BadValue {
        /// The key.
        key: &'static str,
        /// The value, specifiers expanded.
        value: String,
    },
    /// A value of `Alias=` cannot be an alias of the unit.
    #[error("`{}` of Alias= cannot be an alias of it: {why}", alias.escape_debug())]
    BadAlias {
        /// The value, specifiers expanded.
        alias: String,
        /// Why.
        why: &'static str,
    },
    /// A template without a default instance is wanted by a unit that is not a template.
    #[error("`{unit}` is a template without DefaultInstance=, and `{by}` cannot want it: name an instance")]
    NoInstance {
        /// The template.
        unit: String,
        /// The unit that would want it.
        by: String,
    },
    /// The path of a link is in use.
    #[error("`{path}` is {found} already")]
    Taken {
        /// The path.
        path: String,
        /// The existing entry.
        found: String,
    },
    /// `Also=` names too many units.
    #[error("it names more than {limit} units by Also=")]
    TooMany {
        /// The limit.
        limit: usize,
    },
}
