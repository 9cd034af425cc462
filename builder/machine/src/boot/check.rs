//! What a machine is asked to show before it counts as booted.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Something to show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Check {
    /// A text on the console.
    Expect(String),
    /// A page: HTTP status 200 from a port of the guest.
    Get {
        /// Port of the guest.
        port: u16,
        /// Path, from its slash on.
        path: String,
    },
    /// A command, run over ssh, that ends with status 0.
    Run(String),
}

impl Check {
    /// A page from `PORT/PATH`.
    ///
    /// # Errors
    /// Words for what is wrong with the text.
    pub fn parse_get(text: &str) -> Result<Self, String> {
        let (port, path) = text.split_once('/').unwrap_or((text, ""));
        let port = port.parse().ok().filter(|port| *port != 0);
        let port = port.ok_or_else(|| "expected PORT/PATH, as in 80/index.html".to_owned())?;
        if path.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err("a path has no white space in it; write `%20` for a blank".to_owned());
        }
        Ok(Self::Get { port, path: format!("/{path}") })
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Expect(text) => write!(f, "`{text}` on the console"),
            Self::Get { port, path } => write!(f, "`{path}` from port {port}"),
            Self::Run(command) => write!(f, "`{command}` over ssh"),
        }
    }
}

/// How far a check is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum CheckProgress {
    /// It passed, with this to show.
    Passed(Vec<u8>),
    /// Not yet.
    Pending,
    /// It did not pass and will not: what it showed, and why.
    Failed(Vec<u8>, String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_a_port_and_a_path() {
        assert_eq!(Check::parse_get("80"), Ok(Check::Get { port: 80, path: "/".to_owned() }));
        assert_eq!(Check::parse_get("8080/a/b?c"), Ok(Check::Get { port: 8080, path: "/a/b?c".to_owned() }));
        for wrong in ["", "/", "0/", "x/", "80/a b", "80/a\r\nb", "65536/"] {
            assert!(Check::parse_get(wrong).is_err(), "{wrong}");
        }
    }
}
