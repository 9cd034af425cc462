//! The origins of a disk that is kept: paths of mounted file systems as of any other, everything else of the image itself.

use amiforge_formats::tree::Tree;
use amiforge_image::origins::{Origins, PartitionOrigins, PathOrigins};
use amiforge_image::seal::Sealed;

use super::document::part;
use super::{OriginRecorder, RecipeOrigins};
use crate::pipeline::kept::AmendedPart;
use crate::recipe::Recipe;

impl OriginRecorder {
    /// The origins of a kept disk, whose partitions the recipe has.
    pub(in crate::pipeline) fn finish_kept(
        mut self,
        recipe: &Recipe,
        tree: &Tree,
        parts: &[AmendedPart<'_>],
    ) -> Origins {
        self.take_paths(tree);
        let image = self.table.number(RecipeOrigins(recipe).source(1));
        let mut partitions = Vec::new();
        for (index, amended) in parts.iter().enumerate() {
            let mount = recipe.partitions[index].mount.as_deref();
            let (holds, paths) = match (amended.file_system(), &amended.tree, mount) {
                (Some(name), Some(tree), Some(_)) => {
                    (name, self.volume(recipe, index, tree, (None, &Sealed::default())))
                }
                (Some(name), Some(tree), None) => {
                    let path = |path: Vec<u8>| PathOrigins {
                        path: [b"/", path.as_slice()].concat(),
                        section: None,
                        content: image,
                        metadata: image,
                    };
                    (name, tree.walk().map(|entry| path(entry.path)).collect())
                }
                (name, ..) => (name.unwrap_or("raw"), vec![part("content", image)]),
            };
            partitions.push(PartitionOrigins {
                id: amended.id.clone(),
                holds: holds.to_owned(),
                mount: mount.unwrap_or("-").to_owned(),
                paths,
            });
        }
        self.table.finish(partitions)
    }
}
