//! Parses presets (systemd.preset(5)): the units that a distribution enables by default.

use super::name::{UnitName, UnitNameForm};
use crate::wildcard::matches_without_escapes;

/// The decision of presets about a unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PresetDecision {
    /// Enable these names: the unit's own, or instances of a template.
    Enable(Vec<UnitName>),
    /// Disable it.
    Disable,
    /// Do not change it.
    Ignore,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PresetAction {
    Enable,
    Disable,
    Ignore,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct PresetRule {
    action: PresetAction,
    pattern: String,
    instances: Vec<String>,
}

/// The rules of all preset files, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Presets {
    rules: Vec<PresetRule>,
}

impl Presets {
    /// Adds the rules of another file; invalid lines are skipped, as systemd does.
    pub(super) fn add(&mut self, text: &[u8]) {
        self.rules.extend(String::from_utf8_lossy(text).lines().filter_map(parse_rule));
    }

    /// The decision of the first rule that matches; without one, a unit is enabled.
    pub(super) fn decision(&self, unit: &UnitName) -> PresetDecision {
        for rule in &self.rules {
            let instances = rule.instances_for(unit);
            if instances.is_none()
                && !matches_without_escapes(rule.pattern.as_bytes(), unit.as_str().as_bytes())
            {
                continue;
            }
            return match rule.action {
                PresetAction::Enable => {
                    PresetDecision::Enable(instances.unwrap_or_else(|| vec![unit.clone()]))
                }
                PresetAction::Disable => PresetDecision::Disable,
                PresetAction::Ignore => PresetDecision::Ignore,
            };
        }
        PresetDecision::Enable(vec![unit.clone()])
    }
}

impl PresetRule {
    /// The instances that a rule such as `enable foo@.service a b` names for this unit; `None` if it does not match.
    fn instances_for(&self, unit: &UnitName) -> Option<Vec<UnitName>> {
        if self.instances.is_empty() {
            return None;
        }
        match unit.form() {
            UnitNameForm::Template if unit.as_str() == self.pattern => {
                Some(self.instances.iter().filter_map(|instance| unit.with_instance(instance)).collect())
            }
            UnitNameForm::Instance if unit.template()?.as_str() == self.pattern => {
                let named = self.instances.iter().any(|instance| instance == unit.instance());
                named.then(|| vec![unit.clone()])
            }
            _ => None,
        }
    }
}

fn parse_rule(line: &str) -> Option<PresetRule> {
    let mut fields = line.split_ascii_whitespace();
    let action = match fields.next()? {
        "enable" => PresetAction::Enable,
        "disable" => PresetAction::Disable,
        "ignore" => PresetAction::Ignore,
        _ => return None,
    };
    let pattern = fields.next()?.to_owned();
    Some(PresetRule { action, pattern, instances: fields.map(str::to_owned).collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(text: &str) -> UnitName {
        UnitName::new(text).unwrap()
    }

    #[test]
    fn the_first_rule_that_matches_counts() {
        let mut presets = Presets::default();
        presets.add(
            b"# c\n; c\nenable a.service\ndisable a.service\nenable t@.service x y\nnonsense z.service\n",
        );
        presets.add(b"ignore i*.service\ndisable *.service\n");
        assert_eq!(presets.decision(&unit("a.service")), PresetDecision::Enable(vec![unit("a.service")]));
        assert_eq!(presets.decision(&unit("b.service")), PresetDecision::Disable);
        assert_eq!(presets.decision(&unit("i1.service")), PresetDecision::Ignore);
        assert_eq!(presets.decision(&unit("b.timer")), PresetDecision::Enable(vec![unit("b.timer")]));
        let both = vec![unit("t@x.service"), unit("t@y.service")];
        assert_eq!(presets.decision(&unit("t@.service")), PresetDecision::Enable(both));
        assert_eq!(presets.decision(&unit("t@y.service")), PresetDecision::Enable(vec![unit("t@y.service")]));
        assert_eq!(presets.decision(&unit("t@z.service")), PresetDecision::Disable);
    }
}
