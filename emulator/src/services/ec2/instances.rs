//! `RunInstances`, `StartInstances`, `StopInstances` and `TerminateInstances`: records only, no machine is started.

use std::sync::Arc;

use super::call::Ec2Call;
use super::errors::Ec2Error;
use super::instance_xml::{self, write_instance};
use super::launch::LaunchSettings;
use super::params::Params;
use super::tags;
use super::template_data;
use super::template_operations::mismatch;
use crate::ids;
use crate::services::xml::Xml;
use crate::state::instance::{InstancePhase, InstanceRecord, InstanceState};
use crate::state::tags::Tags;
use crate::state::template::TemplateMembers;

/// The parameters of `RunInstances` that launch template data does not have, or has in another form.
const OWN: [&str; 11] = [
    "Action",
    "Version",
    "ClientToken",
    "DryRun",
    "LaunchTemplate",
    "MaxCount",
    "MinCount",
    "PrivateIpAddress",
    "SubnetId",
    "Ipv6AddressCount",
    "AdditionalInfo",
];

/// The resource types whose tags a launch can set.
const TAGGED: [&str; 4] = ["instance", "network-interface", "spot-instances-request", "volume"];

/// The most instances of one request in the local region.
const MAX_COUNT: i64 = 1000;

/// `RunInstances`.
pub(crate) fn run(call: &Ec2Call<'_>) -> Result<Xml, Ec2Error> {
    let _guard = call.lock_region();
    let params = call.params();
    let count = read_count(&params)?;
    let requested = template_data::read_except(&params, &OWN)?;
    for name in ["PrivateIpAddress", "Ipv6AddressCount", "AdditionalInfo"] {
        params.text(name);
    }
    tags::read_specifications(&params, &TAGGED)?;
    let mut settings = base_settings(call, &params)?;
    let token = params.non_empty("ClientToken").map(|token| {
        let text = format!("{count} {:?} {:?} {requested:?}", settings.template, params.text("SubnetId"));
        (token.to_owned(), text)
    });
    settings.members.extend(requested);
    settings.subnet = params.non_empty("SubnetId").map(str::to_owned);
    settings.token.clone_from(&token);
    let repeated = find_repeated(call, token.as_ref())?;
    if !repeated.is_empty() {
        call.commit()?;
        return Ok(reservation_response(call, &repeated));
    }
    let pair = settings.check(call)?;
    call.commit()?;
    settings.reservation = ids::fresh("r");
    let mut launched = Vec::new();
    for index in 0..count {
        settings.index = index;
        launched.push(Arc::new(settings.launch(call, &pair)?));
    }
    Ok(reservation_response(call, &launched))
}

/// The settings of the launch template, or empty ones.
fn base_settings(call: &Ec2Call<'_>, params: &Params<'_>) -> Result<LaunchSettings, Ec2Error> {
    if let Some(structure) = params.structure("LaunchTemplate") {
        let template = call.named_template(&structure)?;
        // "$Default" without a version (EC2 API Reference, LaunchTemplateSpecification).
        let selector = structure.non_empty("Version").unwrap_or("$Default");
        return LaunchSettings::of_template(&template, selector);
    }
    Ok(LaunchSettings {
        members: TemplateMembers::new(),
        template: None,
        zone: None,
        subnet: None,
        reservation: String::new(),
        index: 0,
        tags: Tags::new(),
        token: None,
    })
}

/// The number of instances: as many as possible up to the maximum, so always the maximum here.
fn read_count(params: &Params<'_>) -> Result<u64, Ec2Error> {
    let read = |name: &str| params.number(name)?.ok_or_else(|| Ec2Error::missing(name));
    let (min, max) = (read("MinCount")?, read("MaxCount")?);
    if min < 1 || max > MAX_COUNT {
        let why = format!("Expected a number between 1 and {MAX_COUNT}.");
        return Err(Ec2Error::value("MinCount", &min.to_string(), &why));
    }
    if max < min {
        let why = "The maximum number of instances must not be less than the minimum.";
        return Err(Ec2Error::value("MaxCount", &max.to_string(), why));
    }
    Ok(max.unsigned_abs())
}

/// The instances that an equal request with the same client token launched.
fn find_repeated(
    call: &Ec2Call<'_>,
    token: Option<&(String, String)>,
) -> Result<Vec<Arc<InstanceRecord>>, Ec2Error> {
    let Some((token, text)) = token else { return Ok(Vec::new()) };
    let all = call.region.instances.all().into_iter().map(|(_, instance)| instance);
    let same = |instance: &Arc<InstanceRecord>| {
        instance.owner == call.account && instance.token.as_ref().is_some_and(|(other, _)| other == token)
    };
    let mut launched: Vec<_> = all.filter(same).collect();
    if launched.iter().any(|one| one.token.as_ref().is_some_and(|(_, before)| before != text)) {
        return Err(mismatch());
    }
    launched.sort_by_key(|instance| instance.launch_index);
    Ok(launched)
}

fn reservation_response(call: &Ec2Call<'_>, instances: &[Arc<InstanceRecord>]) -> Xml {
    let mut xml = Xml::new();
    instance_xml::write_reservation(&mut xml, instances, call.now, write_instance);
    xml
}

/// `TerminateInstances`.
pub(crate) fn terminate(call: &Ec2Call<'_>) -> Result<Xml, Ec2Error> {
    let window = call.state.config.windows.instances;
    let end = InstancePhase::Terminated { from: call.now.after(window) };
    change(call, |instance, state| match state {
        // Repeated termination succeeds (EC2 API Reference).
        InstanceState::ShuttingDown | InstanceState::Terminated => Ok(instance.phase),
        _ => Ok(end),
    })
}

/// `StopInstances`.
pub(crate) fn stop(call: &Ec2Call<'_>) -> Result<Xml, Ec2Error> {
    let params = call.params();
    params.boolean("Force")?;
    params.boolean("Hibernate")?;
    params.boolean("SkipOsShutdown")?;
    let window = call.state.config.windows.instances;
    let end = InstancePhase::Stopped { from: call.now.after(window) };
    change(call, |instance, state| match state {
        InstanceState::Running => Ok(end),
        InstanceState::Stopping | InstanceState::Stopped => Ok(instance.phase),
        _ => Err(incorrect_state(&instance.id, "stopped")),
    })
}

/// `StartInstances`.
pub(crate) fn start(call: &Ec2Call<'_>) -> Result<Xml, Ec2Error> {
    call.params().text("AdditionalInfo");
    let window = call.state.config.windows.instances;
    let end = InstancePhase::Running { from: call.now.after(window) };
    change(call, |instance, state| match state {
        InstanceState::Stopped => Ok(end),
        InstanceState::Pending | InstanceState::Running => Ok(instance.phase),
        _ => Err(incorrect_state(&instance.id, "started")),
    })
}

fn incorrect_state(id: &str, end: &str) -> Ec2Error {
    let message = format!("The instance '{id}' is not in a state from which it can be {end}.");
    Ec2Error::new("IncorrectInstanceState", message)
}

/// Changes the phase of all instances of a request, or of none.
fn change(
    call: &Ec2Call<'_>,
    next: impl Fn(&InstanceRecord, InstanceState) -> Result<InstancePhase, Ec2Error>,
) -> Result<Xml, Ec2Error> {
    let _guard = call.lock_region();
    let ids = call.params().text_list("InstanceId");
    if ids.is_empty() {
        return Err(Ec2Error::missing("InstanceId"));
    }
    let mut changes = Vec::new();
    for instance in call.named_instances(&ids)? {
        let state = instance.state(call.now);
        let phase = next(&instance, state)?;
        changes.push((instance, state, phase));
    }
    call.commit()?;
    let mut rows = Vec::new();
    for (instance, before, phase) in changes {
        let changed = InstanceRecord { phase, ..InstanceRecord::clone(&instance) };
        rows.push((changed.id.clone(), before, changed.state(call.now)));
        if changed != *instance {
            call.region.instances.put(&changed.id.clone(), changed)?;
        }
    }
    let mut xml = Xml::new();
    xml.items("instancesSet", rows, |xml, (id, before, after)| {
        xml.value("instanceId", id);
        instance_xml::write_state(xml, "currentState", after);
        instance_xml::write_state(xml, "previousState", before);
    });
    Ok(xml)
}
