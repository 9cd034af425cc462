//! The condition keys of a request, and the list of those that the local region supplies.

use std::collections::BTreeMap;

/// The condition keys that requests have, where they apply, in lower case. Global keys: IAM User Guide, "AWS
/// global condition context keys"; keys of services: Service Authorization Reference.
const KNOWN: [&str; 19] = [
    "aws:currenttime",
    "aws:epochtime",
    "aws:principalaccount",
    "aws:principalarn",
    "aws:requestedregion",
    "aws:resourceaccount",
    "aws:securetransport",
    "aws:tagkeys",
    "aws:userid",
    "ec2:createaction",
    "ec2:region",
    "iam:passedtoservice",
    "kms:calleraccount",
    "kms:grantisforawsresource",
    "kms:resourcealiases",
    "kms:viaservice",
    "ssm:overwrite",
    "ssm:recursive",
    "sts:externalid",
];

/// The prefixes of keys that end with the key of a tag.
const KNOWN_TAGS: [&str; 5] = [
    "autoscaling:resourcetag/",
    "aws:requesttag/",
    "aws:resourcetag/",
    "ec2:resourcetag/",
    "ssm:resourcetag/",
];

/// The prefix of the keys that end with the number of a PCR (KMS Developer Guide, "Condition keys for attested platforms").
const KNOWN_PCR: &str = "kms:recipientattestation:nitrotpmpcr";

/// The condition keys of a request and their values. Names are not case-sensitive, also that of a tag.
#[derive(Debug, Clone, Default)]
pub(crate) struct Keys(BTreeMap<String, Vec<String>>);

impl Keys {
    /// Adds a key with one value.
    pub(crate) fn set(&mut self, name: &str, value: impl Into<String>) {
        self.set_all(name, vec![value.into()]);
    }

    /// Adds a key with several values.
    pub(crate) fn set_all(&mut self, name: &str, values: Vec<String>) {
        self.0.insert(name.to_ascii_lowercase(), values);
    }

    /// The values of a key; `None` if the request does not have it.
    pub(super) fn values(&self, name: &str) -> Option<&[String]> {
        self.0.get(&name.to_ascii_lowercase()).map(Vec::as_slice)
    }
}

/// Whether the local region supplies a condition key.
pub(super) fn is_known(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    KNOWN.contains(&name.as_str())
        || name.strip_prefix(KNOWN_PCR).and_then(|pcr| pcr.parse::<u8>().ok()).is_some_and(|pcr| pcr < 24)
        || KNOWN_TAGS.iter().any(|prefix| name.strip_prefix(prefix).is_some_and(|key| !key.is_empty()))
}
