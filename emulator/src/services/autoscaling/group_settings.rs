//! The sizes and limits of a group: parsed from requests and checked.

use super::call::{GroupCall, members, natural, text_members};
use super::errors::GroupError;
use crate::services::ec2::Params;
use crate::state::group::GroupSettings;

/// The largest number of a size or a time that is accepted; AWS's own limits are account limits.
const MAX: u64 = 1_000_000;

/// Parameters of the API that the local region accepts and has no use for.
const IGNORED: [&str; 6] = [
    "Context",
    "DesiredCapacityType",
    "PlacementGroup",
    "ServiceLinkedRoleARN",
    "MaxInstanceLifetime",
    "DeletionProtection",
];

/// The termination policies (API reference).
const POLICIES: [&str; 7] = [
    "AllocationStrategy",
    "ClosestToNextInstanceHour",
    "Default",
    "NewestInstance",
    "OldestInstance",
    "OldestLaunchConfiguration",
    "OldestLaunchTemplate",
];

/// The settings of a new group: the required ones and the defaults of the API reference.
pub(super) fn read_new(call: &GroupCall<'_>) -> Result<GroupSettings, GroupError> {
    let params = call.params();
    for name in ["MinSize", "MaxSize"] {
        super::call::required(&params, name)?;
    }
    let settings = GroupSettings {
        min: 0,
        max: 0,
        desired: 0,
        cooldown: 300,
        zones: Vec::new(),
        subnets: None,
        health_check: "EC2".to_owned(),
        grace: 0,
        warmup: None,
        termination_policies: vec!["Default".to_owned()],
        protect_new: false,
        maintenance: None,
    };
    let min = natural(&params, "MinSize", MAX)?.unwrap_or(0);
    let mut settings = read_changes(call, GroupSettings { min, desired: min, ..settings })?;
    if settings.zones.is_empty() && settings.subnets.is_none() {
        return Err(GroupError::validation("At least one Availability Zone or VPC Subnet is required."));
    }
    if settings.zones.is_empty() {
        settings.zones = vec![format!("{}a", call.region.name)];
    }
    Ok(settings)
}

/// The settings with the changes of a request.
pub(super) fn read_changes(
    call: &GroupCall<'_>,
    mut settings: GroupSettings,
) -> Result<GroupSettings, GroupError> {
    let params = call.params();
    let number = |name: &str| natural(&params, name, MAX);
    for (name, value) in [
        ("MinSize", &mut settings.min),
        ("MaxSize", &mut settings.max),
        ("DefaultCooldown", &mut settings.cooldown),
        ("HealthCheckGracePeriod", &mut settings.grace),
        ("DesiredCapacity", &mut settings.desired),
    ] {
        *value = number(name)?.unwrap_or(*value);
    }
    // A limit that is moved moves the desired capacity with it (API reference, UpdateAutoScalingGroup).
    if params.non_empty("DesiredCapacity").is_none() && settings.min <= settings.max {
        settings.desired = settings.desired.clamp(settings.min, settings.max);
    }
    // -1 takes the value back.
    match params.number("DefaultInstanceWarmup")? {
        Some(-1) => settings.warmup = None,
        Some(_) => settings.warmup = number("DefaultInstanceWarmup")?,
        None => {}
    }
    let zones = text_members(&params, "AvailabilityZones");
    if !zones.is_empty() {
        check_zones(call, &zones)?;
        settings.zones = zones.into_iter().map(str::to_owned).collect();
    }
    if let Some(subnets) = params.non_empty("VPCZoneIdentifier") {
        settings.subnets = Some(subnets.to_owned());
    }
    if let Some(kind) = params.non_empty("HealthCheckType") {
        kind.clone_into(&mut settings.health_check);
    }
    let policies = text_members(&params, "TerminationPolicies");
    if let Some(unknown) = policies.iter().find(|policy| !POLICIES.contains(policy)) {
        return Err(GroupError::validation(format!("{unknown} is not a termination policy")));
    }
    if !policies.is_empty() {
        settings.termination_policies = policies.into_iter().map(str::to_owned).collect();
    }
    if let Some(protect) = params.boolean("NewInstancesProtectedFromScaleIn")? {
        settings.protect_new = protect;
    }
    params.boolean("CapacityRebalance")?;
    read_maintenance(&params, &mut settings)?;
    for name in IGNORED {
        params.text(name);
    }
    refuse_unsupported(&params)?;
    check_sizes(&settings)?;
    Ok(settings)
}

fn check_zones(call: &GroupCall<'_>, zones: &[&str]) -> Result<(), GroupError> {
    let valid = |zone: &str| {
        zone.strip_prefix(call.region.name.as_str()).is_some_and(|letter| matches!(letter, "a" | "b" | "c"))
    };
    match zones.iter().find(|zone| !valid(zone)) {
        Some(zone) => Err(GroupError::validation(format!("Invalid availability zones: [{zone}]"))),
        None => Ok(()),
    }
}

/// Both percentages, at most 100 apart; -1 for both takes the policy back (API reference).
fn read_maintenance(params: &Params<'_>, settings: &mut GroupSettings) -> Result<(), GroupError> {
    let Some(policy) = params.structure("InstanceMaintenancePolicy") else { return Ok(()) };
    let pair = (policy.number("MinHealthyPercentage")?, policy.number("MaxHealthyPercentage")?);
    settings.maintenance = match pair {
        (Some(-1), Some(-1)) => None,
        (Some(min @ 0..=100), Some(max @ 100..=200)) if max - min <= 100 => {
            Some((min.unsigned_abs(), max.unsigned_abs()))
        }
        _ => {
            return Err(GroupError::validation(
                "An instance maintenance policy has MinHealthyPercentage (0 to 100) and MaxHealthyPercentage (100 to \
                 200), at most 100 apart",
            ));
        }
    };
    Ok(())
}

/// Refuses what a group of the local region would silently lack.
fn refuse_unsupported(params: &Params<'_>) -> Result<(), GroupError> {
    let lists = ["LoadBalancerNames", "TargetGroupARNs", "TrafficSources", "LifecycleHookSpecificationList"];
    for name in lists {
        if !members(params, name).is_empty() || !text_members(params, name).is_empty() {
            let message = format!("The local region has no {name}");
            return Err(GroupError::validation(message));
        }
    }
    Ok(())
}

fn check_sizes(settings: &GroupSettings) -> Result<(), GroupError> {
    let GroupSettings { min, max, desired, .. } = settings;
    if min > max {
        return Err(GroupError::validation(format!(
            "Max bound, {max}, must be greater than or equal to min bound, {min}"
        )));
    }
    if !(min..=max).contains(&desired) {
        return Err(GroupError::validation(format!(
            "Desired capacity:{desired} must be between the specified min size:{min} and max size:{max}"
        )));
    }
    Ok(())
}
