//! `--dry-run` of `publish`, `update` and `register`: shows the plan as text or JSON.

use std::io::Write as _;
use std::path::Path;

use amiforge_image::image::{Block, BlockMap};
use amiforge_publish::import::{self, ImportOptions};
use amiforge_publish::plan::{self, Parent, Plan, Precision, SourceRead, Volume};
use amiforge_publish::request::{Request, VolumeContent};
use amiforge_publish::source::ImageSource;
use anyhow::Context as _;

use crate::outcome::{CommandResult, Failure, Outcome};
use crate::ui::{HumanBytes, Ui, written};

/// Shows the plan of a request for an image of these sources.
pub(super) fn show(
    request: &Request,
    root: &ImageSource,
    parent_bundle: Option<&Path>,
    parent: Parent,
    sources: &[SourceRead],
    ui: &Ui,
) -> CommandResult {
    let mut volumes = vec![volume(root)];
    if let Some(bundle) = parent_bundle {
        let before =
            ImageSource::open(bundle).with_context(|| format!("cannot read `{}`", bundle.display()))?;
        if let (Some(before), Some(after)) = (before.manifest(), root.manifest()) {
            volumes[0] = changed(&before.blocks, &after.blocks, root);
        }
    }
    for further in &request.volumes {
        if let VolumeContent::Bundle(path) = &further.content {
            let source =
                ImageSource::open(path).with_context(|| format!("cannot read `{}`", path.display()))?;
            volumes.push(volume(&source));
        }
    }
    shown(&plan::plan(request, &volumes, parent, sources), ui)
}

/// Shows the plan of a request whose snapshots are imported.
pub(super) fn show_import(
    request: &Request,
    root: &ImageSource,
    options: &ImportOptions,
    sources: &[SourceRead],
    ui: &Ui,
) -> CommandResult {
    let (mut volumes, mut sizes) = (vec![volume(root)], vec![import::object_size(root)]);
    for further in &request.volumes {
        if let VolumeContent::Bundle(path) = &further.content {
            let source =
                ImageSource::open(path).with_context(|| format!("cannot read `{}`", path.display()))?;
            volumes.push(volume(&source));
            sizes.push(import::object_size(&source));
        }
    }
    shown(&plan::plan_import(request, &volumes, options, &sizes, sources), ui)
}

/// Shows the plan of the registration of a snapshot.
pub(super) fn show_register(request: &Request, ui: &Ui) -> CommandResult {
    shown(&plan::plan_register(request), ui)
}

fn shown(plan: &Plan, ui: &Ui) -> CommandResult {
    if ui.json() {
        ui.object(plan)?;
    } else {
        print(plan, ui)?;
    }
    Ok(Outcome::Success)
}

fn volume(source: &ImageSource) -> Volume {
    let path = source.name();
    if let Some(manifest) = source.manifest() {
        let (data, all) = (manifest.without_zero.blocks, manifest.without_free.blocks);
        let image = Some(manifest.origin.name.clone());
        Volume { path, image, data, zero: all.saturating_sub(data), known: Precision::Exact }
    } else {
        let data = BlockMap::count_for(source.size());
        Volume { path, image: None, data, zero: 0, known: Precision::UpperBound }
    }
}

/// A volume of which only the blocks that differ from the parent are sent.
fn changed(before: &BlockMap, after: &BlockMap, source: &ImageSource) -> Volume {
    Volume { data: changed_blocks(before, after), zero: 0, known: Precision::Exact, ..volume(source) }
}

/// The number of blocks that differ from those of the parent. A block that became zero must be written.
pub(super) fn changed_blocks(before: &BlockMap, after: &BlockMap) -> u64 {
    let before = before.iter().map(Block::digest).chain(std::iter::repeat(Block::Zero.digest()));
    let differ = after.iter().zip(before).filter(|(now, then)| *now != Block::Free && now.digest() != *then);
    differ.count() as u64
}

fn print(plan: &Plan, ui: &Ui) -> Result<(), Failure> {
    let mut out = ui.out();
    let mut write = || {
        writeln!(out, "`{}` in {}", plan.name, plan.region)?;
        if !plan.copies.is_empty() {
            writeln!(out, "copied to {}", plan.copies.join(", "))?;
        }
        if plan.blocks > 0 {
            writeln!(out, "{} blocks, {}, are sent", plan.blocks, HumanBytes(plan.bytes))?;
        }
        writeln!(out, "\ncalls:")?;
        for call in &plan.calls {
            let count = call.count.map_or_else(|| "some".to_owned(), |count| count.to_string());
            writeln!(out, "  {:>8} {:<42} {:<16} {}", count, call.action, call.region, call.purpose)?;
        }
        if !plan.cost.is_empty() {
            writeln!(out, "\nestimate of the cost ({}):", plan.prices)?;
        }
        for line in &plan.cost {
            let every = match line.every {
                plan::BillingPeriod::Once => "once",
                plan::BillingPeriod::Month => "a month",
            };
            writeln!(out, "  {:>10.4} {every:<8} {}", line.usd, line.what)?;
        }
        writeln!(out, "\nnot known without a call:")?;
        for unknown in &plan.unknown {
            writeln!(out, "  {unknown}")?;
        }
        writeln!(out, "\nIAM policy:\n{:#}", plan.policy)?;
        if let Some(role) = &plan.role {
            writeln!(out, "\nthe role `{}` of the service that imports, its trust policy:", role.name)?;
            writeln!(out, "{:#}\nand its permissions:\n{:#}", role.trust, role.policy)?;
        }
        out.flush()
    };
    written(write())
}
