//! Calls that moto has, and that no command comes to there: what leads to them needs other calls, which moto lacks.

use amiforge_aws::AwsConfig;
use amiforge_lifecycle::api::images::{ImageCalls, ImageUse as _, UseRegions as _};
use amiforge_lifecycle::api::parameters::{NewVersion, Parameters as _, STRING};
use amiforge_lifecycle::api::storage::{RestorePeriod, StorageCalls};
use amiforge_lifecycle::api::templates::Templates as _;
use amiforge_publish::api::ec2::{Ec2 as _, ImageQuery};
use amiforge_publish::api::{Ebs as _, NewSnapshotCopy, SnapshotCalls as _, SnapshotCopies as _};

use super::account::{MotoAccount, REGION};

/// Calls them all, and reads the answers.
pub(super) fn what_no_command_reaches(account: &MotoAccount) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let config = account.connect().await;
        tags(account, &config).await;
        states(account, &config).await;
        snapshots(account, &config).await;
        fleet(account, &config).await;
        parameters(&config).await;
        let caller = config.sts().caller().await.unwrap();
        assert_eq!(caller.account, "123456789012");
        config.ec2().deregister_image(&account.images[1]).await.unwrap();
    });
}

async fn tags(account: &MotoAccount, config: &AwsConfig) {
    let (ec2, image) = (config.ec2(), &account.images[0]);
    assert!(ec2.tagged_resources("amiforge:image", "web").await.unwrap().contains(image));
    ec2.delete_tags(std::slice::from_ref(image), &["amiforge:version"]).await.unwrap();
    let left = ec2.tagged_resources("amiforge:version", "1").await.unwrap();
    assert!(!left.contains(image), "{left:?}");
}

async fn states(account: &MotoAccount, config: &AwsConfig) {
    let (ec2, image) = (config.ec2(), account.images[0].as_str());
    let state = async || ec2.describe_images(&ImageQuery::by_id(image)).await.unwrap()[0].state.clone();
    ec2.disable_image(image).await.unwrap();
    assert_eq!(state().await, "disabled");
    ec2.enable_image(image).await.unwrap();
    assert_eq!(state().await, "available");
}

/// moto has the operations of tiers, and says of none what it did.
async fn snapshots(account: &MotoAccount, config: &AwsConfig) {
    let (ec2, snapshot) = (config.ec2(), account.snapshot.as_str());
    assert!(!ec2.zones().await.unwrap().is_empty());
    assert!(ec2.enabled_regions().await.unwrap().iter().any(|region| region == REGION));
    let copy = NewSnapshotCopy {
        snapshot: snapshot.to_owned(),
        region: REGION.to_owned(),
        description: "a copy".to_owned(),
        tags: [("team".to_owned(), "web".to_owned())].into(),
    };
    let copied = ec2.copy_snapshot(&copy).await.unwrap();
    assert_eq!(config.snapshots().describe_snapshot(&copied).await.unwrap().id, copied);
    let changed = config.ebs().list_changed_blocks(snapshot, snapshot, None).await.unwrap();
    assert!(changed.blocks.is_empty(), "a snapshot differs from itself: {changed:?}");
    StorageCalls::archive_snapshot(&ec2, &copied).await.unwrap();
    StorageCalls::tier_status(&ec2, &copied).await.unwrap();
    StorageCalls::restore_snapshot(&ec2, &copied, RestorePeriod::Permanent).await.unwrap();
    config.snapshots().delete_snapshot(&copied).await.unwrap();
    let gone = config.snapshots().describe_snapshot(&copied).await;
    assert!(gone.is_err(), "{gone:?}");
}

async fn fleet(account: &MotoAccount, config: &AwsConfig) {
    let instances = config.ec2().describe_instances(&account.instances).await.unwrap();
    let found: Vec<_> = instances.into_iter().map(|instance| instance.id).collect();
    assert_eq!(found, account.instances);
    let types = config.ec2().describe_instance_types(&["t3.micro".to_owned()]).await.unwrap();
    assert_eq!(types.len(), 1);
    config.image_use(REGION).group_images().await.unwrap();
}

async fn parameters(config: &AwsConfig) {
    let (ssm, name) = (config.ssm(), "/elsewhere/parameter");
    let version = NewVersion {
        name: name.to_owned(),
        value: "value".to_owned(),
        kind: STRING.to_owned(),
        data_type: "text".to_owned(),
        description: "a parameter".to_owned(),
        overwrite: false,
    };
    assert_eq!(ssm.put(&version).await.unwrap(), 1);
    let label = ["first".to_owned()];
    ssm.label(name, 1, &label).await.unwrap();
    assert_eq!(ssm.history(name).await.unwrap()[0].labels, label);
    ssm.unlabel(name, 1, &label).await.unwrap();
    assert!(ssm.history(name).await.unwrap()[0].labels.is_empty());
    ssm.delete(name).await.unwrap();
    assert!(ssm.parameter(name).await.is_err());
}
