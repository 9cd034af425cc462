//! Mistakes in options: the option, the problem, and the remedy.

use std::fmt;

/// An option that the service would refuse, or that is certainly not intended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestMistake {
    /// The option, such as `--tpm`.
    pub option: &'static str,
    /// The problem.
    pub problem: String,
    /// The remedy.
    pub remedy: String,
}

impl RequestMistake {
    /// Creates a mistake.
    pub(super) fn new(option: &'static str, problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { option, problem: problem.into(), remedy: remedy.into() }
    }
}

impl fmt::Display for RequestMistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`: {}; {}", self.option, self.problem, self.remedy)
    }
}

/// All mistakes of a request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct RequestMistakes(pub Vec<RequestMistake>);

impl fmt::Display for RequestMistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [only] = self.0.as_slice() {
            return write!(f, "{only}");
        }
        write!(f, "{} mistakes", self.0.len())?;
        self.0.iter().try_for_each(|mistake| write!(f, "\n{mistake}"))
    }
}
