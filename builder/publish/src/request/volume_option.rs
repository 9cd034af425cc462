//! The syntax of `--volume` and `--root-volume`: `DEVICE=CONTENT[,SETTING…]`, and names of devices. The limits of each
//! volume type are in [`super::limits`].

use amiforge_image::values;

use super::RequestMistake;
use super::limits::check_limits;
use super::volume::{FurtherVolume, VolumeContent, VolumeSettings, VolumeType};
use crate::api::ec2::OnTermination;

/// Bytes of a GiB.
const GIB: u64 = 1 << 30;

/// Refuses what is no device name, and gives the letters that tell devices apart: `sdb` and `xvdb` are one device to
/// a machine.
pub(super) fn device_letters(option: &'static str, name: &str) -> Result<String, RequestMistake> {
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
pub(super) fn parse_root(
    text: Option<&str>,
    gib: Option<u64>,
    mistakes: &mut Vec<RequestMistake>,
) -> VolumeSettings {
    const OPTION: &str = "--root-volume";
    let settings_text = text.map(|text| text.split(',').collect::<Vec<_>>()).unwrap_or_default();
    let (settings, extra) = parse_settings(OPTION, &settings_text, mistakes);
    if extra == Extra::Encrypted {
        let remedy = "`--encrypt` or `--kms-key` encrypt the snapshot of the root";
        mistakes.push(RequestMistake::new(OPTION, "a root volume is encrypted as its snapshot is", remedy));
    }
    if matches!(settings.kind, VolumeType::St1 | VolumeType::Sc1) {
        let problem = format!("no machine starts from a `{}` volume", settings.kind.as_str());
        mistakes.push(RequestMistake::new(OPTION, problem, "use `gp3`"));
    }
    check_limits(OPTION, &settings, gib, mistakes);
    settings
}

/// A further volume of `--volume`.
pub(super) fn parse_further(text: &str, mistakes: &mut Vec<RequestMistake>) -> Option<FurtherVolume> {
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
    let mut settings_text: Vec<_> = rest.split(',').collect();
    let Some((kind, value)) = settings_text.remove(0).split_once(':') else {
        return refuse(format!("`{rest}` does not say what stands on `{name}`"));
    };
    let (content, size) = match kind {
        "bundle" if !value.is_empty() => (VolumeContent::Bundle(value.into()), None),
        "snapshot" if is_snapshot(value) => (VolumeContent::Snapshot(value.to_owned()), None),
        "empty" => match parse_gib(value) {
            Ok(size) => (VolumeContent::Empty, Some(size)),
            Err(problem) => return refuse(problem),
        },
        _ => return refuse(format!("`{kind}:{value}` is nothing that can stand on a volume")),
    };
    if let Err(mistake) = device_letters(OPTION, name) {
        mistakes.push(mistake);
    }
    let (mut settings, extra) = parse_settings(OPTION, &settings_text, mistakes);
    let content = match (content, extra) {
        (VolumeContent::Empty, Extra::Encrypted) => VolumeContent::EmptyEncrypted,
        (content, Extra::None) => content,
        (content, Extra::Encrypted) => {
            let problem = format!("`{name}` is encrypted as its snapshot is");
            mistakes.push(RequestMistake::new(OPTION, problem, "say `encrypted` of an empty volume only"));
            content
        }
    };
    settings.size = settings.size.or(size);
    check_limits(OPTION, &settings, size, mistakes);
    Some(FurtherVolume { device: name.to_owned(), content, settings })
}

/// Whether a text looks like the id of a snapshot.
fn is_snapshot(text: &str) -> bool {
    text.strip_prefix("snap-").is_some_and(|id| {
        !id.is_empty() && id.len() <= 59 && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    })
}

/// What a setting said that is none of [`VolumeSettings`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extra {
    None,
    Encrypted,
}

fn parse_settings(
    option: &'static str,
    settings_text: &[&str],
    mistakes: &mut Vec<RequestMistake>,
) -> (VolumeSettings, Extra) {
    let (mut settings, mut extra) = (VolumeSettings::default(), Extra::None);
    for setting in settings_text {
        let number =
            |value: &str| value.parse().map(Some).map_err(|_| format!("`{setting}` is not a number"));
        let outcome = match setting.split_once('=') {
            Some(("size", value)) => parse_gib(value).map(|size| settings.size = Some(size)),
            Some(("iops", value)) => number(value).map(|iops| settings.iops = iops),
            Some(("throughput", value)) => number(value).map(|most| settings.throughput = most),
            None if *setting == "keep" => {
                settings.on_termination = OnTermination::Keep;
                Ok(())
            }
            None if *setting == "encrypted" => {
                extra = Extra::Encrypted;
                Ok(())
            }
            _ => VolumeType::parse(setting)
                .map(|kind| settings.kind = kind)
                .ok_or_else(|| format!("`{setting}` is no setting of a volume")),
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
fn parse_gib(text: &str) -> Result<u64, String> {
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
