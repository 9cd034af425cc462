//! Pagination of Describe operations: page size and token of the next page. Knows no resource.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::errors::Ec2Error;
use super::params::Params;

/// The limits of an operation's page size.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PageLimits {
    /// The minimum of `MaxResults`.
    pub(crate) min: i64,
    /// The maximum of `MaxResults`.
    pub(crate) max: i64,
    /// The page size without `MaxResults`; `None` for no limit.
    pub(crate) default: Option<usize>,
}

/// The requested page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PageRequest {
    size: Option<usize>,
    after: Option<String>,
}

impl PageRequest {
    /// Reads `MaxResults` and `NextToken`.
    pub(crate) fn read(params: &Params<'_>, limits: PageLimits) -> Result<Self, Ec2Error> {
        let size = match params.number("MaxResults")? {
            None => limits.default,
            Some(size) if (limits.min..=limits.max).contains(&size) => usize::try_from(size).ok(),
            Some(size) => {
                let why = format!("Expecting a value between {} and {}", limits.min, limits.max);
                let message = format!("Value ( {size} ) for parameter maxResults is invalid. {why}.");
                return Err(Ec2Error::new("InvalidParameterValue", message));
            }
        };
        let after = params.non_empty("NextToken").map(decode).transpose()?;
        Ok(Self { size, after })
    }

    /// Whether the request specifies a page size.
    pub(crate) fn is_sized(params: &Params<'_>) -> bool {
        params.non_empty("MaxResults").is_some()
    }

    /// The page of a sorted list and the token of the next one. A token contains the last key shown, so that
    /// additions and removals in between move no entry to another page.
    pub(crate) fn paginate<T>(&self, all: Vec<T>, key: impl Fn(&T) -> &str) -> (Vec<T>, Option<String>) {
        let after = self.after.as_deref();
        let mut rest = all.into_iter().filter(|one| after.is_none_or(|after| key(one) > after)).peekable();
        let mut page = Vec::new();
        while rest.peek().is_some() && self.size.is_none_or(|size| page.len() < size) {
            page.extend(rest.next());
        }
        let more = rest.peek().is_some();
        let token = page.last().filter(|_| more).map(|last| encode(key(last)));
        (page, token)
    }
}

/// The prefix of a token's content, by which tokens of other services are recognized.
const TOKEN_PREFIX: &str = "after:";

fn encode(key: &str) -> String {
    URL_SAFE_NO_PAD.encode(format!("{TOKEN_PREFIX}{key}"))
}

fn decode(token: &str) -> Result<String, Ec2Error> {
    let bytes = URL_SAFE_NO_PAD.decode(token).ok();
    let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    let key = text.and_then(|text| text.strip_prefix(TOKEN_PREFIX).map(str::to_owned));
    key.ok_or_else(|| Ec2Error::new("InvalidNextToken", format!("The token '{token}' is invalid")))
}

#[cfg(test)]
mod tests {
    use super::super::params::ParamNode;
    use super::*;

    const LIMITS: PageLimits = PageLimits { min: 2, max: 5, default: None };

    fn page(text: &str) -> Result<PageRequest, Ec2Error> {
        PageRequest::read(&ParamNode::read(form_urlencoded::parse(text.as_bytes())).unwrap().params(), LIMITS)
    }

    #[test]
    fn pages_join_to_the_whole() {
        let all = ["a", "b", "c", "d", "e"];
        let (mut joined, mut next) = (Vec::new(), String::new());
        loop {
            let (part, token) =
                page(&format!("MaxResults=2{next}")).unwrap().paginate(all.to_vec(), |one: &&str| one);
            joined.extend(part);
            let Some(token) = token else { break };
            next = format!("&NextToken={token}");
        }
        assert_eq!(joined, all);
    }

    #[test]
    fn sizes_out_of_range_and_foreign_tokens_are_refused() {
        assert_eq!(page("MaxResults=1").unwrap_err().code, "InvalidParameterValue");
        assert_eq!(page("MaxResults=6").unwrap_err().code, "InvalidParameterValue");
        assert_eq!(page("NextToken=abc").unwrap_err().code, "InvalidNextToken");
    }

    #[test]
    fn no_size_gives_everything() {
        assert_eq!(page("").unwrap().paginate(vec!["a", "b"], |one: &&str| one), (vec!["a", "b"], None));
    }
}
