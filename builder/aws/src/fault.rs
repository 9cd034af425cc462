//! From the errors of the AWS clients to [`ServiceError`].

use amiforge_publish::service_error::{ServiceError, ServiceErrorKind};
use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::{ConnectorError, SdkError};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use super::query::too_long;

/// The fault that an error of a client stands for.
#[expect(clippy::needless_pass_by_value, reason = "what `map_err` hands over")]
pub(super) fn fault<E>(error: SdkError<E, HttpResponse>) -> ServiceError
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    match &error {
        // The client calls an answer of success that it cannot read an error of the service without a name.
        SdkError::ServiceError(failure) if failure.raw().status().is_success() => {
            own(ServiceErrorKind::Unreadable, failure.raw(), causes(&error))
        }
        SdkError::ServiceError(failure) => answered(failure.err(), failure.raw()),
        _ => unanswered(&error),
    }
}

/// The fault of a call that got no answer, or none that can be read.
pub(super) fn unanswered<E>(error: &SdkError<E, HttpResponse>) -> ServiceError
where
    E: std::error::Error + Send + Sync + 'static,
{
    match error {
        SdkError::TimeoutError(_) => ServiceError::own(ServiceErrorKind::TimedOut, "no answer in time"),
        SdkError::DispatchFailure(failure) => {
            let met = failure.as_connector_error().map(connection);
            match (no_credentials(error), met) {
                (None, Some(met)) if permanent(&met.message).is_some() => met,
                (kind, met) => {
                    let kind = kind.or(met.map(|met| met.kind)).unwrap_or(ServiceErrorKind::Transport);
                    named(kind, causes(error))
                }
            }
        }
        SdkError::ConstructionFailure(_) => {
            named(no_credentials(error).unwrap_or(ServiceErrorKind::Refused), causes(error))
        }
        SdkError::ResponseError(failure) => {
            let raw = failure.raw();
            let kind = match ServiceError::classify(raw.status().as_u16(), None, "", None) {
                // The body is there if it was read to its end: then the same answer would come the next time, as one
                // would that is too long. One that broke off may be whole then.
                ServiceErrorKind::Unreadable if raw.body().bytes().is_none() && !too_long(error) => {
                    permanent(&causes(error)).unwrap_or(ServiceErrorKind::Transport)
                }
                kind => kind,
            };
            own(kind, raw, causes(error))
        }
        _ => ServiceError::own(ServiceErrorKind::Transport, causes(error)),
    }
}

/// The fault of an answer that does not say it itself.
fn own(kind: ServiceErrorKind, raw: &HttpResponse, causes: String) -> ServiceError {
    ServiceError {
        status: Some(raw.status().as_u16()),
        request_id: request_id(raw),
        ..ServiceError::own(kind, causes)
    }
}

fn request_id(raw: &HttpResponse) -> Option<String> {
    let names = ["x-amzn-requestid", "x-amz-request-id"];
    names.iter().find_map(|name| raw.headers().get(*name)).map(str::to_owned)
}

/// The fault of an answer that is an error.
pub(super) fn answered(error: &impl ProvideErrorMetadata, raw: &HttpResponse) -> ServiceError {
    let status = raw.status().as_u16();
    // The clients drop the reason of errors that their model does not know, and the words of some.
    let body = raw.body().bytes().and_then(|body| serde_json::from_slice::<serde_json::Value>(body).ok());
    let text = |keys: &[&str]| {
        let body = body.as_ref()?;
        keys.iter().find_map(|key| Some(body.get(*key)?.as_str()?.to_owned()))
    };
    let named = raw.headers().get("x-amzn-errortype").map(|name| name.split(':').next().unwrap_or(name));
    let code = named.or_else(|| error.code()).map(str::to_owned).or_else(|| text(&["__type", "code"]));
    let message = text(&["Message", "message"]).or_else(|| error.message().map(str::to_owned));
    let message = message.unwrap_or_default();
    let reason = text(&["Reason", "reason"]);
    ServiceError {
        kind: ServiceError::classify(status, code.as_deref(), &message, reason.as_deref()),
        code,
        message,
        reason,
        status: Some(status),
        request_id: request_id(raw),
    }
}

/// Whether an error comes from looking for credentials. Where the way to the service that gives them is what fails, that
/// is what can be mended.
fn no_credentials(error: &(dyn std::error::Error + 'static)) -> Option<ServiceErrorKind> {
    let mut cause = error.source();
    while let Some(error) = cause {
        if error.is::<CredentialsError>() {
            return Some(permanent(&causes(error)).unwrap_or(ServiceErrorKind::NoCredentials));
        }
        cause = error.source();
    }
    None
}

/// The fault of a request that got no answer.
pub(super) fn connection(error: &ConnectorError) -> ServiceError {
    let words = causes(error);
    let kind = match permanent(&words) {
        Some(kind) => kind,
        None if error.is_timeout() => ServiceErrorKind::TimedOut,
        None if error.is_user() => ServiceErrorKind::Refused,
        None => ServiceErrorKind::Transport,
    };
    named(kind, words)
}

/// A fault in words that begin with who refused, or what: the crates below do not say it.
fn named(kind: ServiceErrorKind, words: String) -> ServiceError {
    let words = match kind {
        ServiceErrorKind::Unreachable if words.contains("tunnel error") => {
            format!("the proxy makes no connection: {words}")
        }
        ServiceErrorKind::Untrusted => format!("the certificate of the service is not trusted: {words}"),
        ServiceErrorKind::Unreadable => format!("what answers does not speak HTTP as it should: {words}"),
        _ => words,
    };
    ServiceError::own(kind, words)
}

/// The fault of an answer whose body did not come to its end.
pub(super) fn broken(what: &str, error: &(dyn std::error::Error + 'static)) -> ServiceError {
    let words = causes(error);
    let kind = if too_long(error) { ServiceErrorKind::Unreadable } else { ServiceErrorKind::Transport };
    ServiceError::own(permanent(&words).unwrap_or(kind), format!("{what}: {words}"))
}

/// The kind of a failure that another try meets again, by the words of the crates below, which have no types for it:
/// rustls of a certificate and of a peer that speaks no TLS, the resolver of a host that does not exist, the connector
/// of a proxy that refuses, hyper of an answer that is not HTTP.
fn permanent(words: &str) -> Option<ServiceErrorKind> {
    let sign = PERMANENT.iter().find(|(sign, _)| words.contains(sign));
    sign.map(|(_, kind)| *kind)
}

const PERMANENT: [(&str, ServiceErrorKind); 12] = [
    ("invalid peer certificate", ServiceErrorKind::Untrusted),
    ("received corrupt message of type InvalidContentType", ServiceErrorKind::Unreachable),
    ("received fatal alert", ServiceErrorKind::Unreachable),
    ("Name or service not known", ServiceErrorKind::Unreachable),
    ("No address associated with hostname", ServiceErrorKind::Unreachable),
    ("tunnel error: unsuccessful", ServiceErrorKind::Unreachable),
    ("proxy authorization required", ServiceErrorKind::Unreachable),
    ("invalid HTTP ", ServiceErrorKind::Unreadable),
    ("content-length parsed", ServiceErrorKind::Unreadable),
    ("transfer-encoding parsed", ServiceErrorKind::Unreadable),
    ("message head is too large", ServiceErrorKind::Unreadable),
    ("Invalid chunk ", ServiceErrorKind::Unreadable),
];

/// The error with its causes, on one line.
pub(super) fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut words = Vec::new();
    let mut cause = Some(error);
    while let Some(error) = cause {
        let text = error.to_string();
        if words.last() != Some(&text) {
            words.push(text);
        }
        cause = error.source();
    }
    words.join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_that_will_never_be_made_is_not_tried_again() {
        let kind = |words: &str| {
            let source = std::io::Error::other(words.to_owned());
            connection(&ConnectorError::other(source.into(), None)).kind
        };
        for (words, permanent) in [
            ("invalid peer certificate: UnknownIssuer", ServiceErrorKind::Untrusted),
            (
                "failed to lookup address information: Name or service not known",
                ServiceErrorKind::Unreachable,
            ),
            ("tunnel error: unsuccessful", ServiceErrorKind::Unreachable),
            ("invalid HTTP version parsed", ServiceErrorKind::Unreadable),
        ] {
            assert_eq!(kind(words), permanent, "{words}");
        }
        for words in ["connection reset by peer", "Temporary failure in name resolution"] {
            assert_eq!(kind(words), ServiceErrorKind::Transport, "{words}");
        }
    }
}
