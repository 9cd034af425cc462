//! What may leave all the same: by rule, path and digest, each with a reason.

use amiforge_rootfs::glob::Globs;

use crate::finding::{DIGEST_DIGITS, LeakFinding};
use crate::registry::rules;
use crate::rule::LeakRule;

/// What may leave, as the manifest of a bundle keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowance {
    /// The name of the rule; `*` for every rule.
    pub rule: String,
    /// A glob of absolute paths in the image, or of names of the bundle's files.
    pub path: String,
    /// SHA-256 of the content of the file, or at least 16 first digits of that of the secret, as findings state both. Another content
    /// is a finding again.
    pub sha256: Option<String>,
    /// Why it does no harm.
    pub reason: String,
}

/// Why an allowance cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AllowanceError {
    /// No rule has this name.
    #[error("no rule is `{0}`; `amiforge leaks --list-rules` lists them")]
    Rule(String),
    /// The path is no glob.
    #[error("`{path}` is not a path with `*` and `**` in it: {reason}")]
    Path {
        /// The path.
        path: String,
        /// Why.
        reason: String,
    },
    /// The digest is none.
    #[error("`{0}` is not 16 to 64 hexadecimal digits in lower case, as findings state them")]
    Digest(String),
}

impl Allowance {
    /// Checks the words of an allowance.
    ///
    /// # Errors
    /// [`AllowanceError`].
    pub fn check(&self) -> Result<(), AllowanceError> {
        self.compile().map(|_| ())
    }

    fn compile(&self) -> Result<CompiledAllowance, AllowanceError> {
        if self.rule != "*" && !rules().iter().any(|LeakRule { id, .. }| *id == self.rule) {
            return Err(AllowanceError::Rule(self.rule.clone()));
        }
        let digits = |text: &str| {
            let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
            (DIGEST_DIGITS..=64).contains(&text.len()) && text.bytes().all(hex)
        };
        if let Some(sha256) = self.sha256.as_ref().filter(|sha256| !digits(sha256)) {
            return Err(AllowanceError::Digest(sha256.clone()));
        }
        let globs = Globs::new([self.path.as_str()]);
        let globs =
            globs.map_err(|error| AllowanceError::Path { path: self.path.clone(), reason: error.reason })?;
        Ok(CompiledAllowance { allowance: self.clone(), globs, used: false })
    }
}

#[derive(Debug, Clone)]
struct CompiledAllowance {
    allowance: Allowance,
    globs: Globs,
    used: bool,
}

/// All of them, ready for findings.
#[derive(Debug, Clone, Default)]
pub struct Allowances {
    all: Vec<CompiledAllowance>,
}

impl Allowances {
    /// Prepares them.
    ///
    /// # Errors
    /// [`AllowanceError`] of the first that cannot be used.
    pub fn new(all: &[Allowance]) -> Result<Self, AllowanceError> {
        Ok(Self { all: all.iter().map(Allowance::compile).collect::<Result<_, _>>()? })
    }

    /// Marks the findings that may leave, and returns in words those that none needs.
    pub fn apply(&mut self, findings: &mut [LeakFinding]) -> Vec<String> {
        for finding in findings.iter_mut().filter(|finding| finding.allowed.is_none()) {
            let matching = self.all.iter_mut().find(|one| one.matches(finding));
            if let Some(one) = matching {
                one.used = true;
                finding.allowed = Some(one.allowance.reason.clone());
            }
        }
        // One that covers what another allows already is not needless.
        let unused =
            self.all.iter().filter(|one| !one.used && !findings.iter().any(|finding| one.matches(finding)));
        unused.map(|one| one.words(findings)).collect()
    }
}

impl CompiledAllowance {
    fn matches(&self, finding: &LeakFinding) -> bool {
        self.is_about(finding) && self.allowance.sha256.as_ref().is_none_or(|sha256| is_of(sha256, finding))
    }

    fn is_about(&self, finding: &LeakFinding) -> bool {
        let path = finding.file.strip_prefix('/').unwrap_or(&finding.file);
        (self.allowance.rule == "*" || self.allowance.rule == finding.rule)
            && self.globs.matches(path.as_bytes())
    }

    fn words(&self, findings: &[LeakFinding]) -> String {
        let Allowance { rule, path, .. } = &self.allowance;
        match findings.iter().find(|finding| self.is_about(finding)) {
            Some(finding) => {
                let now = finding.sha256.as_deref().unwrap_or_default();
                format!(
                    "`{rule}` is allowed for `{path}` with another content than it has now (sha256 {now})"
                )
            }
            None => {
                format!("`{rule}` is allowed for `{path}`, and nothing was found there; remove the entry")
            }
        }
    }
}

/// Whether a digest is that of the file, or begins as that of the secret does.
fn is_of(sha256: &str, finding: &LeakFinding) -> bool {
    let of_secret = finding.secret.as_ref().is_some_and(|secret| sha256.starts_with(&secret.sha256));
    finding.sha256.as_deref() == Some(sha256) || of_secret
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::{FindingScope, LeakSeverity, SecretFingerprint};

    fn finding(rule: &str, file: &str, sha256: &str) -> LeakFinding {
        LeakFinding {
            rule: rule.to_owned(),
            severity: LeakSeverity::Error,
            scope: FindingScope::Image,
            file: file.to_owned(),
            line: None,
            offset: None,
            what: String::new(),
            remedy: String::new(),
            sha256: Some(sha256.to_owned()),
            secret: Some(SecretFingerprint::of(b"secret of some length")),
            package: None,
            allowed: None,
        }
    }

    fn allowance(rule: &str, path: &str, sha256: Option<&str>) -> Allowance {
        let sha256 = sha256.map(str::to_owned);
        Allowance { rule: rule.to_owned(), path: path.to_owned(), sha256, reason: "why".to_owned() }
    }

    #[test]
    fn a_finding_is_allowed_by_rule_path_and_digest_and_another_content_asks_again() {
        let sha256 = "ab".repeat(32);
        let other = "cd".repeat(32);
        for (allowed, expected) in [
            (allowance("netrc", "/root/.netrc", None), true),
            (allowance("*", "/root/**", None), true),
            (allowance("netrc", "/root/.netrc", Some(&sha256)), true),
            (allowance("netrc", "/root/.netrc", Some(&other)), false),
            (
                allowance(
                    "netrc",
                    "/root/.netrc",
                    Some(&SecretFingerprint::of(b"secret of some length").sha256),
                ),
                true,
            ),
            (allowance("netrc", "/home/**", None), false),
            (allowance("pypirc", "/root/.netrc", None), false),
        ] {
            let mut findings = [finding("netrc", "/root/.netrc", &sha256)];
            let needless = Allowances::new(std::slice::from_ref(&allowed)).unwrap().apply(&mut findings);
            assert_eq!(findings[0].allowed.is_some(), expected, "{allowed:?}");
            assert_eq!(needless.is_empty(), expected, "{needless:?}");
        }
    }

    #[test]
    fn words_that_are_wrong_are_refused() {
        let wrong = |rule, path, sha256| Allowances::new(&[allowance(rule, path, sha256)]).unwrap_err();
        assert!(matches!(wrong("nothing", "/x", None), AllowanceError::Rule(_)));
        assert!(matches!(wrong("netrc", "/[", None), AllowanceError::Path { .. }));
        assert!(matches!(wrong("netrc", "/x", Some("ABCD")), AllowanceError::Digest(_)));
    }
}
