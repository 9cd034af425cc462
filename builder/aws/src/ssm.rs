//! The parameters of SSM: converts the types of [`amiforge_lifecycle::api::parameters`] to those of the service and
//! back. Decides nothing.

mod calls;

use amiforge_lifecycle::api::parameters::{
    NewVersion, Parameter, ParameterRegions, ParameterVersion, Parameters,
};
use amiforge_publish::pages::Pages;
use amiforge_publish::service_error::{ServiceError, ServiceErrorKind};
use aws_config::SdkConfig;

use super::AwsConfig;
use super::json;
use super::query::Client;
use calls::{
    DeleteParameter, GetParameter, GetParameterHistory, GetParametersByPath, LabelParameterVersion,
    PutParameter, UnlabelParameterVersion,
};

pub use calls::CALLS;

/// Items per page of `GetParameterHistory`, the maximum of the service.
const HISTORY_PAGE: u64 = 50;
/// Items per page of `GetParametersByPath`, the maximum of the service.
const PATH_PAGE: u64 = 10;

/// Client of SSM in a region.
#[derive(Debug, Clone)]
pub struct SsmClient(Client);

impl SsmClient {
    pub(super) fn new(sdk: &SdkConfig) -> Self {
        Self(Client::new(sdk, &calls::SSM))
    }
}

impl ParameterRegions for AwsConfig {
    type Parameters = SsmClient;

    fn parameters(&self, region: &str) -> SsmClient {
        self.in_region(region).ssm()
    }
}

impl Parameters for SsmClient {
    async fn put(&self, version: &NewVersion) -> Result<u64, ServiceError> {
        let call = PutParameter {
            name: version.name.clone(),
            value: version.value.clone(),
            r#type: Some(version.kind.clone()),
            // The service takes a data type for an existing parameter only if it is the same one.
            data_type: Some(version.data_type.clone()),
            description: Some(version.description.clone()),
            overwrite: Some(version.overwrite),
        };
        let output = json::call(&self.0, &call).await?;
        match output.version {
            0 => Err(unreadable("the answer of PutParameter has no version".to_owned())),
            version => Ok(version),
        }
    }

    async fn parameter(&self, name: &str) -> Result<Parameter, ServiceError> {
        let output = json::call(&self.0, &GetParameter { name: name.to_owned() }).await?;
        parameter(output.parameter)
    }

    async fn parameters_below(&self, path: &str) -> Result<Vec<Parameter>, ServiceError> {
        let mut call = GetParametersByPath {
            path: path.to_owned(),
            recursive: Some(true),
            max_results: Some(PATH_PAGE),
            next_token: None,
        };
        let (mut all, mut pages) = (Vec::new(), Pages::default());
        loop {
            let output = json::call(&self.0, &call).await?;
            record(&mut pages, output.parameters.len(), output.next_token.as_deref(), "GetParametersByPath")?;
            for one in output.parameters {
                all.push(parameter(one)?);
            }
            call.next_token = output.next_token.filter(|next| !next.is_empty());
            if call.next_token.is_none() {
                return Ok(all);
            }
        }
    }

    async fn history(&self, name: &str) -> Result<Vec<ParameterVersion>, ServiceError> {
        let mut call =
            GetParameterHistory { name: name.to_owned(), max_results: Some(HISTORY_PAGE), next_token: None };
        let (mut all, mut pages) = (Vec::<ParameterVersion>::new(), Pages::default());
        loop {
            let output = json::call(&self.0, &call).await?;
            record(&mut pages, output.parameters.len(), output.next_token.as_deref(), "GetParameterHistory")?;
            all.extend(output.parameters.into_iter().map(version));
            call.next_token = output.next_token.filter(|next| !next.is_empty());
            if call.next_token.is_none() {
                break;
            }
        }
        all.sort_by_key(|version| version.number);
        Ok(all)
    }

    async fn label(&self, name: &str, version: u64, labels: &[String]) -> Result<Vec<String>, ServiceError> {
        let call =
            LabelParameterVersion { name: name.to_owned(), version: Some(version), labels: labels.to_vec() };
        Ok(json::call(&self.0, &call).await?.invalid)
    }

    async fn unlabel(&self, name: &str, version: u64, labels: &[String]) -> Result<(), ServiceError> {
        let call = UnlabelParameterVersion { name: name.to_owned(), version, labels: labels.to_vec() };
        json::call(&self.0, &call).await.map(drop)
    }

    async fn delete(&self, name: &str) -> Result<(), ServiceError> {
        json::call(&self.0, &DeleteParameter { name: name.to_owned() }).await.map(drop)
    }
}

/// Records a page of a list; an error if the list does not end.
fn record(pages: &mut Pages, items: usize, next: Option<&str>, call: &str) -> Result<(), ServiceError> {
    let cannot_read = |problem| unreadable(format!("the answer of {call} cannot be read: {problem}"));
    pages.record(items, next).map_err(cannot_read)
}

fn parameter(output: calls::ParameterOutput) -> Result<Parameter, ServiceError> {
    if output.name.is_empty() || output.version == 0 {
        return Err(unreadable("a parameter in the answer has no name or no version".to_owned()));
    }
    Ok(Parameter {
        name: output.name,
        value: output.value,
        version: output.version,
        kind: output.r#type,
        data_type: output.data_type,
        modified: output.modified.seconds(),
    })
}

fn version(output: calls::VersionOutput) -> ParameterVersion {
    ParameterVersion {
        number: output.version,
        value: output.value,
        kind: output.r#type,
        data_type: output.data_type,
        description: output.description,
        labels: output.labels,
        modified: output.modified.seconds(),
        user: output.user,
    }
}

fn unreadable(message: String) -> ServiceError {
    ServiceError::local(ServiceErrorKind::Unreadable, message)
}
