//! Which instances can be attested: those that run, by UEFI, with a TPM.

use std::path::Path;

use crate::clock::Timestamp;
use crate::error::Error;
use crate::state::image::ImageRecord;
use crate::state::instance::{InstanceRecord, InstanceState};
use crate::state::table::Table;

/// An instance with a NitroTPM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttestedInstance {
    /// The name of the region.
    pub region: String,
    /// `i-…`
    pub id: String,
    /// The name of the zone.
    pub zone: String,
    /// The AMI that it was launched from.
    pub image: String,
    /// The snapshot of its root device.
    pub root_snapshot: Option<String>,
    /// The variables of its UEFI that the AMI was registered with, in EC2's form.
    pub uefi_data: Option<String>,
}

impl AttestedInstance {
    /// An instance that no local region knows: a machine that this program runs itself.
    pub fn of_a_guest(id: &str) -> Self {
        Self {
            region: "local".to_owned(),
            id: id.to_owned(),
            zone: "locala".to_owned(),
            image: String::new(),
            root_snapshot: None,
            uefi_data: None,
        }
    }

    /// An instance as it is recorded, for its documents that exist already.
    pub(super) fn of_record(region: &str, record: &InstanceRecord) -> Self {
        Self {
            region: region.to_owned(),
            id: record.id.clone(),
            zone: record.zone.clone(),
            image: record.image.clone(),
            root_snapshot: None,
            uefi_data: None,
        }
    }

    /// Finds an instance by its id.
    pub(super) fn find(folder: &Path, region: &str, id: &str, now: Timestamp) -> Result<Self, Error> {
        let folder = folder.join(region);
        let record = Table::<InstanceRecord>::read_one(&folder.join("instances"), id)?;
        let record = record.filter(|one| !one.is_forgotten(now));
        let record = record.ok_or_else(|| Error::NoInstance(id.to_owned()))?;
        let image = Table::<ImageRecord>::read_one(&folder.join("images"), &record.image)?;
        let image = image.ok_or_else(|| refused(id, format!("its image `{}` is gone", record.image)))?;
        check(&record, &image, now)?;
        let root = image.mappings.iter().find(|one| one.device == image.machine.root_device);
        let root = root.and_then(|one| one.snapshot()).map(str::to_owned);
        let uefi_data = image.machine.uefi_data;
        Ok(Self { root_snapshot: root, uefi_data, ..Self::of_record(region, &record) })
    }

    /// The name of its TPM in documents.
    pub(super) fn module_id(&self) -> String {
        format!("{}-tpm0000000000000000", self.id)
    }
}

fn check(record: &InstanceRecord, image: &ImageRecord, now: Timestamp) -> Result<(), Error> {
    let id = &record.id;
    let state = record.state(now);
    if state != InstanceState::Running {
        return Err(refused(id, format!("it is {} and not running", state.name())));
    }
    if image.machine.tpm.as_deref() != Some("v2.0") {
        return Err(refused(id, format!("its image `{}` was registered without a TPM", image.id)));
    }
    if record.current_boot_mode != "uefi" {
        return Err(refused(id, format!("it boots by {} and not by UEFI", record.current_boot_mode)));
    }
    Ok(())
}

fn refused(id: &str, reason: String) -> Error {
    Error::NotAttestable { id: id.to_owned(), reason }
}
