//! Why accounts cannot be set up.

use amiforge_formats::path::PathError;

/// Why accounts cannot be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AccountError {
    /// A path.
    #[error(transparent)]
    Path(#[from] PathError),
    /// No name of an account.
    #[error("`{}` cannot be a name: 1 to 32 of letters, digits, `_`, `.`, `-`, no digit first", name.escape_debug())]
    BadName {
        /// The name.
        name: String,
    },
    /// A field would break its line.
    #[error("`{}` cannot be the {field}: no `:` and no control characters", value.escape_debug())]
    BadField {
        /// The field.
        field: &'static str,
        /// Its value.
        value: String,
    },
    /// A password that is no hash; never shown.
    #[error(
        "`password-hash` is no hash of crypt(5), such as `$y$…` or `$6$…`; `mkpasswd` or `openssl passwd -6` makes one from a password"
    )]
    PasswordHash,
    /// A line that is no ssh key.
    #[error("`{}…` is no public ssh key on one line", line.escape_debug())]
    SshKey {
        /// How it starts.
        line: String,
    },
    /// Named twice in the recipe.
    #[error("the recipe names it twice")]
    Twice,
    /// Not in the image.
    #[error("`{path}` of the image has no `{}`", name.escape_debug())]
    NoAccount {
        /// The file.
        path: &'static str,
        /// The name.
        name: String,
    },
    /// It exists, with another number, and one of both is root's.
    #[error(
        "it exists with {id} {current}, and the recipe gives it {id} {requested}: the number of root stays with root"
    )]
    Renumbered {
        /// `uid` or `gid`.
        id: &'static str,
        /// The number in the image.
        current: u32,
        /// The number in the recipe.
        requested: u32,
    },
    /// The number belongs to somebody else.
    #[error("{id} {number} belongs to `{owner}`")]
    Taken {
        /// `uid` or `gid`.
        id: &'static str,
        /// The number.
        number: u32,
        /// Who has it.
        owner: String,
    },
    /// A number that means something else to the kernel.
    #[error("{id} {number} is not a number that an account can have")]
    BadId {
        /// `uid` or `gid`.
        id: &'static str,
        /// The number.
        number: u32,
    },
    /// No number is free.
    #[error("no {id} is free in {first}..={last} of login.defs")]
    Full {
        /// `uid`, `gid`, or the file of subordinate ids.
        id: &'static str,
        /// First of the range.
        first: u32,
        /// Last of the range.
        last: u32,
    },
    /// A range of subordinate ids that is none.
    #[error("{count} ids from {start} are no range for `{path}`")]
    BadRange {
        /// The file.
        path: &'static str,
        /// First id.
        start: u32,
        /// How many.
        count: u32,
    },
    /// A range of subordinate ids that overlaps another.
    #[error("{start}..={last} overlaps the range of `{owner}` from {other} on in `{path}`")]
    RangeTaken {
        /// The file.
        path: &'static str,
        /// First id wanted.
        start: u32,
        /// Last id wanted.
        last: u32,
        /// Who has the other.
        owner: String,
        /// First id of the other.
        other: u32,
    },
    /// Keys without a place.
    #[error("ssh keys need a home, and `{home}` is not made: give `home`, or let it be made")]
    NoHome {
        /// The home.
        home: String,
    },
}
