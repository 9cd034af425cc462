//! What EC2, KMS and SSM keep in a region: a shelf for each kind of thing. Snapshots are EBS's, and stand with the region.

use std::path::Path;

use super::image::Image;
use super::settings::Sharing;
use super::store_task::Task;
use super::template::Template;
use crate::error::Error;
use crate::services::kms::{Alias, Key};
use crate::services::ssm::parameters::Parameter;
use crate::state::shelf::Shelf;

/// What EC2, KMS and SSM keep in a region.
#[derive(Debug)]
pub(crate) struct Ec2Shelves {
    /// By id; those that were deregistered too.
    pub(crate) images: Shelf<Image>,
    /// Launch templates, by id.
    pub(crate) templates: Shelf<Template>,
    /// What may be shared with everybody, by account.
    pub(crate) sharing: Shelf<Sharing>,
    /// Tasks that store an image, by image.
    pub(crate) stores: Shelf<Task>,
    /// Parameters, by account and name.
    pub(crate) parameters: Shelf<Parameter>,
    /// Keys, by id.
    pub(crate) keys: Shelf<Key>,
    /// Aliases of keys, by account and name.
    pub(crate) aliases: Shelf<Alias>,
}

impl Ec2Shelves {
    /// Opens the shelves; `region` is the region's folder.
    pub(crate) fn open(region: &Path) -> Result<Self, Error> {
        Ok(Self {
            images: Shelf::open(region.join("images"))?,
            templates: Shelf::open(region.join("launch-templates"))?,
            sharing: Shelf::open(region.join("sharing"))?,
            stores: Shelf::open(region.join("store-tasks"))?,
            parameters: Shelf::open(region.join("parameters"))?,
            keys: Shelf::open(region.join("keys"))?,
            aliases: Shelf::open(region.join("aliases"))?,
        })
    }
}
