//! Converts errors of the AWS clients to [`ServiceError`].

use amiforge_publish::service_error::{ServiceError, ServiceErrorKind};
use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::{ConnectorError, SdkError};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use super::response_limit::is_too_long;

/// Converts an error of a generated client.
#[expect(clippy::needless_pass_by_value, reason = "what `map_err` hands over")]
pub(super) fn from_client_error<E>(error: SdkError<E, HttpResponse>) -> ServiceError
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    match &error {
        // The client reports a successful response that it cannot parse as a service error without a code.
        SdkError::ServiceError(failure) if failure.raw().status().is_success() => {
            from_raw(ServiceErrorKind::Unreadable, failure.raw(), error_chain(&error))
        }
        SdkError::ServiceError(failure) => from_response(failure.err(), failure.raw()),
        _ => without_response(&error),
    }
}

/// Converts the error of a call without a readable response.
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
                // A body that was read to its end, or that is too long, would be the same after a retry. One that broke
                // off may be complete then.
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

/// An error for a response without an error code.
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

/// Converts an error response.
pub(super) fn from_response(error: &impl ProvideErrorMetadata, raw: &HttpResponse) -> ServiceError {
    let status = raw.status().as_u16();
    // The clients drop the reason of errors that their model does not know, and the message of some.
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

/// Whether an error is one of the credentials provider. If the connection to the provider fails, that is the error to
/// report.
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

/// Converts the error of a request without a response.
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

/// Adds an explanation before the message, which the crates below do not give.
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

/// The error of a response whose body ended early.
pub(super) fn body_error(what: &str, error: &(dyn std::error::Error + 'static)) -> ServiceError {
    let message = error_chain(error);
    let kind = if is_too_long(error) { ServiceErrorKind::Unreadable } else { ServiceErrorKind::Transport };
    ServiceError::local(permanent_kind(&message).unwrap_or(kind), format!("{what}: {message}"))
}

/// Classifies failures that a retry would meet again, by the messages of the crates below, which have no types for
/// them: rustls for certificates and peers without TLS, the resolver for unknown hosts, the connector for proxies that
/// refuse, hyper for responses that are not HTTP.
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
    fn permanent_connection_errors_are_classified() {
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
