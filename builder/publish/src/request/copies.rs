//! Copies of an AMI in other regions, each with its key.

use serde::{Deserialize, Serialize};

use super::{AmiOptions, RequestMistake, partition, region};
use crate::api::Encryption;

/// Requested encryption. Part of the client token of copies, see `token_text`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyChoice {
    /// Not requested: the account and the source decide.
    #[default]
    Account,
    /// With the account's default key for EBS.
    Default,
    /// With the key with this ARN.
    Arn(String),
    /// With the key of an alias: `alias/…` or its ARN.
    Alias(String),
}

impl KeyChoice {
    /// Parses an alias or an ARN.
    pub fn parse(text: &str) -> Self {
        let aliased = text.starts_with("alias/") || text.splitn(6, ':').nth(5).is_some_and(is_alias);
        if aliased { Self::Alias(text.to_owned()) } else { Self::Arn(text.to_owned()) }
    }

    /// The text in the client token of a copy. It must not change: a copy that an older version began is found by its
    /// token.
    pub fn token_text(&self) -> String {
        match self {
            Self::Account => "Account".to_owned(),
            Self::Default => "Default".to_owned(),
            Self::Arn(arn) => format!("Arn({arn:?})"),
            Self::Alias(name) => format!("Alias({name:?})"),
        }
    }

    /// The ARN of the key, if it is given by its ARN.
    pub fn arn(&self) -> Option<&str> {
        if let Self::Arn(arn) = self { Some(arn) } else { None }
    }

    /// The name of the alias, if one is given: `alias/…`.
    pub fn alias(&self) -> Option<&str> {
        let Self::Alias(name) = self else { return None };
        Some(name.rsplit_once(':').map_or(name, |(_, name)| name))
    }

    /// Whether it is the AWS managed key for EBS, which other accounts cannot use.
    pub(super) fn is_aws_managed(&self) -> bool {
        self.alias() == Some("alias/aws/ebs")
    }
}

fn is_alias(resource: &str) -> bool {
    resource.starts_with("alias/")
}

impl From<KeyChoice> for Encryption {
    fn from(key: KeyChoice) -> Self {
        match key {
            KeyChoice::Account => Self::AsAccount,
            KeyChoice::Default => Self::DefaultKey,
            KeyChoice::Arn(name) | KeyChoice::Alias(name) => Self::Key(name),
        }
    }
}

/// A copy in another region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopyTarget {
    /// The region.
    pub region: String,
    /// Encryption of its snapshots.
    pub encryption: KeyChoice,
}

/// Validates `--copy-to`, `--copy-kms` and `--encrypt-copies`.
pub(super) fn check(options: &AmiOptions, home: &str, mistakes: &mut Vec<RequestMistake>) -> Vec<CopyTarget> {
    let mut copies: Vec<CopyTarget> = Vec::new();
    for region in &options.copy_to {
        if let Err(mistake) = check_target(region, home, &copies) {
            mistakes.push(mistake);
            continue;
        }
        copies.push(CopyTarget { region: region.clone(), encryption: options.encrypt_copies.clone() });
    }
    if options.encrypt_copies != KeyChoice::Account && options.copy_to.is_empty() {
        let remedy = "name the regions with `--copy-to`; `--encrypt` is for the snapshot itself";
        mistakes.push(RequestMistake::new("--encrypt-copies", "there are no copies", remedy));
    }
    let mut keyed: Vec<&str> = Vec::new();
    for text in &options.copy_kms {
        let Some((region, key)) = text.split_once('=') else {
            let problem = format!("`{text}` has no `=`");
            mistakes.push(RequestMistake::new(
                "--copy-kms",
                problem,
                "write it as `eu-central-1=alias/…` or `eu-central-1=arn:aws:kms:…`",
            ));
            continue;
        };
        if keyed.contains(&region) {
            let problem = format!("`{region}` is given two keys");
            mistakes.push(RequestMistake::new("--copy-kms", problem, "leave one of them out"));
            continue;
        }
        keyed.push(region);
        if let Err(mistake) = check_key("--copy-kms", key, region) {
            mistakes.push(mistake);
        }
        if let Some(copy) = copies.iter_mut().find(|copy| copy.region == region) {
            copy.encryption = KeyChoice::parse(key);
        } else {
            let problem = format!("no copy goes to `{region}`");
            let remedy = format!("add it to `--copy-to`, or leave the key of `{region}` out");
            mistakes.push(RequestMistake::new("--copy-kms", problem, remedy));
        }
    }
    copies
}

fn check_target(name: &str, home: &str, earlier: &[CopyTarget]) -> Result<(), RequestMistake> {
    region::check_name("--copy-to", name)?;
    if name == home {
        let problem = format!("`{name}` is the region that is published to");
        return Err(RequestMistake::new("--copy-to", problem, "name other regions only"));
    }
    if earlier.iter().any(|copy| copy.region == name) {
        return Err(RequestMistake::new(
            "--copy-to",
            format!("`{name}` is given twice"),
            "leave one of them out",
        ));
    }
    let (here, there) = (partition(home), partition(name));
    if here != there {
        let problem = format!("`{name}` is of the partition `{there}`, and `{home}` of `{here}`");
        let remedy = "an AMI cannot be copied between partitions; publish the bundle there as well";
        return Err(RequestMistake::new("--copy-to", problem, remedy));
    }
    Ok(())
}

/// Refuses a text that is neither an alias nor the ARN of a key or alias in the region `home`.
pub(super) fn check_key(option: &'static str, key: &str, home: &str) -> Result<(), RequestMistake> {
    let form = format!("give `alias/…`, or the key's ARN: `arn:{}:kms:{home}:…:key/…`", partition(home));
    let refuse = |problem: String| Err(RequestMistake::new(option, problem, form.clone()));
    // Characters of `AliasName` in `CreateAlias`.
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/_-".contains(&byte);
    if let Some(alias) = key.strip_prefix("alias/") {
        if alias.is_empty() || key.len() > 256 || !alias.bytes().all(plain) {
            return refuse(format!("`{key}` is not an alias of a key"));
        }
        return Ok(());
    }
    let parts: Vec<_> = key.splitn(6, ':').collect();
    let ["arn", key_partition, "kms", region, account, resource] = parts[..] else {
        return refuse(format!("`{key}` is not the ARN of a key"));
    };
    let digits = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
    let is_key =
        ["key/", "alias/"].iter().any(|kind| resource.strip_prefix(kind).is_some_and(|id| !id.is_empty()));
    if !digits || !is_key || key_partition != partition(home) {
        return refuse(format!("`{key}` is not the ARN of a key"));
    }
    if region != home {
        return refuse(format!("the key `{key}` is of `{region}`, and `{home}` cannot use it"));
    }
    Ok(())
}
