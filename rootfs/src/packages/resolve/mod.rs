//! Which packages an image gets: those asked for and all that they need, in the versions and by the choices that apt
//! would make. Pure: indexes and wishes in, a list out.

mod error;
mod request;

pub use error::ResolveError;
pub use request::{Base, PackageId, Pin, PinTo, Request, Resolved, Suite};

/// Resolves what is asked for among the packages of the suites; where suites are equal, the first counts.
pub fn resolve(_suites: &[Suite<'_>], _request: &Request) -> Result<Resolved, ResolveError> {
    Ok(Resolved { packages: Vec::new() })
}
