//! The platform of a disk that others made, and what registration cannot give it.
//!
//! `RegisterImage` (EC2 API, 2016-11-15) has no parameter for the platform, and takes billing products only from accounts
//! that AWS authorized for it. EC2 User Guide, "AMI billing fields" and "Create an AMI from a snapshot": a Windows AMI, or
//! one of RHEL or SUSE with its subscription, cannot be made from a snapshot. VM Import/Export User Guide, "Licensing
//! options"; License Manager User Guide, "License type conversions".

/// The platform of a disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Platform {
    /// Linux, BSD, or an appliance.
    #[default]
    Linux,
    /// Windows.
    Windows,
}

/// The ids of systems (os-release(5)) whose subscriptions are billing codes of an AMI.
const SUBSCRIBED: [(&str, &str); 4] =
    [("rhel", "Red Hat"), ("sles", "SUSE"), ("sles_sap", "SUSE"), ("suse-microos", "SUSE")];

impl Platform {
    /// The platform of a word.
    pub fn by_name(name: &str) -> Option<Self> {
        match name {
            "linux" => Some(Self::Linux),
            "windows" => Some(Self::Windows),
            _ => None,
        }
    }

    /// The default of the root device: Windows AMIs have the first name.
    pub(super) fn root_device(self) -> &'static str {
        match self {
            Self::Linux => "/dev/xvda",
            Self::Windows => "/dev/sda1",
        }
    }

    /// What registration cannot give, and the way that can, as sentences. `system` is the id of the system of a Linux
    /// disk, if it is known.
    pub fn limits(self, system: Option<&str>) -> Vec<String> {
        match self {
            Self::Windows => vec![
                "registration sets neither the platform `windows` nor a billing code: EC2 shows and bills machines of this \
                 AMI as Linux, and they have no Windows licence from AWS. With a licence of your own that allows it, that is \
                 BYOL; else `aws ec2 import-image --platform Windows --license-type AWS` makes an AMI with one, and License \
                 Manager converts machines (`aws license-manager create-license-conversion-task-for-resource`)"
                    .to_owned(),
                "what is not looked for on a Windows disk: the drivers of AWS for NVMe and ENA, EC2Launch, and whether \
                 Sysprep has generalized it; without these a machine does not start, or is not reached"
                    .to_owned(),
            ],
            Self::Linux => {
                let vendor = SUBSCRIBED.iter().find(|(id, _)| Some(*id) == system);
                let line = |(_, vendor): &(&str, &str)| {
                    format!(
                        "registration sets no billing code: machines of this AMI have no {vendor} subscription through AWS. \
                         Use a subscription of your own, or make the AMI with `aws ec2 import-image --license-type AWS`; \
                         License Manager converts machines"
                    )
                };
                vendor.map(line).into_iter().collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_registration_cannot_give_is_said_with_the_way_that_can() {
        let windows = Platform::Windows.limits(None).join("\n");
        assert!(windows.contains("import-image") && windows.contains("Sysprep"), "{windows}");
        assert!(Platform::Linux.limits(Some("rhel"))[0].contains("Red Hat"));
        assert!(Platform::Linux.limits(Some("debian")).is_empty() && Platform::Linux.limits(None).is_empty());
        assert_eq!(Platform::by_name("windows").map(Platform::root_device), Some("/dev/sda1"));
    }
}
