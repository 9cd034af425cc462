//! The operating system and its end of life (os-release(5)).

use amiforge_formats::time::Time;

use super::{Findings, System};

/// The operating system of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OsRelease {
    /// `ID`, such as `debian`.
    pub id: String,
    /// `VERSION_ID`, such as `12`; empty for a rolling release.
    pub version: String,
}

/// Until when a release gets security updates without a contract: id, version, and the last day as year, month and day.
/// A version matches as a whole or up to a dot. From the release pages of the vendors (debian.org/releases and
/// wiki.debian.org/LTS, ubuntu.com/about/release-cycle, aws.amazon.com/amazon-linux-2/faqs and
/// docs.aws.amazon.com/linux/al2023, access.redhat.com/support/policy/updates/errata, centos.org, rockylinux.org,
/// almalinux.org, fedoraproject.org, alpinelinux.org/releases, suse.com/lifecycle, en.opensuse.org/Lifetime), 2026-11.
const END_OF_LIFE: [(&str, &str, (i64, i64, i64)); 35] = [
    ("almalinux", "8", (2029, 5, 31)),
    ("almalinux", "9", (2032, 5, 31)),
    ("almalinux", "10", (2035, 5, 31)),
    ("alpine", "3.18", (2025, 5, 9)),
    ("alpine", "3.19", (2025, 11, 1)),
    ("alpine", "3.20", (2026, 4, 1)),
    ("alpine", "3.21", (2026, 11, 1)),
    ("alpine", "3.22", (2027, 5, 1)),
    ("amzn", "2018.03", (2023, 12, 31)),
    ("amzn", "2", (2026, 6, 30)),
    ("amzn", "2023", (2029, 6, 30)),
    ("centos", "7", (2024, 6, 30)),
    ("centos", "8", (2021, 12, 31)),
    ("centos", "9", (2027, 5, 31)),
    ("debian", "9", (2022, 6, 30)),
    ("debian", "10", (2024, 6, 30)),
    ("debian", "11", (2026, 8, 31)),
    ("debian", "12", (2028, 6, 30)),
    ("debian", "13", (2030, 6, 30)),
    ("fedora", "41", (2025, 12, 15)),
    ("fedora", "42", (2026, 5, 13)),
    ("opensuse-leap", "15.5", (2024, 12, 31)),
    ("opensuse-leap", "15.6", (2026, 4, 30)),
    ("rhel", "7", (2024, 6, 30)),
    ("rhel", "8", (2029, 5, 31)),
    ("rhel", "9", (2032, 5, 31)),
    ("rhel", "10", (2035, 5, 31)),
    ("rocky", "8", (2029, 5, 31)),
    ("rocky", "9", (2032, 5, 31)),
    ("sles", "12.5", (2024, 10, 31)),
    ("sles", "15.6", (2025, 12, 31)),
    ("ubuntu", "18.04", (2023, 5, 31)),
    ("ubuntu", "20.04", (2025, 5, 31)),
    ("ubuntu", "22.04", (2027, 4, 30)),
    ("ubuntu", "24.04", (2029, 4, 30)),
];

impl OsRelease {
    pub(super) fn of(system: &System<'_>) -> Option<Self> {
        let files = &system.files;
        let text = files.text("/etc/os-release").or_else(|| files.text("/usr/lib/os-release"))?;
        Some(Self { id: value(&text, "ID")?, version: value(&text, "VERSION_ID").unwrap_or_default() })
    }

    /// The last day of its security updates, if the table has it.
    fn end_of_life(&self) -> Option<(i64, i64, i64)> {
        let matches = |version: &str| {
            let rest = self.version.strip_prefix(version);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        let row = END_OF_LIFE.iter().find(|(id, version, _)| *id == self.id && matches(version));
        row.map(|(_, _, day)| *day)
    }
}

pub(super) fn check(system: &System<'_>, now: i64, findings: &mut Findings) {
    let Some(release) = OsRelease::of(system) else {
        let what = "nothing says which operating system this is: there is no /etc/os-release";
        findings.warning("end-of-life", what, "add the package that brings the file");
        return;
    };
    let name = format!("{} {}", release.id.escape_debug(), release.version.escape_debug());
    match release.end_of_life() {
        None => {
            let what = format!("whether {name} still gets security updates is not known here");
            findings.warning(
                "end-of-life",
                what,
                "look it up: a product on a system without updates is delisted",
            );
        }
        Some((year, month, day)) if today(now) > (year, month, day) => {
            let what = format!("{name} gets no security updates since {year}-{month:02}-{day:02}");
            findings.failure("end-of-life", what, "build the image on a release that does");
        }
        Some(_) => {}
    }
}

/// Year, month and day in UTC.
fn today(now: i64) -> (i64, i64, i64) {
    let date = Time::from_secs(now).utc();
    (date.year, date.month, date.day)
}

/// The value of a key of os-release(5).
fn value(text: &str, key: &str) -> Option<String> {
    let line = text.lines().find_map(|line| line.trim().strip_prefix(key)?.strip_prefix('='))?;
    Some(line.trim().trim_matches(['"', '\'']).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn release(id: &str, version: &str) -> OsRelease {
        OsRelease { id: id.to_owned(), version: version.to_owned() }
    }

    #[test]
    fn a_version_matches_as_a_whole_or_up_to_a_dot() {
        for (id, version, known) in [
            ("debian", "12", true),
            ("debian", "1", false),
            ("rhel", "9.4", true),
            ("alpine", "3.22.1", true),
            ("alpine", "3.2", false),
            ("debian", "", false),
            ("arch", "1", false),
        ] {
            assert_eq!(release(id, version).end_of_life().is_some(), known, "{id} {version}");
        }
    }

    #[test]
    fn the_day_follows_from_the_time() {
        // 2026-11-21.
        assert_eq!(today(1_795_240_800), (2026, 11, 21));
        assert_eq!(value("NAME=x\nVERSION_ID=\"12\"\nID=debian\n", "ID").as_deref(), Some("debian"));
    }
}
