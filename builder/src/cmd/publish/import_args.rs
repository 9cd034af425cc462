//! The options of `publish` for snapshots that are imported from objects of S3.

use std::time::Duration;

use amiforge_publish::ami::Route;
use amiforge_publish::import::ImportOptions;

use crate::cmd::backup::bucket_name;
use crate::outcome::Failure;

/// How the image becomes a snapshot.
#[derive(Debug, Clone, clap::Args)]
#[group(skip)]
pub(crate) struct ImportArgs {
    /// How the image becomes a snapshot: through the EBS direct APIs, or imported by the service from an object of S3,
    /// where EBS direct is not allowed
    #[arg(long, value_name = "WAY", value_parser = ["direct", "import"], default_value = "direct")]
    via: String,

    /// The bucket of an import, in the region of the AMI; the object is deleted afterwards
    #[arg(long, value_name = "BUCKET", value_parser = bucket_name)]
    bucket: Option<String>,

    /// The role with which the service reads the object; `--dry-run` prints what it needs [default: vmimport]
    #[arg(long, value_name = "ROLE", requires = "bucket")]
    import_role: Option<String>,

    /// Minutes to wait for an import
    #[arg(long, value_name = "N", default_value_t = amiforge_publish::import::TIMEOUT.as_secs() / 60)]
    import_wait: u64,
}

impl ImportArgs {
    /// Whether the image is imported.
    pub(crate) fn is_import(&self) -> bool {
        self.via == "import"
    }

    /// The route, with the mistakes in the options.
    pub(super) fn route(&self, parent: bool, cannot: &str) -> Result<Route, Failure> {
        let mistake = |message: &str, hint: &str| {
            let error = anyhow::anyhow!(message.to_owned()).context(cannot.to_owned());
            Err(Failure::usage(error).hint(hint))
        };
        match (self.is_import(), &self.bucket) {
            (false, None) => Ok(Route::Direct),
            (false, Some(_)) => mistake(
                "`--bucket` is the bucket of an import, and nothing is imported",
                "add `--via import`",
            ),
            (true, None) => mistake(
                "an import needs a bucket, and none is named",
                "add `--bucket NAME`: one in the region of the AMI",
            ),
            (true, Some(_)) if parent => mistake(
                "an import sends the whole image, so it can continue no parent",
                "leave `--parent` out, or publish through EBS direct",
            ),
            (true, Some(bucket)) => Ok(Route::Import(ImportOptions {
                bucket: bucket.clone(),
                role: self.import_role.clone(),
                wait: Duration::from_mins(self.import_wait),
            })),
        }
    }
}
