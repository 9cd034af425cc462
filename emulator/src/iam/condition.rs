//! Condition operators (IAM User Guide, "IAM JSON policy elements: Condition operators").

use serde_json::Value;

use super::keys::{self, Keys};
use super::pattern;
use crate::clock::Timestamp;

/// One key of a condition with its operator. All conditions of a statement have to be met.
#[derive(Debug, Clone)]
pub(super) struct Condition {
    operator: Operator,
    set: Option<SetOperator>,
    /// Whether it is met when the request does not have the key.
    if_exists: bool,
    key: String,
    values: Vec<String>,
}

/// How values of the request and of the policy are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Text,
    TextIgnoringCase,
    Pattern,
    Arn,
    Number(Order),
    Date(Order),
    Bool,
}

/// An order of two values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// An operator without its prefix and suffix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    /// One value of the policy has to match.
    Any(Comparison),
    /// No value of the policy may match.
    None(Comparison),
    /// Whether the request has the key.
    Null,
}

/// The prefix of an operator for a key with several values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SetOperator {
    /// Every value of the request has to match; so the key may be missing.
    ForAll,
    /// One value of the request has to match.
    ForAny,
}

impl Operator {
    /// The operator of a name without prefix and suffix.
    fn named(name: &str) -> Option<Self> {
        use Comparison::{Arn, Bool, Date, Number, Pattern, Text, TextIgnoringCase};
        use Order::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual};
        let order = |rest: &str| match rest {
            "Equals" => Some(Equal),
            "LessThan" => Some(Less),
            "LessThanEquals" => Some(LessOrEqual),
            "GreaterThan" => Some(Greater),
            "GreaterThanEquals" => Some(GreaterOrEqual),
            _ => None,
        };
        Some(match name {
            "StringEquals" => Self::Any(Text),
            "StringNotEquals" => Self::None(Text),
            "StringEqualsIgnoreCase" => Self::Any(TextIgnoringCase),
            "StringNotEqualsIgnoreCase" => Self::None(TextIgnoringCase),
            "StringLike" => Self::Any(Pattern),
            "StringNotLike" => Self::None(Pattern),
            // Both accept wildcards.
            "ArnEquals" | "ArnLike" => Self::Any(Arn),
            "ArnNotEquals" | "ArnNotLike" => Self::None(Arn),
            "NumericNotEquals" => Self::None(Number(Equal)),
            "DateNotEquals" => Self::None(Date(Equal)),
            "Bool" => Self::Any(Bool),
            "Null" => Self::Null,
            other => match (other.strip_prefix("Numeric"), other.strip_prefix("Date")) {
                (Some(rest), _) => Self::Any(Number(order(rest)?)),
                (_, Some(rest)) => Self::Any(Date(order(rest)?)),
                (None, None) => return None,
            },
        })
    }

    /// Whether a value of a policy is one that the operator can compare.
    fn accepts(self, value: &str) -> bool {
        match self {
            Self::Null | Self::Any(Comparison::Bool) | Self::None(Comparison::Bool) => is_bool(value),
            Self::Any(Comparison::Number(_)) | Self::None(Comparison::Number(_)) => number(value).is_some(),
            Self::Any(Comparison::Date(_)) | Self::None(Comparison::Date(_)) => date(value).is_some(),
            Self::Any(Comparison::Arn) | Self::None(Comparison::Arn) => {
                value == "*" || value.starts_with("arn:")
            }
            _ => true,
        }
    }
}

impl Comparison {
    fn matches(self, in_policy: &str, in_request: &str) -> bool {
        match self {
            Self::Text => in_policy == in_request,
            Self::TextIgnoringCase | Self::Bool => in_policy.eq_ignore_ascii_case(in_request),
            Self::Pattern => pattern::matches(in_policy, in_request),
            Self::Arn => pattern::matches_arn(in_policy, in_request),
            Self::Number(order) => compare(order, number(in_request), number(in_policy)),
            Self::Date(order) => compare(order, date(in_request), date(in_policy)),
        }
    }
}

impl Condition {
    /// Reads the conditions of a statement.
    ///
    /// # Errors
    /// The reason, with the name of the operator or key.
    pub(super) fn read_all(value: &Value) -> Result<Vec<Self>, String> {
        let Value::Object(operators) = value else { return Err("`Condition` is not an object".to_owned()) };
        let mut conditions = Vec::new();
        for (operator, keys) in operators {
            let keys = keys.as_object().filter(|keys| !keys.is_empty());
            let keys = keys.ok_or_else(|| format!("the condition operator `{operator}` has no keys"))?;
            for (key, values) in keys {
                conditions.push(Self::read(operator, key, values)?);
            }
        }
        Ok(conditions)
    }

    fn read(name: &str, key: &str, values: &Value) -> Result<Self, String> {
        let (set, rest) = match name.split_once(':') {
            Some(("ForAllValues", rest)) => (Some(SetOperator::ForAll), rest),
            Some(("ForAnyValue", rest)) => (Some(SetOperator::ForAny), rest),
            _ => (None, name),
        };
        let (rest, if_exists) = rest.strip_suffix("IfExists").map_or((rest, false), |rest| (rest, true));
        let operator = Operator::named(rest).filter(|operator| !if_exists || *operator != Operator::Null);
        let operator = operator.ok_or_else(|| format!("unknown condition operator `{name}`"))?;
        if !keys::is_known(key) {
            return Err(format!("the local region does not supply the condition key `{key}`"));
        }
        let values = scalars(values).ok_or_else(|| {
            format!("the values of `{key}` under `{name}` are neither text, numbers nor booleans")
        })?;
        if values.is_empty() {
            return Err(format!("`{key}` under `{name}` has no value"));
        }
        for value in &values {
            if value.contains("${") {
                return Err(format!("policy variables are not implemented: `{value}`"));
            }
            if !operator.accepts(value) {
                return Err(format!("`{value}` of `{key}` is not a value for `{name}`"));
            }
        }
        Ok(Self { operator, set, if_exists, key: key.to_owned(), values })
    }

    /// Whether a request meets the condition.
    pub(super) fn is_met(&self, keys: &Keys) -> bool {
        let values = keys.values(&self.key);
        let comparison = match self.operator {
            Operator::Null => {
                return self
                    .values
                    .iter()
                    .any(|value| value.eq_ignore_ascii_case("true") == values.is_none());
            }
            Operator::Any(comparison) | Operator::None(comparison) => comparison,
        };
        let negated = matches!(self.operator, Operator::None(_));
        let one = |value: &String| {
            self.values.iter().any(|in_policy| comparison.matches(in_policy, value)) != negated
        };
        match (values, self.set) {
            (None, Some(SetOperator::ForAll)) => true,
            (None, Some(SetOperator::ForAny)) => self.if_exists,
            // A negated operator is met by a key that is missing.
            (None, None) => negated || self.if_exists,
            (Some(values), Some(SetOperator::ForAll)) => values.iter().all(one),
            // Without a prefix a key has one value.
            (Some(values), Some(SetOperator::ForAny) | None) => values.iter().any(one),
        }
    }
}

/// A value or a list of values, as texts.
fn scalars(value: &Value) -> Option<Vec<String>> {
    let scalar = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    match value {
        Value::Array(list) => list.iter().map(scalar).collect(),
        other => scalar(other).map(|one| vec![one]),
    }
}

fn is_bool(text: &str) -> bool {
    text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("false")
}

fn number(text: &str) -> Option<f64> {
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

/// A time in ISO 8601, or in seconds since 1970.
fn date(text: &str) -> Option<f64> {
    if text.contains('-') {
        return Timestamp::parse(text).map(Timestamp::seconds);
    }
    number(text)
}

fn compare(order: Order, in_request: Option<f64>, in_policy: Option<f64>) -> bool {
    let (Some(in_request), Some(in_policy)) = (in_request, in_policy) else { return false };
    let found = in_request.total_cmp(&in_policy);
    match order {
        Order::Equal => found.is_eq(),
        Order::Less => found.is_lt(),
        Order::LessOrEqual => found.is_le(),
        Order::Greater => found.is_gt(),
        Order::GreaterOrEqual => found.is_ge(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn keys() -> Keys {
        let mut keys = Keys::default();
        keys.set("aws:RequestedRegion", "eu-west-1");
        keys.set("aws:ResourceTag/Team", "Web");
        keys.set("aws:EpochTime", "1000");
        keys.set("aws:CurrentTime", "2026-11-27T00:00:00.000Z");
        keys.set("aws:SecureTransport", "false");
        keys.set("aws:PrincipalArn", "arn:aws:iam::123456789012:user/ci");
        keys.set_all("aws:TagKeys", vec!["a".to_owned(), "b".to_owned()]);
        keys
    }

    fn is_met(condition: &Value) -> bool {
        let conditions = Condition::read_all(condition).unwrap();
        conditions.iter().all(|condition| condition.is_met(&keys()))
    }

    #[test]
    fn each_operator_compares_as_documented() {
        for (operator, key, value, expected) in [
            ("StringEquals", "aws:requestedregion", json!(["us-east-1", "eu-west-1"]), true),
            ("StringEquals", "aws:ResourceTag/team", json!("web"), false),
            ("StringEqualsIgnoreCase", "aws:ResourceTag/Team", json!("web"), true),
            ("StringNotEqualsIgnoreCase", "aws:ResourceTag/Team", json!("web"), false),
            ("StringNotEquals", "aws:RequestedRegion", json!(["us-east-1", "eu-west-1"]), false),
            ("StringNotEquals", "aws:ResourceTag/Other", json!("x"), true),
            ("StringLike", "aws:RequestedRegion", json!("eu-*"), true),
            ("StringNotLike", "aws:RequestedRegion", json!("eu-*"), false),
            ("StringEquals", "aws:ResourceTag/Other", json!("x"), false),
            ("StringEqualsIfExists", "aws:ResourceTag/Other", json!("x"), true),
            ("StringEqualsIfExists", "aws:ResourceTag/Team", json!("x"), false),
            ("Null", "aws:ResourceTag/Other", json!("true"), true),
            ("Null", "aws:ResourceTag/Team", json!(false), true),
            ("Null", "aws:ResourceTag/Team", json!(true), false),
            ("Bool", "aws:SecureTransport", json!("FALSE"), true),
            ("NumericLessThanEquals", "aws:EpochTime", json!(1000), true),
            ("NumericGreaterThan", "aws:EpochTime", json!("1000"), false),
            ("NumericNotEquals", "aws:EpochTime", json!(1), true),
            ("DateLessThan", "aws:CurrentTime", json!("2026-11-28T00:00:00Z"), true),
            ("DateGreaterThanEquals", "aws:CurrentTime", json!(1_795_737_600), true),
            ("ArnLike", "aws:PrincipalArn", json!("arn:aws:iam::*:user/*"), true),
            ("ArnNotEquals", "aws:PrincipalArn", json!("arn:aws:iam::*:role/*"), true),
            ("ForAllValues:StringEquals", "aws:TagKeys", json!(["a", "b", "c"]), true),
            ("ForAllValues:StringEquals", "aws:TagKeys", json!(["a"]), false),
            ("ForAllValues:StringEquals", "kms:ResourceAliases", json!(["a"]), true),
            ("ForAnyValue:StringEquals", "aws:TagKeys", json!(["b", "x"]), true),
            ("ForAnyValue:StringEquals", "aws:TagKeys", json!("x"), false),
            ("ForAnyValue:StringEquals", "kms:ResourceAliases", json!(["a"]), false),
        ] {
            let condition = json!({ operator: { key: value } });
            assert_eq!(is_met(&condition), expected, "{condition}");
        }
    }

    #[test]
    fn all_keys_and_operators_have_to_match() {
        let region = json!({"aws:RequestedRegion": "eu-west-1", "aws:ResourceTag/Team": "Web"});
        assert!(is_met(&json!({"StringEquals": region, "Bool": {"aws:SecureTransport": "false"}})));
        assert!(!is_met(&json!({"StringEquals": region, "Bool": {"aws:SecureTransport": "true"}})));
    }

    #[test]
    fn what_is_not_implemented_is_refused() {
        for (condition, part) in [
            (json!([]), "not an object"),
            (json!({"StringMatches": {"aws:RequestedRegion": "x"}}), "operator `StringMatches`"),
            (json!({"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}), "operator `IpAddress`"),
            (json!({"NullIfExists": {"aws:TagKeys": "true"}}), "operator `NullIfExists`"),
            (json!({"ForSome:StringEquals": {"aws:TagKeys": "true"}}), "operator `ForSome:StringEquals`"),
            (json!({"NumericAbout": {"aws:EpochTime": 1}}), "operator `NumericAbout`"),
            (json!({"StringEquals": {"aws:SourceVpc": "x"}}), "key `aws:SourceVpc`"),
            (json!({"StringEquals": {"aws:ResourceTag/": "x"}}), "key `aws:ResourceTag/`"),
            (json!({"StringEquals": {"aws:userid": "${aws:username}"}}), "policy variables"),
            (json!({"StringEquals": {"aws:userid": []}}), "no value"),
            (json!({"StringEquals": {"aws:userid": {}}}), "neither text"),
            (json!({"StringEquals": "x"}), "no keys"),
            (json!({"StringMatches": {}}), "no keys"),
            (json!({"Bool": {"aws:SecureTransport": "maybe"}}), "not a value"),
            (json!({"DateLessThan": {"aws:CurrentTime": "soon-ish"}}), "not a value"),
            (json!({"ArnLike": {"aws:PrincipalArn": "user"}}), "not a value"),
        ] {
            let reason = Condition::read_all(&condition).unwrap_err();
            assert!(reason.contains(part), "{condition}: {reason}");
        }
    }
}
