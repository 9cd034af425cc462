//! Branches of a script: `&&`, `||`, `if`, `case` and `for`, of which only certain ones are followed.

use super::expand::COMPARISONS_MAX;
use super::flow::{fails, is_harmless, may_leave};
use super::host::{Host, Truth};
use super::interpreter::{Interpreter, ScriptFlow};
use super::syntax::{ScriptCommand, ScriptWord};
use amiforge_rootfs::wildcard::matches;

impl<H: Host> Interpreter<'_, H> {
    /// `&&` (goes on at `Yes`) and `||` (goes on at `No`).
    pub(super) fn chain(
        &mut self,
        left: &ScriptCommand,
        right: &ScriptCommand,
        continues_on: Truth,
    ) -> (Truth, ScriptFlow) {
        let (status, flow) = self.run(left);
        if flow != ScriptFlow::Next {
            return (status, flow);
        }
        if status == continues_on {
            return self.run(right);
        }
        if status != Truth::Unknown {
            return (status, ScriptFlow::Next);
        }
        if fails(right) {
            return (continues_on.not(), ScriptFlow::Next);
        }
        // A command that is taken to succeed needs no alternative.
        if continues_on == Truth::No && is_harmless(right) {
            return (Truth::Yes, ScriptFlow::Next);
        }
        let why = self.describe(left);
        self.mark_unknown(right, &why);
        (Truth::Unknown, may_leave(right).map_or(ScriptFlow::Next, |all| ScriptFlow::Lost(why, all)))
    }

    pub(super) fn conditional(
        &mut self,
        arms: &[(ScriptCommand, ScriptCommand)],
        otherwise: Option<&ScriptCommand>,
    ) -> (Truth, ScriptFlow) {
        for (at, (condition, body)) in arms.iter().enumerate() {
            let (status, flow) = self.run(condition);
            if flow != ScriptFlow::Next {
                return (status, flow);
            }
            match status {
                Truth::Yes => return self.run(body),
                Truth::Unknown if !fails(body) => {
                    let only_failure_left = at + 1 == arms.len() && otherwise.is_some_and(fails);
                    if only_failure_left {
                        return self.run(body);
                    }
                    let why = self.describe(condition);
                    let rest = arms.get(at..).unwrap_or_default();
                    let bodies: Vec<&ScriptCommand> =
                        rest.iter().map(|(_, body)| body).chain(otherwise).collect();
                    for body in &bodies {
                        self.mark_unknown(body, &why);
                    }
                    let left = bodies.iter().filter_map(|body| may_leave(body)).max();
                    return (Truth::Unknown, left.map_or(ScriptFlow::Next, |all| ScriptFlow::Lost(why, all)));
                }
                _ => {}
            }
        }
        otherwise.map_or((Truth::Yes, ScriptFlow::Next), |body| self.run(body))
    }

    pub(super) fn case(
        &mut self,
        word: &ScriptWord,
        arms: &[(Vec<ScriptWord>, ScriptCommand)],
    ) -> (Truth, ScriptFlow) {
        let value = self.value(word);
        for (patterns, body) in arms {
            for pattern in patterns {
                match (&value, self.pattern(pattern)) {
                    (Some(value), Some(pattern)) if self.can_compare(&pattern, value) => {
                        if matches(&pattern, value) {
                            return self.run(body);
                        }
                    }
                    _ => {
                        let why = "the value of a `case`".to_owned();
                        for (_, body) in arms {
                            self.mark_unknown(body, &why);
                        }
                        let left = arms.iter().filter(|(_, body)| !fails(body));
                        let left = left.filter_map(|(_, body)| may_leave(body)).max();
                        return (
                            Truth::Unknown,
                            left.map_or(ScriptFlow::Next, |all| ScriptFlow::Lost(why, all)),
                        );
                    }
                }
            }
        }
        (Truth::Yes, ScriptFlow::Next)
    }

    /// Whether a pattern may be compared with a value, which takes up to the product of their lengths.
    fn can_compare(&mut self, pattern: &[u8], value: &[u8]) -> bool {
        let comparisons = pattern.len().saturating_mul(value.len());
        comparisons <= COMPARISONS_MAX && self.charge(comparisons / 64)
    }

    pub(super) fn iterate(
        &mut self,
        name: &[u8],
        words: Option<&[ScriptWord]>,
        body: &ScriptCommand,
    ) -> (Truth, ScriptFlow) {
        let values = match words {
            Some(words) => self.fields(words),
            None => Ok(self.snapshot().1),
        };
        let Ok(values) = values else {
            let why = "how often a `for` goes round".to_owned();
            self.mark_unknown(body, &why);
            return (
                Truth::Unknown,
                may_leave(body).map_or(ScriptFlow::Next, |all| ScriptFlow::Lost(why, all)),
            );
        };
        let mut status = Truth::Yes;
        for value in values {
            self.variables.insert(name.to_vec(), value);
            let flow;
            (status, flow) = self.run(body);
            match flow {
                ScriptFlow::Next | ScriptFlow::Continue => {}
                ScriptFlow::Break => break,
                other => return (status, other),
            }
        }
        (status, ScriptFlow::Next)
    }
}
