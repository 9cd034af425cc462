//! Diversions: files of packages that another package has moved out of the way (dpkg-divert(1)).

/// A diversion: every package's file `from` lies at `to`, but that of `package`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diversion {
    /// Absolute path.
    pub from: Vec<u8>,
    /// Absolute path.
    pub to: Vec<u8>,
    /// The package that made it; `None` for one of the administrator's.
    pub package: Option<String>,
}
