//! Standard error: the one function that writes to it, and whether its text may be coloured.

use std::io::{self, Write as _};

use amiforge_formats::terminal::escape;

/// Writes `prefix` as it is, because it may hold this program's own colours, and `text`, of any origin, escaped. A
/// closed standard error is ignored: there is no other stream for the message.
pub(super) fn write_stderr(prefix: &str, text: &str) {
    let line = format!("{prefix}{}", escape(text));
    let _ = io::stderr().lock().write_all(line.as_bytes());
}

/// Whether `NO_COLOR` is set and not empty (no-color.org).
pub(super) fn no_color() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
}
