//! `amiforge verify ami-…`: compares an AMI with its request, and every snapshot of it with its image.

use std::io::Write as _;
use std::time::{Duration, Instant};

use amiforge_handover::read::is_handover;
use amiforge_lifecycle::call_plan;
use amiforge_progress::Monitor;
use amiforge_publish::ami::{self, AmiRegion, Examined, ExpectedAmi, FieldDifference};
use amiforge_publish::rate_limiter;
use amiforge_publish::source::ImageSource;
use amiforge_publish::verify::{self, Sample, SnapshotReport};
use anyhow::Context as _;
use serde::Serialize;

use super::Args;
use crate::outcome::{CommandResult, Failure, Outcome};
use crate::signals::interrupt_on_signals;
use crate::ui::{Ui, written};

/// What `--json` shows.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ImageVerifyJson<'a> {
    image_id: &'a str,
    region: &'a str,
    against: &'static str,
    differences: &'a [FieldDifference],
    volumes: Vec<VolumeShown<'a>>,
    seconds: f64,
}

#[derive(Serialize)]
struct VolumeShown<'a> {
    device: &'a str,
    #[serde(flatten)]
    report: &'a SnapshotReport,
}

/// A volume and the report of reading it back.
struct VerifiedVolume {
    device: String,
    report: SnapshotReport,
}

/// Verifies an AMI.
pub(super) fn run(args: &Args, name: &str, ui: &Ui) -> CommandResult {
    let begun = Instant::now();
    let cannot = || format!("cannot verify {name}");
    let cancel = interrupt_on_signals()?;
    let subject = args
        .bundle
        .as_deref()
        .and_then(|bundle| (bundle.is_dir() || is_handover(bundle)).then(|| ImageSource::open(bundle)));
    let subject = subject.transpose().with_context(cannot)?.map(|source| ami::image_facts(&source));
    let expected = ami::expected(args.bundle.as_deref(), name, subject).with_context(cannot)?;
    let calls = |region: &str| call_plan::images([(region, name, &expected)]);
    if let Some(shown) = args.plan.shown(&format!("verify {name}"), &args.aws, calls, ui) {
        return shown;
    }
    let connected = args.aws.connect(&cancel)?;
    let services = connected.services();
    let region = AmiRegion {
        name: &services.region,
        ec2: &*services.ec2,
        timer: &services.timer,
        monitor: Monitor::new(ui, &cancel),
    };
    let work = ami::examine(&region, name, &expected, args.bundle.as_deref());
    let examined = connected.block_on(work).with_context(cannot)?;
    let rate = if args.aws.is_local() { 0 } else { rate_limiter::DEFAULT_RATE };
    let sample = args.sample.map_or(Sample::All, Sample::Percent);
    let mut volumes = Vec::new();
    for volume in &examined.volumes {
        let bundle = volume.bundle.as_deref();
        let work =
            verify::verify(&services, &volume.snapshot, bundle, sample, rate, Monitor::new(ui, &cancel));
        let report = connected.block_on(work).with_context(cannot)?;
        volumes.push(VerifiedVolume { device: volume.device.clone(), report });
    }
    show(&examined, &volumes, against(&expected), &services.region, begun.elapsed(), ui)?;
    let equal =
        examined.differences.is_empty() && volumes.iter().all(|one| one.report.differences.is_empty());
    Ok(if equal { Outcome::Success } else { Outcome::Difference })
}

/// Names what the fields were compared with.
fn against(expected: &ExpectedAmi) -> &'static str {
    match expected {
        ExpectedAmi::Requested(_) => "what its publish requested",
        ExpectedAmi::FromBundle(_) => "what follows from the bundle",
        ExpectedAmi::Unknown => "the tags of its snapshot",
    }
}

fn show(
    examined: &Examined,
    volumes: &[VerifiedVolume],
    against: &'static str,
    region: &str,
    took: Duration,
    ui: &Ui,
) -> Result<(), Failure> {
    let seconds = took.as_secs_f64();
    let id = examined.image.id.as_str();
    if ui.json() {
        let volumes = volumes.iter().map(|one| VolumeShown { device: &one.device, report: &one.report });
        let differences = examined.differences.as_slice();
        let volumes = volumes.collect();
        return ui.object(&ImageVerifyJson { image_id: id, region, against, differences, volumes, seconds });
    }
    let mut out = ui.out();
    for difference in &examined.differences {
        written(writeln!(out, "{difference}"))?;
    }
    let mut lines = Vec::new();
    for VerifiedVolume { device, report } in volumes {
        for difference in &report.differences {
            written(writeln!(out, "{device}: {difference}"))?;
        }
        let (count, read, held) = (super::counted(report.differences.len()), report.read, report.held);
        let (snapshot, from) = (&report.snapshot_id, &report.against);
        lines.push(format!("{device} {snapshot}: {count} from {from} in {read} of {held} blocks"));
    }
    for line in lines {
        written(writeln!(out, "{line}"))?;
    }
    let count = super::counted(examined.differences.len());
    let line = format!("{id}: {count} of its fields from {against}; {seconds:.2} s");
    written(writeln!(out, "{line}").and_then(|()| out.flush()))
}
