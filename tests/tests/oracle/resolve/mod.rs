//! Our resolver compared with apt's: the same indexes and requests give the same packages.
//!
//! apt resolves in the two steps of mmdebstrap: first the essential packages, then the rest with those installed.

mod apt;
mod sets;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Instant;

use amiforge_packages::deb::index::PackageIndex;
use amiforge_packages::deb::release::{Expired, Release};
use amiforge_packages::deb::resolve::{BasePackages, Request, Resolved, Suite, resolve};
use amiforge_packages::signature::{Keyring, verify_inrelease};
use amiforge_packages::{deb::control, locked::LockReason, locked::PackageId};
use amiforge_tests::{oracle, scratch, tier};

use apt::{ARCHS, Apt, BOTH, Question, SUITES, suites_for};
use sets::Set;

type Answer = BTreeMap<(String, String), String>;

/// The lists of apt: releases, and the text of each index.
struct Lists {
    releases: Vec<Release>,
    texts: Vec<Vec<Vec<u8>>>,
}

/// The paragraph of dpkg's status file for every listed version, by name, architecture and version.
type Statuses = BTreeMap<(String, String, String), String>;

impl Lists {
    /// Reads the lists; checks the signature of every release, and every index by its release.
    fn read(apt: &Apt) -> Self {
        let keyring = std::fs::read("/usr/share/keyrings/debian-archive-keyring.gpg").expect("the keyring");
        let keyring = Keyring::read("debian-archive-keyring.gpg", &keyring).expect("a keyring");
        let mut lists = Self { releases: Vec::new(), texts: Vec::new() };
        for (at, (_, suite, names)) in SUITES.into_iter().enumerate() {
            let signed = apt.list(suite, "InRelease");
            let checked = verify_inrelease(&signed, std::slice::from_ref(&keyring), now()).expect("signed");
            let release = Release::parse(&checked.text).expect("a release");
            release.check(suite, release.date, None, Expired::Refuse).expect("a release of today");
            assert!(names.contains(&release.codename.as_str()) && names.contains(&release.suite.as_str()));
            let archs = if at < BOTH { ARCHS.len() } else { 1 };
            let texts = ARCHS.iter().take(archs).map(|arch| {
                let text = apt.list(suite, &format!("main_binary-{arch}_Packages"));
                let listed = release.find(&format!("main/binary-{arch}/Packages")).expect("a listed index");
                listed.check(&text).expect("the index that the release lists");
                text
            });
            let texts = texts.collect();
            lists.releases.push(release);
            lists.texts.push(texts);
        }
        lists
    }
}

/// The time at which keys are checked, which are valid for longer than the releases.
fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    since.as_secs() as i64
}

fn ours(suites: &[Suite<'_>], set: &Set, prefer: Vec<PackageId>) -> Result<Resolved, String> {
    let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let request = Request {
        arch: "amd64".to_owned(),
        foreign: owned(set.foreign),
        base: set.base,
        packages: owned(set.packages),
        recommends: set.recommends,
        without: owned(set.without),
        pins: set.pins(),
        prefer,
        installed: None,
    };
    resolve(&suites[..suites_for(set.foreign)], &request).map_err(|fault| amiforge_tests::error_chain(&fault))
}

/// The packages that apt installs in mmdebstrap's two steps.
fn theirs(apt: &Apt, statuses: &Statuses, set: &Set) -> Result<Answer, String> {
    let narrow = |what: &str| format!("?narrow(?architecture(amd64),{what})");
    let ask = |words: &[String], status: &str| {
        apt.install(&Question {
            words,
            status,
            recommends: set.recommends,
            foreign: set.foreign,
            preferences: set.preferences,
        })
    };
    let out: Vec<String> = set.without.iter().map(|name| format!("{name}-")).collect();
    let essential = match set.base {
        BasePackages::None => Answer::new(),
        _ => ask(&[&[narrow("?essential")], out.as_slice()].concat(), "")?,
    };
    let mut words: Vec<String> = set.packages.iter().map(|word| (*word).to_owned()).collect();
    let priorities: &[&str] = match set.base {
        BasePackages::None | BasePackages::Essential => &[],
        BasePackages::Required => &["required"],
        BasePackages::Important => &["required", "important"],
        BasePackages::Standard => &["required", "important", "standard"],
    };
    for priority in priorities {
        words.push(narrow(&format!("?priority({priority}),?not(?essential)")));
    }
    if words.is_empty() {
        return Ok(essential);
    }
    let mut all = ask(&[words, out].concat(), &status(statuses, &essential))?;
    all.extend(essential);
    Ok(all)
}

/// The status paragraphs of every package of the lists.
fn statuses(lists: &Lists) -> Statuses {
    let mut statuses = Statuses::new();
    for bytes in lists.texts.iter().flatten() {
        for stanza in control::stanzas(std::str::from_utf8(bytes).expect("text")) {
            let stanza = stanza.expect("a stanza");
            let field = |name| stanza.get(name).unwrap_or_default().to_owned();
            let id = (field("Package"), field("Architecture"), field("Version"));
            // Only packages of base sets are looked up, and those are native.
            if ["amd64", "all"].contains(&id.1.as_str()) {
                let fields = stanza.fields().map(|(name, value)| format!("{name}: {value}\n"));
                statuses.entry(id).or_insert_with(|| fields.collect());
            }
        }
    }
    statuses
}

/// dpkg's status of a system that has these packages.
fn status(statuses: &Statuses, installed: &Answer) -> String {
    let paragraph = |((name, arch), version): (&(String, String), &String)| {
        let fields = &statuses[&(name.clone(), arch.clone(), version.clone())];
        format!("Status: install ok installed\n{fields}\n")
    };
    installed.iter().map(paragraph).collect()
}

fn answer(resolved: &Resolved) -> Answer {
    let pairs = resolved.packages.iter();
    pairs.map(|package| ((package.name.clone(), package.arch.clone()), package.version.clone())).collect()
}

/// The packages of only one side, one line each.
fn differences(ours: &Answer, theirs: &Answer) -> Vec<String> {
    let line = |sign: char, (id, version): (&(String, String), &String)| {
        format!("{sign} {}:{} {version}", id.0, id.1)
    };
    let more =
        ours.iter().filter(|(id, version)| theirs.get(*id) != Some(version)).map(|pair| line('+', pair));
    let less =
        theirs.iter().filter(|(id, version)| ours.get(*id) != Some(version)).map(|pair| line('-', pair));
    more.chain(less).collect()
}

fn with_suites(test: impl FnOnce(&Apt, &Lists, &[Suite<'_>])) {
    if !oracle::ready(&["apt-get", "apt-config"], false) {
        return;
    }
    let folder = scratch::folder();
    let Some(apt) = Apt::new(folder.path()) else { return };
    let lists = Lists::read(&apt);
    let start = Instant::now();
    let indexes: Vec<Vec<PackageIndex<'_>>> = lists
        .texts
        .iter()
        .map(|texts| texts.iter().map(|text| PackageIndex::parse(text).expect("an index")).collect())
        .collect();
    let count: usize = indexes.iter().flatten().map(|index| index.packages.len()).sum();
    println!("{count} packages read in {:?}", start.elapsed());
    let suites: Vec<Suite<'_>> = SUITES
        .iter()
        .zip(&lists.releases)
        .zip(&indexes)
        .map(|(((archive, _, names), release), indexes)| Suite {
            archive,
            names: names.to_vec(),
            priority: release.priority(),
            indexes: indexes.iter().collect(),
        })
        .collect();
    test(&apt, &lists, &suites);
}

#[test]
fn resolution_is_that_of_apt() {
    with_suites(|apt, lists, suites| {
        let mut wrong = String::new();
        let statuses = statuses(lists);
        // Each set is a run of apt over a whole suite: before every merge a third of them, at night all.
        let step = if tier::night() { 1 } else { 3 };
        for set in sets::SETS.iter().step_by(step) {
            let start = Instant::now();
            let ours = ours(suites, set, Vec::new());
            let took = start.elapsed();
            let theirs = theirs(apt, &statuses, set);
            let (ours, theirs) = match (ours, theirs) {
                (Ok(ours), Ok(theirs)) => (answer(&ours), theirs),
                (Err(_), Err(_)) if set.impossible => continue,
                (ours, theirs) => {
                    let _ = writeln!(wrong, "{}: ours {:?}\ntheirs {:?}", set.name, ours.err(), theirs.err());
                    continue;
                }
            };
            println!("{}: {} packages in {took:?}", set.name, ours.len());
            let found = differences(&ours, &theirs);
            let explained: Vec<&str> = set.differences.iter().map(|(line, _)| *line).collect();
            if found != explained {
                let _ = writeln!(wrong, "{}:\n{}", set.name, found.join("\n"));
            }
        }
        assert!(wrong.is_empty(), "{wrong}");
    });
}

#[test]
fn locked_versions_are_preferred_and_packages_have_reasons() {
    with_suites(|_, _, suites| {
        let set = sets::SETS.iter().find(|set| set.name == "lamp").expect("a set");
        let first = ours(suites, set, Vec::new()).expect("an answer");
        let reason = |name: &str| {
            first.packages.iter().find(|package| package.name == name).map(|package| package.reason)
        };
        assert_eq!(reason("apache2"), Some(LockReason::Named));
        assert_eq!(reason("dpkg"), Some(LockReason::Base));
        assert_eq!(reason("apache2-bin"), Some(LockReason::Dependency));
        let ids = first.packages.iter().map(|package| PackageId {
            name: package.name.clone(),
            version: package.version.clone(),
            arch: package.arch.clone(),
        });
        assert_eq!(ours(suites, set, ids.collect()), Ok(first));
    });
}

#[test]
#[ignore = "writes seeds for the fuzz targets"]
fn seeds_for_the_fuzz_target_are_written() {
    let repository = scratch::repository();
    let corpus = repository.join("fuzz/corpus");
    for folder in ["packages", "signature"] {
        std::fs::create_dir_all(corpus.join(folder)).expect("a folder");
    }
    for entry in std::fs::read_dir(repository.join("fixtures/signatures")).expect("the vectors") {
        let path = entry.expect("a vector").path();
        std::fs::copy(&path, corpus.join("signature").join(path.file_name().expect("a name")))
            .expect("a seed");
    }
    with_suites(|_, lists, _| {
        for (at, text) in lists.texts.iter().flatten().enumerate() {
            // Whole stanzas, and few of them, so that the fuzzer mutates each often.
            let stanzas =
                std::str::from_utf8(text).expect("text").split_inclusive("\n\n").step_by(997).take(40);
            std::fs::write(corpus.join(format!("packages/list-{at}")), stanzas.collect::<String>())
                .expect("a seed");
        }
    });
}
