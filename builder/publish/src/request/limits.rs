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
            |least, most| VolumeLimits { size: (least, most), iops: None, iops_per_gib: 0, throughput: None };
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

/// Refuses what the type does not allow. `least` is the size of the snapshot in GiB, where there is one.
pub(super) fn limits(
    option: &'static str,
    settings: &VolumeSettings,
    least: Option<u64>,
    mistakes: &mut Vec<RequestMistake>,
) {
    let (limits, word) = (settings.kind.limits(), settings.kind.word());
    let mut refuse =
        |problem: String, remedy: String| mistakes.push(RequestMistake::new(option, problem, remedy));
    let size = settings.size.or(least);
    if let (Some(size), Some(least)) = (settings.size, least)
        && size < least
    {
        refuse(
            format!("{size} GiB are less than the {least} GiB of its image"),
            format!("give `size={least}GiB` or more, or none"),
        );
    }
    if let Some(size) = size
        && !(limits.size.0..=limits.size.1).contains(&size)
    {
        let (least, most) = limits.size;
        refuse(
            format!("`{word}` has {least} to {most} GiB, and {size} are asked for"),
            "choose another size or type".to_owned(),
        );
    }
    for (asked, range, what) in
        [(settings.iops, limits.iops, "iops"), (settings.throughput, limits.throughput, "throughput")]
    {
        match (asked, range) {
            (Some(_), None) => {
                refuse(
                    format!("`{what}` cannot be chosen for `{word}`"),
                    format!(
                        "leave it out, or use `{}`",
                        if what == "iops" { "gp3`, `io1` or `io2" } else { "gp3" }
                    ),
                );
            }
            (Some(asked), Some((least, most))) if !(least..=most).contains(&asked) => {
                refuse(
                    format!("`{word}` has {what} of {least} to {most}, and {asked} are asked for"),
                    format!("choose one of {least} to {most}"),
                );
            }
            _ => {}
        }
    }
    ratios(option, settings, size, &limits, mistakes);
}

fn ratios(
    option: &'static str,
    settings: &VolumeSettings,
    size: Option<u64>,
    limits: &VolumeLimits,
    mistakes: &mut Vec<RequestMistake>,
) {
    let word = settings.kind.word();
    let mut refuse =
        |problem: String, remedy: String| mistakes.push(RequestMistake::new(option, problem, remedy));
    if matches!(settings.kind, VolumeType::Io1 | VolumeType::Io2) && settings.iops.is_none() {
        refuse(format!("`{word}` needs to be told its iops"), "add `iops=N`".to_owned());
    }
    if let (Some(iops), Some(size)) = (settings.iops, size) {
        let most = size.saturating_mul(limits.iops_per_gib);
        let granted = settings.kind == VolumeType::Gp3 && iops <= GP3_IOPS;
        if limits.iops.is_some() && iops > most && !granted {
            let enough = iops.div_ceil(limits.iops_per_gib);
            refuse(
                format!(
                    "`{word}` of {size} GiB has at most {most} iops ({} for each GiB), and {iops} are asked for",
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
