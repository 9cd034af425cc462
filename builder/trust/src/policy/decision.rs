//! What a policy says of the signatures of an image, with the reasons.

use serde::Serialize;

/// What a policy says of the signatures of an image.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct PolicyDecision {
    /// Name of the image.
    pub name: String,
    /// How many signers are needed; nothing where no rule matches the name.
    pub threshold: Option<usize>,
    /// The signers of the rule who signed, sorted.
    pub signed: Vec<String>,
    /// How many more are needed.
    pub missing: usize,
    /// The signers of the rule who did not sign, in the order of the rule.
    pub absent: Vec<String>,
    /// Signers of the policy who signed, whom the rule does not name.
    pub not_asked: Vec<String>,
    /// Fingerprints of keys that the policy does not know.
    pub unknown: Vec<String>,
}

impl PolicyDecision {
    /// Whether the signatures are enough.
    pub fn is_met(&self) -> bool {
        self.threshold.is_some() && self.missing == 0
    }

    /// Why they are not: one sentence, nothing where they are enough.
    pub fn refusal(&self) -> Option<String> {
        if self.is_met() {
            return None;
        }
        let Some(threshold) = self.threshold else {
            return Some(format!("no rule of the policy is for images of the name `{}`", self.name));
        };
        let signed = match self.signed.as_slice() {
            [] => "nobody whom the policy asks has signed".to_owned(),
            signed => format!("{} of {threshold} signers have signed ({})", signed.len(), signed.join(", ")),
        };
        let (signatures, verb) = if self.missing == 1 { ("signature", "is") } else { ("signatures", "are") };
        let (missing, absent) = (self.missing, self.absent.join(", "));
        Some(format!("{signed}: {missing} more {signatures} {verb} needed, of {absent}"))
    }
}
