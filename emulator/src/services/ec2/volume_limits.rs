//! The limits of EBS volume types. Knows no image and no snapshot.
//!
//! Size in GiB, I/O operations per second, throughput in MiB per second: EBS user guide, "volume types", at
//! the generation with 80,000 IOPS on gp3.

use super::errors::Ec2Error;
use super::params::Params;
use crate::state::device::{VolumeSpec, VolumeType};

/// The volume parameters of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct VolumeRequest {
    kind: VolumeType,
    size: Option<i64>,
    iops: Option<i64>,
    throughput: Option<i64>,
}

const KINDS: [&str; 7] = ["standard", "io1", "io2", "gp2", "gp3", "st1", "sc1"];

impl VolumeType {
    fn of(name: &str) -> Self {
        match name {
            "standard" => Self::Standard,
            "io1" => Self::Io1,
            "io2" => Self::Io2,
            "gp3" => Self::Gp3,
            "st1" => Self::St1,
            "sc1" => Self::Sc1,
            _ => Self::Gp2,
        }
    }

    /// The minimum and maximum size.
    fn sizes(self) -> (i64, i64) {
        match self {
            Self::Standard => (1, 1024),
            Self::Io1 => (4, 16_384),
            Self::Io2 => (4, 65_536),
            Self::Gp2 => (1, 16_384),
            Self::Gp3 => (1, 65_536),
            Self::St1 | Self::Sc1 => (125, 16_384),
        }
    }

    /// The minimum, maximum and default IOPS, and the maximum per GiB.
    fn iops(self) -> Option<(i64, i64, Option<i64>, i64)> {
        match self {
            Self::Io1 => Some((100, 64_000, None, 50)),
            Self::Io2 => Some((100, 256_000, None, 1000)),
            Self::Gp3 => Some((3000, 80_000, Some(3000), 500)),
            Self::Standard | Self::Gp2 | Self::St1 | Self::Sc1 => None,
        }
    }
}

/// Parses `VolumeType`, `VolumeSize`, `Iops` and `Throughput`.
pub(crate) fn read(ebs: &Params<'_>) -> Result<VolumeRequest, Ec2Error> {
    let kind = ebs.one_of("VolumeType", &KINDS)?.map_or(VolumeType::Gp2, VolumeType::of);
    Ok(VolumeRequest {
        kind,
        size: ebs.number("VolumeSize")?,
        iops: ebs.number("Iops")?,
        throughput: ebs.number("Throughput")?,
    })
}

impl VolumeRequest {
    /// The volume, by default with the size of the snapshot; an error if a limit is violated.
    pub(crate) fn sized(&self, snapshot: Option<i64>) -> Result<VolumeSpec, Ec2Error> {
        let Some(size) = self.size.or(snapshot) else {
            return Err(Ec2Error::missing("size or snapshotId"));
        };
        self.check_size(size)?;
        let iops = self.checked_iops(size)?;
        let throughput = self.checked_throughput(iops)?;
        Ok(VolumeSpec { kind: self.kind, size, iops, throughput })
    }

    fn check_size(&self, size: i64) -> Result<(), Ec2Error> {
        let (min, max) = self.kind.sizes();
        let name = self.kind.name();
        if size < min {
            return Err(value(format!(
                "Volume of {size}GiB is too small for volume type {name}; minimum is {min}GiB."
            )));
        }
        if size > max {
            return Err(value(format!(
                "Volume of {size}GiB is too large for volume type {name}; maximum is {max}GiB."
            )));
        }
        Ok(())
    }

    fn checked_iops(&self, size: i64) -> Result<Option<i64>, Ec2Error> {
        let name = self.kind.name();
        let Some((min, max, default, ratio)) = self.kind.iops() else {
            return match self.iops {
                None => Ok(None),
                Some(_) => Err(unsupported("iops", name)),
            };
        };
        let Some(iops) = self.iops.or(default) else {
            let message = format!("The parameter iops must be specified for {name} volumes.");
            return Err(Ec2Error::new("MissingParameter", message));
        };
        if iops < min {
            return Err(value(format!("Volume iops of {iops} is too low; minimum is {min}.")));
        }
        if iops > max {
            return Err(value(format!("Volume iops of {iops} is too high; maximum is {max}.")));
        }
        // The baseline IOPS are allowed on a volume of any size.
        if self.iops.is_some_and(|iops| iops > min) && iops > size * ratio {
            let ratio_of_request = iops as f64 / size as f64;
            return Err(value(format!(
                "Iops to volume size ratio of {ratio_of_request:.6} is too high; maximum is {ratio}."
            )));
        }
        Ok(Some(iops))
    }

    fn checked_throughput(&self, iops: Option<i64>) -> Result<Option<i64>, Ec2Error> {
        if self.kind != VolumeType::Gp3 {
            return match self.throughput {
                None => Ok(None),
                Some(_) => Err(unsupported("throughput", self.kind.name())),
            };
        }
        let throughput = self.throughput.unwrap_or(125);
        if throughput < 125 {
            return Err(value(format!("Volume throughput of {throughput} is too low; minimum is 125.")));
        }
        if throughput > 2000 {
            return Err(value(format!("Volume throughput of {throughput} is too high; maximum is 2000.")));
        }
        let iops = iops.unwrap_or(3000);
        if throughput * 4 > iops {
            let ratio_of_request = throughput as f64 / iops as f64;
            return Err(value(format!(
                "Throughput to iops ratio of {ratio_of_request:.6} is too high; maximum is 0.250000."
            )));
        }
        Ok(Some(throughput))
    }
}

fn value(message: String) -> Ec2Error {
    Ec2Error::new("InvalidParameterValue", message)
}

fn unsupported(parameter: &str, kind: &str) -> Ec2Error {
    Ec2Error::combination(format!("The parameter {parameter} is not supported for {kind} volumes."))
}

#[cfg(test)]
mod tests {
    use super::super::params::ParamNode;
    use super::*;

    fn sized(text: &str, snapshot: Option<i64>) -> Result<VolumeSpec, Ec2Error> {
        let node = ParamNode::read(form_urlencoded::parse(text.as_bytes())).unwrap();
        read(&node.params())?.sized(snapshot)
    }

    #[test]
    fn defaults_are_those_of_a_minimal_register() {
        let volume = sized("", Some(7)).unwrap();
        assert_eq!(volume, VolumeSpec { kind: VolumeType::Gp2, size: 7, iops: None, throughput: None });
        let volume = sized("VolumeType=gp3&VolumeSize=9", Some(7)).unwrap();
        assert_eq!(
            volume,
            VolumeSpec { kind: VolumeType::Gp3, size: 9, iops: Some(3000), throughput: Some(125) }
        );
    }

    #[test]
    fn limits_of_each_kind() {
        for (text, expected) in [
            ("VolumeType=gp3&VolumeSize=65536", "ok"),
            ("VolumeType=gp3&VolumeSize=65537", "InvalidParameterValue"),
            ("VolumeType=gp3&VolumeSize=0", "InvalidParameterValue"),
            ("VolumeType=gp3&VolumeSize=1", "ok"),
            ("VolumeType=gp3&VolumeSize=1&Iops=3000", "ok"),
            ("VolumeType=gp3&VolumeSize=10&Iops=5001", "InvalidParameterValue"),
            ("VolumeType=gp3&VolumeSize=160&Iops=80000&Throughput=2000", "ok"),
            ("VolumeType=gp3&VolumeSize=160&Iops=80001", "InvalidParameterValue"),
            ("VolumeType=gp3&VolumeSize=8&Iops=2999", "InvalidParameterValue"),
            ("VolumeType=gp3&VolumeSize=8&Throughput=750", "ok"),
            ("VolumeType=gp3&VolumeSize=8&Throughput=751", "InvalidParameterValue"),
            ("VolumeType=gp3&VolumeSize=8&Throughput=124", "InvalidParameterValue"),
            ("VolumeType=gp3&VolumeSize=100&Iops=16000&Throughput=2001", "InvalidParameterValue"),
            ("VolumeSize=16385", "InvalidParameterValue"),
            ("VolumeSize=8&Iops=3000", "InvalidParameterCombination"),
            ("VolumeSize=8&Throughput=125", "InvalidParameterCombination"),
            ("VolumeType=io1&VolumeSize=8", "MissingParameter"),
            ("VolumeType=io1&VolumeSize=8&Iops=400", "ok"),
            ("VolumeType=io1&VolumeSize=8&Iops=401", "InvalidParameterValue"),
            ("VolumeType=io1&VolumeSize=3&Iops=100", "InvalidParameterValue"),
            ("VolumeType=io2&VolumeSize=256&Iops=256000", "ok"),
            ("VolumeType=io2&VolumeSize=300&Iops=256001", "InvalidParameterValue"),
            ("VolumeType=st1&VolumeSize=124", "InvalidParameterValue"),
            ("VolumeType=sc1&VolumeSize=125", "ok"),
            ("VolumeType=standard&VolumeSize=1025", "InvalidParameterValue"),
            ("VolumeType=gp4&VolumeSize=8", "InvalidParameterValue"),
            ("VolumeType=gp3", "MissingParameter"),
        ] {
            let code = sized(text, None).map_or_else(|error| error.code, |_| "ok".to_owned());
            assert_eq!(code, expected, "{text}");
        }
    }
}
