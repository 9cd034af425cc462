//! The traits of Auto Scaling and EC2 over the world of a run.

use amiforge_lifecycle::api::groups::{Group, GroupInstance, Groups, Refresh, RefreshStart};
use amiforge_lifecycle::api::templates::{
    Instance, InstanceType, NewVersion, Template, TemplateQuery, TemplateVersion, Templates,
};
use amiforge_publish::api::ec2::DescribedImage;
use amiforge_publish::service_error::{ServiceError, ServiceErrorKind};

use crate::service::Services;
use crate::world::{ARM, Version, World};

fn refused(code: &str) -> ServiceError {
    let error = ServiceError::local(ServiceErrorKind::Refused, code);
    ServiceError { code: Some(code.to_owned()), ..error }
}

fn group(world: &World, name: &str) -> Group {
    let group = &world.groups[name];
    let instance = |one: &crate::world::Instance| GroupInstance {
        id: one.id.clone(),
        lifecycle: "InService".to_owned(),
        instance_type: None,
        template: Some(one.template.clone()),
    };
    Group {
        name: name.to_owned(),
        arn: None,
        source: group.source.clone(),
        desired: group.instances.len() as u64,
        tags: group.tags.clone(),
        instances: group.instances.iter().map(instance).collect(),
    }
}

impl Groups for Services {
    async fn describe_groups(&self, names: &[String]) -> Result<Vec<Group>, ServiceError> {
        self.call("DescribeAutoScalingGroups".to_owned(), |world| {
            let chosen = |name: &&String| names.is_empty() || names.contains(*name);
            Ok(world.groups.keys().filter(chosen).map(|name| group(world, name)).collect())
        })
        .await
    }

    async fn describe_refreshes(&self, group: &str) -> Result<Vec<Refresh>, ServiceError> {
        self.call(format!("DescribeInstanceRefreshes {group}"), |world| {
            let refresh = |one: &crate::world::Refresh| Refresh {
                id: one.id.clone(),
                status: one.status.to_owned(),
                reason: None,
                percentage: (100 * (one.total - one.left.len().min(one.total)) / one.total.max(1)) as u64,
                left: Some(one.left.len() as u64),
                desired: one.desired.clone(),
                rollback_reason: None,
            };
            Ok(world.groups[group].refreshes.iter().rev().map(refresh).collect())
        })
        .await
    }

    async fn start_refresh(&self, start: &RefreshStart) -> Result<String, ServiceError> {
        self.call(format!("StartInstanceRefresh {}", start.group), |world| {
            if world.running(&start.group).is_some() {
                return Err(refused("InstanceRefreshInProgress"));
            }
            Ok(world.begin(&start.group, start.desired.clone(), start.preferences.clone()))
        })
        .await
    }

    async fn rollback_refresh(&self, group: &str) -> Result<(), ServiceError> {
        self.call(format!("RollbackInstanceRefresh {group}"), |world| {
            let running = world.running(group).filter(|refresh| refresh.status == "InProgress");
            let running = running.ok_or_else(|| refused("ActiveInstanceRefreshNotFound"))?;
            if running.desired.is_none() {
                return Err(refused("IrreversibleInstanceRefresh"));
            }
            let group = world.groups.get_mut(group).unwrap();
            let mut refresh = group.refreshes.pop().unwrap();
            World::roll_back(group, &mut refresh);
            group.refreshes.push(refresh);
            Ok(())
        })
        .await
    }

    async fn cancel_refresh(&self, group: &str) -> Result<(), ServiceError> {
        self.call(format!("CancelInstanceRefresh {group}"), |world| {
            world.running(group).ok_or_else(|| refused("ActiveInstanceRefreshNotFound"))?;
            world.groups.get_mut(group).unwrap().refreshes.last_mut().unwrap().status = "Cancelling";
            Ok(())
        })
        .await
    }
}

impl Templates for Services {
    async fn describe_templates(&self, query: &TemplateQuery) -> Result<Vec<Template>, ServiceError> {
        self.call("DescribeLaunchTemplates".to_owned(), |world| {
            let chosen = |id: &String, tags: &std::collections::BTreeMap<String, String>| match query {
                TemplateQuery::Ids(ids) | TemplateQuery::Names(ids) => ids.contains(id),
                TemplateQuery::Tag(key, value) => tags.get(key) == Some(value),
            };
            let found = world.templates.iter().filter(|(id, template)| chosen(id, &template.tags));
            Ok(found
                .map(|(id, template)| Template {
                    id: id.clone(),
                    name: id.clone(),
                    default: template.default,
                    latest: template.versions.iter().map(|version| version.number).max().unwrap(),
                    tags: template.tags.clone(),
                })
                .collect())
        })
        .await
    }

    async fn describe_versions(&self, template: &str) -> Result<Vec<TemplateVersion>, ServiceError> {
        self.call(format!("DescribeLaunchTemplateVersions {template}"), |world| {
            let version = |one: &Version| TemplateVersion {
                number: one.number,
                description: one.description.clone(),
                image: Some(one.image.clone()),
                instance_type: one.instance_type.clone(),
            };
            Ok(world.templates[template].versions.iter().map(version).collect())
        })
        .await
    }

    async fn create_version(&self, version: &NewVersion) -> Result<u64, ServiceError> {
        self.call(format!("CreateLaunchTemplateVersion {}", version.template), |world| {
            let template = world.templates.get_mut(&version.template).unwrap();
            if let Some(made) =
                template.versions.iter().find(|one| one.token.as_ref() == Some(&version.token))
            {
                return Ok(made.number);
            }
            let source = template.versions.iter().find(|one| one.number == version.source).unwrap().clone();
            let number = template.versions.iter().map(|one| one.number).max().unwrap() + 1;
            template.versions.push(Version {
                number,
                image: version.image.clone(),
                description: Some(version.description.clone()),
                token: Some(version.token.clone()),
                ..source
            });
            Ok(number)
        })
        .await
    }

    async fn set_default_version(&self, template: &str, version: u64) -> Result<(), ServiceError> {
        self.call(format!("ModifyLaunchTemplate {template} {version}"), |world| {
            world.templates.get_mut(template).unwrap().default = version;
            Ok(())
        })
        .await
    }

    async fn describe_instances(&self, ids: &[String]) -> Result<Vec<Instance>, ServiceError> {
        self.call("DescribeInstances".to_owned(), |world| {
            let all = world.groups.values().flat_map(|group| &group.instances);
            let instance = |one: &crate::world::Instance| Instance {
                id: one.id.clone(),
                image: Some(one.image.clone()),
                state: "running".to_owned(),
            };
            Ok(all.filter(|one| ids.contains(&one.id)).map(instance).collect())
        })
        .await
    }

    async fn describe_instance_types(&self, names: &[String]) -> Result<Vec<InstanceType>, ServiceError> {
        self.call("DescribeInstanceTypes".to_owned(), |_| {
            let kind = |name: &String| {
                let arm = name.starts_with("m6g");
                InstanceType {
                    name: name.clone(),
                    architectures: vec![if arm { "arm64" } else { "x86_64" }.to_owned()],
                    boot_modes: vec!["uefi".to_owned()],
                }
            };
            Ok(names.iter().map(kind).collect())
        })
        .await
    }

    async fn describe_image(&self, id: &str) -> Result<DescribedImage, ServiceError> {
        self.call(format!("DescribeImages {id}"), |_| {
            Ok(DescribedImage {
                id: id.to_owned(),
                state: "available".to_owned(),
                architecture: Some(if id == ARM { "arm64" } else { "x86_64" }.to_owned()),
                boot_mode: Some("uefi".to_owned()),
                ..DescribedImage::default()
            })
        })
        .await
    }
}
