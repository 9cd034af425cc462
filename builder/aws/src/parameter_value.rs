//! The value of a parameter of SSM: `GetParameter`, for the image of a channel. SSM 2014-11-06, AWS JSON 1.1.

use amiforge_lifecycle::follow::ParameterValue;
use amiforge_publish::service_error::ServiceError;
use aws_config::SdkConfig;
use serde::Deserialize;
use serde_json::json;

use super::query::{Client, Protocol, QueryService};

/// Signing name and endpoint id. The query protocol is not used: calls are JSON.
const SSM: QueryService =
    QueryService { id: "SSM", name: "ssm", version: "2014-11-06", protocol: Protocol::Query };

/// Client of SSM in a region, for the value of a parameter.
#[derive(Debug, Clone)]
pub struct ParameterClient(Client);

#[derive(Debug, Deserialize)]
struct GetParameterOutput {
    #[serde(rename = "Parameter")]
    parameter: Parameter,
}

#[derive(Debug, Deserialize)]
struct Parameter {
    #[serde(rename = "Value")]
    value: String,
}

impl ParameterClient {
    pub(super) fn new(sdk: &SdkConfig) -> Self {
        Self(Client::new(sdk, &SSM))
    }
}

impl ParameterValue for ParameterClient {
    async fn parameter_value(&self, name: &str) -> Result<String, ServiceError> {
        let input = json!({ "Name": name });
        let output: GetParameterOutput =
            self.0.call_json("SSM", "GetParameter", "AmazonSSM.GetParameter", &input).await?;
        Ok(output.parameter.value)
    }
}
