//! The calls of SSM in use, with the parameters that are sent and the fields that are read. A test compares both with
//! botocore's model of the service.

use super::super::json::{EpochSeconds, json_operations, json_structures};
use super::super::query::{Protocol, QueryService};

/// The service SSM.
pub(crate) const SSM: QueryService =
    QueryService { id: "SSM", name: "ssm", version: "2014-11-06", protocol: Protocol::Json };

json_structures! {
    /// An output of which nothing is read.
    Empty {}

    /// A version to add to a parameter, which is created if it does not exist.
    PutParameter {
        /// Its name.
        name: String = "Name",
        /// The value.
        value: String = "Value",
        /// `String`, ...
        r#type: Option<String> = "Type",
        /// `aws:ec2:image`, ...
        data_type: Option<String> = "DataType",
        /// Description of the version.
        description: Option<String> = "Description",
        /// Whether the parameter may exist.
        overwrite: Option<bool> = "Overwrite",
    }

    /// The version.
    PutParameterOutput {
        /// Its number, from 1.
        version: u64 = "Version",
    }

    /// The parameter to read.
    GetParameter {
        /// Its name, with `:VERSION` or `:LABEL` for another version than the latest.
        name: String = "Name",
    }

    /// The parameter.
    GetParameterOutput {
        /// The parameter.
        parameter: ParameterOutput = "Parameter",
    }

    /// A version of a parameter.
    ParameterOutput {
        /// The name of the parameter.
        name: String = "Name",
        /// The value.
        value: String = "Value",
        /// The number of the version.
        version: u64 = "Version",
        /// `String`, ...
        r#type: String = "Type",
        /// `aws:ec2:image`, ...
        data_type: String = "DataType",
        /// When the version was made.
        modified: EpochSeconds = "LastModifiedDate",
    }

    /// The parameters to read.
    GetParametersByPath {
        /// The path above them.
        path: String = "Path",
        /// Whether at any depth.
        recursive: Option<bool> = "Recursive",
        /// Maximum number of parameters in a page.
        max_results: Option<u64> = "MaxResults",
        /// Token of the page.
        next_token: Option<String> = "NextToken",
    }

    /// A page of parameters.
    GetParametersByPathOutput {
        /// The latest version of each.
        parameters: Vec<ParameterOutput> = "Parameters",
        /// Token of the next page.
        next_token: Option<String> = "NextToken",
    }

    /// The parameter whose versions to read.
    GetParameterHistory {
        /// Its name.
        name: String = "Name",
        /// Maximum number of versions in a page.
        max_results: Option<u64> = "MaxResults",
        /// Token of the page.
        next_token: Option<String> = "NextToken",
    }

    /// A page of versions.
    GetParameterHistoryOutput {
        /// The versions.
        parameters: Vec<VersionOutput> = "Parameters",
        /// Token of the next page.
        next_token: Option<String> = "NextToken",
    }

    /// A version with its labels.
    VersionOutput {
        /// The number of the version.
        version: u64 = "Version",
        /// The value.
        value: String = "Value",
        /// `String`, ...
        r#type: String = "Type",
        /// `aws:ec2:image`, ...
        data_type: String = "DataType",
        /// Description of the version.
        description: Option<String> = "Description",
        /// Its labels.
        labels: Vec<String> = "Labels",
        /// When the version was made.
        modified: EpochSeconds = "LastModifiedDate",
        /// ARN of the user who made it.
        user: Option<String> = "LastModifiedUser",
    }

    /// Labels for a version.
    LabelParameterVersion {
        /// The name of the parameter.
        name: String = "Name",
        /// The number of the version.
        version: Option<u64> = "ParameterVersion",
        /// The labels, 1 to 10.
        labels: Vec<String> = "Labels",
    }

    /// What was not labelled.
    LabelParameterVersionOutput {
        /// The labels that the service does not accept.
        invalid: Vec<String> = "InvalidLabels",
    }

    /// Labels to take off a version.
    UnlabelParameterVersion {
        /// The name of the parameter.
        name: String = "Name",
        /// The number of the version.
        version: u64 = "ParameterVersion",
        /// The labels, 1 to 10.
        labels: Vec<String> = "Labels",
    }

    /// The parameter to delete.
    DeleteParameter {
        /// Its name.
        name: String = "Name",
    }
}

json_operations! {
    /// All calls of SSM in use.
    pub CALLS of SSM, "AmazonSSM":
    DeleteParameter -> Empty,
    GetParameter -> GetParameterOutput,
    GetParameterHistory -> GetParameterHistoryOutput,
    GetParametersByPath -> GetParametersByPathOutput,
    LabelParameterVersion -> LabelParameterVersionOutput,
    PutParameter -> PutParameterOutput,
    UnlabelParameterVersion -> Empty,
}
