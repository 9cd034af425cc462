//! What `whois` found, as lines.

use super::Whois;
use crate::outcome::Failure;
use crate::ui::Ui;

pub(super) fn show(whois: &Whois, ui: &Ui) -> Result<(), Failure> {
    let Whois { origin, bundle, inside, differences, verified } = whois;
    let blocks = origin.blocks.map(|blocks| blocks.to_string());
    let snapshots = origin.snapshots.join(" ");
    let bundle = bundle.as_ref();
    let lock = bundle.and_then(|bundle| bundle.lock.as_ref()).or(origin.lock_sha256.as_ref());
    for (name, value) in [
        ("image", Some(&origin.image)),
        ("version", origin.version.as_ref()),
        ("AMI", Some(&origin.image_id)),
        ("AMI name", origin.ami_name.as_ref()),
        ("region", Some(&origin.region)),
        ("account", origin.owner.as_ref()),
        ("state", Some(&origin.state.word().to_owned())),
        ("registered", origin.created.as_ref()),
        ("copy of", origin.copied_from.as_ref()),
        ("built by", origin.tool.as_ref()),
        ("recipe", origin.recipe.as_ref()),
        ("lock", lock),
        ("manifest", origin.manifest.as_ref()),
        ("digest", origin.merkle_root.as_ref()),
        ("blocks", blocks.as_ref()),
        ("snapshots", Some(&snapshots)),
        ("bundle", bundle.map(|bundle| &bundle.path)),
        ("epoch", bundle.map(|bundle| &bundle.epoch)),
    ] {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            ui.line(format_args!("{name:<11} {value}"))?;
        }
    }
    for (key, value) in &origin.pcrs {
        ui.line(format_args!("{:<11} {value}", key.rsplit(':').next().unwrap_or(key)))?;
    }
    for watermark in &origin.watermarks {
        let from = watermark.source_image.as_deref().filter(|source| *source != origin.image_id);
        let from = from.map(|source| format!(", attached to {source}")).unwrap_or_default();
        ui.line(format_args!("watermark   {}{from}", watermark.key))?;
    }
    if let Some(inside) = inside {
        let (partition, read, held) = (&inside.partition, inside.blocks_read, inside.blocks_held);
        ui.line(format_args!(
            "inside      {partition} ({}): read {read} of {held} blocks",
            inside.file_system
        ))?;
        let inputs = inside.inputs.map(|inputs| format!("{inputs} inputs"));
        for (name, value) in [
            ("image", inside.image.as_ref()),
            ("version", inside.version.as_ref()),
            ("built by", inside.tool.as_ref()),
            ("recipe", Some(&inside.recipe)),
            ("lock", inside.lock.as_ref()),
            ("provenance", inputs.as_ref()),
        ] {
            if let Some(value) = value {
                ui.line(format_args!("inside      {name} {value}"))?;
            }
        }
    }
    show_checks(whois, differences, verified.as_deref().unwrap_or_default(), ui)
}

/// The inputs, the differences, and the outcome of reading back.
fn show_checks(
    whois: &Whois,
    differences: &[String],
    reports: &[amiforge_publish::verify::SnapshotReport],
    ui: &Ui,
) -> Result<(), Failure> {
    for input in whois.bundle.iter().flat_map(|bundle| &bundle.inputs) {
        let sha256 = input.sha256.as_deref().unwrap_or("without a digest");
        ui.line(format_args!("input       {} {} {sha256}", input.kind, input.name))?;
    }
    for difference in differences {
        ui.line(format_args!("differs     {difference}"))?;
    }
    for report in reports {
        for difference in &report.differences {
            ui.line(format_args!("differs     {}: {difference}", report.snapshot_id))?;
        }
        let (count, read, against) = (report.differences.len(), report.read, &report.against);
        ui.line(format_args!(
            "verified    {}: {count} differences from {against} in {read} blocks",
            report.snapshot_id
        ))?;
    }
    if differences.is_empty() {
        let mut agree = vec!["tags"];
        agree.extend((!whois.origin.watermarks.is_empty()).then_some("watermarks"));
        agree.extend(whois.inside.is_some().then_some("what is inside"));
        agree.extend(whois.bundle.is_some().then_some("bundle"));
        agree.extend((!reports.is_empty()).then_some("blocks"));
        if agree.len() > 1 && reports.iter().all(|report| report.differences.is_empty()) {
            ui.line(format_args!("agree       {}", agree.join(", ")))?;
        }
    }
    Ok(())
}
