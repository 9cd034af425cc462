//! Resource-based policies: documents whose statements name principals, as the policy of a KMS key does (IAM User Guide,
//! "AWS JSON policy elements: Principal"; KMS Developer Guide, "Key policies in AWS KMS").

use serde_json::{Map, Value};

use super::document::{Decision, Effect, Statement, read_statements};
use super::keys::Keys;
use super::{Principal, document};

/// The policy of a resource.
#[derive(Debug, Clone)]
pub(crate) struct ResourcePolicy(Vec<(Principals, Statement)>);

/// The principals of a statement.
#[derive(Debug, Clone)]
enum Principals {
    /// Everybody.
    All,
    /// These ARNs. That of an account's root stands for the account: its own policies decide.
    Arns(Vec<String>),
}

/// How a statement names a principal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Match {
    No,
    /// By its account.
    Account,
    /// Itself, or everybody.
    Own,
}

impl ResourcePolicy {
    /// Reads a document. `Service` and federated principals are not implemented.
    ///
    /// # Errors
    /// The reason, with the number of the statement.
    pub(crate) fn read(value: &Value) -> Result<Self, String> {
        read_statements(value, |statement| {
            let Value::Object(elements) = statement else { return Err("it is not an object".to_owned()) };
            let mut elements = elements.clone();
            let principals = Principals::read(elements.remove("Principal"))?;
            Ok((principals, Statement::read(&Value::Object(elements))?))
        })
        .map(Self)
    }

    /// Whether a principal of the resource's own account may perform an action: by a statement about itself, or by one about
    /// its account and its own policies together (IAM User Guide, "Policy evaluation logic").
    pub(crate) fn decide(
        &self,
        principal: &Principal,
        partition: &str,
        action: &str,
        resource: &str,
        keys: &Keys,
    ) -> Decision {
        let identity = principal.decide(action, resource, keys);
        if identity == Decision::Denied {
            return Decision::Denied;
        }
        let arn = principal.arn(partition);
        let mut decision = Decision::NotAllowed;
        for (principals, statement) in &self.0 {
            let matched = principals.matches(&arn, &principal.account);
            if matched == Match::No || !statement.applies(action, resource, keys) {
                continue;
            }
            match statement.effect() {
                Effect::Deny => return Decision::Denied,
                Effect::Allow if matched == Match::Own || identity == Decision::Allowed => {
                    decision = Decision::Allowed;
                }
                Effect::Allow => {}
            }
        }
        decision
    }
}

impl Principals {
    fn read(value: Option<Value>) -> Result<Self, String> {
        let all = |texts: &[String]| texts.iter().any(|text| text == "*");
        match value {
            Some(Value::String(text)) if text == "*" => Ok(Self::All),
            Some(Value::Object(kinds)) => {
                let texts = Self::read_aws(&kinds)?;
                Ok(if all(&texts) { Self::All } else { Self::Arns(texts) })
            }
            _ => Err("`Principal` is neither `*` nor an object".to_owned()),
        }
    }

    fn read_aws(kinds: &Map<String, Value>) -> Result<Vec<String>, String> {
        let (Some(value), 1) = (kinds.get("AWS"), kinds.len()) else {
            return Err("`Principal` has kinds other than `AWS`, which are not implemented".to_owned());
        };
        let texts: Option<Vec<String>> = match value {
            Value::String(text) => Some(vec![text.clone()]),
            Value::Array(list) => list.iter().map(|one| one.as_str().map(str::to_owned)).collect(),
            _ => None,
        };
        let texts = texts.filter(|texts| !texts.is_empty()).ok_or("`AWS` is no list of texts")?;
        let known = |text: &String| text == "*" || text.starts_with("arn:") || document::is_account(text);
        match texts.iter().find(|text| !known(text)) {
            Some(wrong) => Err(format!("`{wrong}` is no principal")),
            None => Ok(texts),
        }
    }

    fn matches(&self, arn: &str, account: &str) -> Match {
        let Self::Arns(arns) = self else { return Match::Own };
        let root = format!(":iam::{account}:root");
        let of = |named: &String| match named {
            // The root user is the account's, so that its statement is also about itself: its own policies allow it all.
            named if named == account || named.ends_with(&root) => Match::Account,
            named if named == arn => Match::Own,
            _ => Match::No,
        };
        let matches: Vec<_> = arns.iter().map(of).collect();
        match () {
            () if matches.contains(&Match::Own) => Match::Own,
            () if matches.contains(&Match::Account) => Match::Account,
            () => Match::No,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const KEY: &str = "arn:aws:kms:local:123456789012:key/1";

    fn user(policy: Option<Value>) -> Principal {
        let policy = policy.map(|policy| std::sync::Arc::new(super::super::Policy::read(&policy).unwrap()));
        Principal { account: "123456789012".to_owned(), key: "APP".to_owned(), policy }
    }

    fn decide(statements: &Value, principal: &Principal, pcr: Option<&str>) -> Decision {
        let policy = json!({"Version": "2012-10-17", "Statement": statements});
        let mut keys = Keys::default();
        if let Some(pcr) = pcr {
            keys.set("kms:RecipientAttestation:NitroTPMPCR4", pcr);
        }
        ResourcePolicy::read(&policy).unwrap().decide(principal, "aws", "kms:Decrypt", KEY, &keys)
    }

    #[test]
    fn a_statement_about_the_account_leaves_the_decision_to_the_policies_of_its_users() {
        let account = json!({"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::123456789012:root"},
            "Action": "kms:*", "Resource": "*"});
        let allows = json!({"Version": "2012-10-17",
            "Statement": {"Effect": "Allow", "Action": "kms:Decrypt", "Resource": "*"}});
        let nothing = json!({"Version": "2012-10-17", "Statement": []});
        assert_eq!(decide(&account, &user(None), None), Decision::Allowed);
        assert_eq!(decide(&account, &user(Some(allows)), None), Decision::Allowed);
        assert_eq!(decide(&account, &user(Some(nothing)), None), Decision::NotAllowed);
    }

    #[test]
    fn a_condition_on_a_pcr_needs_the_pcr() {
        let own = json!({"Effect": "Allow", "Principal": {"AWS": ["arn:aws:iam::123456789012:user/APP"]},
            "Action": "kms:Decrypt", "Resource": "*",
            "Condition": {"StringEqualsIgnoreCase": {"kms:RecipientAttestation:NitroTPMPCR4": "AB"}}});
        let nothing = Some(json!({"Version": "2012-10-17", "Statement": []}));
        assert_eq!(decide(&own, &user(nothing.clone()), Some("ab")), Decision::Allowed);
        assert_eq!(decide(&own, &user(nothing.clone()), Some("ac")), Decision::NotAllowed);
        assert_eq!(decide(&own, &user(nothing), None), Decision::NotAllowed);
        // The root user is not the one that the statement names.
        assert_eq!(decide(&own, &user(None), Some("ab")), Decision::NotAllowed);
    }

    #[test]
    fn an_explicit_deny_wins_and_a_mistake_is_named() {
        let deny = json!([{"Effect": "Allow", "Principal": "*", "Action": "kms:*", "Resource": "*"},
            {"Effect": "Deny", "Principal": {"AWS": "123456789012"}, "Action": "kms:Decrypt", "Resource": "*"}]);
        assert_eq!(decide(&deny, &user(None), None), Decision::Denied);
        for principal in [
            json!(null),
            json!("APP"),
            json!({"Service": "ec2.amazonaws.com"}),
            json!({"AWS": []}),
            json!({"AWS": "APP"}),
        ] {
            let statement =
                json!({"Effect": "Allow", "Principal": principal, "Action": "kms:*", "Resource": "*"});
            let policy = json!({"Version": "2012-10-17", "Statement": statement});
            assert!(ResourcePolicy::read(&policy).unwrap_err().contains("statement 1"), "{policy}");
        }
    }
}
