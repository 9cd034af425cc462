//! Why the scripts of a package cannot be read.

/// Why the scripts of a package cannot be read from its header.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RpmScriptError {
    /// Lists that belong together have other lengths.
    #[error("its header has {found} {what}, and {expected} belong to it: the package is damaged")]
    Count {
        /// What is counted.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many there should be.
        expected: usize,
    },
    /// A trigger names a script that does not exist.
    #[error("its header's {what} name script {index} of {scripts}: the package is damaged")]
    Index {
        /// Which triggers.
        what: &'static str,
        /// The index.
        index: u64,
        /// Number of scripts.
        scripts: usize,
    },
    /// A script has no interpreter, or one that is no path.
    #[error(
        "its {slot} script has the interpreter `{program}`, which is no absolute path: the package is damaged"
    )]
    Program {
        /// Which script.
        slot: &'static str,
        /// The interpreter.
        program: String,
    },
    /// A script that rpm changes before it runs it.
    #[error(
        "its {slot} script has rpm's macros or tags expanded when it is installed (`-e` or `-q`), which is not done here: leave \
         the package out, or set `scripts = \"none\"`"
    )]
    Expanded {
        /// Which script.
        slot: &'static str,
    },
    /// Scripts are longer than is read.
    #[error("its scripts have {bytes} bytes, and at most {most} are read")]
    Long {
        /// Bytes of all scripts.
        bytes: usize,
        /// Limit.
        most: usize,
    },
    /// There are more conditions of triggers than are looked at.
    #[error("its triggers have {found} conditions, and at most {most} are read")]
    Conditions {
        /// Number of conditions.
        found: usize,
        /// Limit.
        most: usize,
    },
}
