//! `amiforge allowed-images`: whether the Allowed AMIs setting of this account hides an AMI, and what admits it.

use std::time::{SystemTime, UNIX_EPOCH};

use amiforge_lifecycle::sharing::allowed::{self, AllowedReport, KnownFacts, Verdict};
use amiforge_lifecycle::sharing::plan;
use amiforge_progress::Monitor;
use amiforge_publish::ami::AmiRegion;

use super::{call_plan, region, sharing_args};
use crate::outcome::{CommandResult, Failure, Outcome};
use crate::signals::interrupt_on_signals;
use crate::ui::Ui;

/// Check whether this account's Allowed AMIs setting hides an AMI
///
/// Run it as the account that is to launch the AMI. A hidden AMI looks like one that does not exist, so name its owner
/// and its name to tell the two apart. If it is hidden, or would be once the audit mode ends, the conditions that it does
/// not meet are listed, and all criteria are printed with which it is allowed; exit code 3 then.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  amiforge allowed-images ami-0abc --region eu-west-1 --profile receiver\n  \
    amiforge allowed-images ami-0abc --owner 111122223333 --image-name web-2026.11 --names 'web-*'"
)]
pub(crate) struct Args {
    /// The AMI
    #[arg(value_parser = region::image_id)]
    image: String,

    /// The account that owns the AMI, if this account does not see it
    #[arg(long, value_name = "ACCOUNT")]
    owner: Option<String>,

    /// Name of the AMI, if this account does not see it
    #[arg(long, value_name = "NAME")]
    image_name: Option<String>,

    /// Pattern of the names to admit [default: the AMI's name, with `*` for its version where that is known]
    #[arg(long, value_name = "PATTERN")]
    names: Option<String>,

    /// Print the calls and the IAM policy that they need; makes no call
    #[arg(long)]
    dry_run: bool,

    #[command(flatten)]
    aws: region::Args,
}

/// Runs the command.
pub(crate) fn run(args: &Args, ui: &Ui) -> CommandResult {
    let cannot = format!("cannot check whether {} is allowed", args.image);
    if args
        .owner
        .as_deref()
        .is_some_and(|owner| owner.len() != 12 || !owner.bytes().all(|b| b.is_ascii_digit()))
    {
        let problem = anyhow::anyhow!("`--owner` is not an account: 12 digits").context(cannot);
        return Err(Failure::usage(problem));
    }
    if args.dry_run {
        let region = call_plan::named_region(&args.aws)?;
        return call_plan::show(
            &format!("check {} in {region}", args.image),
            &plan::allowed_images(&region),
            ui,
        );
    }
    let cancel = interrupt_on_signals()?;
    let connected = args.aws.connect(&cancel)?;
    let services = connected.services();
    let region = AmiRegion {
        name: &services.region,
        ec2: &*services.ec2,
        timer: &services.timer,
        monitor: Monitor::new(ui, &cancel),
    };
    let known =
        KnownFacts { owner: args.owner.clone(), name: args.image_name.clone(), names: args.names.clone() };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs() as i64);
    let report = connected
        .block_on(allowed::check(&region, &args.image, &known, now))
        .map_err(|error| sharing_args::failure(error, cannot))?;
    show(&report, ui)?;
    Ok(match report.verdict {
        Verdict::Allowed => Outcome::Success,
        _ => Outcome::Difference,
    })
}

fn show(report: &AllowedReport, ui: &Ui) -> Result<(), Failure> {
    let AllowedReport { region, image_id: image, state, .. } = report;
    let sentence = match report.verdict {
        Verdict::Allowed if state == "disabled" => "can be used; Allowed AMIs is disabled".to_owned(),
        Verdict::Allowed => format!("can be used; Allowed AMIs is in the state `{state}`"),
        Verdict::WouldBeHidden => "can be used, but not once Allowed AMIs leaves the audit mode".to_owned(),
        Verdict::Hidden => "is hidden by Allowed AMIs".to_owned(),
        Verdict::NotShared => {
            "is not shared with this account, or does not exist; Allowed AMIs does not hide it".to_owned()
        }
        Verdict::Unknown => "is not visible: hidden by Allowed AMIs, not shared, or not there".to_owned(),
    };
    if ui.json() {
        ui.object(report)?;
    } else {
        ui.line(format_args!("{region}: {image} {sentence}"))?;
        for (number, unmet) in report.unmet.iter().enumerate() {
            for condition in unmet {
                ui.line(format_args!("  criterion {}: {condition}", number + 1))?;
            }
        }
        if let Some(criteria) = &report.criteria {
            let text = serde_json::to_string_pretty(&serde_json::json!({ "ImageCriteria": criteria }));
            ui.line(text.map_err(anyhow::Error::from)?)?;
        }
    }
    advise(report, ui);
    Ok(())
}

fn advise(report: &AllowedReport, ui: &Ui) {
    match (report.verdict, &report.criteria, report.managed_by.as_str()) {
        (Verdict::Unknown, ..) => ui.status("`--owner ACCOUNT --image-name NAME` of the AMI tell these apart"),
        (_, Some(_), "declarative-policy") => ui.status(
            "a declarative policy of the organisation manages the criteria: only its administrators can change them",
        ),
        (_, Some(_), _) => ui.status(format_args!(
            "save the criteria as `criteria.json`, and `aws ec2 replace-image-criteria-in-allowed-images-settings --region \
             {} --cli-input-json file://criteria.json` sets them",
            report.region
        )),
        (Verdict::Hidden | Verdict::WouldBeHidden, None, _) => {
            ui.status("there are ten criteria, the most that an account can have: widen one of them");
        }
        _ => {}
    }
}
