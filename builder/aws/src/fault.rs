//! From the errors of the AWS clients to [`Fault`].

use amiforge_publish::fault::{Fault, FaultKind};
use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::{ConnectorError, SdkError};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use super::query::too_long;

/// The fault that an error of a client stands for.
#[expect(clippy::needless_pass_by_value, reason = "what `map_err` hands over")]
pub(super) fn fault<E>(error: SdkError<E, HttpResponse>) -> Fault
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    match &error {
        // The client calls an answer of success that it cannot read an error of the service without a name.
        SdkError::ServiceError(failure) if failure.raw().status().is_success() => {
            own(FaultKind::Unreadable, failure.raw(), causes(&error))
        }
        SdkError::ServiceError(failure) => answered(failure.err(), failure.raw()),
        _ => unanswered(&error),
    }
}

/// The fault of a call that got no answer, or none that can be read.
pub(super) fn unanswered<E>(error: &SdkError<E, HttpResponse>) -> Fault
where
    E: std::error::Error + Send + Sync + 'static,
{
    match error {
        SdkError::TimeoutError(_) => Fault::own(FaultKind::TimedOut, "no answer in time"),
        SdkError::DispatchFailure(failure) => {
            let met = failure.as_connector_error().map(connection);
            match (no_credentials(error), met) {
                (None, Some(met)) if permanent(&met.message).is_some() => met,
                (kind, met) => {
                    let kind = kind.or(met.map(|met| met.kind)).unwrap_or(FaultKind::Transport);
                    named(kind, causes(error))
                }
            }
        }
        SdkError::ConstructionFailure(_) => {
            named(no_credentials(error).unwrap_or(FaultKind::Refused), causes(error))
        }
        SdkError::ResponseError(failure) => {
            let raw = failure.raw();
            let kind = match Fault::classify(raw.status().as_u16(), None, "", None) {
                // The body is there if it was read to its end: then the same answer would come the next time, as one
                // would that is too long. One that broke off may be whole then.
                FaultKind::Unreadable if raw.body().bytes().is_none() && !too_long(error) => {
                    permanent(&causes(error)).unwrap_or(FaultKind::Transport)
                }
                kind => kind,
            };
            own(kind, raw, causes(error))
        }
        _ => Fault::own(FaultKind::Transport, causes(error)),
    }
}

/// The fault of an answer that does not say it itself.
fn own(kind: FaultKind, raw: &HttpResponse, causes: String) -> Fault {
    Fault { status: Some(raw.status().as_u16()), request_id: request_id(raw), ..Fault::own(kind, causes) }
}

fn request_id(raw: &HttpResponse) -> Option<String> {
    let names = ["x-amzn-requestid", "x-amz-request-id"];
    names.iter().find_map(|name| raw.headers().get(*name)).map(str::to_owned)
}

/// The fault of an answer that is an error.
pub(super) fn answered(error: &impl ProvideErrorMetadata, raw: &HttpResponse) -> Fault {
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
    Fault {
        kind: Fault::classify(status, code.as_deref(), &message, reason.as_deref()),
        code,
        message,
        reason,
        status: Some(status),
        request_id: request_id(raw),
    }
}

/// Whether an error comes from looking for credentials. Where the way to the service that gives them is what fails, that
/// is what can be mended.
fn no_credentials(error: &(dyn std::error::Error + 'static)) -> Option<FaultKind> {
    let mut cause = error.source();
    while let Some(error) = cause {
        if error.is::<CredentialsError>() {
            return Some(permanent(&causes(error)).unwrap_or(FaultKind::NoCredentials));
        }
        cause = error.source();
    }
    None
}

/// The fault of a request that got no answer.
pub(super) fn connection(error: &ConnectorError) -> Fault {
    let words = causes(error);
    let kind = match permanent(&words) {
        Some(kind) => kind,
        None if error.is_timeout() => FaultKind::TimedOut,
        None if error.is_user() => FaultKind::Refused,
        None => FaultKind::Transport,
    };
    named(kind, words)
}

/// A fault in words that begin with who refused, or what: the crates below do not say it.
fn named(kind: FaultKind, words: String) -> Fault {
    let words = match kind {
        FaultKind::Unreachable if words.contains("tunnel error") => {
            format!("the proxy makes no connection: {words}")
        }
        FaultKind::Untrusted => format!("the certificate of the service is not trusted: {words}"),
        FaultKind::Unreadable => format!("what answers does not speak HTTP as it should: {words}"),
        _ => words,
    };
    Fault::own(kind, words)
}

/// The fault of an answer whose body did not come to its end.
pub(super) fn broken(what: &str, error: &(dyn std::error::Error + 'static)) -> Fault {
    let words = causes(error);
    let kind = if too_long(error) { FaultKind::Unreadable } else { FaultKind::Transport };
    Fault::own(permanent(&words).unwrap_or(kind), format!("{what}: {words}"))
}

/// The kind of a failure that another try meets again, by the words of the crates below, which have no types for it:
/// rustls of a certificate and of a peer that speaks no TLS, the resolver of a host that does not exist, the connector
/// of a proxy that refuses, hyper of an answer that is not HTTP.
fn permanent(words: &str) -> Option<FaultKind> {
    let sign = PERMANENT.iter().find(|(sign, _)| words.contains(sign));
    sign.map(|(_, kind)| *kind)
}

const PERMANENT: [(&str, FaultKind); 12] = [
    ("invalid peer certificate", FaultKind::Untrusted),
    ("received corrupt message of type InvalidContentType", FaultKind::Unreachable),
    ("received fatal alert", FaultKind::Unreachable),
    ("Name or service not known", FaultKind::Unreachable),
    ("No address associated with hostname", FaultKind::Unreachable),
    ("tunnel error: unsuccessful", FaultKind::Unreachable),
    ("proxy authorization required", FaultKind::Unreachable),
    ("invalid HTTP ", FaultKind::Unreadable),
    ("content-length parsed", FaultKind::Unreadable),
    ("transfer-encoding parsed", FaultKind::Unreadable),
    ("message head is too large", FaultKind::Unreadable),
    ("Invalid chunk ", FaultKind::Unreadable),
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
            ("invalid peer certificate: UnknownIssuer", FaultKind::Untrusted),
            ("failed to lookup address information: Name or service not known", FaultKind::Unreachable),
            ("tunnel error: unsuccessful", FaultKind::Unreachable),
            ("invalid HTTP version parsed", FaultKind::Unreadable),
        ] {
            assert_eq!(kind(words), permanent, "{words}");
        }
        for words in ["connection reset by peer", "Temporary failure in name resolution"] {
            assert_eq!(kind(words), FaultKind::Transport, "{words}");
        }
    }
}
