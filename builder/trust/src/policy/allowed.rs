//! A policy as ssh-keygen reads it: the file `allowed_signers` (ssh-keygen(1), section "ALLOWED SIGNERS").

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::{PolicyRule, Signer, SigningPolicy};

/// How the line begins that says how many signers an image needs. For ssh-keygen it is a comment; `verify.sh` reads it.
pub(super) const THRESHOLD: &str = "# amiforge-threshold ";

impl SigningPolicy {
    /// The text of an `allowed_signers` file with these namespaces: a line for each key. With the name of an image only
    /// those of its rule, and the number of signers that it needs; without one everybody, of whom one is enough.
    ///
    /// Nothing where no rule is for images of the name.
    pub fn allowed_signers(&self, name: Option<&str>, namespaces: &[&str]) -> Option<String> {
        let mut text = String::new();
        let asked: BTreeSet<&str> = match name {
            Some(name) => {
                let rule: &PolicyRule = self.rule_for(name)?;
                // Writing to a String cannot fail.
                let _ = writeln!(text, "{THRESHOLD}{}", rule.threshold);
                rule.signers.iter().map(String::as_str).collect()
            }
            None => self.signers().iter().map(|signer| signer.name.as_str()).collect(),
        };
        let namespaces = namespaces.join(",");
        for Signer { name, keys } in self.signers().iter().filter(|one| asked.contains(one.name.as_str())) {
            for key in keys {
                let _ = writeln!(text, "{name} namespaces=\"{namespaces}\" {}", key.to_openssh());
            }
        }
        Some(text)
    }
}
