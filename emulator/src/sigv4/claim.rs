//! The signature parameters of a request: from the header `Authorization`, or from the query of a presigned
//! URL.

use std::time::Duration;

use http::HeaderMap;
use http::request::Parts;

use super::AuthError;
use super::query_string::{decode, pairs};

/// The signature parameters of a request, not verified yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SignatureClaim {
    /// The id of the access key.
    pub(crate) access_key_id: String,
    /// `20261121`
    pub(crate) day: String,
    /// The region in the credential scope.
    pub(crate) region: String,
    /// The service in the credential scope: `ebs`, `ec2`, ...
    pub(crate) service: String,
    /// The names of the signed headers, in lower case.
    pub(crate) signed_headers: Vec<String>,
    /// The signature in hexadecimal.
    pub(crate) signature: String,
    /// `20261121T014727Z`
    pub(crate) date: String,
    /// The lifetime of a presigned request.
    pub(crate) expires: Option<Duration>,
}

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

impl SignatureClaim {
    /// Reads the parameters from the head of a request.
    pub(crate) fn read(parts: &Parts) -> Result<Self, AuthError> {
        match parts.headers.get(http::header::AUTHORIZATION) {
            Some(value) => {
                let text = value.to_str().map_err(|_| malformed("the Authorization header is not text"))?;
                Self::of_header(text, &parts.headers)
            }
            None => Self::of_query(parts.uri.query().unwrap_or_default()),
        }
    }

    fn of_header(text: &str, headers: &HeaderMap) -> Result<Self, AuthError> {
        let rest = text.strip_prefix(ALGORITHM).ok_or_else(|| malformed("unsupported algorithm"))?;
        let field = |name: &str| {
            let value = rest.split([',', ' ']).find_map(|part| part.strip_prefix(name)?.strip_prefix('='));
            value
                .map(str::to_owned)
                .ok_or_else(|| malformed(&format!("Authorization header requires '{name}' parameter.")))
        };
        let date = headers.get("x-amz-date").and_then(|value| value.to_str().ok());
        let date = date
            .ok_or_else(|| malformed("Authorization header requires existence of a 'X-Amz-Date' header."))?;
        Self::of_fields(
            &field("Credential")?,
            &field("SignedHeaders")?,
            field("Signature")?,
            date.to_owned(),
            None,
        )
    }

    fn of_query(query: &str) -> Result<Self, AuthError> {
        let pairs = pairs(query);
        let find = |name: &str| {
            let pair = pairs.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
            pair.map(|(_, value)| String::from_utf8_lossy(&decode(value)).into_owned())
        };
        let credential = find("X-Amz-Credential").ok_or(AuthError::Missing)?;
        let field = |name: &str| find(name).ok_or_else(|| malformed(&format!("Query requires '{name}'.")));
        if field("X-Amz-Algorithm")? != ALGORITHM {
            return Err(malformed("unsupported algorithm"));
        }
        let seconds = field("X-Amz-Expires").map_or(Ok(300), |text| text.parse::<u64>());
        let seconds = seconds.map_err(|_| malformed("X-Amz-Expires should be a number"))?;
        let expires = Some(Duration::from_secs(seconds.min(604_800)));
        let (headers, date) = (field("X-Amz-SignedHeaders")?, field("X-Amz-Date")?);
        Self::of_fields(&credential, &headers, field("X-Amz-Signature")?, date, expires)
    }

    fn of_fields(
        credential: &str,
        headers: &str,
        signature: String,
        date: String,
        expires: Option<Duration>,
    ) -> Result<Self, AuthError> {
        let parts: Vec<_> = credential.rsplitn(5, '/').collect();
        let ["aws4_request", service, region, day, access_key_id] = parts[..] else {
            return Err(malformed("Credential must be of the form KEY/YYYYMMDD/REGION/SERVICE/aws4_request"));
        };
        if !date.starts_with(day) {
            return Err(malformed(
                "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP",
            ));
        }
        let signed_headers: Vec<_> = headers.split(';').map(str::to_ascii_lowercase).collect();
        if !signed_headers.iter().any(|name| name == "host") {
            return Err(malformed("'Host' must be a 'SignedHeader' in the AWS Authorization."));
        }
        Ok(Self {
            access_key_id: access_key_id.to_owned(),
            day: day.to_owned(),
            region: region.to_owned(),
            service: service.to_owned(),
            signed_headers,
            signature,
            date,
            expires,
        })
    }
}

fn malformed(what: &str) -> AuthError {
    AuthError::Malformed(what.to_owned())
}
