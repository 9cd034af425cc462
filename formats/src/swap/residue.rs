//! What is below a swap area: everything but the fields of its header. Pages that were swapped out are memory of a machine.

use super::{PAGE, SIGNATURE_AT, read};
use crate::fields;
use crate::read_at::ReadAt;
use crate::residue::{Residue, ResidueKind, ResidueOwner, ResidueSurvey};
use crate::volume::format::FormatError;

/// First byte of the list of bad pages.
const BAD_PAGES_AT: u64 = 1536;
/// First byte of the padding between the label and that list.
const PADDING_AT: u64 = 1068;

/// Surveys an area.
pub(super) fn residue(volume: &dyn ReadAt) -> Result<Vec<Residue>, FormatError> {
    let swap = read(volume)?;
    let mut header = vec![0; PAGE as usize];
    volume.read_exact_at(0, &mut header)?;
    // At most 637: reading the header checked it.
    let listed = BAD_PAGES_AT.saturating_add(u64::from(fields::u32(&header, 1032)).saturating_mul(4));
    let end = swap.pages.saturating_mul(PAGE);
    let mut survey = ResidueSurvey::default();
    survey.suspect(ResidueKind::BootArea, ResidueOwner::Volume, 0..1024);
    survey.suspect(
        ResidueKind::SuperblockField,
        ResidueOwner::Part("padding of the header"),
        PADDING_AT..BAD_PAGES_AT,
    );
    survey.suspect(
        ResidueKind::SuperblockField,
        ResidueOwner::Part("list of bad pages"),
        listed..SIGNATURE_AT as u64,
    );
    survey.suspect(ResidueKind::SwapPages, ResidueOwner::Volume, PAGE..end);
    survey.suspect(ResidueKind::VolumeTail, ResidueOwner::Volume, end..volume.size());
    Ok(survey.read(volume, &mut |_| String::new())?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guid::Guid;
    use crate::plan::NoSources;

    #[test]
    fn a_new_area_has_none_and_planted_pages_are_found() {
        let len = 20 * PAGE + 512;
        let plan = super::super::plan(Guid::from_u128(7), "swap", len).unwrap();
        let mut area = vec![0; len as usize];
        plan.read_exact_at(&NoSources, 0, &mut area).unwrap();
        assert_eq!(residue(&area).unwrap(), []);
        for at in [10, 1100, 2000, 5000, 20 * PAGE as usize + 3] {
            area[at] = b'x';
        }
        let found: Vec<_> = residue(&area).unwrap().into_iter().map(|one| (one.kind, one.offset)).collect();
        assert_eq!(
            found,
            [
                (ResidueKind::BootArea, 10),
                (ResidueKind::SuperblockField, 1100),
                (ResidueKind::SuperblockField, 2000),
                (ResidueKind::SwapPages, 5000),
                (ResidueKind::VolumeTail, 20 * PAGE + 3),
            ]
        );
    }
}
