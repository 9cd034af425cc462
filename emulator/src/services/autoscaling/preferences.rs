//! The preferences of an instance refresh: parsed, checked by the rules of `RefreshPreferences` in the API reference,
//! and written.

use super::call::{natural, text_members, write_members};
use super::errors::GroupError;
use crate::services::ec2::Params;
use crate::services::xml::Xml;
use crate::state::group::{GroupSettings, RefreshPreferences};

/// The maximum of a delay or bake time: two days.
const MAX_WAIT: u64 = 172_800;
/// The maximum of a warm-up; the model names none.
const MAX_WARMUP: u64 = 1_000_000;
/// The maximum number of alarms (CDK reference, `InstanceRefreshOptions.alarms`).
const MAX_ALARMS: usize = 10;
/// The default delay at a checkpoint: an hour.
const CHECKPOINT_DELAY: u64 = 3600;

/// Reads `Preferences`. Percentages that are not given come from the group's maintenance policy, or are 90 and none.
pub(super) fn read(params: &Params<'_>, settings: &GroupSettings) -> Result<RefreshPreferences, GroupError> {
    let (min_default, max_default) = settings.maintenance.map_or((90, None), |(min, max)| (min, Some(max)));
    let defaults = RefreshPreferences {
        min_healthy: min_default,
        max_healthy: max_default,
        warmup: None,
        checkpoints: Vec::new(),
        checkpoint_delay: CHECKPOINT_DELAY,
        skip_matching: false,
        auto_rollback: false,
        protected: "Wait".to_owned(),
        standby: "Wait".to_owned(),
        alarms: Vec::new(),
        bake: 0,
    };
    let Some(given) = params.structure("Preferences") else { return Ok(defaults) };
    let (min_healthy, max_healthy) = read_range(&given, (min_default, max_default))?;
    let (checkpoints, checkpoint_delay) = read_checkpoints(&given)?;
    Ok(RefreshPreferences {
        min_healthy,
        max_healthy,
        warmup: natural(&given, "InstanceWarmup", MAX_WARMUP)?,
        checkpoints,
        checkpoint_delay,
        skip_matching: given.boolean("SkipMatching")?.unwrap_or(false),
        auto_rollback: given.boolean("AutoRollback")?.unwrap_or(false),
        protected: choice(&given, "ScaleInProtectedInstances", &["Ignore", "Refresh", "Wait"])?,
        standby: choice(&given, "StandbyInstances", &["Ignore", "Terminate", "Wait"])?,
        alarms: read_alarms(&given)?,
        bake: natural(&given, "BakeTime", MAX_WAIT)?.unwrap_or(0),
    })
}

fn choice(params: &Params<'_>, name: &str, choices: &[&'static str]) -> Result<String, GroupError> {
    Ok(params.one_of(name, choices)?.unwrap_or("Wait").to_owned())
}

/// Minimum and maximum healthy percentage: the maximum needs the minimum, at most 100 below it.
fn read_range(params: &Params<'_>, defaults: (u64, Option<u64>)) -> Result<(u64, Option<u64>), GroupError> {
    let (min, max) =
        (natural(params, "MinHealthyPercentage", 100)?, natural(params, "MaxHealthyPercentage", 200)?);
    let refuse = |why: &str| Err(GroupError::validation(why));
    match (min, max) {
        (None, None) => Ok(defaults),
        (Some(min), None) => Ok((min, None)),
        (None, Some(_)) => {
            refuse("You must specify MinHealthyPercentage when you specify MaxHealthyPercentage.")
        }
        (Some(_), Some(max)) if max < 100 => refuse("MaxHealthyPercentage must be between 100 and 200."),
        (Some(min), Some(max)) if max - min > 100 => refuse(
            "The difference between MinHealthyPercentage and MaxHealthyPercentage cannot be greater than 100.",
        ),
        (Some(min), Some(max)) => Ok((min, Some(max))),
    }
}

/// Checkpoints are unique and ascending; a delay needs them.
fn read_checkpoints(params: &Params<'_>) -> Result<(Vec<u64>, u64), GroupError> {
    let mut checkpoints = Vec::new();
    for text in text_members(params, "CheckpointPercentages") {
        match text.parse::<u64>() {
            Ok(percentage) if (1..=100).contains(&percentage) => checkpoints.push(percentage),
            _ => {
                let message = format!("A checkpoint is a percentage from 1 to 100, not {text}");
                return Err(GroupError::validation(message));
            }
        }
    }
    if checkpoints.windows(2).any(|pair| pair[0] >= pair[1]) {
        let message = "CheckpointPercentages must be unique and in ascending order.";
        return Err(GroupError::validation(message));
    }
    let delay = natural(params, "CheckpointDelay", MAX_WAIT)?;
    if delay.is_some() && checkpoints.is_empty() {
        let message = "You must specify CheckpointPercentages when you specify CheckpointDelay.";
        return Err(GroupError::validation(message));
    }
    Ok((checkpoints, delay.unwrap_or(CHECKPOINT_DELAY)))
}

fn read_alarms(params: &Params<'_>) -> Result<Vec<String>, GroupError> {
    let Some(specification) = params.structure("AlarmSpecification") else { return Ok(Vec::new()) };
    let alarms: Vec<_> = text_members(&specification, "Alarms").into_iter().map(str::to_owned).collect();
    if alarms.len() > MAX_ALARMS || alarms.iter().any(String::is_empty) {
        let message = format!("An alarm specification has 1 to {MAX_ALARMS} names of alarms");
        return Err(GroupError::validation(message));
    }
    Ok(alarms)
}

impl RefreshPreferences {
    /// Writes `Preferences`.
    pub(super) fn write_xml(&self, xml: &mut Xml) {
        xml.element("Preferences", |xml| {
            xml.value("MinHealthyPercentage", self.min_healthy);
            xml.optional("MaxHealthyPercentage", self.max_healthy);
            xml.optional("InstanceWarmup", self.warmup);
            if !self.checkpoints.is_empty() {
                write_members_of_numbers(xml, &self.checkpoints);
                xml.value("CheckpointDelay", self.checkpoint_delay);
            }
            xml.value("SkipMatching", self.skip_matching);
            xml.value("AutoRollback", self.auto_rollback);
            xml.value("ScaleInProtectedInstances", &self.protected);
            xml.value("StandbyInstances", &self.standby);
            if !self.alarms.is_empty() {
                xml.element("AlarmSpecification", |xml| {
                    write_members(xml, "Alarms", &self.alarms, |xml, name| xml.text(name));
                });
            }
            xml.value("BakeTime", self.bake);
        });
    }
}

fn write_members_of_numbers(xml: &mut Xml, numbers: &[u64]) {
    write_members(xml, "CheckpointPercentages", numbers, |xml, number| xml.text(&number.to_string()));
}
