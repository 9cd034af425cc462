//! The outcome of a rebuild, as lines.

use std::path::Path;

use amiforge_formats::digest::BLOCK;

use super::Rebuilt;
use crate::outcome::Failure;
use crate::ui::Ui;

/// Ranges that are shown one by one.
const SHOWN: usize = 20;

pub(super) fn show(result: &Rebuilt, original: Option<&Path>, ui: &Ui) -> Result<(), Failure> {
    let blocks = &result.blocks;
    let tool = match &result.built_by {
        Some(built) if built != result.tool => format!("{built} (this is {})", result.tool),
        Some(built) => built.clone(),
        None => "not stated".to_owned(),
    };
    for (name, value) in [
        ("image", Some(&result.image)),
        ("recipe", Some(&result.recipe)),
        ("lock", result.lock.as_ref()),
        ("built by", Some(&tool)),
        ("bundle", result.bundle.as_ref()),
        ("root", Some(&blocks.root)),
        ("unsigned", blocks.unsigned_root.as_ref()),
        ("rebuilt", Some(&blocks.rebuilt_root)),
    ] {
        if let Some(value) = value {
            ui.line(format_args!("{name:<11} {value}"))?;
        }
    }
    for &(first, last) in blocks.ranges.iter().take(SHOWN) {
        let (start, end) = (first * BLOCK, (last + 1) * BLOCK);
        let which =
            if first == last { format!("block {first}") } else { format!("blocks {first} to {last}") };
        ui.line(format_args!("differs     {which} (bytes {start} to {end})"))?;
    }
    if let Some(more) = blocks.ranges.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        ui.line(format_args!("differs     {more} more ranges"))?;
    }
    for cause in &result.causes {
        ui.line(format_args!("cause       {cause}"))?;
    }
    let signed = match blocks.signed {
        0 => String::new(),
        count => format!(", {count} different in signatures only"),
    };
    let (equal, different) = (blocks.equal, blocks.different);
    ui.line(format_args!("blocks      {equal} equal, {different} different{signed}"))?;
    if !result.equal {
        ui.status(match (original, &result.bundle) {
            (Some(original), Some(bundle)) => {
                format!("`amiforge diff {} {bundle}` explains every difference", original.display())
            }
            (None, Some(bundle)) => format!(
                "`amiforge download {} image.raw`, and then `amiforge diff image.raw {bundle}` explains every difference",
                result.target
            ),
            (_, None) => "`-o DIR` keeps the rebuilt bundle, for `amiforge diff`".to_owned(),
        });
    }
    Ok(())
}
