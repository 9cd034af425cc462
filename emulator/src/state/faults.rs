//! Scripted faults: rules that tests define as values or as JSON. Knows no service; the server applies them.
//!
//! ```json
//! {"rules": [
//!   {"service": "ebs", "action": "PutSnapshotBlock", "when": {"nth": 3}, "what": "throttle"},
//!   {"action": "GetSnapshotBlock", "when": {"probability": {"p": 0.1, "seed": 7}}, "what": {"flip_bit": {"bit": 12345}}},
//!   {"service": "ec2", "when": {"every": 2}, "times": 5, "what": {"slow": {"millis": 300}}}
//! ]}
//! ```

use std::path::Path;
use std::sync::Mutex;

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::sync::lock;

/// A script of faults. For each request the first rule that applies is used.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultScript {
    /// The rules, in order.
    pub rules: Vec<FaultRule>,
}

/// A fault and the requests that it applies to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultRule {
    /// Only requests to this service: `autoscaling`, `ebs`, `ec2`, `kms`, `ssm`, `s3`, `sts`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// Only this operation: `PutSnapshotBlock`, `RegisterImage`, ...
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// Only requests whose region, path and query, written as `eu-west-1 /snapshots?x=y`, contain this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Selects among the matching requests; all of them by default.
    #[serde(default)]
    pub when: When,
    /// The maximum number of times that the fault is injected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u64>,
    /// The injected fault.
    pub what: InjectedFault,
}

/// Selects among the requests that match a rule.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// Every request.
    #[default]
    Always,
    /// A single request, counted from 1.
    Nth(u64),
    /// The first requests, up to this number.
    First(u64),
    /// Every n-th request.
    Every(u64),
    /// Random requests; equal seeds select the same ones.
    Probability {
        /// The probability, from 0 to 1.
        p: f64,
        /// The seed of the random numbers.
        seed: u64,
    },
}

/// A fault.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InjectedFault {
    /// The service reports too many requests, without any effect.
    Throttle,
    /// The same, reported by the frontend of the service where there is one: with another error code and
    /// another body.
    ThrottleInFront,
    /// The service fails with status 500 or 503, without any effect.
    ServerError {
        /// The status.
        status: u16,
    },
    /// The connection is closed without a response and without any effect.
    DropBefore,
    /// The connection is closed without a response, after the request took effect.
    DropAfter,
    /// The response is delayed.
    Slow {
        /// The delay in milliseconds.
        millis: u64,
    },
    /// A bit of the response body is inverted. The headers, including a checksum, are unchanged.
    FlipBit {
        /// The bit, modulo the length of the body.
        bit: u64,
    },
    /// A bit of the stored block is inverted after `PutSnapshotBlock` wrote it.
    FlipStoredBit {
        /// The bit, modulo the length of the block.
        bit: u64,
    },
    /// The response body is truncated and the connection closed.
    ShortRead {
        /// The number of bytes that are sent.
        bytes: u64,
    },
    /// All block and page tokens issued so far become invalid, including the one in this request.
    ExpireTokens,
    /// The service reports that the resource does not exist, without any effect.
    NotFound,
    /// The operation that the request begins, the copy of an image, fails when it would complete. For what Auto Scaling
    /// does by itself there are actions that no client sends: `LaunchInstance` of `autoscaling` (target: region, group
    /// and image), an instance that fails its health check; `DescribeAlarms` of `cloudwatch` (target: region and name),
    /// an alarm that is in the state ALARM.
    FailLater,
}

impl FaultScript {
    /// Reads a script from a JSON file.
    ///
    /// # Errors
    /// If the file cannot be read or parsed.
    pub fn load(path: &Path) -> Result<Self, Error> {
        // Opening a named pipe would block until its other end is opened.
        if !std::fs::metadata(path).map_err(Error::io("read", path))?.is_file() {
            let error = std::io::Error::new(std::io::ErrorKind::InvalidInput, "it is not a regular file");
            return Err(Error::io("read", path)(error));
        }
        let text = std::fs::read(path).map_err(Error::io("read", path))?;
        serde_json::from_slice(&text).map_err(|source| Error::Faults { path: path.to_owned(), source })
    }

    /// A script of one rule: the fault is injected into the first `times` requests of an operation.
    pub fn times(times: u64, action: &str, what: InjectedFault) -> Self {
        let action = Some(action.to_owned());
        let rule =
            FaultRule { service: None, action, target: None, when: When::Always, times: Some(times), what };
        Self { rules: vec![rule] }
    }

    /// Appends the rules of another script.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.rules.extend(other.rules);
        self
    }
}

/// A script and the counters of its rules.
#[derive(Debug, Default)]
pub(crate) struct ActiveFaults {
    rules: Mutex<Vec<ActiveRule>>,
}

#[derive(Debug)]
struct ActiveRule {
    rule: FaultRule,
    /// The number of matching requests.
    matched: u64,
    /// The number of injected faults.
    applied: u64,
}

impl ActiveFaults {
    pub(crate) fn new(faults: FaultScript) -> Self {
        let script = Self::default();
        script.replace(faults);
        script
    }

    /// Replaces the script; the new one starts from its beginning.
    pub(crate) fn replace(&self, faults: FaultScript) {
        let rules = faults.rules.into_iter().map(|rule| ActiveRule { rule, matched: 0, applied: 0 });
        *lock(&self.rules) = rules.collect();
    }

    /// The fault to inject into a request. Every rule that matches the request counts it.
    pub(crate) fn next_fault(&self, service: &str, action: &str, target: &str) -> Option<InjectedFault> {
        let mut fault = None;
        for active in lock(&self.rules).iter_mut().filter(|active| active.matches(service, action, target)) {
            active.matched += 1;
            if fault.is_none() && active.applies() {
                active.applied += 1;
                fault = Some(active.rule.what.clone());
            }
        }
        fault
    }
}

impl ActiveRule {
    fn matches(&self, service: &str, action: &str, target: &str) -> bool {
        let FaultRule { service: only_service, action: only_action, target: only_target, .. } = &self.rule;
        only_service.as_ref().is_none_or(|only| only == service)
            && only_action.as_ref().is_none_or(|only| only == action)
            && only_target.as_ref().is_none_or(|only| target.contains(only.as_str()))
    }

    fn applies(&self) -> bool {
        self.rule.times.is_none_or(|times| self.applied < times)
            && match self.rule.when {
                When::Always => true,
                When::Nth(nth) => self.matched == nth,
                When::First(count) => self.matched <= count,
                When::Every(step) => step != 0 && self.matched.is_multiple_of(step),
                When::Probability { p, seed } => pseudo_random(seed, self.matched) < p,
            }
    }
}

/// A pseudo-random number from 0 to 1, determined by a seed and a counter (`SplitMix64`).
fn pseudo_random(seed: u64, count: u64) -> f64 {
    let mut value = seed.wrapping_add(count.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((value ^ (value >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_read_from_json() {
        let text = r#"{"rules": [
            {"service": "ebs", "action": "PutSnapshotBlock", "when": {"nth": 3}, "what": "throttle"},
            {"when": {"probability": {"p": 0.1, "seed": 7}}, "what": {"flip_bit": {"bit": 12345}}},
            {"service": "ec2", "when": {"every": 2}, "times": 5, "what": {"slow": {"millis": 300}}}]}"#;
        let faults: FaultScript = serde_json::from_str(text).unwrap();
        assert_eq!(faults.rules[1].what, InjectedFault::FlipBit { bit: 12345 });
        let again: FaultScript = serde_json::from_str(&serde_json::to_string(&faults).unwrap()).unwrap();
        assert_eq!(again, faults);
        assert!(serde_json::from_str::<FaultScript>(r#"{"rules": [{"waht": "throttle"}]}"#).is_err());
    }

    #[test]
    fn the_first_rule_that_applies_decides_and_all_count() {
        let rule = |when, what| FaultRule {
            service: None,
            action: Some("A".to_owned()),
            target: None,
            when,
            times: None,
            what,
        };
        let script = ActiveFaults::new(FaultScript {
            rules: vec![
                rule(When::Nth(2), InjectedFault::Throttle),
                rule(When::Every(2), InjectedFault::DropAfter),
            ],
        });
        let mut run = |action| script.next_fault("ebs", action, "/");
        let applied: Vec<_> = ["A", "B", "A", "A", "A"].into_iter().map(&mut run).collect();
        assert_eq!(
            applied,
            [None, None, Some(InjectedFault::Throttle), None, Some(InjectedFault::DropAfter)]
        );
    }

    #[test]
    fn equal_seeds_give_equal_faults_at_about_the_configured_rate() {
        let when = When::Probability { p: 0.25, seed: 11 };
        let rule = FaultRule {
            service: None,
            action: None,
            target: None,
            when,
            times: None,
            what: InjectedFault::Throttle,
        };
        let faults = FaultScript { rules: vec![rule] };
        let run = || {
            let script = ActiveFaults::new(faults.clone());
            (0..4000).map(|_| script.next_fault("ebs", "A", "/").is_some()).collect::<Vec<_>>()
        };
        let applied = run();
        assert_eq!(applied, run());
        let count = applied.iter().filter(|&&one| one).count();
        assert!((900..1100).contains(&count), "{count}");
    }
}
