//! The router: which service a request is for, and the service's response, including the errors that are
//! reported before the service reads the request. The only module that lists all services.

use http::request::Parts;

use crate::authorization::{self, Operation, Refusal};
use crate::http::body as http_body;
use crate::http::request::{Payload, SignedRequest};
use crate::http::response::Response;
use crate::services::failure::ServiceFailure;
use crate::services::{autoscaling, ebs, ec2, json, kms, rbin, s3, ssm, sts};
use crate::sigv4::AuthError;
use crate::state::{Region, State};

/// A service of a region.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Service {
    AutoScaling,
    Ebs,
    Ec2,
    Kms,
    RecycleBin,
    Ssm,
    S3,
    Sts,
}

impl Service {
    /// The service with this name in a credential scope.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let all = [
            Self::AutoScaling,
            Self::Ebs,
            Self::Ec2,
            Self::Kms,
            Self::RecycleBin,
            Self::Ssm,
            Self::S3,
            Self::Sts,
        ];
        all.into_iter().find(|one| one.name() == name)
    }

    /// The name in credential scopes.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::AutoScaling => "autoscaling",
            Self::Ebs => "ebs",
            Self::Ec2 => "ec2",
            Self::Kms => "kms",
            Self::RecycleBin => "rbin",
            Self::Ssm => "ssm",
            Self::S3 => "s3",
            Self::Sts => "sts",
        }
    }

    /// The most likely service of a request without a readable signature.
    pub(crate) fn guess(parts: &Parts) -> Self {
        if let Some(target) = parts.headers.get("x-amz-target") {
            if target.as_bytes().starts_with(kms::TARGET.as_bytes()) { Self::Kms } else { Self::Ssm }
        } else if parts.uri.path().starts_with("/snapshots") {
            Self::Ebs
        } else if parts.method == http::Method::POST && parts.uri.path() == "/" {
            Self::Ec2
        } else {
            Self::S3
        }
    }

    /// The name of the requested operation, or another description of the request.
    pub(crate) fn action(self, request: &SignedRequest) -> String {
        match self {
            Self::AutoScaling => autoscaling::action(request),
            Self::Ebs => ebs::action(request),
            Self::Ec2 => ec2::action(request),
            Self::Kms | Self::Ssm => json::action(request),
            Self::RecycleBin => rbin::action(request),
            Self::S3 => s3::action(request),
            Self::Sts => sts::action(request),
        }
    }

    /// Responds to a request, unless the account's quota is exhausted or the policy of its sender does not
    /// allow the operation.
    pub(crate) async fn respond(self, state: &State, region: &Region, request: SignedRequest) -> Response {
        if !self.take_quota(state, &request.account) {
            return self.fail(ServiceFailure::Throttled, &request.request_id);
        }
        if let Err(refusal) = self.authorize(state, region, &request) {
            if let Payload::Streaming(body) = request.payload {
                // A client that is still sending would see a closed connection instead of the response.
                let _ = http_body::read_whole(body, &state.buffers).await;
            }
            return self.deny(&refusal, &request.request_id);
        }
        if matches!(self, Self::AutoScaling | Self::Ec2 | Self::Ssm) {
            // These see what Auto Scaling did meanwhile, or decide what it does from now on.
            ec2::run_blocking(|| autoscaling::advance_region(state, region));
        }
        match self {
            Self::AutoScaling => ec2::run_blocking(|| autoscaling::respond(state, region, &request)),
            Self::Ebs => ebs::respond(state, region, request).await,
            Self::Ec2 => ec2::respond(state, region, request).await,
            Self::Kms => json::respond(state, region, &request, kms::perform),
            Self::Ssm => json::respond(state, region, &request, ssm::perform),
            Self::RecycleBin => rbin::respond(region, &request),
            Self::S3 => s3::respond(state, region, request).await,
            Self::Sts => sts::respond(region, &request),
        }
    }

    /// Checks the policy of the sender. An operation that does not exist is left to the service.
    fn authorize(self, state: &State, region: &Region, request: &SignedRequest) -> Result<(), Refusal> {
        let name = self.action(request);
        if request.principal.policy.is_none() || (self == Self::Ec2 && !ec2::has_operation(&name)) {
            return Ok(());
        }
        let path = match self {
            Self::Ebs => ebs::snapshots_of_path(request),
            Self::S3 => s3::names_of_path(request),
            Self::AutoScaling | Self::Ec2 | Self::Kms | Self::RecycleBin | Self::Ssm | Self::Sts => {
                Vec::new()
            }
        };
        let operation = Operation { service: self.name(), name: &name, path, request };
        authorization::check(state, region, &operation)
    }

    /// The response to a request that the policy of its sender does not allow.
    fn deny(self, refusal: &Refusal, request_id: &str) -> Response {
        match self {
            Self::AutoScaling => autoscaling::deny(refusal, request_id),
            Self::Ebs => ebs::deny(refusal, request_id),
            Self::Ec2 => ec2::deny(refusal, request_id),
            Self::Kms | Self::RecycleBin | Self::Ssm => json::deny(refusal, request_id),
            Self::S3 => s3::deny(refusal, request_id),
            Self::Sts => sts::deny(refusal, request_id),
        }
    }

    /// Takes one request from the account's quota; false if it is exhausted. EBS direct has its own quota for
    /// each operation.
    fn take_quota(self, state: &State, account: &str) -> bool {
        let rate = match self {
            Self::AutoScaling | Self::Ec2 | Self::Kms | Self::RecycleBin | Self::Ssm | Self::S3 => {
                state.config.quotas.others
            }
            Self::Ebs | Self::Sts => None,
        };
        state.limiter.take(self.name(), account, rate, state.now())
    }

    /// The response to a request whose signature is missing or invalid.
    pub(crate) fn reject(self, auth_error: &AuthError, request_id: &str) -> Response {
        match self {
            Self::AutoScaling => autoscaling::reject(auth_error, request_id),
            Self::Ebs => ebs::reject(auth_error, request_id),
            Self::Ec2 => ec2::reject(auth_error, request_id),
            Self::Kms | Self::RecycleBin | Self::Ssm => json::reject(auth_error, request_id),
            Self::S3 => s3::reject(auth_error, request_id),
            Self::Sts => sts::reject(auth_error, request_id),
        }
    }

    /// The response that the requested resource does not exist.
    pub(crate) fn not_found(self, request: &SignedRequest) -> Response {
        match self {
            Self::Ebs => ebs::not_found(request),
            other => other.fail(ServiceFailure::NotFound, &request.request_id),
        }
    }

    /// The response of the frontend, before the service, that there were too many requests.
    pub(crate) fn frontend_throttled(self, request_id: &str) -> Response {
        match self {
            Self::Ebs => ebs::frontend_throttled(request_id),
            other => other.fail(ServiceFailure::Throttled, request_id),
        }
    }

    /// The response for a failure that does not depend on the request.
    pub(crate) fn fail(self, failure: ServiceFailure, request_id: &str) -> Response {
        match self {
            Self::AutoScaling => autoscaling::fail(failure, request_id),
            Self::Ebs => ebs::fail(failure, request_id),
            Self::Ec2 => ec2::fail(failure, request_id),
            Self::Kms => json::fail(failure, kms::NOT_FOUND, request_id),
            Self::Ssm => json::fail(failure, ssm::NOT_FOUND, request_id),
            Self::RecycleBin => rbin::fail(failure, request_id),
            Self::S3 => s3::fail(failure, request_id),
            Self::Sts => sts::fail(failure, request_id),
        }
    }
}
