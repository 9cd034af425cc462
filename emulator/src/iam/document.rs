//! Policy documents and their evaluation: an explicit deny wins, and what no statement allows is denied.

use serde_json::{Map, Value};

use super::condition::Condition;
use super::keys::Keys;
use super::pattern::{matches, matches_arn};

/// The version of the policy language.
const VERSION: &str = "2012-10-17";
/// The elements of a statement of an identity-based policy. One with a principal belongs to a resource.
const ELEMENTS: [&str; 7] = ["Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Condition"];

/// The policy of a principal: the statements of one document or of several.
#[derive(Debug, Clone)]
pub(crate) struct Policy(Vec<Statement>);

/// A decision about an action on a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    /// A statement allows it, and none denies it.
    Allowed,
    /// No statement allows it.
    NotAllowed,
    /// A statement denies it.
    Denied,
}

/// A statement without its principal.
#[derive(Debug, Clone)]
pub(super) struct Statement {
    effect: Effect,
    actions: Patterns,
    resources: Patterns,
    conditions: Vec<Condition>,
}

/// What a statement does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    Allow,
    Deny,
}

/// Patterns of which one has to match, or none.
#[derive(Debug, Clone)]
enum Patterns {
    One(Vec<String>),
    None(Vec<String>),
}

impl Policy {
    /// Reads a document, or a list of documents.
    ///
    /// # Errors
    /// The reason, with the number of the statement.
    pub(crate) fn read(value: &Value) -> Result<Self, String> {
        let mut statements = Vec::new();
        match value {
            Value::Array(documents) => {
                for document in documents {
                    statements.extend(read_document(document)?);
                }
            }
            document => statements.extend(read_document(document)?),
        }
        Ok(Self(statements))
    }

    /// Whether an action on a resource (an ARN, or `*` if the action has none) is allowed.
    pub(crate) fn decide(&self, action: &str, resource: &str, keys: &Keys) -> Decision {
        let mut decision = Decision::NotAllowed;
        for statement in self.0.iter().filter(|statement| statement.applies(action, resource, keys)) {
            match statement.effect {
                Effect::Deny => return Decision::Denied,
                Effect::Allow => decision = Decision::Allowed,
            }
        }
        decision
    }
}

impl Statement {
    pub(super) fn effect(&self) -> Effect {
        self.effect
    }

    pub(super) fn applies(&self, action: &str, resource: &str, keys: &Keys) -> bool {
        // The names of actions are not case-sensitive.
        let action = action.to_ascii_lowercase();
        self.actions.allow(|pattern| matches(&pattern.to_ascii_lowercase(), &action))
            && self.resources.allow(|pattern| matches_arn(pattern, resource))
            && self.conditions.iter().all(|condition| condition.is_met(keys))
    }

    pub(super) fn read(value: &Value) -> Result<Self, String> {
        let Value::Object(elements) = value else { return Err("it is not an object".to_owned()) };
        if let Some(unknown) = elements.keys().find(|name| !ELEMENTS.contains(&name.as_str())) {
            return Err(format!("unknown element `{unknown}`"));
        }
        let effect = match elements.get("Effect").and_then(Value::as_str) {
            Some("Allow") => Effect::Allow,
            Some("Deny") => Effect::Deny,
            _ => return Err("`Effect` is neither `Allow` nor `Deny`".to_owned()),
        };
        Ok(Self {
            effect,
            actions: Patterns::read(elements, ["Action", "NotAction"], is_action)?,
            resources: Patterns::read(elements, ["Resource", "NotResource"], is_resource)?,
            conditions: elements.get("Condition").map_or(Ok(Vec::new()), Condition::read_all)?,
        })
    }
}

impl Patterns {
    fn allow(&self, matches: impl Fn(&String) -> bool) -> bool {
        match self {
            Self::One(patterns) => patterns.iter().any(matches),
            Self::None(patterns) => !patterns.iter().any(matches),
        }
    }

    /// Reads one of two elements: the patterns of which one has to match, or those of which none may.
    fn read(
        elements: &Map<String, Value>,
        [one, none]: [&str; 2],
        is_valid: fn(&str) -> bool,
    ) -> Result<Self, String> {
        let (name, value) = match (elements.get(one), elements.get(none)) {
            (Some(value), None) => (one, value),
            (None, Some(value)) => (none, value),
            _ => return Err(format!("it must have either `{one}` or `{none}`")),
        };
        let texts: Option<Vec<&str>> = match value {
            Value::String(text) => Some(vec![text]),
            Value::Array(list) => list.iter().map(Value::as_str).collect(),
            _ => None,
        };
        let texts = texts.filter(|texts| !texts.is_empty());
        let texts = texts.ok_or_else(|| format!("`{name}` is neither a text nor a list of texts"))?;
        if let Some(wrong) = texts.iter().find(|text| !is_valid(text)) {
            return Err(format!("`{wrong}` is not a value for `{name}`"));
        }
        let patterns = texts.into_iter().map(str::to_owned).collect();
        Ok(if name == one { Self::One(patterns) } else { Self::None(patterns) })
    }
}

/// Whether a text is `*`, or a service and a pattern of its actions.
fn is_action(text: &str) -> bool {
    let plain = |part: &str, more: &str| {
        !part.is_empty() && part.chars().all(|one| one.is_ascii_alphanumeric() || more.contains(one))
    };
    text == "*"
        || text.split_once(':').is_some_and(|(service, name)| plain(service, "-") && plain(name, "*?"))
}

/// Whether a text is `*` or a pattern of ARNs. Policy variables are not implemented.
fn is_resource(text: &str) -> bool {
    (text == "*" || (text.starts_with("arn:") && text.matches(':').count() >= 5)) && !text.contains("${")
}

/// Whether a text is the number of an account.
pub(super) fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn read_document(value: &Value) -> Result<Vec<Statement>, String> {
    read_statements(value, Statement::read)
}

/// The statements of a document, each read by `read`.
///
/// # Errors
/// The reason, with the number of the statement.
pub(super) fn read_statements<T>(
    value: &Value,
    read: impl Fn(&Value) -> Result<T, String>,
) -> Result<Vec<T>, String> {
    let Value::Object(document) = value else { return Err("the document is not an object".to_owned()) };
    if let Some(unknown) =
        document.keys().find(|name| !["Version", "Id", "Statement"].contains(&name.as_str()))
    {
        return Err(format!("unknown element `{unknown}`"));
    }
    if document.get("Version").and_then(Value::as_str) != Some(VERSION) {
        return Err(format!("`Version` is not `{VERSION}`"));
    }
    let statements = match document.get("Statement") {
        Some(Value::Array(statements)) => statements.iter().collect(),
        Some(statement @ Value::Object(_)) => vec![statement],
        _ => return Err("`Statement` is neither an object nor a list".to_owned()),
    };
    let one =
        |(number, statement)| read(statement).map_err(|reason| format!("statement {}: {reason}", number + 1));
    statements.into_iter().enumerate().map(one).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const IMAGE: &str = "arn:aws:ec2:eu-west-1::image/ami-1";

    fn decide(statements: &Value, action: &str, resource: &str) -> Decision {
        let policy = Policy::read(&json!({"Version": VERSION, "Statement": statements})).unwrap();
        let mut keys = Keys::default();
        keys.set("aws:RequestedRegion", "eu-west-1");
        policy.decide(action, resource, &keys)
    }

    #[test]
    fn what_no_statement_allows_is_denied() {
        let one =
            json!({"Effect": "Allow", "Action": ["ec2:Describe*", "EC2:registerimage"], "Resource": "*"});
        assert_eq!(decide(&one, "ec2:DescribeImages", "*"), Decision::Allowed);
        assert_eq!(decide(&one, "ec2:RegisterImage", IMAGE), Decision::Allowed);
        assert_eq!(decide(&one, "ec2:CopyImage", IMAGE), Decision::NotAllowed);
        assert_eq!(decide(&json!([]), "ec2:DescribeImages", "*"), Decision::NotAllowed);
    }

    #[test]
    fn a_statement_about_resources_does_not_allow_an_action_that_has_none() {
        let one = json!({"Effect": "Allow", "Action": "ec2:*", "Resource": "arn:aws:ec2:*::image/*"});
        assert_eq!(decide(&one, "ec2:DeregisterImage", IMAGE), Decision::Allowed);
        assert_eq!(decide(&one, "ec2:DescribeImages", "*"), Decision::NotAllowed);
    }

    #[test]
    fn an_explicit_deny_wins_whatever_the_order() {
        let allow = json!({"Effect": "Allow", "Action": "*", "Resource": "*"});
        let deny = json!({"Effect": "Deny", "Action": "ec2:DeregisterImage", "Resource": "*"});
        let elsewhere = json!({"Effect": "Deny", "Action": "*", "Resource": "*",
            "Condition": {"StringNotEquals": {"aws:RequestedRegion": "eu-west-1"}}});
        for statements in [json!([allow, deny, elsewhere]), json!([deny, elsewhere, allow])] {
            assert_eq!(decide(&statements, "ec2:DeregisterImage", IMAGE), Decision::Denied);
            assert_eq!(decide(&statements, "ec2:CopyImage", IMAGE), Decision::Allowed);
        }
    }

    #[test]
    fn the_negated_elements_match_everything_else() {
        let one = json!({"Effect": "Allow", "NotAction": "ec2:*", "NotResource": "arn:aws:s3:::b/*"});
        assert_eq!(decide(&one, "s3:PutObject", "arn:aws:s3:::a/k"), Decision::Allowed);
        assert_eq!(decide(&one, "s3:PutObject", "arn:aws:s3:::b/k"), Decision::NotAllowed);
        assert_eq!(decide(&one, "ec2:CopyImage", IMAGE), Decision::NotAllowed);
    }

    #[test]
    fn a_mistake_is_named_with_its_statement() {
        let allow = json!({"Effect": "Allow", "Action": "ec2:*", "Resource": "*"});
        let with = |name: &str, value: Value| {
            let mut statement = allow.clone();
            statement[name] = value;
            json!({"Version": VERSION, "Statement": [allow, statement]})
        };
        for (document, part) in [
            (json!("x"), "not an object"),
            (json!({"Statement": []}), "`Version`"),
            (json!({"Version": "2008-10-17", "Statement": []}), "`Version`"),
            (json!({"Version": VERSION}), "`Statement`"),
            (json!({"Version": VERSION, "Statement": [], "Principal": "*"}), "`Principal`"),
            (with("Principal", json!("*")), "statement 2: unknown element `Principal`"),
            (with("Effect", json!("allow")), "statement 2: `Effect`"),
            (with("NotAction", json!("ec2:*")), "either `Action` or `NotAction`"),
            (with("Action", json!([])), "`Action`"),
            (with("Action", json!("RunInstances")), "`RunInstances`"),
            (with("Action", json!("ec2:Run Instances")), "`ec2:Run Instances`"),
            (with("Resource", json!("image/*")), "`image/*`"),
            (with("Resource", json!("arn:aws:s3:::${aws:username}/*")), "aws:username"),
            (
                with("Condition", json!({"Equals": {"aws:userid": "x"}})),
                "statement 2: unknown condition operator",
            ),
        ] {
            let reason = Policy::read(&document).unwrap_err();
            assert!(reason.contains(part), "{document}: {reason}");
        }
    }
}
