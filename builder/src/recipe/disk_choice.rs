//! What names the disk of a snapshot: an id, the SSM parameter of an AMI, or the owner and the name of the newest AMI.

use std::fmt;

use amiforge_formats::arch::Arch;

/// The word before the name of a parameter.
const SSM: &str = "ssm:";
/// Longest name of a parameter in characters, with its selector: no ARN may be longer (SSM API, `PutParameter`).
const MAX_PARAMETER: usize = 1011;
/// Longest name of an AMI (EC2 API, `RegisterImage`).
const MAX_NAME: usize = 128;

/// What names the disk of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DiskChoice {
    /// A snapshot (`snap-…`), or an AMI (`ami-…`), whose root volume it is.
    Id(String),
    /// The SSM parameter that holds the id of an AMI, with a version or a label after a colon if one is meant.
    Parameter(String),
    /// The newest AMI of an owner and for an architecture.
    Newest {
        /// `amazon`, `self`, or an account by its twelve digits.
        owner: String,
        /// Its name, in which `*` and `?` stand for others.
        name: String,
    },
}

impl DiskChoice {
    /// The id of a snapshot.
    ///
    /// # Errors
    /// A sentence.
    pub fn snapshot(text: &str) -> Result<Self, String> {
        if is_id(text, "snap-") {
            Ok(Self::Id(text.to_owned()))
        } else {
            Err(format!("`{text}` is not `snap-…`"))
        }
    }

    /// The id of an AMI, or `ssm:` with the name of a parameter.
    ///
    /// # Errors
    /// A sentence.
    pub fn ami(text: &str) -> Result<Self, String> {
        if let Some(name) = text.strip_prefix(SSM) {
            return parameter(name);
        }
        if let Some(rest) = text.strip_prefix("resolve:ssm:") {
            return Err(format!("write `{SSM}{rest}`"));
        }
        if is_id(text, "ami-") {
            return Ok(Self::Id(text.to_owned()));
        }
        Err(format!(
            "`{text}` is neither `ami-…` nor `ssm:/…`; by its name an AMI is `{{ owner = \"amazon\", name = \"…\" }}`"
        ))
    }

    /// An id or a parameter as a command line has it; `None` for what is neither, such as a file.
    ///
    /// # Errors
    /// A sentence, for a parameter that can be none.
    pub fn of_argument(text: &str) -> Option<Result<Self, String>> {
        let named = text.starts_with(SSM) || text.starts_with("resolve:ssm:");
        if named || is_id(text, "ami-") {
            return Some(Self::ami(text));
        }
        is_id(text, "snap-").then(|| Self::snapshot(text))
    }

    /// What a lock keeps to know the choice again; none for an id, which is no choice.
    pub fn chosen_by(&self, arch: Arch) -> Option<String> {
        match self {
            Self::Id(_) => None,
            Self::Parameter(_) => Some(self.to_string()),
            Self::Newest { .. } => Some(format!("{self}, {}", arch.name())),
        }
    }

    /// Whether it can mean another disk tomorrow.
    pub fn can_move(&self) -> bool {
        !matches!(self, Self::Id(_))
    }
}

impl fmt::Display for DiskChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => f.write_str(id),
            Self::Parameter(name) => write!(f, "{SSM}{name}"),
            Self::Newest { owner, name } => write!(f, "{name} of {owner}"),
        }
    }
}

/// Whether a text is an id with a prefix.
fn is_id(text: &str, start: &str) -> bool {
    let digits = text.strip_prefix(start).unwrap_or_default();
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The name of a parameter, and a version or a label after a colon (SSM API, `GetParameter`).
fn parameter(text: &str) -> Result<DiskChoice, String> {
    let (name, selector) = text.split_once(':').map_or((text, None), |(name, rest)| (name, Some(rest)));
    let allowed = |text: &str, more: &str| {
        !text.is_empty() && text.chars().all(|one| one.is_ascii_alphanumeric() || more.contains(one))
    };
    let well_formed = allowed(name, "_.-/") && !name.contains("//") && !name.ends_with('/');
    let whole = !name.contains('/') || name.starts_with('/');
    if !well_formed || !whole || !selector.is_none_or(|selector| allowed(selector, "_.-")) {
        return Err(format!(
            "`{text}` is no name of an SSM parameter, such as \
             `/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64`"
        ));
    }
    if text.len() > MAX_PARAMETER {
        return Err(format!("a parameter has at most {MAX_PARAMETER} characters"));
    }
    Ok(DiskChoice::Parameter(text.to_owned()))
}

/// Checks the owner of the newest AMI: those of the EC2 API (`DescribeImages`, `Owner`) whose disks can be read.
///
/// # Errors
/// A sentence.
pub fn check_owner(text: &str) -> Result<(), String> {
    let account = text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit());
    match text {
        "amazon" | "self" => Ok(()),
        _ if account => Ok(()),
        "aws-marketplace" => {
            Err("AMIs of the Marketplace can be started, and neither read nor copied".to_owned())
        }
        _ => Err(format!(
            "`{text}` is no owner of AMIs: `amazon`, `self`, or the twelve digits of an account (`099720109477` is \
             Canonical's, `136693071363` Debian's)"
        )),
    }
}

/// Checks the name of the newest AMI: the characters of names, `*` and `?`.
///
/// # Errors
/// A sentence.
pub fn check_name(text: &str) -> Result<(), String> {
    // EC2 API, `RegisterImage`, `Name`.
    let allowed = |one: char| one.is_ascii_alphanumeric() || " ()[]./-'@_*?".contains(one);
    if text.is_empty() || text.len() > MAX_NAME || !text.chars().all(allowed) {
        return Err(format!(
            "`{text}` is no name of an AMI: at most {MAX_NAME} of `A-Z a-z 0-9 space ( ) [ ] . / - ' @ _`, and `*` and `?` for \
             others"
        ));
    }
    if !text.chars().any(|one| one.is_ascii_alphanumeric()) {
        return Err(format!("`{text}` means every AMI of its owner: name a part of it"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_parameters_are_told_apart() {
        assert_eq!(DiskChoice::ami("ami-0a1b"), Ok(DiskChoice::Id("ami-0a1b".to_owned())));
        for name in ["/aws/service/x/al2023-ami_1.2", "plain", "/web/stable:7", "/web/stable:blue"] {
            let choice = DiskChoice::ami(&format!("ssm:{name}")).unwrap();
            assert_eq!(choice, DiskChoice::Parameter(name.to_owned()));
            assert_eq!(choice.chosen_by(Arch::X86_64), Some(format!("ssm:{name}")));
        }
        for wrong in
            ["ssm:", "ssm:a/b", "ssm:/a//b", "ssm:/a/", "ssm:/a b", "ssm:/a:", "ssm:/a:b:c", "ami-", "web"]
        {
            assert!(DiskChoice::ami(wrong).is_err(), "{wrong}");
        }
        assert!(DiskChoice::ami("resolve:ssm:/a").unwrap_err().contains("`ssm:/a`"));
        assert!(
            DiskChoice::of_argument("disk.qcow2").is_none() && DiskChoice::of_argument("ami-x.raw").is_none()
        );
        assert!(matches!(DiskChoice::of_argument("snap-0a"), Some(Ok(DiskChoice::Id(_)))));
        assert!(matches!(DiskChoice::of_argument("ssm:"), Some(Err(_))));
    }

    #[test]
    fn owners_and_names_are_those_of_the_service() {
        for owner in ["amazon", "self", "099720109477"] {
            assert_eq!(check_owner(owner), Ok(()), "{owner}");
        }
        for owner in ["", "Amazon", "aws-marketplace", "12345", "0997201094770"] {
            assert!(check_owner(owner).is_err(), "{owner}");
        }
        for name in
            ["al2023-ami-2023.*-x86_64", "ubuntu/images/hvm-ssd-gp3/*-24.04-amd64-server-*", "web (1)"]
        {
            assert_eq!(check_name(name), Ok(()), "{name}");
        }
        for name in ["", "*", "?*", "a\nb", "a\\b", &"x".repeat(129)] {
            assert!(check_name(name).is_err(), "{name}");
        }
    }

    #[test]
    fn the_architecture_is_a_part_of_the_choice_by_name_alone() {
        let newest = DiskChoice::Newest { owner: "amazon".to_owned(), name: "a/b-*".to_owned() };
        assert_ne!(newest.chosen_by(Arch::X86_64), newest.chosen_by(Arch::Aarch64));
        assert_eq!(newest.chosen_by(Arch::X86_64).as_deref(), Some("a/b-* of amazon, x86_64"));
        assert!(newest.can_move());
        assert_eq!(DiskChoice::Id("ami-1".to_owned()).chosen_by(Arch::X86_64), None);
    }
}
