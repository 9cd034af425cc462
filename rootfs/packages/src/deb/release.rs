//! The Release file of a suite: what it is called, how old it is, and the digests of its indexes (Debian wiki,
//! `RepositoryFormat`). Its text is taken as it is: whether it is the archive's own is for [`super::signature`].

use amiforge_formats::digest::Digest;
use amiforge_formats::time::{Civil, Time};

use super::control::{self, ControlError, Stanza};

/// Clocks of two machines differ by less than this many seconds; a Release from further ahead is refused.
const AHEAD: i64 = 24 * 60 * 60;

/// Why a Release is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReleaseError {
    /// The text is no control file.
    #[error("the Release cannot be read")]
    Control(#[from] ControlError),
    /// A field that has to be there.
    #[error("the Release has no field `{0}`")]
    Missing(&'static str),
    /// A field that cannot be read.
    #[error("the Release says `{field}: {value}`, which is no {kind}")]
    Malformed {
        /// Name of the field.
        field: &'static str,
        /// Its value.
        value: String,
        /// The expected form.
        kind: &'static str,
    },
    /// It is of another suite.
    #[error("the requested suite is `{requested}`, but the Release is of `{suite}` (codename `{codename}`)")]
    WrongSuite {
        /// The requested suite.
        requested: String,
        /// The suite that the Release names.
        suite: String,
        /// The codename that the Release names.
        codename: String,
    },
    /// Past its `Valid-Until`.
    #[error(
        "the Release was valid until {until}, and it is {now} now: an old archive may lack security updates"
    )]
    Expired {
        /// The text of `Valid-Until`.
        until: String,
        /// The time given, written the same way.
        now: String,
    },
    /// Older than the one seen before.
    #[error("the Release is of {date}, older than the one of {before} that the lock was made from")]
    RolledBack {
        /// The text of `Date`.
        date: String,
        /// The date of the lock, written the same way.
        before: String,
    },
    /// From the future.
    #[error("the Release is of {date}, but it is {now} now: is the clock of this machine right?")]
    NotYet {
        /// The text of `Date`.
        date: String,
        /// The time given, written the same way.
        now: String,
    },
    /// An index that differs from its entry in the Release.
    #[error(
        "`{path}` has the SHA-256 {found} and {found_size} bytes, but the Release says {listed} and {listed_size}"
    )]
    Differs {
        /// Path below the suite.
        path: String,
        /// Digest of the bytes.
        found: Digest,
        /// Their number.
        found_size: u64,
        /// Digest in the Release.
        listed: Digest,
        /// Length in the Release.
        listed_size: u64,
    },
}

/// Whether a Release that is past its `Valid-Until` (or from the future) is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expired {
    /// Refuse it.
    Refuse,
    /// Accept it: the recipe allows it, for an archive that is no longer updated.
    Accept,
}

/// An index that a Release lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedIndex {
    /// Path below the suite: `main/binary-amd64/Packages.xz`.
    pub path: String,
    /// Length in bytes.
    pub size: u64,
    /// Digest.
    pub sha256: Digest,
}

impl ListedIndex {
    /// Its path by digest, below the suite: there it never changes while an archive is updated.
    pub fn by_hash(&self) -> String {
        let folder = self.path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let slash = if folder.is_empty() { "" } else { "/" };
        format!("{folder}{slash}by-hash/SHA256/{}", self.sha256)
    }

    /// Whether bytes are this index.
    pub fn check(&self, bytes: &[u8]) -> Result<(), ReleaseError> {
        let found = Digest::of(bytes);
        if found == self.sha256 && bytes.len() as u64 == self.size {
            return Ok(());
        }
        Err(ReleaseError::Differs {
            path: self.path.clone(),
            found,
            found_size: bytes.len() as u64,
            listed: self.sha256,
            listed_size: self.size,
        })
    }
}

/// A Release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// `Origin`, or nothing.
    pub origin: String,
    /// `Label`, or nothing.
    pub label: String,
    /// `Suite`, such as `stable`, or nothing.
    pub suite: String,
    /// `Codename`, such as `bookworm`, or nothing.
    pub codename: String,
    /// `Date`, in seconds since 1970.
    pub date: i64,
    /// `Valid-Until`, in seconds since 1970.
    pub valid_until: Option<i64>,
    /// `Architectures`.
    pub architectures: Vec<String>,
    /// `Components`.
    pub components: Vec<String>,
    /// Whether indexes can be had by their digest.
    pub acquire_by_hash: bool,
    /// `NotAutomatic`: installed only when requested.
    pub not_automatic: bool,
    /// `ButAutomaticUpgrades`: upgraded once installed.
    pub but_automatic_upgrades: bool,
    /// The indexes, in the order of the file.
    pub files: Vec<ListedIndex>,
}

impl Release {
    /// Reads the text of a Release.
    pub fn parse(text: &str) -> Result<Self, ReleaseError> {
        let stanza = control::stanzas(text).next().transpose()?.ok_or(ReleaseError::Missing("Date"))?;
        let word = |name: &str| stanza.get(name).unwrap_or_default().trim().to_owned();
        let words = |name: &str| word(name).split_whitespace().map(str::to_owned).collect();
        Ok(Self {
            origin: word("Origin"),
            label: word("Label"),
            suite: word("Suite"),
            codename: word("Codename"),
            date: time(&stanza, "Date")?.ok_or(ReleaseError::Missing("Date"))?,
            valid_until: time(&stanza, "Valid-Until")?,
            architectures: words("Architectures"),
            // The security archive of Debian long wrote `updates/main`.
            components: word("Components")
                .split_whitespace()
                .map(|component| component.rsplit('/').next().unwrap_or(component).to_owned())
                .collect(),
            acquire_by_hash: word("Acquire-By-Hash") == "yes",
            not_automatic: word("NotAutomatic") == "yes",
            but_automatic_upgrades: word("ButAutomaticUpgrades") == "yes",
            files: files(stanza.get("SHA256").ok_or(ReleaseError::Missing("SHA256"))?)?,
        })
    }

    /// Whether it may be used: it is of the suite `requested` (by suite or codename; a path that ends in `/` is a flat
    /// archive and has none), has not expired at `now`, and is not older than `not_before`. Times in seconds since 1970.
    pub fn check(
        &self,
        requested: &str,
        now: i64,
        not_before: Option<i64>,
        expired: Expired,
    ) -> Result<(), ReleaseError> {
        if !requested.ends_with('/') && requested != self.suite && requested != self.codename {
            return Err(ReleaseError::WrongSuite {
                requested: requested.to_owned(),
                suite: self.suite.clone(),
                codename: self.codename.clone(),
            });
        }
        if let Some(before) = not_before.filter(|before| self.date < *before) {
            return Err(ReleaseError::RolledBack { date: written(self.date), before: written(before) });
        }
        if expired == Expired::Accept {
            return Ok(());
        }
        if let Some(until) = self.valid_until.filter(|until| *until < now) {
            return Err(ReleaseError::Expired { until: written(until), now: written(now) });
        }
        if self.date > now.saturating_add(AHEAD) {
            return Err(ReleaseError::NotYet { date: written(self.date), now: written(now) });
        }
        Ok(())
    }

    /// The index of that path below the suite.
    pub fn find(&self, path: &str) -> Option<&ListedIndex> {
        self.files.iter().find(|listed| listed.path == path)
    }

    /// The index of packages of a component and an architecture (`all` has one of its own in some archives), in the
    /// compression that is the least to fetch; none if the archive has no such index.
    pub fn packages(&self, component: &str, arch: &str) -> Option<&ListedIndex> {
        ["xz", "zst", "gz", ""].iter().find_map(|suffix| {
            let dot = if suffix.is_empty() { "" } else { "." };
            self.find(&format!("{component}/binary-{arch}/Packages{dot}{suffix}"))
        })
    }

    /// The priority that apt gives its packages where no pin sets another (`apt_preferences(5)`).
    pub fn priority(&self) -> i32 {
        match (self.not_automatic, self.but_automatic_upgrades) {
            (true, true) => 100,
            (true, false) => 1,
            (false, _) => 500,
        }
    }
}

fn files(value: &str) -> Result<Vec<ListedIndex>, ReleaseError> {
    let malformed = |line: &str| ReleaseError::Malformed {
        field: "SHA256",
        value: line.to_owned(),
        kind: "digest, size and path",
    };
    let lines = value.lines().map(str::trim).filter(|line| !line.is_empty());
    lines
        .map(|line| {
            let mut words = line.split_whitespace();
            let (Some(digest), Some(size), Some(path), None) =
                (words.next(), words.next(), words.next(), words.next())
            else {
                return Err(malformed(line));
            };
            Ok(ListedIndex {
                path: path.to_owned(),
                size: size.parse().map_err(|_| malformed(line))?,
                sha256: digest.parse().map_err(|_| malformed(line))?,
            })
        })
        .collect()
}

fn time(stanza: &Stanza<'_>, field: &'static str) -> Result<Option<i64>, ReleaseError> {
    let Some(value) = stanza.get(field) else { return Ok(None) };
    let malformed = || ReleaseError::Malformed { field, value: value.to_owned(), kind: "date" };
    seconds(value).map(Some).ok_or_else(malformed)
}

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// `Sat, 10 Feb 2024 11:07:25 UTC` in seconds since 1970.
fn seconds(text: &str) -> Option<i64> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let [_, day, month, year, clock, "UTC" | "GMT" | "+0000" | "Z"] = words.as_slice() else { return None };
    let day = within(day, 1, 31)?;
    let month = MONTHS.iter().position(|name| name == month)? as i64 + 1;
    let year = within(year, 1970, 9999)?;
    let clock: Vec<&str> = clock.split(':').collect();
    let [hour, minute, second] = clock.as_slice() else { return None };
    let (hour, minute, second) = (within(hour, 0, 23)?, within(minute, 0, 59)?, within(second, 0, 60)?);
    Some(Civil { year, month, day, hour, minute, second }.secs())
}

fn within(text: &str, min: i64, max: i64) -> Option<i64> {
    let number = text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()?;
    (min..=max).contains(&number).then_some(number)
}

/// Seconds since 1970 as `2024-02-10 11:07:25 UTC`.
fn written(time: i64) -> String {
    Time::from_secs(time).utc().to_string().replace('T', " ").replace('Z', " UTC")
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn release(more: &str) -> String {
        format!(
            "Origin: Debian\nSuite: stable\nCodename: bookworm\nDate: Sat, 10 Feb 2024 11:07:25 UTC\n{more}\
             Architectures: all amd64\nComponents: main updates/contrib\nAcquire-By-Hash: yes\n\
             SHA256:\n {DIGEST}        0 main/binary-amd64/Packages\n {DIGEST} 0 main/binary-amd64/Packages.xz\n"
        )
    }

    #[test]
    fn a_release_is_read() {
        let read = Release::parse(&release("NotAutomatic: yes\nButAutomaticUpgrades: yes\n")).unwrap();
        assert_eq!((read.date, read.valid_until, read.priority()), (1_707_563_245, None, 100));
        assert_eq!(read.components, ["main", "contrib"]);
        let listed = read.packages("main", "amd64").unwrap();
        assert_eq!(listed.path, "main/binary-amd64/Packages.xz");
        assert_eq!(listed.by_hash(), format!("main/binary-amd64/by-hash/SHA256/{DIGEST}"));
        assert!(read.packages("main", "arm64").is_none());
        assert!(listed.check(b"").is_ok());
    }

    #[test]
    fn an_index_whose_digest_or_length_differs_is_refused() {
        let read = Release::parse(&release("")).unwrap();
        let error = read.files[0].check(b"x").unwrap_err().to_string();
        assert!(error.contains("1 bytes") && error.contains(DIGEST), "{error}");
    }

    #[test]
    fn an_expired_release_is_refused_unless_told() {
        let read = Release::parse(&release("Valid-Until: Sat, 17 Feb 2024 11:07:25 UTC\n")).unwrap();
        let until = 1_708_168_045;
        assert_eq!(read.valid_until, Some(until));
        let check = |now, expired| read.check("stable", now, None, expired);
        assert_eq!(check(until, Expired::Refuse), Ok(()));
        let error = check(until + 1, Expired::Refuse).unwrap_err();
        assert!(
            error.to_string().contains("until 2024-02-17 11:07:25 UTC, and it is 2024-02-17 11:07:26 UTC")
        );
        assert_eq!(check(until + 1, Expired::Accept), Ok(()));
    }

    #[test]
    fn a_release_that_was_rolled_back_is_refused_even_where_expired_ones_are_not() {
        let read = Release::parse(&release("")).unwrap();
        let check = |before| read.check("bookworm", read.date, before, Expired::Accept);
        assert_eq!(check(Some(read.date)), Ok(()));
        assert!(matches!(check(Some(read.date + 1)), Err(ReleaseError::RolledBack { .. })));
    }

    #[test]
    fn another_suite_and_a_release_from_the_future_are_refused() {
        let read = Release::parse(&release("")).unwrap();
        let check = |suite, now| read.check(suite, now, None, Expired::Refuse);
        assert!(matches!(check("trixie", read.date), Err(ReleaseError::WrongSuite { .. })));
        assert!(matches!(check("bookworm", 0), Err(ReleaseError::NotYet { .. })));
        assert_eq!(check("./", read.date), Ok(()));
    }

    #[test]
    fn times_are_read_and_written_alike() {
        for time in
            [0, 951_782_399, 951_782_400, 1_709_164_800, 1_709_251_199, 4_102_444_799, 253_402_300_799]
        {
            let text = written(time);
            let (date, clock) = text.split_once(' ').unwrap();
            let date: Vec<&str> = date.split('-').collect();
            let month = MONTHS[date[1].parse::<usize>().unwrap() - 1];
            assert_eq!(
                seconds(&format!("Sat, {} {month} {} {clock}", date[2], date[0])),
                Some(time),
                "{text}"
            );
        }
        for text in
            ["", "Sat, 10 Feb 2024 11:07:25", "Sat, 32 Feb 2024 11:07:25 UTC", "Sat, 1 Feb 2024 +1:07:25 UTC"]
        {
            assert_eq!(seconds(text), None, "{text}");
        }
    }
}
