//! The leak gate: finds what should have stayed on the builder. Keys, tokens, passwords, histories, and the identity of a
//! machine, in the files of an image, in what lies beside it in a bundle, and in the bytes below its file systems.
//!
//! Owns the rules, the pass over all bytes, and what a finding says. It only reads; it knows no recipe, no package
//! manager (the caller says which files packages publish) and no network. A finding never shows the secret itself: the
//! first characters and the start of a digest tell two secrets apart.

mod accounts;
mod allow;
mod below_tree;
mod bundle_files;
mod content;
mod file_scan;
mod finding;
mod options;
mod publication;
mod registry;
mod report;
mod rule;
mod sarif;
mod scan;
mod structure;
mod system;

pub use allow::{Allowance, AllowanceError, Allowances};
pub use content::{ContentCoverage, ContentFinder};
pub use finding::{FindingScope, LeakFinding, LeakSeverity, SecretFingerprint};
pub use options::{LeakError, PublishedBy, ScanOptions};
pub use publication::{Publications, PublishedFile};
pub use registry::{UnknownRule, rules, rules_version};
pub use report::{Report, ScannedAmount};
pub use rule::{LeakRule, RuleFilter};
pub use sarif::sarif;
pub use scan::scan;
pub use structure::count_in_file;
