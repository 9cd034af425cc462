//! Volumes of an AMI: devices, types, and the language of `--volume` and `--root-volume`:
//! `DEVICE=CONTENT[,SETTING…]`. What a type allows stands in [`super::limits`].

use std::path::PathBuf;

use amiforge_image::values;
use serde::{Deserialize, Serialize};

use super::RequestMistake;
use super::limits::{GP3_IOPS, GP3_THROUGHPUT, limits};
use crate::api::ec2::{DeviceMapping, Encrypted, OnTermination};

/// Bytes of a GiB.
pub(super) const GIB: u64 = 1 << 30;

/// Type of a volume.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VolumeType {
    /// SSD; speed apart from size.
    #[default]
    Gp3,
    /// SSD; speed grows with size.
    Gp2,
    /// SSD, provisioned.
    Io1,
    /// SSD, provisioned, more durable.
    Io2,
    /// Hard disks for streams.
    St1,
    /// Cold hard disks.
    Sc1,
    /// Magnetic, previous generation.
    Standard,
}

impl VolumeType {
    const ALL: [Self; 7] = [Self::Gp3, Self::Gp2, Self::Io1, Self::Io2, Self::St1, Self::Sc1, Self::Standard];

    /// As EC2 says it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Gp3 => "gp3",
            Self::Gp2 => "gp2",
            Self::Io1 => "io1",
            Self::Io2 => "io2",
            Self::St1 => "st1",
            Self::Sc1 => "sc1",
            Self::Standard => "standard",
        }
    }

    fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }
}

/// How a volume is made at a launch.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeSettings {
    /// Type.
    pub kind: VolumeType,
    /// GiB; the snapshot's size where nothing is said.
    pub size: Option<u64>,
    /// I/O operations in a second; the type's default where nothing is said.
    pub iops: Option<u64>,
    /// MiB in a second; the type's default where nothing is said.
    pub throughput: Option<u64>,
    /// Whether it goes when its instance goes.
    pub on_termination: OnTermination,
}

impl VolumeSettings {
    /// The mapping of a device.
    pub(super) fn mapping(&self, device: &str, snapshot: Option<String>) -> DeviceMapping {
        DeviceMapping {
            device: device.to_owned(),
            snapshot,
            size: self.size,
            volume_type: Some(self.kind.word().to_owned()),
            iops: self.iops,
            throughput: self.throughput,
            on_termination: self.on_termination,
            ..DeviceMapping::default()
        }
    }

    /// I/O operations in a second as the service tells them, where it tells any.
    pub fn told_iops(&self) -> Option<u64> {
        self.iops.or((self.kind == VolumeType::Gp3).then_some(GP3_IOPS))
    }

    /// MiB in a second as the service tells them, where it tells any.
    pub fn told_throughput(&self) -> Option<u64> {
        self.throughput.or((self.kind == VolumeType::Gp3).then_some(GP3_THROUGHPUT))
    }
}

/// What stands on a further volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ContentOf {
    /// The image of a bundle.
    Bundle(PathBuf),
    /// A snapshot that is there.
    Snapshot(String),
    /// Nothing.
    Empty,
    /// Nothing, encrypted with the account's key.
    EmptyEncrypted,
}

impl ContentOf {
    /// The snapshot, of one that is there.
    pub fn snapshot(&self) -> Option<String> {
        match self {
            Self::Snapshot(id) => Some(id.clone()),
            _ => None,
        }
    }
}

/// A volume besides the root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FurtherVolume {
    /// Device name.
    pub device: String,
    /// What stands on it.
    pub content: ContentOf,
    /// How it is made.
    pub settings: VolumeSettings,
}

impl FurtherVolume {
    /// What the registration says of its encryption: only of an empty one may it say anything.
    pub(super) fn encrypted(&self) -> Encrypted {
        match self.content {
            ContentOf::EmptyEncrypted => Encrypted::Key(None),
            _ => Encrypted::No,
        }
    }
}

/// Refuses what is no device name, and gives the letters that tell devices apart: `sdb` and `xvdb` are one device to
/// a machine.
pub(super) fn device(option: &'static str, name: &str) -> Result<String, RequestMistake> {
    let known = name.strip_prefix("/dev/").and_then(|name| {
        let rest = name.strip_prefix("xvd").or_else(|| name.strip_prefix("sd"))?;
        let letters = rest.trim_end_matches(|c: char| c.is_ascii_digit());
        let one = (1..=2).contains(&letters.len()) && letters.bytes().all(|byte| byte.is_ascii_lowercase());
        let number = &rest[letters.len()..];
        let partition = number.is_empty() || (number.len() <= 2 && !number.starts_with('0'));
        (one && partition).then(|| letters.to_owned())
    });
    known.ok_or_else(|| {
        let problem = format!("`{name}` is not the name of a device");
        RequestMistake::new(option, problem, "write it as `/dev/xvda`, `/dev/sda1` or `/dev/sdb`")
    })
}

/// The root volume of `--root-volume`, made from a snapshot of `gib` GiB.
pub(super) fn root(
    text: Option<&str>,
    gib: Option<u64>,
    mistakes: &mut Vec<RequestMistake>,
) -> VolumeSettings {
    const OPTION: &str = "--root-volume";
    let words = text.map(|text| text.split(',').collect::<Vec<_>>()).unwrap_or_default();
    let (settings, extra) = parse(OPTION, &words, mistakes);
    if extra == Extra::Encrypted {
        let remedy = "`--encrypt` or `--kms-key` encrypt the snapshot of the root";
        mistakes.push(RequestMistake::new(OPTION, "a root volume is encrypted as its snapshot is", remedy));
    }
    if matches!(settings.kind, VolumeType::St1 | VolumeType::Sc1) {
        let problem = format!("no machine starts from a `{}` volume", settings.kind.word());
        mistakes.push(RequestMistake::new(OPTION, problem, "use `gp3`"));
    }
    limits(OPTION, &settings, gib, mistakes);
    settings
}

/// A further volume of `--volume`.
pub(super) fn further(text: &str, mistakes: &mut Vec<RequestMistake>) -> Option<FurtherVolume> {
    const OPTION: &str = "--volume";
    const FORM: &str =
        "write it as `/dev/sdb=bundle:DIR`, `/dev/sdc=empty:100GiB,gp3` or `/dev/sdd=snapshot:snap-…`";
    let mut refuse = |problem: String| {
        mistakes.push(RequestMistake::new(OPTION, problem, FORM));
        None
    };
    let Some((name, rest)) = text.split_once('=') else {
        return refuse(format!("`{text}` has no `=` after the device"));
    };
    let mut words: Vec<_> = rest.split(',').collect();
    let Some((kind, value)) = words.remove(0).split_once(':') else {
        return refuse(format!("`{rest}` does not say what stands on `{name}`"));
    };
    let (content, size) = match kind {
        "bundle" if !value.is_empty() => (ContentOf::Bundle(value.into()), None),
        "snapshot" if is_snapshot(value) => (ContentOf::Snapshot(value.to_owned()), None),
        "empty" => match gib(value) {
            Ok(size) => (ContentOf::Empty, Some(size)),
            Err(problem) => return refuse(problem),
        },
        _ => return refuse(format!("`{kind}:{value}` is nothing that can stand on a volume")),
    };
    if let Err(mistake) = device(OPTION, name) {
        mistakes.push(mistake);
    }
    let (mut settings, extra) = parse(OPTION, &words, mistakes);
    let content = match (content, extra) {
        (ContentOf::Empty, Extra::Encrypted) => ContentOf::EmptyEncrypted,
        (content, Extra::Nothing) => content,
        (content, Extra::Encrypted) => {
            let problem = format!("`{name}` is encrypted as its snapshot is");
            mistakes.push(RequestMistake::new(OPTION, problem, "say `encrypted` of an empty volume only"));
            content
        }
    };
    settings.size = settings.size.or(size);
    limits(OPTION, &settings, size, mistakes);
    Some(FurtherVolume { device: name.to_owned(), content, settings })
}

/// Whether a text looks like the id of a snapshot.
pub(super) fn is_snapshot(text: &str) -> bool {
    text.strip_prefix("snap-").is_some_and(|id| {
        !id.is_empty() && id.len() <= 59 && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    })
}

/// What a setting said that is none of [`VolumeSettings`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extra {
    Nothing,
    Encrypted,
}

fn parse(
    option: &'static str,
    words: &[&str],
    mistakes: &mut Vec<RequestMistake>,
) -> (VolumeSettings, Extra) {
    let (mut settings, mut extra) = (VolumeSettings::default(), Extra::Nothing);
    for word in words {
        let number = |value: &str| value.parse().map(Some).map_err(|_| format!("`{word}` is not a number"));
        let outcome = match word.split_once('=') {
            Some(("size", value)) => gib(value).map(|size| settings.size = Some(size)),
            Some(("iops", value)) => number(value).map(|iops| settings.iops = iops),
            Some(("throughput", value)) => number(value).map(|most| settings.throughput = most),
            None if *word == "keep" => {
                settings.on_termination = OnTermination::Keep;
                Ok(())
            }
            None if *word == "encrypted" => {
                extra = Extra::Encrypted;
                Ok(())
            }
            _ => VolumeType::from_word(word)
                .map(|kind| settings.kind = kind)
                .ok_or_else(|| format!("`{word}` is no setting of a volume")),
        };
        if let Err(problem) = outcome {
            let remedy = "settings are `gp3`, `gp2`, `io1`, `io2`, `st1`, `sc1`, `standard`, `size=8GiB`, \
                          `iops=N`, `throughput=N` (MiB in a second), `keep`, `encrypted`";
            mistakes.push(RequestMistake::new(option, problem, remedy));
        }
    }
    (settings, extra)
}

/// Whole GiB of a size such as `100GiB` or `100`.
fn gib(text: &str) -> Result<u64, String> {
    let bytes = match text.parse::<u64>() {
        Ok(gib) => {
            gib.checked_mul(GIB).ok_or_else(|| format!("`{text}` GiB are more than any volume has"))?
        }
        Err(_) => values::size(text)?,
    };
    match bytes {
        0 => Err(format!("`{text}` is no room at all")),
        bytes if bytes.is_multiple_of(GIB) => Ok(bytes / GIB),
        _ => Err(format!("`{text}` is not whole GiB")),
    }
}
