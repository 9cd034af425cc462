//! The metadata of an instance as a tree, named as in EC2 ("Instance metadata categories").

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A folder or a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MetadataNode {
    /// A value.
    Value(String),
    /// A folder; its listing is the names of its entries.
    Folder(BTreeMap<String, MetadataNode>),
    /// A folder with a listing of its own: `public-keys`.
    Named(String, BTreeMap<String, MetadataNode>),
}

/// An instance.
#[derive(Debug, Clone)]
pub struct Instance {
    /// Its id.
    pub id: String,
    /// The AMI.
    pub image: String,
    /// Instance type.
    pub kind: String,
    /// `x86_64` or `arm64`.
    pub architecture: &'static str,
    /// Region.
    pub region: String,
    /// Account.
    pub account: String,
    /// MAC address of its network interface.
    pub mac: String,
    /// Its IPv4 address.
    pub address: String,
    /// Host name without the domain; by default derived from the address.
    pub hostname: Option<String>,
    /// Public keys.
    pub keys: Vec<String>,
    /// Tags in the metadata.
    pub tags: BTreeMap<String, String>,
    /// Name of the root device.
    pub root_device: String,
    /// Further volumes.
    pub volumes: Vec<BlockDevice>,
}

/// A further volume.
#[derive(Debug, Clone)]
pub struct BlockDevice {
    /// Name of its device, such as `sdb`.
    pub device: String,
}

impl Instance {
    /// Host name with the domain.
    pub fn hostname(&self) -> String {
        let own = || format!("ip-{}", self.address.replace('.', "-"));
        format!("{}.{}", self.hostname.clone().unwrap_or_else(own), self.domain())
    }

    /// `meta-data`.
    pub fn metadata(&self) -> MetadataNode {
        let hostname = self.hostname();
        let mut all = values(&[
            ("ami-id", &self.image),
            ("ami-launch-index", "0"),
            ("ami-manifest-path", "(unknown)"),
            ("hostname", &hostname),
            ("instance-action", "none"),
            ("instance-id", &self.id),
            ("instance-life-cycle", "on-demand"),
            ("instance-type", &self.kind),
            ("local-hostname", &hostname),
            ("local-ipv4", &self.address),
            ("mac", &self.mac),
            ("profile", "default-hvm"),
            ("reservation-id", "r-00000000000000001"),
            ("security-groups", "default"),
            ("system", "nitro"),
        ]);
        all.insert("block-device-mapping".to_owned(), self.mapping());
        all.insert("network".to_owned(), self.network(&hostname));
        let zone = self.zone();
        let placement = [("availability-zone", zone.as_str()), ("region", &self.region)];
        all.insert("placement".to_owned(), MetadataNode::Folder(values(&placement)));
        let services = [("domain", "amazonaws.com"), ("partition", "aws")];
        all.insert("services".to_owned(), MetadataNode::Folder(values(&services)));
        if !self.keys.is_empty() {
            all.insert("public-keys".to_owned(), self.public_keys());
        }
        if !self.tags.is_empty() {
            let tags = self.tags.iter().map(|(key, value)| (key.clone(), MetadataNode::Value(value.clone())));
            all.insert("tags".to_owned(), folder("instance", MetadataNode::Folder(tags.collect())));
        }
        MetadataNode::Folder(all)
    }

    /// `dynamic`.
    pub fn dynamic(&self) -> MetadataNode {
        let document = serde_json::json!({
            "accountId": self.account,
            "architecture": self.architecture,
            "availabilityZone": self.zone(),
            "billingProducts": null,
            "devpayProductCodes": null,
            "marketplaceProductCodes": null,
            "imageId": self.image,
            "instanceId": self.id,
            "instanceType": self.kind,
            "kernelId": null,
            "pendingTime": "2026-01-01T00:00:00Z",
            "privateIp": self.address,
            "ramdiskId": null,
            "region": self.region,
            "version": "2017-09-30",
        });
        folder("instance-identity", folder("document", MetadataNode::Value(format!("{document:#}"))))
    }

    fn zone(&self) -> String {
        format!("{}a", self.region)
    }

    fn domain(&self) -> &'static str {
        if self.region == "us-east-1" { "ec2.internal" } else { "compute.internal" }
    }

    fn mapping(&self) -> MetadataNode {
        let mut all = values(&[("ami", self.root_device.as_str()), ("root", &self.root_device)]);
        for (index, volume) in self.volumes.iter().enumerate() {
            all.insert(format!("ebs{}", index + 1), MetadataNode::Value(volume.device.clone()));
        }
        MetadataNode::Folder(all)
    }

    fn network(&self, hostname: &str) -> MetadataNode {
        let card = MetadataNode::Folder(values(&[
            ("device-number", "0"),
            ("interface-id", "eni-00000000000000001"),
            ("local-hostname", hostname),
            ("local-ipv4s", &self.address),
            ("mac", &self.mac),
            ("owner-id", &self.account),
            ("security-group-ids", "sg-00000000000000001"),
            ("security-groups", "default"),
            ("subnet-id", "subnet-00000000000000001"),
            ("subnet-ipv4-cidr-block", "169.254.169.0/24"),
            ("vpc-id", "vpc-00000000000000001"),
            ("vpc-ipv4-cidr-block", "169.254.169.0/24"),
            ("vpc-ipv4-cidr-blocks", "169.254.169.0/24"),
        ]));
        folder("interfaces", folder("macs", folder(&self.mac, card)))
    }

    fn public_keys(&self) -> MetadataNode {
        let names: Vec<_> = (0..self.keys.len()).map(|index| format!("{index}=key-{index}")).collect();
        let keys = self.keys.iter().enumerate();
        let keys = keys
            .map(|(index, key)| (index.to_string(), folder("openssh-key", MetadataNode::Value(key.clone()))));
        MetadataNode::Named(names.join("\n"), keys.collect())
    }
}

impl MetadataNode {
    /// The node at a path.
    pub fn at<'a>(&self, mut path: impl Iterator<Item = &'a str>) -> Option<&Self> {
        path.try_fold(self, |node, name| match node {
            Self::Folder(names) | Self::Named(_, names) => names.get(name),
            Self::Value(_) => None,
        })
    }

    /// The response for this node: the value, or the names in the folder, one per line, those of folders with a final
    /// slash.
    pub fn text(&self) -> String {
        match self {
            Self::Value(value) => value.clone(),
            Self::Named(listing, _) => listing.clone(),
            Self::Folder(names) => {
                let line = |(name, node): (&String, &Self)| match node {
                    Self::Value(_) => name.clone(),
                    Self::Folder(_) | Self::Named(..) => format!("{name}/"),
                };
                names.iter().map(line).collect::<Vec<_>>().join("\n")
            }
        }
    }
}

fn values(pairs: &[(&str, &str)]) -> BTreeMap<String, MetadataNode> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), MetadataNode::Value((*value).to_owned()))).collect()
}

fn folder(name: &str, node: MetadataNode) -> MetadataNode {
    MetadataNode::Folder(BTreeMap::from([(name.to_owned(), node)]))
}
