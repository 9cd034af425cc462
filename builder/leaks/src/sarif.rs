//! A report as SARIF 2.1.0 (OASIS, March 2020), which code hosting and review tools show.

use serde_json::{Value, json};

use crate::finding::{FindingScope, LeakFinding, LeakSeverity};
use crate::registry::rules;
use crate::report::Report;
use crate::rule::LeakRule;

/// The schema that a log names; it is where OASIS publishes it.
const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// The log of one run over `image`. Allowed findings are in it, suppressed with their reasons.
pub fn sarif(report: &Report, image: &str) -> Value {
    let all = rules();
    let used: Vec<&LeakRule> =
        all.iter().filter(|rule| report.findings.iter().any(|finding| finding.rule == rule.id)).collect();
    let results: Vec<Value> = report.findings.iter().map(|finding| result(finding, &used)).collect();
    let notes: Vec<Value> =
        report.unread.iter().map(|text| json!({ "level": "note", "message": { "text": text } })).collect();
    json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "amiforge",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": used.iter().map(|rule| reporting_descriptor(rule)).collect::<Vec<_>>(),
            }},
            "invocations": [{ "executionSuccessful": true, "toolExecutionNotifications": notes }],
            "properties": { "image": image },
            "results": results,
        }],
    })
}

/// A rule (3.49).
fn reporting_descriptor(rule: &LeakRule) -> Value {
    json!({
        "id": rule.id,
        "shortDescription": { "text": sentence(rule.what) },
        "help": { "text": sentence(rule.remedy) },
        "defaultConfiguration": { "level": rule.severity.word() },
        "properties": { "source": rule.source, "tags": ["security"] },
    })
}

/// A finding (3.27).
fn result(finding: &LeakFinding, rules: &[&LeakRule]) -> Value {
    let mut region = serde_json::Map::new();
    // A region has a line or an offset that counts bytes (3.30).
    match (finding.line, finding.offset) {
        (Some(line), _) => drop(region.insert("startLine".to_owned(), line.into())),
        (None, Some(offset)) => {
            region.insert("byteOffset".to_owned(), offset.into());
        }
        (None, None) => {}
    }
    let mut physical = json!({ "artifactLocation": { "uri": uri(finding) } });
    if !region.is_empty() {
        physical["region"] = Value::Object(region);
    }
    let fingerprint =
        finding.secret.as_ref().map(|secret| secret.sha256.clone()).or_else(|| finding.sha256.clone());
    let mut result = json!({
        "ruleId": finding.rule,
        "level": match finding.severity { LeakSeverity::Error => "error", LeakSeverity::Warning => "warning" },
        "message": { "text": format!("{}: {}. {}", finding.file, finding.what, sentence(&finding.remedy)) },
        "locations": [{ "physicalLocation": physical }],
    });
    if let Some(index) = rules.iter().position(|rule| rule.id == finding.rule) {
        result["ruleIndex"] = index.into();
    }
    if let Some(fingerprint) = fingerprint {
        result["partialFingerprints"] = json!({ "secretSha256/v1": fingerprint });
    }
    if let Some(reason) = &finding.allowed {
        result["suppressions"] = json!([{ "kind": "external", "justification": reason }]);
    }
    result
}

/// The file as a relative reference (RFC 3986, 4.2), below the scope that it is of.
fn uri(finding: &LeakFinding) -> String {
    let scope = match finding.scope {
        FindingScope::Image => "image",
        FindingScope::Bundle => "bundle",
        FindingScope::Disk => "disk",
    };
    let path = finding.file.trim_start_matches('/').bytes().map(|byte| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
            char::from(byte).to_string()
        }
        byte => format!("%{byte:02X}"),
    });
    format!("{scope}/{}", path.collect::<String>())
}

/// A text with a capital and a full stop.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", letters.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_has_a_rule_a_relative_address_and_no_secret() {
        let finding = LeakFinding {
            rule: "github-token".to_owned(),
            severity: LeakSeverity::Error,
            scope: FindingScope::Image,
            file: "/root/a b".to_owned(),
            line: Some(3),
            offset: Some(40),
            what: "a token of GitHub".to_owned(),
            remedy: "revoke it".to_owned(),
            sha256: Some("ab".repeat(32)),
            secret: Some(crate::finding::SecretFingerprint::of(b"ghp_0123456789abcdefghijklmnopqrstuvwxyz")),
            package: None,
            allowed: Some("a test".to_owned()),
        };
        let report = Report { findings: vec![finding], ..Report::default() };
        let log = sarif(&report, "out/web");
        let result = &log["runs"][0]["results"][0];
        assert_eq!(result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"], "image/root/a%20b");
        assert_eq!(result["locations"][0]["physicalLocation"]["region"]["startLine"], 3);
        assert_eq!(result["suppressions"][0]["justification"], "a test");
        assert_eq!(log["runs"][0]["tool"]["driver"]["rules"][0]["id"], "github-token");
        assert!(!log.to_string().contains("0123456789abcdefghij"));
    }
}
