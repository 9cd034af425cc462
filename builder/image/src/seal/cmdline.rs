//! The kernel's command line, one for all firmware.

use amiforge_formats::digest::Digest;
use amiforge_formats::guid::Guid;

/// What the command line is made of, in its order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CommandLine {
    /// GUID of the partition that holds the root; none where the arguments of the recipe name the root.
    pub root: Option<Guid>,
    /// Arguments `console=`.
    pub consoles: &'static str,
    /// Further arguments, those of the recipe.
    pub arguments: String,
}

/// What the command line vouches for; empty where nothing is verified.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trust {
    /// Root hash of the dm-verity tree over the root file system: `roothash=` (systemd-veritysetup-generator(8)).
    pub root_hash: Option<Digest>,
}

impl CommandLine {
    /// Longest line in bytes: `COMMAND_LINE_SIZE` of Linux on `x86_64` and arm64 is 2048 with the NUL at its end, and a longer
    /// line is cut without a message.
    pub const MAX: usize = 2047;

    /// The line. EC2 advises to wait for its volumes without limit (EC2 User Guide, "I/O operation timeout for Amazon EBS
    /// volumes").
    pub fn text(&self, trust: &Trust) -> String {
        let root = self.root.map(|guid| format!("root=PARTUUID={guid} ")).unwrap_or_default();
        let verity = trust.root_hash.map(|hash| format!("roothash={hash} ")).unwrap_or_default();
        let (consoles, arguments) = (self.consoles, &self.arguments);
        let line =
            format!("{root}{verity}rootwait ro {consoles} nvme_core.io_timeout=4294967295 {arguments}");
        line.trim_end().to_owned()
    }
}
