//! Clean-up: deprecates, disables and deregisters images that nothing uses, in that order and one step per run.
//!
//! [`decide`](decide::decide) says what happens to an image and why; the plan and each deed ask it, the deed with
//! facts that were looked up directly before its call. Times are where the service keeps them: the deprecation time, and
//! [`marks`] in tags. So there is no state on this machine, and a run that was killed is continued by the next one.

mod decide;
mod deregister;
mod leftovers;
mod marks;
mod options;
mod orphans;
mod perform;
mod plan;
mod policy;
mod reason;
mod run;
mod steps;
mod undo;
mod usage;

pub use decide::{Step, Verdict};
pub use options::{PruneOptions, span};
pub use orphans::{Orphan, OrphanOptions, OrphanPlan, delete_orphans, orphans};
pub use perform::{ImageOutcome, PruneReport, perform};
pub use plan::{PlannedImage, PrunePlan, plan};
pub use policy::{CleanUp, CleanUpRegions, PlannedAction, UndoScope, actions, policy};
pub use reason::KeepReason;
pub use run::Outcome;
pub use undo::{Undoable, UndoneImage, restore_snapshot, undo_image, undoable};
