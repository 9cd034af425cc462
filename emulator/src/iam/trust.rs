//! Trust policies: who may assume a role. A document has the form of an identity-based policy with `Principal` in the
//! place of `Resource` (IAM User Guide, "AWS JSON policy elements: Principal").

use serde_json::{Map, Value};

use super::condition::Condition;
use super::keys::Keys;

/// The action of assuming a role.
const ASSUME: &str = "sts:AssumeRole";

/// The trust policy of a role, as far as services are concerned.
#[derive(Debug, Clone)]
pub(crate) struct TrustPolicy(Vec<Statement>);

#[derive(Debug, Clone)]
struct Statement {
    services: Vec<String>,
    conditions: Vec<Condition>,
}

impl TrustPolicy {
    /// Reads a document. Only `Allow` statements for services are implemented: others are an error.
    ///
    /// # Errors
    /// The reason, with the number of the statement.
    pub(crate) fn read(value: &Value) -> Result<Self, String> {
        let statements = match value.get("Statement") {
            Some(Value::Array(statements)) => statements.iter().collect(),
            Some(statement @ Value::Object(_)) => vec![statement],
            _ => return Err("`Statement` is neither an object nor a list".to_owned()),
        };
        let one = |(number, statement)| {
            Statement::read(statement).map_err(|reason| format!("statement {}: {reason}", number + 1))
        };
        statements.into_iter().enumerate().map(one).collect::<Result<_, _>>().map(Self)
    }

    /// Whether a service with an external id may assume the role.
    pub(crate) fn allows(&self, service: &str, external_id: &str) -> bool {
        let mut keys = Keys::default();
        keys.set("sts:ExternalId", external_id);
        self.0.iter().any(|statement| {
            statement.services.iter().any(|other| other == service)
                && statement.conditions.iter().all(|condition| condition.is_met(&keys))
        })
    }
}

impl Statement {
    fn read(value: &Value) -> Result<Self, String> {
        let Value::Object(elements) = value else { return Err("it is not an object".to_owned()) };
        if elements.get("Effect").and_then(Value::as_str) != Some("Allow") {
            return Err("`Effect` is not `Allow`".to_owned());
        }
        if !texts(elements, "Action")?.iter().any(|action| action == ASSUME) {
            return Err(format!("`Action` is not `{ASSUME}`"));
        }
        let Some(Value::Object(principal)) = elements.get("Principal") else {
            return Err("`Principal` names no service".to_owned());
        };
        Ok(Self {
            services: texts(principal, "Service")?,
            conditions: elements.get("Condition").map_or(Ok(Vec::new()), Condition::read_all)?,
        })
    }
}

/// A text or a list of texts.
fn texts(elements: &Map<String, Value>, name: &str) -> Result<Vec<String>, String> {
    let texts: Option<Vec<String>> = match elements.get(name) {
        Some(Value::String(text)) => Some(vec![text.clone()]),
        Some(Value::Array(list)) => list.iter().map(|text| text.as_str().map(str::to_owned)).collect(),
        _ => None,
    };
    texts.ok_or_else(|| format!("`{name}` is neither a text nor a list of texts"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn trust(condition: Value) -> TrustPolicy {
        let mut statement = json!({
            "Effect": "Allow", "Principal": {"Service": "vmie.amazonaws.com"}, "Action": "sts:AssumeRole"
        });
        if !condition.is_null() {
            statement["Condition"] = condition;
        }
        TrustPolicy::read(&json!({"Version": "2012-10-17", "Statement": [statement]})).unwrap()
    }

    #[test]
    fn a_service_is_trusted_under_the_conditions_of_its_statement() {
        let with_id = trust(json!({"StringEquals": {"sts:Externalid": "vmimport"}}));
        assert!(with_id.allows("vmie.amazonaws.com", "vmimport"));
        assert!(!with_id.allows("ec2.amazonaws.com", "vmimport"));
        let other = trust(json!({"StringEquals": {"sts:Externalid": "other"}}));
        assert!(!other.allows("vmie.amazonaws.com", "vmimport"));
        assert!(trust(Value::Null).allows("vmie.amazonaws.com", "vmimport"));
    }

    #[test]
    fn what_is_not_implemented_is_an_error() {
        for (statement, part) in [
            (json!({"Effect": "Deny"}), "statement 1: `Effect`"),
            (json!({"Effect": "Allow", "Action": "sts:TagSession"}), "`Action`"),
            (json!({"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": "*"}), "`Principal`"),
        ] {
            let reason = TrustPolicy::read(&json!({"Statement": statement})).unwrap_err();
            assert!(reason.contains(part), "{reason}");
        }
    }
}
