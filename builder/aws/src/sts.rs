//! STS: who calls. One call, `GetCallerIdentity`, which needs no permission.

use amiforge_publish::service_error::ServiceError;
use aws_config::SdkConfig;

use super::query::{Client, Protocol, QueryService, inputs, operations, outputs};

/// The service STS.
const STS: QueryService =
    QueryService { id: "STS", name: "sts", version: "2011-06-15", protocol: Protocol::Query };

inputs! {
    /// Asks who calls.
    GetCallerIdentity {}
}

outputs! {
    /// Who calls.
    CallerIdentity {
        account: Option<String> = "Account",
        arn: Option<String> = "Arn",
    }
}

operations! {
    /// All calls of STS in use.
    pub CALLS of STS:
    GetCallerIdentity -> CallerIdentity,
}

/// Who calls, as STS reports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The account.
    pub account: String,
    /// The ARN of the user, or of the session of a role.
    pub arn: String,
}

/// Client of STS in a region.
#[derive(Debug, Clone)]
pub struct StsClient(Client);

impl StsClient {
    pub(super) fn new(sdk: &SdkConfig) -> Self {
        Self(Client::new(sdk, &STS))
    }

    /// Asks who calls.
    ///
    /// # Errors
    /// [`ServiceError`].
    pub async fn caller(&self) -> Result<Caller, ServiceError> {
        let identity = self.0.call(&GetCallerIdentity {}).await?;
        Ok(Caller { account: identity.account.unwrap_or_default(), arn: identity.arn.unwrap_or_default() })
    }
}
