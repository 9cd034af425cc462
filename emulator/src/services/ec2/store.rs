//! What EC2, KMS and SSM keep in a region: a shelf for each kind of thing. Snapshots are EBS's, and stand with the region.

use std::path::Path;

use super::image::ImageRecord;
use super::settings::Sharing;
use super::store_task::StoreTask;
use super::template::Template;
use crate::error::Error;
use crate::services::kms::{Alias, KeyRecord};
use crate::services::ssm::parameters::StoredParameter;
use crate::state::shelf::Table;

/// What EC2, KMS and SSM keep in a region.
#[derive(Debug)]
pub(crate) struct Ec2Shelves {
    /// By id; those that were deregistered too.
    pub(crate) images: Table<ImageRecord>,
    /// Launch templates, by id.
    pub(crate) templates: Table<Template>,
    /// What may be shared with everybody, by account.
    pub(crate) sharing: Table<Sharing>,
    /// Tasks that store an image, by image.
    pub(crate) stores: Table<StoreTask>,
    /// Parameters, by account and name.
    pub(crate) parameters: Table<StoredParameter>,
    /// Keys, by id.
    pub(crate) keys: Table<KeyRecord>,
    /// Aliases of keys, by account and name.
    pub(crate) aliases: Table<Alias>,
}

impl Ec2Shelves {
    /// Opens the shelves; `region` is the region's folder.
    pub(crate) fn open(region: &Path) -> Result<Self, Error> {
        Ok(Self {
            images: Table::open(region.join("images"))?,
            templates: Table::open(region.join("launch-templates"))?,
            sharing: Table::open(region.join("sharing"))?,
            stores: Table::open(region.join("store-tasks"))?,
            parameters: Table::open(region.join("parameters"))?,
            keys: Table::open(region.join("keys"))?,
            aliases: Table::open(region.join("aliases"))?,
        })
    }
}
