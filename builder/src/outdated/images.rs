//! Whether what a recipe names by a parameter or by a name is another AMI now. Asks for it, and reads no block.

use std::error::Error;

use super::sources::{PinnedBy, SourceState, SourceStatus};
use crate::fetch::{self, Fetcher, FoundDisk};
use crate::lock::{Lock, LockedSnapshot};
use crate::recipe::Recipe;

/// The sources of a recipe that are AMIs which it does not name by their ids, with what is meant now.
pub(super) fn statuses(recipe: &Recipe, lock: &Lock, fetcher: &Fetcher<'_>) -> Vec<SourceStatus> {
    let named = recipe.snapshots.iter().zip(&lock.snapshots);
    let statuses = named.filter(|(named, _)| named.choice.can_move()).map(|(named, locked)| SourceStatus {
        stage: None,
        label: named.label.clone(),
        location: named.choice.to_string(),
        pinned_by: PinnedBy::Lock,
        state: match fetch::identify(&named.wanted(recipe), fetcher) {
            Ok(found) => state(&found, locked),
            Err(error) => SourceState::Unknown(chain(&error)),
        },
    });
    statuses.collect()
}

fn state(found: &FoundDisk, locked: &LockedSnapshot) -> SourceState {
    if found.name == locked.named() {
        return SourceState::Same;
    }
    let image = |image: &Option<String>, snapshot: &str| match image {
        Some(image) => format!("{image} ({snapshot})"),
        None => snapshot.to_owned(),
    };
    let now = image(&found.image, &found.name.snapshot);
    SourceState::Changed(format!("it is {now}, and the lock pins {}", image(&locked.image, &locked.snapshot)))
}

/// An error with its causes.
fn chain(error: &dyn Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| (*cause).source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
