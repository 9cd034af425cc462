//! A fleet on a manual clock, which the tests of groups and refreshes drive.

use std::sync::Arc;
use std::time::Duration;

use super::super::*;
use crate::clock::{ManualClock, Timestamp};
use crate::iam::Principal;
use crate::services::ec2::Ec2Call;
use crate::state::ACCOUNT;
use crate::state::config::{RegionConfig, Windows};
use crate::state::group::{GroupRecord, group_key};

/// A region with a manual clock, two images, and a template whose versions 1 and 2 launch them.
pub(super) struct Fleet {
    pub(super) state: State,
    pub(super) clock: Arc<ManualClock>,
    pub(super) images: [String; 2],
    _folder: tempfile::TempDir,
}

pub(super) const WINDOW: Duration = Duration::from_secs(20);

impl Fleet {
    pub(super) fn new(set: impl FnOnce(&mut RegionConfig)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::new(Timestamp::parse("2026-11-21T12:00:00Z").unwrap()));
        let mut config = RegionConfig::new(folder.path());
        config.windows = Windows { instances: WINDOW, ..Windows::default() };
        config.clock = Arc::clone(&clock) as Arc<dyn crate::clock::Clock>;
        set(&mut config);
        let state = State::open(config).unwrap();
        let mut fleet = Self { state, clock, images: [String::new(), String::new()], _folder: folder };
        for index in 0..2 {
            fleet.images[index] = fleet.register(index, "x86_64");
        }
        let template = format!(
            "Action=CreateLaunchTemplate&LaunchTemplateName=web&LaunchTemplateData.ImageId={}\
             &LaunchTemplateData.InstanceType=t3.micro",
            fleet.images[0]
        );
        fleet.ec2(&template);
        fleet.version(&fleet.images[1]);
        fleet
    }

    pub(super) fn register(&self, number: usize, architecture: &str) -> String {
        let text = self.ec2(&format!(
            "Action=RegisterImage&Name=image-{number}&Architecture={architecture}&VirtualizationType=hvm\
             &RootDeviceName=/dev/xvda&BlockDeviceMapping.1.DeviceName=/dev/xvda&BlockDeviceMapping.1.Ebs.VolumeSize=1\
             &BlockDeviceMapping.1.Ebs.SnapshotId={}",
            self.snapshot(number)
        ));
        between(&text, "imageId")
    }

    pub(super) fn snapshot(&self, number: usize) -> String {
        use crate::state::snapshot::{Snapshot, SnapshotOutcome, SnapshotShares};
        let id = format!("snap-0123456789abcde{number:02x}");
        let (now, region) = (self.state.now(), self.state.region("local").unwrap());
        let snapshot = Snapshot {
            id: id.clone(),
            owner: ACCOUNT.to_owned(),
            description: String::new(),
            volume_size: 1,
            volume_id: "vol-ffffffff".to_owned(),
            parent: None,
            lineage: id.clone(),
            kms_key: None,
            start_time: now,
            timeout: 60,
            outcome: Some(SnapshotOutcome { at: now, failure: None, blocks: 0 }),
            start: None,
            tags: crate::state::tags::Tags::new(),
            shared_with: SnapshotShares::default(),
        };
        region.snapshots.start(snapshot).unwrap();
        id
    }

    pub(super) fn version(&self, image: &str) {
        self.ec2(&format!(
            "Action=CreateLaunchTemplateVersion&LaunchTemplateName=web&SourceVersion=1&LaunchTemplateData.ImageId={image}"
        ));
    }

    pub(super) fn ec2(&self, text: &str) -> String {
        self.try_ec2(text).unwrap()
    }

    pub(super) fn try_ec2(&self, text: &str) -> Result<String, String> {
        let region = self.state.region("local").unwrap();
        advance_region(&self.state, &region);
        let query = ParamNode::read(form_urlencoded::parse(text.as_bytes())).unwrap();
        let principal = Principal { account: ACCOUNT.to_owned(), key: String::new(), policy: None };
        let call = Ec2Call {
            account: ACCOUNT,
            principal: &principal,
            region: &region,
            state: &self.state,
            now: self.state.now(),
            query: &query,
            host: "",
            fail_async: false,
        };
        crate::services::ec2::perform_call(&call)
            .map(|xml| Xml::document("R", "urn:x", |document| document.append(&xml)))
            .map_err(|error| error.code)
    }

    /// Sends a request to Auto Scaling.
    pub(super) fn send(&self, text: &str) -> Result<String, GroupError> {
        let region = self.state.region("local").unwrap();
        advance_region(&self.state, &region);
        let query = ParamNode::read(form_urlencoded::parse(text.as_bytes()))?;
        let action = query.params().text("Action").unwrap();
        let (_, operation) = OPERATIONS.iter().find(|(name, _)| *name == action).unwrap();
        let now = self.state.now();
        let call = GroupCall { account: ACCOUNT, region: &region, state: &self.state, now, query: &query };
        let xml = operation(&call)?.unwrap_or_default();
        Ok(Xml::document("R", "urn:x", |document| document.append(&xml)))
    }

    pub(super) fn must(&self, text: &str) -> String {
        self.send(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    pub(super) fn refused(&self, text: &str) -> String {
        self.send(text).map_or_else(|error| error.code, |_| "ok".to_owned())
    }

    pub(super) fn create(&self, size: u32, more: &str) {
        self.must(&format!(
            "Action=CreateAutoScalingGroup&AutoScalingGroupName=web&MinSize=0&MaxSize=20&DesiredCapacity={size}\
             &AvailabilityZones.member.1=locala&AvailabilityZones.member.2=localb\
             &LaunchTemplate.LaunchTemplateName=web&LaunchTemplate.Version=1{more}"
        ));
        self.clock.advance(WINDOW);
    }

    pub(super) fn group(&self) -> GroupRecord {
        let region = self.state.region("local").unwrap();
        advance_region(&self.state, &region);
        GroupRecord::clone(&*region.groups.find(&group_key(ACCOUNT, "web")).unwrap())
    }

    /// The number of instances in service of each image.
    pub(super) fn serving(&self) -> [usize; 2] {
        let group = self.group();
        let region = self.state.region("local").unwrap();
        let count = |image: &str| {
            let serves = |member: &&crate::state::group::GroupMember| {
                member.in_service().is_some()
                    && region.instances.find(&member.instance).is_some_and(|one| one.image == image)
            };
            group.members.iter().filter(serves).count()
        };
        [count(&self.images[0]), count(&self.images[1])]
    }

    pub(super) fn start(&self, more: &str) -> Result<String, GroupError> {
        self.send(&format!(
            "Action=StartInstanceRefresh&AutoScalingGroupName=web&DesiredConfiguration.LaunchTemplate.LaunchTemplateName=web\
             &DesiredConfiguration.LaunchTemplate.Version=2{more}"
        ))
    }

    pub(super) fn status(&self) -> (String, String) {
        let text = self.must("Action=DescribeInstanceRefreshes&AutoScalingGroupName=web");
        (between(&text, "Status"), between(&text, "PercentageComplete"))
    }

    /// Advances the clock second by second until the refresh ends; returns its status and the least number of instances
    /// in service, and the most that were alive.
    pub(super) fn run(&self, limit: Duration) -> (String, usize, usize) {
        let (mut least, mut most) = (usize::MAX, 0);
        for _ in 0..limit.as_secs() {
            self.clock.advance(Duration::from_secs(1));
            let group = self.group();
            least = least.min(group.members.iter().filter(|one| one.in_service().is_some()).count());
            most = most.max(group.members.iter().filter(|one| one.is_alive()).count());
            if group.active_refresh().is_none() {
                break;
            }
        }
        (self.status().0, least, most)
    }
}

pub(super) fn between(text: &str, tag: &str) -> String {
    let rest = text.split_once(&format!("<{tag}>")).map(|(_, rest)| rest).unwrap_or_default();
    rest.split_once(&format!("</{tag}>")).map(|(value, _)| value).unwrap_or_default().to_owned()
}
