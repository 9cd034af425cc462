//! Validation of requests by the framework in front of the service. All violations are reported at once. The
//! limits and patterns are those of the service's model.

use super::errors::EbsError;

/// The pattern of a string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pattern {
    /// A snapshot id.
    SnapshotId,
    /// Letters and digits.
    Word,
    /// Base64.
    Base64,
    /// Not empty, without white space.
    Token,
    /// Not empty.
    Text,
    /// The ARN of a key.
    KeyArn,
    /// Any string.
    Any,
}

impl Pattern {
    fn regex(self) -> &'static str {
        match self {
            Self::SnapshotId => "^snap-[0-9a-f]+$",
            Self::Word => "^[A-Za-z0-9]+$",
            Self::Base64 => "^[A-Za-z0-9+/=]+$",
            Self::Token => "^[\\S]+$",
            Self::Text => "^[\\S\\s]+$",
            Self::KeyArn => "arn:aws[a-z\\-]*:kms:.*:[0-9]{12}:key/.*",
            Self::Any => "",
        }
    }

    fn matches(self, text: &str) -> bool {
        match self {
            Self::SnapshotId => text.strip_prefix("snap-").is_some_and(|id| {
                !id.is_empty()
                    && id.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
            }),
            Self::Word => !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric()),
            Self::Base64 => {
                let one = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=');
                !text.is_empty() && text.bytes().all(one)
            }
            Self::Token => !text.is_empty() && !text.contains(char::is_whitespace),
            Self::Text => !text.is_empty(),
            Self::KeyArn => is_key_arn(text),
            Self::Any => true,
        }
    }
}

fn is_key_arn(text: &str) -> bool {
    let parts: Vec<_> = text.splitn(6, ':').collect();
    let ["arn", partition, "kms", _region, account, key] = parts[..] else { return false };
    let partition = partition.strip_prefix("aws");
    partition.is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'))
        && account.len() == 12
        && account.bytes().all(|byte| byte.is_ascii_digit())
        && key.starts_with("key/")
}

/// Collects the constraint violations of a request.
#[derive(Debug, Default)]
pub(super) struct RequestValidator {
    violations: Vec<String>,
}

impl RequestValidator {
    /// Checks a string: at most `max` characters, and the pattern.
    pub(super) fn text(&mut self, name: &str, value: Option<&str>, max: usize, pattern: Pattern) {
        let Some(value) = value else { return };
        if value.chars().count() > max {
            self.add_violation(name, value, &format!("Member must have length less than or equal to {max}"));
        }
        if !pattern.matches(value) {
            let rule = format!("Member must satisfy regular expression pattern: {}", pattern.regex());
            self.add_violation(name, value, &rule);
        }
    }

    /// Checks a number against its limits.
    pub(super) fn number(&mut self, name: &str, value: Option<i64>, min: i64, max: Option<i64>) {
        let Some(value) = value else { return };
        if value < min {
            let rule = format!("Member must have value greater than or equal to {min}");
            self.add_violation(name, &value.to_string(), &rule);
        }
        if let Some(max) = max.filter(|&max| value > max) {
            let rule = format!("Member must have value less than or equal to {max}");
            self.add_violation(name, &value.to_string(), &rule);
        }
    }

    /// Checks that a required member exists.
    pub(super) fn required<T>(&mut self, name: &str, value: Option<&T>) {
        if value.is_none() {
            let rule = "failed to satisfy constraint: Member must not be null";
            self.violations.push(format!("Value null at '{name}' {rule}"));
        }
    }

    /// Checks the length of a list.
    pub(super) fn count(&mut self, name: &str, len: usize, max: usize) {
        if len > max {
            let rule = format!("Member must have length less than or equal to {max}");
            self.add_violation(name, "[...]", &rule);
        }
    }

    fn add_violation(&mut self, name: &str, value: &str, rule: &str) {
        self.violations.push(format!("Value '{value}' at '{name}' failed to satisfy constraint: {rule}"));
    }

    /// Returns an error if there are violations.
    pub(super) fn finish(self) -> Result<(), EbsError> {
        if self.violations.is_empty() { Ok(()) } else { Err(EbsError::violations(&self.violations)) }
    }
}

/// Parses a number from a header, the path or the query.
pub(super) fn integer(text: Option<&str>) -> Result<Option<i64>, EbsError> {
    let read = |text: &str| {
        let serialization =
            || EbsError::serialization("STRING_VALUE can not be converted to an Integer".to_owned());
        text.trim().parse::<i64>().map_err(|_| serialization())
    };
    text.map(read).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_violations_are_reported_at_once() {
        let mut shape = RequestValidator::default();
        shape.text("snapshotId", Some("vol-1"), 64, Pattern::SnapshotId);
        shape.number("maxResults", Some(99), 100, Some(10_000));
        shape.required::<u8>("blockToken", None);
        let error = shape.finish().unwrap_err();
        assert_eq!(
            error.message,
            "3 validation errors detected: Value 'vol-1' at 'snapshotId' failed to satisfy constraint: Member must \
             satisfy regular expression pattern: ^snap-[0-9a-f]+$; Value '99' at 'maxResults' failed to satisfy \
             constraint: Member must have value greater than or equal to 100; Value null at 'blockToken' failed to \
             satisfy constraint: Member must not be null"
        );
        assert_eq!(error.reason, None);
    }

    #[test]
    fn patterns_match_as_in_the_model() {
        let key = "arn:aws-us-gov:kms:us-gov-west-1:123456789012:key/mrk-1";
        for (pattern, matching, other) in [
            (Pattern::SnapshotId, "snap-0a9", "snap-0A9"),
            (Pattern::SnapshotId, "snap-0", "snap-"),
            (Pattern::Word, "SHA256", "SHA-256"),
            (Pattern::Base64, "aB+/=", "a_"),
            (Pattern::Token, "a!", "a b"),
            (Pattern::Text, " \n", ""),
            (Pattern::KeyArn, key, "alias/aws/ebs"),
            (Pattern::KeyArn, key, "arn:aws:kms:x:12345678901:key/1"),
        ] {
            assert!(pattern.matches(matching) && !pattern.matches(other), "{pattern:?}");
        }
    }
}
