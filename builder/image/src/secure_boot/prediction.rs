//! The PCRs of an image with Secure Boot. A signature is in none of them, but the entry of `db` that verified it is: where
//! `db` holds several, only the signed image says which.

use amiforge_formats::pcr::{PcrError, PhasePath};
use amiforge_formats::read_at::ReadAt;

use super::SecureBootKeys;
use crate::measure::{Measurements, of_store};

/// The registers of a unified kernel image without keys, and with those that are enrolled as far as they follow from it.
///
/// # Errors
/// [`PcrError`].
pub fn predict(uki: &dyn ReadAt, keys: Option<&SecureBootKeys>) -> Result<Measurements, PcrError> {
    let phases = PhasePath::default();
    let enrolled = keys.and_then(|keys| of_store(&keys.variables()).ok());
    match Measurements::predict(uki, enrolled.as_ref(), &phases, None) {
        Err(PcrError::NoAuthority | PcrError::Undecided { .. }) => {
            Measurements::predict(uki, None, &phases, None)
        }
        predicted => predicted,
    }
}
