//! The page of the local region: every link leads somewhere, also in Chromium, hostile names are text, and other sites
//! can neither read it nor launch.

mod browser;
mod fixture;
mod links;
mod served;
