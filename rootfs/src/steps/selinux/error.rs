//! Why the labels of SELinux cannot be computed.

use amiforge_formats::path::PathError;

/// Why the labels of SELinux cannot be computed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SelinuxError {
    /// A file of the policy cannot be read.
    #[error(transparent)]
    Path(#[from] PathError),
    /// `SELINUXTYPE` is not the name of a folder.
    #[error("SELINUXTYPE in /etc/selinux/config is `{}`, which is not the name of a policy", name.escape_debug())]
    PolicyName {
        /// The value.
        name: String,
    },
    /// A line of the policy cannot be used.
    #[error(
        "{file}:{line}: {problem}; skip the rule `selinux-labels` of `[normalize]` to build without labels"
    )]
    Rule {
        /// Path of the file in the image.
        file: String,
        /// Number of the line, from 1.
        line: u32,
        /// What is wrong.
        #[source]
        problem: RuleProblem,
    },
    /// The policy has more rules than any known one by far.
    #[error("{file} brings the rules of the policy to more than {limit}")]
    TooManyRules {
        /// Path of the file in the image.
        file: String,
        /// The most that are read.
        limit: usize,
    },
}

/// What is wrong with a line of `file_contexts` (`selabel_file(5)`) or of a file of substitutions.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RuleProblem {
    /// It has neither two nor three fields.
    #[error("it has not the form `PATTERN [TYPE] CONTEXT`")]
    Fields,
    /// The field of the type is no type.
    #[error("`{}` is not a file type: `--`, `-b`, `-c`, `-d`, `-l`, `-p` or `-s`", text.escape_debug())]
    FileType {
        /// The field.
        text: String,
    },
    /// The context is none.
    #[error("`{}` is not a context such as `system_u:object_r:etc_t:s0`", text.escape_debug())]
    Context {
        /// The field.
        text: String,
    },
    /// The pattern is longer than a path can be.
    #[error("the pattern has {len} bytes where at most {limit} are read")]
    TooLong {
        /// Its length.
        len: usize,
        /// The bound.
        limit: usize,
    },
    /// The pattern has a byte outside of ASCII, which libselinux refuses too.
    #[error("the pattern has a byte outside of ASCII")]
    NotAscii,
    /// The pattern has something that is not read here.
    #[error("the pattern has {what}, which is not supported")]
    Unsupported {
        /// What it has.
        what: String,
    },
    /// The pattern is not a regular expression, or one that is too large.
    #[error("the pattern cannot be used: {reason}")]
    Pattern {
        /// Why.
        reason: String,
    },
}
