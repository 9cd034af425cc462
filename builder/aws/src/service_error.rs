//! From the errors of the AWS clients to [`ServiceError`].

use amiforge_publish::service_error::{ServiceError, ServiceErrorKind};
use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::{ConnectorError, SdkError};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use super::response_limit::is_too_long;

/// The fault that an error of a client stands for.
#[expect(clippy::needless_pass_by_value, reason = "what `map_err` hands over")]
pub(super) fn from_client_error<E>(error: SdkError<E, HttpResponse>) -> ServiceError
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    match &error {
        // The client calls an answer of success that it cannot read an error of the service without a name.
        SdkError::ServiceError(failure) if failure.raw().status().is_success() => {
            from_raw(ServiceErrorKind::Unreadable, failure.raw(), error_chain(&error))
        }
        SdkError::ServiceError(failure) => from_response(failure.err(), failure.raw()),
        _ => without_response(&error),
    }
}

/// The fault of a call that got no answer, or none that can be read.
pub(super) fn without_response<E>(error: &SdkError<E, HttpResponse>) -> ServiceError
where
    E: std::error::Error + Send + Sync + 'static,
{
    match error {
        SdkError::TimeoutError(_) => ServiceError::local(ServiceErrorKind::TimedOut, "no answer in time"),
        SdkError::DispatchFailure(failure) => {
            let connector_failure = failure.as_connector_error().map(connector_error);
            match (credentials_failure(error), connector_failure) {
                (None, Some(connector_failure)) if permanent_kind(&connector_failure.message).is_some() => {
                    connector_failure
                }
                (kind, connector_failure) => {
                    let kind = kind
                        .or(connector_failure.map(|connector_failure| connector_failure.kind))
                        .unwrap_or(ServiceErrorKind::Transport);
                    explained(kind, error_chain(error))
                }
            }
        }
        SdkError::ConstructionFailure(_) => {
            explained(credentials_failure(error).unwrap_or(ServiceErrorKind::Refused), error_chain(error))
        }
        SdkError::ResponseError(failure) => {
            let raw = failure.raw();
            let kind = match ServiceError::classify(raw.status().as_u16(), None, "", None) {
                // The body is there if it was read to its end: then the same answer would come the next time, as one
                // would that is too long. One that broke off may be whole then.
                ServiceErrorKind::Unreadable if raw.body().bytes().is_none() && !is_too_long(error) => {
                    permanent_kind(&error_chain(error)).unwrap_or(ServiceErrorKind::Transport)
                }
                kind => kind,
            };
            from_raw(kind, raw, error_chain(error))
        }
        _ => ServiceError::local(ServiceErrorKind::Transport, error_chain(error)),
    }
}

/// The fault of an answer that does not say it itself.
fn from_raw(kind: ServiceErrorKind, raw: &HttpResponse, error_chain: String) -> ServiceError {
    ServiceError {
        status: Some(raw.status().as_u16()),
        request_id: request_id(raw),
        ..ServiceError::local(kind, error_chain)
    }
}

fn request_id(raw: &HttpResponse) -> Option<String> {
    let names = ["x-amzn-requestid", "x-amz-request-id"];
    names.iter().find_map(|name| raw.headers().get(*name)).map(str::to_owned)
}

/// The fault of an answer that is an error.
pub(super) fn from_response(error: &impl ProvideErrorMetadata, raw: &HttpResponse) -> ServiceError {
    let status = raw.status().as_u16();
    // The clients drop the reason of errors that their model does not know, and the words of some.
    let body = raw.body().bytes().and_then(|body| serde_json::from_slice::<serde_json::Value>(body).ok());
    let text = |keys: &[&str]| {
        let body = body.as_ref()?;
        keys.iter().find_map(|key| Some(body.get(*key)?.as_str()?.to_owned()))
    };
    let header_code =
        raw.headers().get("x-amzn-errortype").map(|name| name.split(':').next().unwrap_or(name));
    let code = header_code.or_else(|| error.code()).map(str::to_owned).or_else(|| text(&["__type", "code"]));
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
fn credentials_failure(error: &(dyn std::error::Error + 'static)) -> Option<ServiceErrorKind> {
    let mut cause = error.source();
    while let Some(error) = cause {
        if error.is::<CredentialsError>() {
            return Some(permanent_kind(&error_chain(error)).unwrap_or(ServiceErrorKind::NoCredentials));
        }
        cause = error.source();
    }
    None
}

/// The fault of a request that got no answer.
pub(super) fn connector_error(error: &ConnectorError) -> ServiceError {
    let message = error_chain(error);
    let kind = match permanent_kind(&message) {
        Some(kind) => kind,
        None if error.is_timeout() => ServiceErrorKind::TimedOut,
        None if error.is_user() => ServiceErrorKind::Refused,
        None => ServiceErrorKind::Transport,
    };
    explained(kind, message)
}

/// A fault in words that begin with who refused, or what: the crates below do not say it.
fn explained(kind: ServiceErrorKind, message: String) -> ServiceError {
    let message = match kind {
        ServiceErrorKind::Unreachable if message.contains("tunnel error") => {
            format!("the proxy makes no connection: {message}")
        }
        ServiceErrorKind::Untrusted => format!("the certificate of the service is not trusted: {message}"),
        ServiceErrorKind::Unreadable => format!("what answers does not speak HTTP as it should: {message}"),
        _ => message,
    };
    ServiceError::local(kind, message)
}

/// The fault of an answer whose body did not come to its end.
pub(super) fn body_error(what: &str, error: &(dyn std::error::Error + 'static)) -> ServiceError {
    let message = error_chain(error);
    let kind = if is_too_long(error) { ServiceErrorKind::Unreadable } else { ServiceErrorKind::Transport };
    ServiceError::local(permanent_kind(&message).unwrap_or(kind), format!("{what}: {message}"))
}

/// The kind of a failure that another try meets again, by the words of the crates below, which have no types for it:
/// rustls of a certificate and of a peer that speaks no TLS, the resolver of a host that does not exist, the connector
/// of a proxy that refuses, hyper of an answer that is not HTTP.
fn permanent_kind(message: &str) -> Option<ServiceErrorKind> {
    let pattern = PERMANENT_ERRORS.iter().find(|(pattern, _)| message.contains(pattern));
    pattern.map(|(_, kind)| *kind)
}

const PERMANENT_ERRORS: [(&str, ServiceErrorKind); 12] = [
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
pub(super) fn error_chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut message = Vec::new();
    let mut cause = Some(error);
    while let Some(error) = cause {
        let text = error.to_string();
        if message.last() != Some(&text) {
            message.push(text);
        }
        cause = error.source();
    }
    message.join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_that_will_never_be_made_is_not_tried_again() {
        let kind = |message: &str| {
            let source = std::io::Error::other(message.to_owned());
            connector_error(&ConnectorError::other(source.into(), None)).kind
        };
        for (message, permanent_kind) in [
            ("invalid peer certificate: UnknownIssuer", ServiceErrorKind::Untrusted),
            (
                "failed to lookup address information: Name or service not known",
                ServiceErrorKind::Unreachable,
            ),
            ("tunnel error: unsuccessful", ServiceErrorKind::Unreachable),
            ("invalid HTTP version parsed", ServiceErrorKind::Unreadable),
        ] {
            assert_eq!(kind(message), permanent_kind, "{message}");
        }
        for message in ["connection reset by peer", "Temporary failure in name resolution"] {
            assert_eq!(kind(message), ServiceErrorKind::Transport, "{message}");
        }
    }
}
