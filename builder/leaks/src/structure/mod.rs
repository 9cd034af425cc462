//! What is found by the path of a file and what a file of that path has: the tables ([`credentials`], [`services`],
//! [`machine`], [`traces`]) and the checks behind them ([`checks`]).
//!
//! A row applies to paths from the root of the system, without the first `/`. Knows no volumes and reads nothing itself.

mod builder_home;
mod checks;
mod credentials;
mod machine;
mod services;
mod text;
mod traces;

use std::fmt::Write as _;
use std::ops::Range;
use std::sync::OnceLock;

use amiforge_rootfs::glob::{Globs, NotAGlob};

use crate::accounts::AccountFiles;
use crate::finding::LeakSeverity;
use crate::rule::{LeakRule, RuleFilter};

/// A rule about paths.
#[derive(Debug)]
pub(crate) struct StructureRule {
    /// The rule.
    pub(crate) rule: LeakRule,
    /// Globs of the paths.
    paths: &'static [&'static str],
    /// What the file must have.
    test: Test,
}

/// What a file must have to be a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Test {
    /// Any content.
    Present,
    /// A line that is neither empty nor a comment.
    Lines,
    /// A value of one of these names, in the syntax of an INI file, YAML, JSON, netrc or XML; lower case.
    Value(&'static [&'static str]),
    /// A check of its own.
    Call(StructureCheck),
    /// Every file: the header of a core dump.
    CoreDump,
    /// Every program that no package brought: the home of somebody who is no user of the image.
    BuilderHome,
}

/// The checks of files that need more than one value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StructureCheck {
    Addresses,
    Application,
    AuthorizedKeys,
    BuilderAccount,
    BundlerConfig,
    CiRunner,
    CloudConfig,
    DebconfPassword,
    EmptyPassword,
    EnvironmentFile,
    GitConfig,
    GrubPassword,
    InstallerPassword,
    IpsecSecret,
    LdapSecret,
    Log,
    MachineId,
    MachineIdentity,
    MailPassword,
    MavenPassword,
    MountOptions,
    MyCnf,
    PasswordHash,
    PgPass,
    PrivateFile,
    RadiusSecret,
    S3Credentials,
    ServiceAccount,
    Share,
    Snmp,
    Spooled,
    SshIdentity,
    SwapFile,
    YumPassword,
}

/// What to do about a credential.
const REVOKE: &str = "remove the file and revoke what is in it; give it to the machine when it starts (a role of the instance, a \
                      parameter store, cloud-init)";

/// What to do about a history.
const HISTORY: &str = "remove it: the rule `histories` under `also` of `[normalize]` does";

/// What to do about what each machine makes for itself.
const FIRST_BOOT: &str =
    "remove or empty it, so that each machine makes its own at its first boot; the rules of `[normalize]` do";

/// A row of a table.
const fn row(
    (id, severity): (&'static str, LeakSeverity),
    what: &'static str,
    remedy: &'static str,
    paths: &'static [&'static str],
    test: Test,
    source: &'static str,
) -> StructureRule {
    StructureRule { rule: LeakRule { id, severity, what, remedy, source }, paths, test }
}

/// The rows of all tables.
static TABLES: [&[StructureRule]; 4] = [&credentials::ROWS, &services::ROWS, &machine::ROWS, &traces::ROWS];

fn all() -> impl Iterator<Item = &'static StructureRule> {
    TABLES.iter().flat_map(|rows| rows.iter())
}

/// The rules of the tables.
pub(crate) fn rules() -> impl Iterator<Item = LeakRule> {
    all().map(|row| row.rule)
}

/// The tables as a text, for the version of the rules.
pub(crate) fn table_text() -> String {
    all().fold(String::new(), |mut text, row| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}\0{:?}\0{:?}", row.rule.id, row.paths, row.test);
        text
    })
}

/// A file of a system.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RuleSubject<'a> {
    /// Its path in the system, without the first `/`.
    pub(crate) path: &'a [u8],
    /// Its first bytes, at most [`TEXT_MAX`].
    pub(crate) bytes: &'a [u8],
}

/// Bytes of a file that the checks see.
pub(crate) const TEXT_MAX: usize = 1 << 20;

/// Something in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StructureHit {
    /// The rule.
    pub(crate) rule: LeakRule,
    /// The bytes of the secret, where one range is it.
    pub(crate) secret: Option<Range<usize>>,
    /// Whom or what it is about, where the rule does not say.
    pub(crate) subject: Option<String>,
}

/// Findings of one rule in one file.
const HITS_MAX: usize = 20;

/// The rules of a filter, ready for paths.
#[derive(Debug)]
pub(crate) struct StructureFinder {
    globs: Globs,
    /// The row of each glob.
    rows: Vec<&'static StructureRule>,
    core_dump: Option<LeakRule>,
    builder_home: Option<LeakRule>,
}

impl StructureFinder {
    /// Prepares the rules of a filter.
    ///
    /// # Errors
    /// A glob of a table that is none.
    pub(crate) fn new(filter: &RuleFilter) -> Result<Self, NotAGlob> {
        let included = || all().filter(|row| filter.includes(row.rule.id));
        let by_path = |row: &&StructureRule| !matches!(row.test, Test::CoreDump | Test::BuilderHome);
        let (globs, rows): (Vec<&str>, Vec<_>) =
            included().filter(by_path).flat_map(|row| row.paths.iter().map(move |glob| (*glob, row))).unzip();
        let of = |test: Test| included().find(|row| row.test == test).map(|row| row.rule);
        Ok(Self {
            globs: Globs::new(globs)?,
            rows,
            core_dump: of(Test::CoreDump),
            builder_home: of(Test::BuilderHome),
        })
    }

    /// The rules that apply to a path.
    pub(crate) fn applicable(&self, path: &[u8]) -> Vec<&'static StructureRule> {
        let mut rows: Vec<_> = self.globs.all(path).into_iter().map(|at| self.rows[at]).collect();
        rows.dedup_by_key(|row| row.rule.id);
        rows
    }

    /// The rule about core dumps, if these first bytes of a file are one's.
    pub(crate) fn core_dump(&self, head: &[u8]) -> Option<LeakRule> {
        self.core_dump.filter(|_| is_core_dump(head))
    }

    /// The home of a builder in the bytes of a program or library.
    pub(crate) fn builder_home(&self, bytes: &[u8], accounts: &AccountFiles) -> Option<StructureHit> {
        let rule = self.builder_home?;
        let secret = builder_home::find(bytes, accounts)?;
        let subject = String::from_utf8_lossy(&bytes[secret.clone()]).into_owned();
        Some(StructureHit { rule, secret: Some(secret), subject: Some(format!("`{subject}`")) })
    }
}

impl StructureRule {
    /// What the file has.
    pub(crate) fn find(&self, subject: &RuleSubject<'_>) -> Vec<StructureHit> {
        let plain = |secret: Option<Range<usize>>| StructureHit { rule: self.rule, secret, subject: None };
        let mut hits = match self.test {
            Test::Present => (!subject.bytes.is_empty()).then(|| plain(None)).into_iter().collect(),
            Test::Lines => {
                text::content_lines(subject.bytes).next().map(|_| plain(None)).into_iter().collect()
            }
            Test::Value(names) => {
                text::values(subject.bytes, names).into_iter().map(|value| plain(Some(value))).collect()
            }
            Test::Call(check) => {
                let matched = checks::check(check, subject).into_iter();
                matched.map(|(secret, subject)| StructureHit { rule: self.rule, secret, subject }).collect()
            }
            Test::CoreDump | Test::BuilderHome => Vec::new(),
        };
        hits.truncate(HITS_MAX);
        hits
    }
}

/// The number of findings of all rules for a file of this path and content: what a fuzz target calls.
///
/// # Errors
/// A glob of a table that is none.
pub fn count_in_file(path: &[u8], bytes: &[u8]) -> Result<usize, NotAGlob> {
    // The tables are made once: that takes some thousand times as long as a short file.
    static FINDER: OnceLock<StructureFinder> = OnceLock::new();
    let finder = if let Some(finder) = FINDER.get() {
        finder
    } else {
        let made = StructureFinder::new(&RuleFilter::default())?;
        FINDER.get_or_init(|| made)
    };
    let subject = RuleSubject { path, bytes: &bytes[..bytes.len().min(TEXT_MAX)] };
    // Every check sees the bytes, whatever the path is.
    let matched = finder.rows.iter().map(|row| row.find(&subject).len()).sum::<usize>();
    let home = finder.builder_home(bytes, &AccountFiles::default());
    Ok(matched + usize::from(home.is_some()) + usize::from(finder.core_dump(bytes).is_some()))
}

/// Whether a file begins as an ELF file of the type `ET_CORE` does (elf(5)).
fn is_core_dump(head: &[u8]) -> bool {
    let kind = head.get(16..18);
    let order = head.get(5);
    head.starts_with(b"\x7fELF")
        && (order == Some(&1) && kind == Some(&[4, 0]) || order == Some(&2) && kind == Some(&[0, 4]))
}

#[cfg(test)]
mod tests;
