//! Inventory: the AMIs of an account with their versions, use and cost.

mod cost;
mod csv;
mod error;
mod html;
mod list;
pub(crate) mod moment;
mod origin;
mod region;
mod row;
mod sizes;
mod uses;

pub use cost::{MonthlyCost, PRICES};
pub use csv::csv;
pub use error::ImageError;
pub use html::html;
pub use list::{ListOptions, list};
pub use origin::{ImageOrigin, origin};
pub use region::{ImageRegion, image_name};
pub use row::{ImageRow, Listing, RowState, Shared};
pub use uses::{Uses, look_up};

pub(crate) use row::is_protected;
pub(crate) use uses::in_parallel;
