//! Presets (systemd.preset(5)): which units the distribution wants enabled.

use super::name::{UnitName, UnitNameForm};
use crate::wildcard::matches_without_escapes;

/// What a preset says of a unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PresetDecision {
    /// Enable these names: the unit's own, or instances of a template.
    Enable(Vec<UnitName>),
    /// Disable it.
    Disable,
    /// Leave it alone.
    Ignore,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Enable,
    Disable,
    Ignore,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct PresetRule {
    action: Action,
    pattern: String,
    instances: Vec<String>,
}

/// The rules of all preset files, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Presets {
    rules: Vec<PresetRule>,
}

impl Presets {
    /// Adds the rules of one more file; lines that are none are passed over, as systemd does.
    pub(super) fn add(&mut self, text: &[u8]) {
        self.rules.extend(String::from_utf8_lossy(text).lines().filter_map(rule));
    }

    /// What the first rule that matches says; without one, a unit is enabled.
    pub(super) fn verdict(&self, unit: &UnitName) -> PresetDecision {
        for rule in &self.rules {
            let instances = rule.instances_for(unit);
            if instances.is_none()
                && !matches_without_escapes(rule.pattern.as_bytes(), unit.as_str().as_bytes())
            {
                continue;
            }
            return match rule.action {
                Action::Enable => PresetDecision::Enable(instances.unwrap_or_else(|| vec![unit.clone()])),
                Action::Disable => PresetDecision::Disable,
                Action::Ignore => PresetDecision::Ignore,
            };
        }
        PresetDecision::Enable(vec![unit.clone()])
    }
}

impl PresetRule {
    /// The instances that a rule such as `enable foo@.service a b` names for this unit.
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

fn rule(line: &str) -> Option<PresetRule> {
    let mut words = line.split_ascii_whitespace();
    let action = match words.next()? {
        "enable" => Action::Enable,
        "disable" => Action::Disable,
        "ignore" => Action::Ignore,
        _ => return None,
    };
    let pattern = words.next()?.to_owned();
    Some(PresetRule { action, pattern, instances: words.map(str::to_owned).collect() })
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
        assert_eq!(presets.verdict(&unit("a.service")), PresetDecision::Enable(vec![unit("a.service")]));
        assert_eq!(presets.verdict(&unit("b.service")), PresetDecision::Disable);
        assert_eq!(presets.verdict(&unit("i1.service")), PresetDecision::Ignore);
        assert_eq!(presets.verdict(&unit("b.timer")), PresetDecision::Enable(vec![unit("b.timer")]));
        let both = vec![unit("t@x.service"), unit("t@y.service")];
        assert_eq!(presets.verdict(&unit("t@.service")), PresetDecision::Enable(both));
        assert_eq!(presets.verdict(&unit("t@y.service")), PresetDecision::Enable(vec![unit("t@y.service")]));
        assert_eq!(presets.verdict(&unit("t@z.service")), PresetDecision::Disable);
    }
}
