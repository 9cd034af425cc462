//! dnf's own choice, by `dnf_choice.py`.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use amiforge_packages::rpm::available::AvailablePackage;
use amiforge_packages::rpm::resolve::{RpmRequest, RpmResolveError, RpmUniverse, resolve};

/// Repositories (`folder` or `folder=priority`) with the requests to them.
pub(crate) type Batch = (Vec<String>, Vec<RpmRequest>);

/// dnf's answers to requests, in their order; none where dnf is not installed.
pub(crate) fn answers(batches: &[Batch]) -> Option<Vec<String>> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rpm_resolve/dnf_choice.py");
    let python = "/usr/bin/python3";
    let there = Command::new(python).args(["-c", "import dnf"]).output();
    if !there.is_ok_and(|output| output.status.success()) {
        assert!(std::env::var_os("REQUIRE_ORACLES").is_none_or(|value| value != "1"), "dnf is not installed");
        println!("SKIP: dnf is not installed");
        return None;
    }
    let mut child =
        Command::new(python).arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = String::new();
    for (repositories, requests) in batches {
        lines.extend(["use\t", &repositories.join("\t"), "\n"]);
        lines.extend(requests.iter().map(line));
    }
    let mut input = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || input.write_all(lines.as_bytes()).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success());
    let answers: Vec<String> = String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect();
    assert_eq!(answers.len(), batches.iter().map(|(_, requests)| requests.len()).sum::<usize>());
    Some(answers)
}

fn line(request: &RpmRequest) -> String {
    let without = request.without.join(",");
    let mut words = vec![
        if request.weak { "weak" } else { "-" },
        if request.best { "best" } else { "-" },
        if without.is_empty() { "-" } else { &without },
    ];
    words.extend(request.packages.iter().map(|requested| requested.text.as_str()));
    words.join("\t") + "\n"
}

/// Our own answer in the same form; `!` and the reason where there is none.
pub(crate) fn own(universe: &RpmUniverse, request: &RpmRequest) -> Result<String, RpmResolveError> {
    let chosen = resolve(universe, request)?;
    let mut labels: Vec<String> =
        chosen.iter().map(|chosen| label(&universe.packages()[chosen.index])).collect();
    labels.sort_unstable();
    Ok(labels.join(" "))
}

fn label(package: &AvailablePackage) -> String {
    format!("{}-{}.{}", package.name, package.evr, package.arch)
}

/// What only one of two answers has.
pub(crate) fn difference(ours: &str, theirs: &str) -> String {
    let only = |one: &str, other: &str| {
        let other: Vec<&str> = other.split(' ').collect();
        one.split(' ').filter(|package| !other.contains(package)).collect::<Vec<_>>().join(" ")
    };
    format!("ours only: {}; dnf's only: {}", only(ours, theirs), only(theirs, ours))
}
