//! Launch templates, instances and instance types.

use super::super::super::query::{inputs, outputs};
use super::tags::{Filter, Tag};

inputs! {
    /// Lists launch templates.
    DescribeLaunchTemplates {
        ids: Vec<String> = "LaunchTemplateId",
        names: Vec<String> = "LaunchTemplateName",
        filters: Vec<Filter> = "Filter",
        max_results: Option<u64> = "MaxResults",
        next_token: Option<String> = "NextToken",
    }

    /// Lists the versions of a launch template.
    DescribeLaunchTemplateVersions {
        template: String = "LaunchTemplateId",
        max_results: Option<u64> = "MaxResults",
        next_token: Option<String> = "NextToken",
    }

    /// Makes a version from another one.
    CreateLaunchTemplateVersion {
        template: String = "LaunchTemplateId",
        source: String = "SourceVersion",
        description: String = "VersionDescription",
        token: String = "ClientToken",
        data: NewLaunchTemplateData = "LaunchTemplateData",
    }

    /// What differs from the source version.
    NewLaunchTemplateData {
        image: String = "ImageId",
    }

    /// Sets the default version of a launch template.
    ModifyLaunchTemplate {
        template: String = "LaunchTemplateId",
        default: String = "SetDefaultVersion",
    }

    /// Lists instances.
    DescribeInstances {
        filters: Vec<Filter> = "Filter",
        max_results: Option<u64> = "MaxResults",
        next_token: Option<String> = "NextToken",
    }

    /// Lists instance types.
    DescribeInstanceTypes {
        names: Vec<String> = "InstanceType",
        next_token: Option<String> = "NextToken",
    }
}

outputs! {
    /// A page of launch templates.
    LaunchTemplates {
        templates: Vec<LaunchTemplate> = "launchTemplates",
        next_token: Option<String> = "nextToken",
    }

    /// A launch template.
    LaunchTemplate {
        id: Option<String> = "launchTemplateId",
        name: Option<String> = "launchTemplateName",
        default: Option<u64> = "defaultVersionNumber",
        latest: Option<u64> = "latestVersionNumber",
        tags: Vec<Tag> = "tagSet",
    }

    /// A page of versions.
    LaunchTemplateVersions {
        versions: Vec<LaunchTemplateVersion> = "launchTemplateVersionSet",
        next_token: Option<String> = "nextToken",
    }

    /// A version of a launch template.
    LaunchTemplateVersion {
        number: Option<u64> = "versionNumber",
        description: Option<String> = "versionDescription",
        data: Option<LaunchTemplateData> = "launchTemplateData",
    }

    /// The part of a version that is read.
    LaunchTemplateData {
        image: Option<String> = "imageId",
        instance_type: Option<String> = "instanceType",
    }

    /// The version that was made.
    NewLaunchTemplateVersion {
        version: Option<LaunchTemplateVersion> = "launchTemplateVersion",
    }

    /// A page of reservations.
    Reservations {
        reservations: Vec<Reservation> = "reservationSet",
        next_token: Option<String> = "nextToken",
    }

    /// The instances of one launch.
    Reservation {
        instances: Vec<Instance> = "instancesSet",
    }

    /// An instance.
    Instance {
        id: Option<String> = "instanceId",
        image: Option<String> = "imageId",
        state: Option<InstanceState> = "instanceState",
    }

    /// The state of an instance.
    InstanceState {
        name: Option<String> = "name",
    }

    /// A page of instance types.
    InstanceTypes {
        types: Vec<InstanceTypeInfo> = "instanceTypeSet",
        next_token: Option<String> = "nextToken",
    }

    /// An instance type.
    InstanceTypeInfo {
        name: Option<String> = "instanceType",
        processor: Option<ProcessorInfo> = "processorInfo",
        boot_modes: Vec<String> = "supportedBootModes",
    }

    /// The processor of an instance type.
    ProcessorInfo {
        architectures: Vec<String> = "supportedArchitectures",
    }
}
