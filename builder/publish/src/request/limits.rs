//! What the types of EBS volumes allow: ranges of size, iops and throughput, and their ratios. A ratio that the service
//! would refuse at the first launch, long after the registration, is refused here.

use super::RequestMistake;
use super::volume::{VolumeSettings, VolumeType};

/// I/O operations that every gp3 volume has.
const GP3_IOPS: u64 = 3_000;
/// MiB in a second that every gp3 volume has.
const GP3_THROUGHPUT: u64 = 125;

/// What a type allows.
struct VolumeLimits {
    /// GiB.
    size: (u64, u64),
    /// I/O operations in a second, where they can be asked for.
    iops: Option<(u64, u64)>,
    /// The most of them for each GiB.
    iops_per_gib: u64,
    /// MiB in a second, where they can be asked for.
    throughput: Option<(u64, u64)>,
}

impl VolumeType {
    fn limits(self) -> VolumeLimits {
        let plain =
            |min, max| VolumeLimits { size: (min, max), iops: None, iops_per_gib: 0, throughput: None };
        match self {
            Self::Gp3 => VolumeLimits {
                size: (1, 65_536),
                iops: Some((GP3_IOPS, 80_000)),
                iops_per_gib: 500,
                throughput: Some((GP3_THROUGHPUT, 2_000)),
            },
            Self::Io1 => VolumeLimits {
                size: (4, 16_384),
                iops: Some((100, 64_000)),
                iops_per_gib: 50,
                throughput: None,
            },
            Self::Io2 => VolumeLimits {
                size: (4, 65_536),
                iops: Some((100, 256_000)),
                iops_per_gib: 1_000,
                throughput: None,
            },
            Self::Gp2 => plain(1, 16_384),
            Self::St1 | Self::Sc1 => plain(125, 16_384),
            Self::Standard => plain(1, 1_024),
        }
    }
}

/// Refuses what the type does not allow. `min` is the size of the snapshot in GiB, where there is one.
pub(super) fn check_limits(
    option: &'static str,
    settings: &VolumeSettings,
    min: Option<u64>,
    mistakes: &mut Vec<RequestMistake>,
) {
    let (limits, name) = (settings.kind.limits(), settings.kind.as_str());
    let mut refuse =
        |problem: String, remedy: String| mistakes.push(RequestMistake::new(option, problem, remedy));
    let size = settings.size.or(min);
    if let (Some(size), Some(min)) = (settings.size, min)
        && size < min
    {
        refuse(
            format!("{size} GiB are less than the {min} GiB of its image"),
            format!("give `size={min}GiB` or more, or none"),
        );
    }
    if let Some(size) = size
        && !(limits.size.0..=limits.size.1).contains(&size)
    {
        let (min, max) = limits.size;
        refuse(
            format!("`{name}` has {min} to {max} GiB, and {size} are asked for"),
            "choose another size or type".to_owned(),
        );
    }
    for (requested, range, setting) in
        [(settings.iops, limits.iops, "iops"), (settings.throughput, limits.throughput, "throughput")]
    {
        match (requested, range) {
            (Some(_), None) => {
                refuse(
                    format!("`{setting}` cannot be chosen for `{name}`"),
                    format!(
                        "leave it out, or use `{}`",
                        if setting == "iops" { "gp3`, `io1` or `io2" } else { "gp3" }
                    ),
                );
            }
            (Some(requested), Some((min, max))) if !(min..=max).contains(&requested) => {
                refuse(
                    format!("`{name}` has {setting} of {min} to {max}, and {requested} are asked for"),
                    format!("choose one of {min} to {max}"),
                );
            }
            _ => {}
        }
    }
    check_ratios(option, settings, size, &limits, mistakes);
}

fn check_ratios(
    option: &'static str,
    settings: &VolumeSettings,
    size: Option<u64>,
    limits: &VolumeLimits,
    mistakes: &mut Vec<RequestMistake>,
) {
    let name = settings.kind.as_str();
    let mut refuse =
        |problem: String, remedy: String| mistakes.push(RequestMistake::new(option, problem, remedy));
    if matches!(settings.kind, VolumeType::Io1 | VolumeType::Io2) && settings.iops.is_none() {
        refuse(format!("`{name}` needs to be told its iops"), "add `iops=N`".to_owned());
    }
    if let (Some(iops), Some(size)) = (settings.iops, size) {
        let max = size.saturating_mul(limits.iops_per_gib);
        let granted = settings.kind == VolumeType::Gp3 && iops <= GP3_IOPS;
        if limits.iops.is_some() && iops > max && !granted {
            let enough = iops.div_ceil(limits.iops_per_gib);
            refuse(
                format!(
                    "`{name}` of {size} GiB has at most {max} iops ({} for each GiB), and {iops} are asked for",
                    limits.iops_per_gib
                ),
                format!("give `size={enough}GiB` or more, or fewer iops"),
            );
        }
    }
    if let (Some(throughput), VolumeType::Gp3) = (settings.throughput, settings.kind) {
        let iops = settings.iops.unwrap_or(GP3_IOPS);
        // A quarter of a MiB in a second for each operation.
        if throughput > GP3_THROUGHPUT && throughput * 4 > iops {
            refuse(
                format!(
                    "{throughput} MiB in a second need {} iops (a quarter of a MiB for each), and there are {iops}",
                    throughput * 4
                ),
                format!("give `iops={}` or more, or less throughput", (throughput * 4).max(GP3_IOPS)),
            );
        }
    }
}
