//! The calls of Auto Scaling in use, with the parameters that are sent and the fields that are read.
//!
//! A mixed instances policy is a [`Tree`]: it is sent back as it was read, but for versions and images.

use super::super::query::{Protocol, QueryService, Tree, inputs, operations, outputs, paged};

/// The service Auto Scaling.
pub(crate) const AUTO_SCALING: QueryService = QueryService {
    id: "Auto Scaling",
    name: "autoscaling",
    version: "2011-01-01",
    protocol: Protocol::Query,
};

inputs! {
    /// Lists groups.
    DescribeAutoScalingGroups {
        names: Vec<String> = "AutoScalingGroupNames",
        max_records: Option<u64> = "MaxRecords",
        next_token: Option<String> = "NextToken",
    }

    /// Lists launch configurations.
    DescribeLaunchConfigurations {
        max_records: Option<u64> = "MaxRecords",
        next_token: Option<String> = "NextToken",
    }

    /// Lists the instance refreshes of a group.
    DescribeInstanceRefreshes {
        group: String = "AutoScalingGroupName",
        max_records: Option<u64> = "MaxRecords",
        next_token: Option<String> = "NextToken",
    }

    /// Starts an instance refresh.
    StartInstanceRefresh {
        group: String = "AutoScalingGroupName",
        desired: Option<NewConfiguration> = "DesiredConfiguration",
        preferences: NewPreferences = "Preferences",
    }

    /// A desired configuration: one of the two.
    NewConfiguration {
        template: Option<NewTemplate> = "LaunchTemplate",
        policy: Option<Tree> = "MixedInstancesPolicy",
    }

    /// A launch template and its version.
    NewTemplate {
        id: String = "LaunchTemplateId",
        version: String = "Version",
    }

    /// Preferences of a refresh.
    NewPreferences {
        min_healthy: Option<u64> = "MinHealthyPercentage",
        max_healthy: Option<u64> = "MaxHealthyPercentage",
        /// Seconds.
        warmup: Option<u64> = "InstanceWarmup",
        checkpoints: Vec<u64> = "CheckpointPercentages",
        /// Seconds.
        checkpoint_delay: Option<u64> = "CheckpointDelay",
        skip_matching: bool = "SkipMatching",
        auto_rollback: bool = "AutoRollback",
        alarms: Option<AlarmSpecification> = "AlarmSpecification",
        /// Seconds.
        bake: Option<u64> = "BakeTime",
    }

    /// Alarms that fail a refresh.
    AlarmSpecification {
        alarms: Vec<String> = "Alarms",
    }

    /// Rolls the running refresh back.
    RollbackInstanceRefresh {
        group: String = "AutoScalingGroupName",
    }

    /// Cancels the running refresh.
    CancelInstanceRefresh {
        group: String = "AutoScalingGroupName",
    }
}

outputs! {
    /// A page of groups.
    Groups {
        groups: Vec<Group> = "AutoScalingGroups",
        next_token: Option<String> = "NextToken",
    }

    /// A group.
    Group {
        name: Option<String> = "AutoScalingGroupName",
        arn: Option<String> = "AutoScalingGroupARN",
        configuration: Option<String> = "LaunchConfigurationName",
        template: Option<Template> = "LaunchTemplate",
        policy: Option<Tree> = "MixedInstancesPolicy",
        desired: Option<u64> = "DesiredCapacity",
        instances: Vec<GroupInstance> = "Instances",
        tags: Vec<GroupTag> = "Tags",
    }

    /// A launch template and its version.
    Template {
        id: Option<String> = "LaunchTemplateId",
        version: Option<String> = "Version",
    }

    /// An instance of a group.
    GroupInstance {
        id: Option<String> = "InstanceId",
        instance_type: Option<String> = "InstanceType",
        lifecycle: Option<String> = "LifecycleState",
        template: Option<Template> = "LaunchTemplate",
    }

    /// A tag of a group.
    GroupTag {
        key: Option<String> = "Key",
        value: Option<String> = "Value",
    }

    /// A page of launch configurations.
    LaunchConfigurations {
        configurations: Vec<LaunchConfiguration> = "LaunchConfigurations",
        next_token: Option<String> = "NextToken",
    }

    /// A launch configuration.
    LaunchConfiguration {
        arn: Option<String> = "LaunchConfigurationARN",
        image: Option<String> = "ImageId",
    }

    /// A page of refreshes.
    Refreshes {
        refreshes: Vec<Refresh> = "InstanceRefreshes",
        next_token: Option<String> = "NextToken",
    }

    /// A refresh.
    Refresh {
        id: Option<String> = "InstanceRefreshId",
        status: Option<String> = "Status",
        reason: Option<String> = "StatusReason",
        percentage: Option<u64> = "PercentageComplete",
        left: Option<u64> = "InstancesToUpdate",
        desired: Option<Configuration> = "DesiredConfiguration",
        rollback: Option<RollbackDetails> = "RollbackDetails",
    }

    /// A desired configuration.
    Configuration {
        template: Option<Template> = "LaunchTemplate",
        policy: Option<Tree> = "MixedInstancesPolicy",
    }

    /// The rollback of a refresh.
    RollbackDetails {
        reason: Option<String> = "RollbackReason",
    }

    /// The id of a refresh.
    RefreshId {
        id: Option<String> = "InstanceRefreshId",
    }
}

operations! {
    /// All calls of Auto Scaling in use.
    pub CALLS of AUTO_SCALING:
    CancelInstanceRefresh -> RefreshId,
    DescribeAutoScalingGroups -> Groups,
    DescribeInstanceRefreshes -> Refreshes,
    DescribeLaunchConfigurations -> LaunchConfigurations,
    RollbackInstanceRefresh -> RefreshId,
    StartInstanceRefresh -> RefreshId,
}

paged! {
    DescribeAutoScalingGroups: groups of Group,
    DescribeInstanceRefreshes: refreshes of Refresh,
    DescribeLaunchConfigurations: configurations of LaunchConfiguration,
}
