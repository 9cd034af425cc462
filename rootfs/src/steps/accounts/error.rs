//! Why accounts cannot be set up.

use amiforge_formats::path::PathError;

/// Why accounts cannot be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AccountError {
    /// A path cannot be resolved, read or written.
    #[error(transparent)]
    Path(#[from] PathError),
    /// The name of an account is not valid.
    #[error("`{}` cannot be a name: 1 to 32 of letters, digits, `_`, `.`, `-`, no digit first", name.escape_debug())]
    BadName {
        /// The name.
        name: String,
    },
    /// A field has a character that would end it.
    #[error("`{}` cannot be the {field}: no `:` and no control characters", value.escape_debug())]
    BadField {
        /// The field.
        field: &'static str,
        /// Its value.
        value: String,
    },
    /// The password is not a hash; never shown.
    #[error(
        "`password-hash` is not a hash of crypt(5), such as `$y$…` or `$6$…`; `mkpasswd` or `openssl passwd -6` makes one from a password"
    )]
    PasswordHash,
    /// A line is not an ssh key.
    #[error("`{}…` is not a public ssh key on one line", line.escape_debug())]
    SshKey {
        /// Start of the line.
        line: String,
    },
    /// The recipe names the account twice.
    #[error("the recipe names it twice")]
    Twice,
    /// The image does not have the account.
    #[error("`{path}` of the image has no `{}`{}", name.escape_debug(), administrators(name))]
    NoAccount {
        /// The file.
        path: &'static str,
        /// The name.
        name: String,
    },
    /// The account exists with another number, and one of both numbers is that of root.
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
    /// Another account has the number.
    #[error("{id} {number} belongs to `{owner}`")]
    Taken {
        /// `uid` or `gid`.
        id: &'static str,
        /// The number.
        number: u32,
        /// The account that has it.
        owner: String,
    },
    /// The number has a special meaning for the kernel.
    #[error("{id} {number} is not a number that an account can have")]
    BadId {
        /// `uid` or `gid`.
        id: &'static str,
        /// The number.
        number: u32,
    },
    /// No number of the range is free.
    #[error("no {id} is free in {first}..={last} of login.defs")]
    Full {
        /// `uid`, `gid`, or the file of subordinate ids.
        id: &'static str,
        /// First of the range.
        first: u32,
        /// Last of the range.
        last: u32,
    },
    /// A range of subordinate ids is not valid.
    #[error("{count} ids from {start} are not a valid range for `{path}`")]
    BadRange {
        /// The file.
        path: &'static str,
        /// First id.
        start: u32,
        /// Number of ids.
        count: u32,
    },
    /// A range of subordinate ids overlaps another.
    #[error("{start}..={last} overlaps the range of `{owner}` from {other} on in `{path}`")]
    RangeTaken {
        /// The file.
        path: &'static str,
        /// First requested id.
        start: u32,
        /// Last requested id.
        last: u32,
        /// The user of the other range.
        owner: String,
        /// First id of the other range.
        other: u32,
    },
    /// Ssh keys are given, and the user has no home.
    #[error("ssh keys need a home, and `{home}` is not created: set `home`, or have it created")]
    NoHome {
        /// The home.
        home: String,
    },
}

/// A hint for the group of administrators, which has another name on each family of distributions.
fn administrators(group: &str) -> &'static str {
    match group {
        "sudo" => "; distributions with rpm call that group `wheel`",
        "wheel" => "; Debian and its derivatives call that group `sudo`",
        _ => "",
    }
}
