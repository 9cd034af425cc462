//! The state of packages in the database.

/// The state of the packages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DatabaseState {
    /// `dpkg --configure --pending` is still to run: conffiles are moved to `NAME.dpkg-new`, where dpkg finds them;
    /// those of essential and required packages and of what these need are under their own name too, as
    /// debootstrap leaves them.
    Unpacked,
    /// Everything is configured, and conffiles are under their own names.
    Installed,
}
