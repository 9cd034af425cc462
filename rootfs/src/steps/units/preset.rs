//! Presets (systemd.preset(5)): which units the distribution wants enabled.

use super::name::{Form, UnitName};

/// What a preset says of a unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
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
struct Rule {
    action: Action,
    pattern: String,
    instances: Vec<String>,
}

/// The rules of all preset files, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Presets {
    rules: Vec<Rule>,
}

impl Presets {
    /// Adds the rules of one more file; lines that are none are passed over, as systemd does.
    pub(super) fn add(&mut self, text: &[u8]) {
        self.rules.extend(String::from_utf8_lossy(text).lines().filter_map(rule));
    }

    /// What the first rule that matches says; without one, a unit is enabled.
    pub(super) fn verdict(&self, unit: &UnitName) -> Verdict {
        for rule in &self.rules {
            let instances = rule.instances_for(unit);
            if instances.is_none() && !matches(rule.pattern.as_bytes(), unit.as_str().as_bytes()) {
                continue;
            }
            return match rule.action {
                Action::Enable => Verdict::Enable(instances.unwrap_or_else(|| vec![unit.clone()])),
                Action::Disable => Verdict::Disable,
                Action::Ignore => Verdict::Ignore,
            };
        }
        Verdict::Enable(vec![unit.clone()])
    }
}

impl Rule {
    /// The instances that a rule such as `enable foo@.service a b` names for this unit.
    fn instances_for(&self, unit: &UnitName) -> Option<Vec<UnitName>> {
        if self.instances.is_empty() {
            return None;
        }
        match unit.form() {
            Form::Template if unit.as_str() == self.pattern => {
                Some(self.instances.iter().filter_map(|instance| unit.with_instance(instance)).collect())
            }
            Form::Instance if unit.template()?.as_str() == self.pattern => {
                let named = self.instances.iter().any(|instance| instance == unit.instance());
                named.then(|| vec![unit.clone()])
            }
            _ => None,
        }
    }
}

fn rule(line: &str) -> Option<Rule> {
    let mut words = line.split_ascii_whitespace();
    let action = match words.next()? {
        "enable" => Action::Enable,
        "disable" => Action::Disable,
        "ignore" => Action::Ignore,
        _ => return None,
    };
    let pattern = words.next()?.to_owned();
    Some(Rule { action, pattern, instances: words.map(str::to_owned).collect() })
}

/// fnmatch(3) with `FNM_NOESCAPE`. A `*` that fails later is retried only from the last one, which is enough and
/// keeps the time at the product of the lengths.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut at, mut from) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while from < name.len() {
        if pattern.get(at) == Some(&b'*') {
            star = Some((at, from));
            at += 1;
        } else if let Some(next) = one(pattern, at, name[from]) {
            at = next;
            from += 1;
        } else if let Some((star_at, star_from)) = star {
            star = Some((star_at, star_from + 1));
            at = star_at + 1;
            from = star_from + 1;
        } else {
            return false;
        }
    }
    pattern.get(at..).is_some_and(|rest| rest.iter().all(|&byte| byte == b'*'))
}

/// Matches one byte with the pattern at `at`: where the pattern goes on.
fn one(pattern: &[u8], at: usize, byte: u8) -> Option<usize> {
    match *pattern.get(at)? {
        b'?' => Some(at + 1),
        b'[' => match set(pattern, at, byte) {
            Some((true, next)) => Some(next),
            Some((false, _)) => None,
            // Without its end it is a bracket like any other letter.
            None => (byte == b'[').then_some(at + 1),
        },
        letter => (letter == byte).then_some(at + 1),
    }
}

/// Whether the set that starts at `at` has the byte, and where it ends; `None` if it does not.
fn set(pattern: &[u8], at: usize, byte: u8) -> Option<(bool, usize)> {
    let negated = matches!(pattern.get(at + 1)?, b'!' | b'^');
    let start = at + 1 + usize::from(negated);
    let end = start + 1 + pattern.get(start + 1..)?.iter().position(|&byte| byte == b']')?;
    let members = pattern.get(start..end)?;
    let mut found = false;
    let mut index = 0;
    while let Some(&low) = members.get(index) {
        let high = members.get(index + 2).filter(|_| members.get(index + 1) == Some(&b'-'));
        found |= (low..=*high.unwrap_or(&low)).contains(&byte);
        index += if high.is_some() { 3 } else { 1 };
    }
    Some((found != negated, end + 1))
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
        assert_eq!(presets.verdict(&unit("a.service")), Verdict::Enable(vec![unit("a.service")]));
        assert_eq!(presets.verdict(&unit("b.service")), Verdict::Disable);
        assert_eq!(presets.verdict(&unit("i1.service")), Verdict::Ignore);
        assert_eq!(presets.verdict(&unit("b.timer")), Verdict::Enable(vec![unit("b.timer")]));
        let both = vec![unit("t@x.service"), unit("t@y.service")];
        assert_eq!(presets.verdict(&unit("t@.service")), Verdict::Enable(both));
        assert_eq!(presets.verdict(&unit("t@y.service")), Verdict::Enable(vec![unit("t@y.service")]));
        assert_eq!(presets.verdict(&unit("t@z.service")), Verdict::Disable);
    }

    #[test]
    fn globs_match_as_fnmatch_does() {
        for (pattern, name, expected) in [
            ("*", "", true),
            ("a*c*e", "abcde", true),
            ("a*c*e", "abcdef", false),
            ("systemd-journal-gatewayd.*", "systemd-journal-gatewayd.socket", true),
            ("?.x", "a.x", true),
            ("?", "", false),
            ("[a-c]x", "bx", true),
            ("[!a-c]x", "bx", false),
            ("[^a-c]x", "dx", true),
            ("[]]x", "]x", true),
            ("[a", "[a", true),
            ("\\*", "\\anything", true),
            ("****************b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false),
        ] {
            assert_eq!(matches(pattern.as_bytes(), name.as_bytes()), expected, "{pattern} {name}");
        }
    }
}
