//! Why the inner half failed, and during what.

use std::io;

/// Why the inner half failed.
#[derive(Debug)]
pub(super) struct InnerError {
    /// Whether it was still entering the sandbox.
    pub(super) entering: bool,
    pub(super) what: String,
    pub(super) errno: i32,
}

/// Adds to an error what was being done.
pub(super) trait During<T> {
    /// Entering the sandbox, which the system may not allow.
    fn entering(self, what: &str) -> Result<T, InnerError>;
    /// Any later operation.
    fn during(self, what: impl FnOnce() -> String) -> Result<T, InnerError>;
}

impl<T, E: Into<io::Error>> During<T> for Result<T, E> {
    fn entering(self, what: &str) -> Result<T, InnerError> {
        self.map_err(|error| InnerError { entering: true, what: what.to_owned(), errno: number(error) })
    }

    fn during(self, what: impl FnOnce() -> String) -> Result<T, InnerError> {
        self.map_err(|error| InnerError { entering: false, what: what(), errno: number(error) })
    }
}

fn number(error: impl Into<io::Error>) -> i32 {
    error.into().raw_os_error().unwrap_or(libc::EPROTO)
}
