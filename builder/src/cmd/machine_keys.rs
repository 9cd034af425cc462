//! The UEFI variables of a machine, which are those that an AMI is registered with.

use std::path::Path;

use amiforge_formats::pcr::Variables;
use amiforge_formats::uefi_vars::{GLOBAL_VARIABLE, IMAGE_SECURITY_DATABASE, Variable, decode_ec2};
use amiforge_image::bundle::UEFI_DATA;
use amiforge_image::inspect::Medium;
use amiforge_machine::boot::firmware::SecureBoot;
use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Start of EC2's form of variables.
const EC2_MAGIC: &[u8] = b"AMZNUEFI";

/// The variables of a machine, and what they mean for its measurements.
#[derive(Debug, Default)]
pub(crate) struct MachineKeys {
    pub(crate) variables: Vec<Variable>,
    /// Those that firmware measures.
    pub(crate) enrolled: Variables,
}

impl MachineKeys {
    /// Reads a file with EC2's form of variables: the blob or its base64. Variables that start other programs are kept:
    /// what they do shows in the registers.
    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        let reading = || format!("reading `{}`", path.display());
        let bytes = amiforge_progress::regular::read(path).with_context(reading)?;
        let text = if bytes.starts_with(EC2_MAGIC) {
            STANDARD.encode(&bytes)
        } else {
            String::from_utf8_lossy(&bytes).into_owned()
        };
        Self::decode(&text).with_context(reading)
    }

    /// Reads the base64 of EC2's form of variables.
    pub(crate) fn decode(text: &str) -> anyhow::Result<Self> {
        Ok(Self::new(decode_ec2(text)?))
    }

    /// The variables that a bundle brings; none for a bundle without keys, and for a raw image.
    pub(crate) fn of_image(image: &Medium) -> anyhow::Result<Self> {
        let path = image.bundle().map(|folder| folder.join(UEFI_DATA)).filter(|path| path.exists());
        path.map(|path| Self::read(&path)).transpose().map(Option::unwrap_or_default)
    }

    /// The keys among variables.
    fn new(variables: Vec<Variable>) -> Self {
        let data = |name: &str, guid| {
            let variable =
                variables.iter().find(|variable| (variable.name.as_str(), variable.guid) == (name, guid));
            variable.map(|variable| variable.data.clone()).unwrap_or_default()
        };
        let enrolled = Variables {
            pk: data("PK", GLOBAL_VARIABLE),
            kek: data("KEK", GLOBAL_VARIABLE),
            db: data("db", IMAGE_SECURITY_DATABASE),
            dbx: data("dbx", IMAGE_SECURITY_DATABASE),
        };
        Self { variables, enrolled }
    }

    /// Whether firmware with these variables refuses what its keys do not verify.
    pub(crate) fn secure_boot(&self) -> SecureBoot {
        if self.enrolled.pk.is_empty() { SecureBoot::Off } else { SecureBoot::On }
    }
}
