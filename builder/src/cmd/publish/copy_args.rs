//! The options of `publish` for copies of the AMI in other regions.

#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Copies")]
#[group(skip)]
pub(crate) struct CopyArgs {
    /// Copy the AMI to these regions, all at once
    #[arg(long, value_name = "REGION", value_delimiter = ',')]
    pub(super) copy_to: Vec<String>,

    /// Encrypt the copy in a region with this key; may be repeated
    #[arg(long, value_name = "REGION=KEY", value_delimiter = ',')]
    pub(super) copy_kms: Vec<String>,

    /// Encrypt every copy, with the account's default key of its region unless `--copy-kms` names one
    #[arg(long)]
    pub(super) encrypt_copies: bool,

    /// Minutes to wait for a copy
    #[arg(long, value_name = "N", default_value_t = 360)]
    pub(super) copy_wait: u64,
}
