//! What is below the partition of our loader: after its command line, in the last sectors of kernel and initrd, and
//! behind both.

use std::io;

use super::{CMDLINE_AT, NUMBERS, STAGE2};
use crate::fields;
use crate::gpt::SECTOR;
use crate::read_at::ReadAt;
use crate::residue::{ResidueKind, ResidueOwner, ResidueSurvey};

/// First byte after the numbers that are written into the loader.
const NUMBERS_END: usize = 0x40;

/// Surveys a partition; `None` when our loader is not at its start.
///
/// # Errors
/// The error of the medium.
pub(crate) fn survey(volume: &dyn ReadAt) -> io::Result<Option<ResidueSurvey>> {
    let loader = STAGE2.len() as u64;
    if volume.size() < loader {
        return Ok(None);
    }
    let mut head = vec![0; STAGE2.len()];
    volume.read_exact_at(0, &mut head)?;
    let same = |range: std::ops::Range<usize>| head.get(range.clone()) == STAGE2.get(range);
    if !same(0..NUMBERS) || !same(NUMBERS_END..CMDLINE_AT) {
        return Ok(None);
    }
    let cmdline = head.get(CMDLINE_AT..).unwrap_or_default();
    let cmdline = cmdline.iter().position(|byte| *byte == 0).unwrap_or(cmdline.len()) as u64;
    let sectors = |at: usize| u64::from(fields::u32(&head, at)).saturating_mul(SECTOR);
    let kernel_end = loader.saturating_add(sectors(24));
    let initrd_end = kernel_end.saturating_add(u64::from(fields::u32(&head, 32)));
    let end = kernel_end.saturating_add(sectors(28));
    let mut survey = ResidueSurvey::default();
    let kind = ResidueKind::LoaderTail;
    let after_cmdline = (CMDLINE_AT as u64).saturating_add(cmdline)..loader;
    survey.suspect(kind, ResidueOwner::Part("after the command line"), after_cmdline);
    survey.suspect(kind, ResidueOwner::Part("after the initrd"), initrd_end..end);
    survey.suspect(kind, ResidueOwner::Volume, end..volume.size());
    Ok(Some(survey))
}
