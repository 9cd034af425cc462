//! The calls of Auto Scaling: converts the types of [`amiforge_lifecycle::api::groups`] to those of the service and
//! back. Decides nothing.

mod calls;

use amiforge_lifecycle::api::groups::{
    Group, GroupInstance, Groups, LaunchSource, PolicyNode, Refresh, RefreshPreferences, RefreshStart,
    TemplateUse,
};
use amiforge_lifecycle::api::images::ImageReference;
use amiforge_publish::service_error::{ServiceError, ServiceErrorKind};
use aws_config::SdkConfig;

use super::query::{Client, Tree};
use calls::{
    AlarmSpecification, CancelInstanceRefresh, DescribeAutoScalingGroups, DescribeInstanceRefreshes,
    DescribeLaunchConfigurations, NewConfiguration, NewPreferences, NewTemplate, RollbackInstanceRefresh,
    StartInstanceRefresh,
};

pub use calls::CALLS;

/// Records per page, the maximum of the service.
const MAX_RECORDS: u64 = 100;

/// Client of Auto Scaling in a region.
#[derive(Debug, Clone)]
pub struct AutoScalingClient(Client);

impl AutoScalingClient {
    pub(super) fn new(sdk: &SdkConfig) -> Self {
        Self(Client::new(sdk, &calls::AUTO_SCALING))
    }

    /// The images that groups name in overrides of their own, and launch configurations. Those of launch templates are
    /// references of EC2.
    pub(super) async fn image_references(&self) -> Result<Vec<ImageReference>, ServiceError> {
        let (max_records, next_token) = (Some(MAX_RECORDS), None);
        let groups =
            DescribeAutoScalingGroups { names: Vec::new(), max_records, next_token: next_token.clone() };
        let mut references = Vec::new();
        for group in self.0.call_pages(groups).await? {
            for image in group.policy.iter().flat_map(|policy| policy.texts("ImageId")) {
                let (kind, arn) = ("autoscaling:AutoScalingGroup".to_owned(), group.arn.clone());
                references.push(ImageReference {
                    image: image.to_owned(),
                    kind,
                    arn: arn.unwrap_or_default(),
                });
            }
        }
        let configurations = DescribeLaunchConfigurations { max_records, next_token };
        match self.0.call_pages(configurations).await {
            Ok(all) => references.extend(all.into_iter().filter_map(|one| {
                let kind = "autoscaling:LaunchConfiguration".to_owned();
                Some(ImageReference { image: one.image?, kind, arn: one.arn.unwrap_or_default() })
            })),
            // A service that does not know launch configurations has none.
            Err(error) if error.code.as_deref() == Some("InvalidAction") => {}
            Err(error) => return Err(error),
        }
        Ok(references)
    }
}

impl Groups for AutoScalingClient {
    async fn describe_groups(&self, names: &[String]) -> Result<Vec<Group>, ServiceError> {
        let call = DescribeAutoScalingGroups {
            names: names.to_vec(),
            max_records: Some(MAX_RECORDS),
            next_token: None,
        };
        Ok(self.0.call_pages(call).await?.into_iter().map(group).collect())
    }

    async fn describe_refreshes(&self, group: &str) -> Result<Vec<Refresh>, ServiceError> {
        let call = DescribeInstanceRefreshes {
            group: group.to_owned(),
            max_records: Some(MAX_RECORDS),
            next_token: None,
        };
        Ok(self.0.call_pages(call).await?.into_iter().map(refresh).collect())
    }

    async fn start_refresh(&self, start: &RefreshStart) -> Result<String, ServiceError> {
        let call = StartInstanceRefresh {
            group: start.group.clone(),
            desired: start.desired.as_ref().map(configuration),
            preferences: preferences(&start.preferences),
        };
        self.0.call(&call).await?.id.ok_or_else(|| {
            let message = "the answer of StartInstanceRefresh has no id";
            ServiceError::local(ServiceErrorKind::Unreadable, message)
        })
    }

    async fn rollback_refresh(&self, group: &str) -> Result<(), ServiceError> {
        self.0.call(&RollbackInstanceRefresh { group: group.to_owned() }).await.map(drop)
    }

    async fn cancel_refresh(&self, group: &str) -> Result<(), ServiceError> {
        self.0.call(&CancelInstanceRefresh { group: group.to_owned() }).await.map(drop)
    }
}

fn group(group: calls::Group) -> Group {
    let source = match (group.template, group.policy, group.configuration) {
        (Some(template), ..) => LaunchSource::Template(template_use(template)),
        (None, Some(policy), _) => LaunchSource::Policy(node(policy)),
        (None, None, Some(name)) => LaunchSource::Other(format!("the launch configuration `{name}`")),
        (None, None, None) => LaunchSource::Other("no launch template".to_owned()),
    };
    let tags = group.tags.into_iter().filter_map(|tag| Some((tag.key?, tag.value.unwrap_or_default())));
    Group {
        name: group.name.unwrap_or_default(),
        arn: group.arn,
        source,
        desired: group.desired.unwrap_or_default(),
        tags: tags.collect(),
        instances: group.instances.into_iter().map(instance).collect(),
    }
}

fn instance(instance: calls::GroupInstance) -> GroupInstance {
    GroupInstance {
        id: instance.id.unwrap_or_default(),
        lifecycle: instance.lifecycle.unwrap_or_default(),
        instance_type: instance.instance_type,
        template: instance.template.map(template_use),
    }
}

fn template_use(template: calls::Template) -> TemplateUse {
    TemplateUse {
        id: template.id.unwrap_or_default(),
        version: template.version.unwrap_or_else(|| "$Default".to_owned()),
    }
}

fn refresh(refresh: calls::Refresh) -> Refresh {
    let desired = refresh.desired.and_then(|desired| match (desired.template, desired.policy) {
        (Some(template), _) => Some(LaunchSource::Template(template_use(template))),
        (None, policy) => policy.map(|policy| LaunchSource::Policy(node(policy))),
    });
    Refresh {
        id: refresh.id.unwrap_or_default(),
        status: refresh.status.unwrap_or_default(),
        reason: refresh.reason,
        percentage: refresh.percentage.unwrap_or_default(),
        left: refresh.left,
        desired,
        rollback_reason: refresh.rollback.and_then(|rollback| rollback.reason),
    }
}

fn configuration(source: &LaunchSource) -> NewConfiguration {
    match source {
        LaunchSource::Template(template) => NewConfiguration {
            template: Some(NewTemplate { id: template.id.clone(), version: template.version.clone() }),
            policy: None,
        },
        LaunchSource::Policy(policy) => NewConfiguration { template: None, policy: Some(tree(policy)) },
        LaunchSource::Other(_) => NewConfiguration::default(),
    }
}

fn preferences(given: &RefreshPreferences) -> NewPreferences {
    let alarms = (!given.alarms.is_empty()).then(|| AlarmSpecification { alarms: given.alarms.clone() });
    NewPreferences {
        min_healthy: given.min_healthy,
        max_healthy: given.max_healthy,
        warmup: given.warmup,
        checkpoints: given.checkpoints.clone(),
        checkpoint_delay: given.checkpoint_delay,
        skip_matching: given.skip_matching,
        auto_rollback: given.auto_rollback,
        alarms,
        bake: given.bake,
    }
}

fn node(tree: Tree) -> PolicyNode {
    match tree {
        Tree::Text(text) => PolicyNode::Text(text),
        Tree::List(item, entries) => {
            PolicyNode::List { item, entries: entries.into_iter().map(node).collect() }
        }
        Tree::Members(members) => {
            PolicyNode::Members(members.into_iter().map(|(name, value)| (name, node(value))).collect())
        }
    }
}

fn tree(node: &PolicyNode) -> Tree {
    match node {
        PolicyNode::Text(text) => Tree::Text(text.clone()),
        PolicyNode::List { item, entries } => Tree::List(item.clone(), entries.iter().map(tree).collect()),
        PolicyNode::Members(members) => Tree::Members(
            members
                .iter()
                // Auto Scaling reports the name of a template beside its id, and takes one of them.
                .filter(|(name, _)| {
                    !(*name == "LaunchTemplateName" && members.contains_key("LaunchTemplateId"))
                })
                .map(|(name, value)| (name.clone(), tree(value)))
                .collect(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_is_sent_back_as_it_was_read_without_the_second_name_of_a_template() {
        let text = |text: &str| Tree::Text(text.to_owned());
        let members = |pairs: &[(&str, Tree)]| {
            Tree::Members(pairs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect())
        };
        let specification = |name: bool| {
            let mut pairs = vec![("LaunchTemplateId", text("lt-1"))];
            if name {
                pairs.push(("LaunchTemplateName", text("web")));
            }
            pairs.push(("Version", text("3")));
            members(&pairs)
        };
        let policy = |name: bool| {
            let attributes = members(&[("VCpuCount", members(&[("Min", text("2"))]))]);
            let entries = vec![members(&[("InstanceRequirements", attributes)])];
            members(&[(
                "LaunchTemplate",
                members(&[
                    ("LaunchTemplateSpecification", specification(name)),
                    ("Overrides", Tree::List("member".to_owned(), entries)),
                ]),
            )])
        };
        // Structures are sorted by name in between.
        let sorted = |policy: Tree| tree(&node(policy));
        assert_eq!(sorted(policy(true)), sorted(policy(false)));
        assert!(format!("{:?}", sorted(policy(true))).contains("VCpuCount"));
    }
}
