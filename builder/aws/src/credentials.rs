//! The credentials in use: asked for once, kept for as long as they hold, and asked for anew when a service does not
//! accept them, whichever service that is. The clients' own caches keep credentials until their stated end.

use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use amiforge_publish::service_error::is_unknown_caller;
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;

/// Credentials are asked for anew when they end within this time.
const REFRESH_BEFORE_EXPIRY: Duration = Duration::from_mins(5);

/// Credentials that are kept, and where they come from. Clones share them.
#[derive(Clone, Default)]
pub(super) struct CachedCredentials(Arc<Inner>);

#[derive(Default)]
struct Inner {
    source: OnceLock<SharedCredentialsProvider>,
    cached: Mutex<Option<(Credentials, Instant)>>,
    /// Locked while the source is asked: by one request for all that wait.
    fetching: tokio::sync::Mutex<()>,
}

impl fmt::Debug for CachedCredentials {
    /// Nothing of what is kept.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Held")
    }
}

impl CachedCredentials {
    /// Says where credentials come from; the first time counts.
    pub(super) fn set_source(&self, source: SharedCredentialsProvider) {
        let _ = self.0.source.set(source);
    }

    /// Forgets credentials that a request was refused with which began at a moment; those fetched since stay.
    fn invalidate(&self, started: Instant) {
        let mut cached = self.0.cached.lock().unwrap_or_else(PoisonError::into_inner);
        if cached.as_ref().is_some_and(|(_, fetched)| *fetched <= started) {
            *cached = None;
        }
    }

    fn valid(&self) -> Option<Credentials> {
        let cached = self.0.cached.lock().unwrap_or_else(PoisonError::into_inner);
        let soon = SystemTime::now() + REFRESH_BEFORE_EXPIRY;
        let (credentials, _) = cached.as_ref()?;
        credentials.expiry().is_none_or(|end| end > soon).then(|| credentials.clone())
    }

    async fn get(&self) -> Result<Credentials, CredentialsError> {
        if let Some(credentials) = self.valid() {
            return Ok(credentials);
        }
        let _asking = self.0.fetching.lock().await;
        if let Some(credentials) = self.valid() {
            return Ok(credentials);
        }
        let none = || CredentialsError::not_loaded("no credentials are configured");
        let source = self.0.source.get().ok_or_else(none)?;
        let credentials = source.provide_credentials().await?;
        let cached = Some((credentials.clone(), Instant::now()));
        *self.0.cached.lock().unwrap_or_else(PoisonError::into_inner) = cached;
        Ok(credentials)
    }
}

impl ProvideCredentials for CachedCredentials {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.get())
    }
}

/// A client for HTTP through which it is seen that credentials are not accepted.
#[derive(Debug)]
struct Invalidating<T> {
    inner: T,
    credentials: CachedCredentials,
}

/// The same client, with an eye on refusals.
pub(super) fn invalidating(inner: SharedHttpClient, credentials: CachedCredentials) -> SharedHttpClient {
    SharedHttpClient::new(Invalidating { inner, credentials })
}

/// The same connector, with an eye on refusals.
pub(super) fn invalidating_connector(
    inner: SharedHttpConnector,
    credentials: CachedCredentials,
) -> SharedHttpConnector {
    SharedHttpConnector::new(Invalidating { inner, credentials })
}

impl HttpClient for Invalidating<SharedHttpClient> {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        invalidating_connector(self.inner.http_connector(settings, components), self.credentials.clone())
    }
}

impl HttpConnector for Invalidating<SharedHttpConnector> {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let started = Instant::now();
        let (call, credentials) = (self.inner.call(request), self.credentials.clone());
        HttpConnectorFuture::new(async move {
            let mut response = call.await?;
            if (400..500).contains(&response.status().as_u16()) {
                // Refusals are short: nothing is lost by reading one before whoever asked does.
                let body = ByteStream::new(response.take_body()).collect().await;
                let body = body.map_err(|error| ConnectorError::io(error.into()))?.into_bytes();
                if code(&response, &body).is_some_and(|code| is_unknown_caller(&code)) {
                    credentials.invalidate(started);
                }
                *response.body_mut() = SdkBody::from(body);
            }
            Ok(response)
        })
    }
}

/// The name of an error: in a header, or in a body of XML or JSON.
fn code(response: &HttpResponse, body: &[u8]) -> Option<String> {
    if let Some(name) = response.headers().get("x-amzn-errortype") {
        return Some(name.split(':').next().unwrap_or(name).to_owned());
    }
    let text = String::from_utf8_lossy(body);
    if let Some((_, rest)) = text.split_once("<Code>") {
        return rest.split_once("</Code>").map(|(code, _)| code.to_owned());
    }
    let json: serde_json::Value = serde_json::from_slice(body).ok()?;
    let name = json.get("__type")?.as_str()?;
    Some(name.rsplit('#').next().unwrap_or(name).to_owned())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use aws_smithy_runtime_api::http::StatusCode;

    use super::*;

    /// Gives another key each time.
    #[derive(Debug, Default)]
    struct CountingSource(Arc<AtomicUsize>);

    impl ProvideCredentials for CountingSource {
        fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            let count = self.0.fetch_add(1, Ordering::Relaxed);
            future::ProvideCredentials::ready(Ok(Credentials::new(
                format!("A{count}"),
                "s",
                None,
                None,
                "test",
            )))
        }
    }

    /// Answers everything with one refusal.
    #[derive(Debug)]
    struct RefusingConnector(u16, &'static str);

    impl HttpConnector for RefusingConnector {
        fn call(&self, _request: HttpRequest) -> HttpConnectorFuture {
            let status = StatusCode::try_from(self.0).unwrap();
            HttpConnectorFuture::ready(Ok(HttpResponse::new(status, SdkBody::from(self.1))))
        }
    }

    #[test]
    fn credentials_are_asked_for_anew_when_any_service_does_not_accept_them() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let credentials = CachedCredentials::default();
        let fetches = Arc::new(AtomicUsize::new(0));
        credentials.set_source(SharedCredentialsProvider::new(CountingSource(Arc::clone(&fetches))));
        let get = || runtime.block_on(credentials.get()).unwrap().access_key_id().to_owned();
        assert_eq!((get(), get()), ("A0".to_owned(), "A0".to_owned()));
        for (status, body, refetched) in [
            (401, "<Response><Errors><Error><Code>AuthFailure</Code></Error></Errors></Response>", true),
            (400, "<Response><Errors><Error><Code>RequestExpired</Code></Error></Errors></Response>", true),
            (403, r#"{"__type":"com.amazon#ExpiredTokenException","Message":"x"}"#, true),
            (
                403,
                "<Response><Errors><Error><Code>UnauthorizedOperation</Code></Error></Errors></Response>",
                false,
            ),
            (404, "", false),
        ] {
            let (before, first) = (fetches.load(Ordering::Relaxed), get());
            let connector = invalidating_connector(
                SharedHttpConnector::new(RefusingConnector(status, body)),
                credentials.clone(),
            );
            let response = runtime.block_on(connector.call(HttpRequest::empty())).unwrap();
            assert_eq!(response.body().bytes(), Some(body.as_bytes()), "the body is whole");
            assert_eq!(get() != first, refetched, "{body}");
            assert_eq!(fetches.load(Ordering::Relaxed) - before, usize::from(refetched), "{body}");
        }
        // One that began before the credentials were fetched says nothing of them.
        let started = Instant::now().checked_sub(Duration::from_mins(1)).unwrap();
        let key = get();
        credentials.invalidate(started);
        assert_eq!(get(), key);
    }
}
