//! Settings of the machine that makes a lock: variables of its environment, and the folder of its configuration.

use std::path::{Path, PathBuf};

/// Prefix of the variables that are read.
const PREFIX: &str = "AMIFORGE_";

/// The settings of a machine.
#[derive(Debug, Clone, Default)]
pub struct HostSettings {
    variables: Vec<(String, String)>,
    etc: PathBuf,
}

impl HostSettings {
    /// Reads the environment of this process.
    pub fn from_system() -> Self {
        let variables = std::env::vars_os().filter_map(|(name, value)| {
            let (name, value) = (name.into_string().ok()?, value.into_string().ok()?);
            (name.starts_with(PREFIX) && !value.is_empty()).then_some((name, value))
        });
        Self { variables: variables.collect(), etc: PathBuf::from("/etc") }
    }

    /// Settings made of these variables and of the configuration below `etc`.
    pub fn new(variables: Vec<(String, String)>, etc: PathBuf) -> Self {
        Self { variables, etc }
    }

    /// The value of a variable that is set and not empty.
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.variables.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// The folder of the machine's configuration.
    pub fn etc(&self) -> &Path {
        &self.etc
    }
}

/// An address without the credentials that it may have.
pub fn without_credentials(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    match host.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}://{host}{path}"),
        None => url.to_owned(),
    }
}
