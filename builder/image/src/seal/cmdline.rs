//! The kernel's command line, one for all firmware.

use std::fmt;

use amiforge_formats::digest::Digest;
use amiforge_formats::guid::Guid;

/// What the command line is made of, in its order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CommandLine {
    /// How the root is found; none where the arguments of the recipe name it.
    pub root: Option<CommandRoot>,
    /// Arguments `console=`.
    pub consoles: &'static str,
    /// Further arguments, those of the recipe.
    pub arguments: String,
}

/// How the root is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommandRoot {
    /// By the GUID of its partition.
    Partition(Guid),
    /// By the root hash of its hash tree, of which [`LateValues`] has the value.
    Verity(VerityArguments),
}

/// What comes with a root hash on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerityArguments {
    /// Where writes to the read-only root go.
    pub writable: WritableFolders,
    /// Whether partitions are mounted because of their types (systemd-gpt-auto-generator(8)). An EFI system partition that is
    /// mounted can be changed, and the next start with it.
    pub gpt_auto: bool,
}

/// Where writes to the folders of a read-only root go.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WritableFolders {
    /// `/etc`.
    pub etc: Writable,
    /// `/var`.
    pub var: Writable,
}

/// Where writes to a folder go.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Writable {
    /// Nowhere: it is read-only.
    #[default]
    None,
    /// To memory.
    Tmpfs,
    /// To the data partition.
    Data,
}

impl Writable {
    /// As the command line and manifests name it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Tmpfs => "tmpfs",
            Self::Data => "data",
        }
    }
}

impl WritableFolders {
    /// The folders in the order of the command line, by their names below `/`.
    pub fn all(&self) -> [(&'static str, Writable); 2] {
        [("etc", self.etc), ("var", self.var)]
    }

    /// Whether some of them goes to that place.
    pub fn any(&self, place: Writable) -> bool {
        self.all().iter().any(|(_, writable)| *writable == place)
    }
}

/// The value of `amiforge.writable=`.
impl fmt::Display for WritableFolders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (name, writable)) in self.all().into_iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{name}:{}", writable.name())?;
        }
        Ok(())
    }
}

/// Values that are known only after the data partitions are planned; none where the image has no use for one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LateValues {
    /// Root hash of the dm-verity tree over the root file system: `roothash=` (systemd-veritysetup-generator(8)).
    pub root_hash: Option<Digest>,
    /// The signatures of the policies for PCR 11: content of the section `.pcrsig` (systemd-stub(7)).
    pub pcr_signatures: Option<String>,
}

impl CommandLine {
    /// Longest line in bytes: `COMMAND_LINE_SIZE` of Linux on `x86_64` and arm64 is 2048 with the NUL at its end, and a longer
    /// line is cut without a message.
    pub const MAX: usize = 2047;

    /// The line. EC2 advises to wait for its volumes without limit (EC2 User Guide, "I/O operation timeout for Amazon EBS
    /// volumes").
    pub fn text(&self, late: &LateValues) -> String {
        let hash = late.root_hash.map(|hash| format!("roothash={hash} ")).unwrap_or_default();
        let root = match &self.root {
            None => hash,
            Some(CommandRoot::Partition(guid)) => format!("root=PARTUUID={guid} {hash}"),
            Some(CommandRoot::Verity(arguments)) => format!("{hash}{}", arguments.text()),
        };
        let (consoles, arguments) = (self.consoles, &self.arguments);
        let line = format!("{root}rootwait ro {consoles} nvme_core.io_timeout=4294967295 {arguments}");
        line.trim_end().to_owned()
    }
}

impl VerityArguments {
    /// The arguments, each with a space behind it. A block that is not what the hash tree says ends the kernel, which then
    /// starts again rather than stay as it is on a machine that has no console to press a key on. Blocks of zeros are not
    /// read: an encrypted volume to which they were not sent holds anything there.
    fn text(&self) -> String {
        let writable = if self.writable == WritableFolders::default() {
            String::new()
        } else {
            format!("amiforge.writable={} ", self.writable)
        };
        let gpt_auto = if self.gpt_auto { "" } else { "systemd.gpt_auto=0 " };
        format!(
            "{writable}systemd.verity_root_options=panic-on-corruption,ignore-zero-blocks {gpt_auto}panic=30 "
        )
    }
}
