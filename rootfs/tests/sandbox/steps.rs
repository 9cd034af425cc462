//! Tests of what is recorded of the steps: which gave a path its content, and which its metadata.

use std::collections::BTreeMap;

use amiforge_formats::tree::NodeKind;
use amiforge_sandbox::{PathSteps, SandboxClock, SandboxJob, SandboxStep};

use crate::fixture::{EPOCH, Fixture, meta};

pub(crate) const TESTS: &[crate::Test] = crate::tests![
    each_step_has_the_paths_that_it_made_and_changed,
    what_a_step_wrote_with_the_bytes_that_were_there_is_not_its_own,
    a_write_through_a_mapping_is_of_the_step_that_made_it,
    a_folder_that_was_moved_is_of_the_step_that_moved_it,
    two_runs_record_the_same,
    one_step_records_nothing,
];

/// Runs scripts as steps of one job; what is recorded, as content and metadata by path.
fn recorded(fixture: &mut Fixture, scripts: &[&str]) -> BTreeMap<String, (u32, u32)> {
    let steps = scripts.iter().map(|script| SandboxStep::shell("the script", *script)).collect();
    let mut job = SandboxJob { record_steps: true, ..SandboxJob::new(steps, EPOCH) };
    job.env.insert("PERL_BADLANG".into(), "0".into());
    let captured = fixture.run_job(&job).unwrap();
    for path in captured.steps.keys() {
        assert!(captured.tree.lookup(path).is_some(), "no {}", String::from_utf8_lossy(path));
    }
    let pair = |steps: PathSteps| (steps.content, steps.metadata);
    captured.steps.into_iter().map(|(path, steps)| (String::from_utf8(path).unwrap(), pair(steps))).collect()
}

/// Asserts what is recorded of some paths; (0, 0) of those that no later step has.
fn assert_steps(recorded: &BTreeMap<String, (u32, u32)>, expected: &[(&str, (u32, u32))]) {
    for (path, steps) in expected {
        assert_eq!(recorded.get(*path).copied().unwrap_or_default(), *steps, "{path} in {recorded:?}");
    }
}

fn each_step_has_the_paths_that_it_made_and_changed() {
    let mut fixture = Fixture::new();
    fixture.file("etc/deleted", "old\n");
    fixture.file("etc/opened", "old\n");
    let found = recorded(
        &mut fixture,
        &[
            "mkdir /var/first; echo 1 > /var/first/file; echo 1 > /etc/again; echo 1 > /etc/gone; \
             echo 1 > /etc/mode; ln -s a /etc/link; echo 1 > /etc/back",
            "echo 2 > /var/second; echo 2 >> /etc/again; rm /etc/gone /etc/deleted; echo 2 > /etc/greeting; \
             chmod 600 /etc/mode; rm /etc/back",
            "echo 3 > /var/third; cat /etc/opened /etc/again > /dev/null; ln -sfn b /etc/link; \
             chown 7:8 /var/second; echo 1 > /etc/back; rm /var/first/file",
        ],
    );
    assert_steps(
        &found,
        &[
            ("var/first", (0, 0)),
            ("var/second", (1, 2)),
            ("var/third", (2, 2)),
            ("etc/again", (1, 0)),
            ("etc/greeting", (1, 1)),
            ("etc/mode", (0, 1)),
            ("etc/link", (2, 0)),
            ("etc/back", (2, 2)),
        ],
    );
    assert!(!found.contains_key("etc/gone") && !found.contains_key("var/first/file"), "{found:?}");
}

fn what_a_step_wrote_with_the_bytes_that_were_there_is_not_its_own() {
    let mut fixture = Fixture::new();
    let found = recorded(
        &mut fixture,
        &[
            "echo same > /etc/a; echo same > /etc/b; echo 1234 > /etc/c",
            "echo same > /etc/a; cp /etc/b /etc/n; mv /etc/n /etc/b; \
             echo 5678 > /etc/c; touch -d @1000000000 /etc/c",
            "touch -d @1000000000 /etc/c; true",
        ],
    );
    assert_steps(&found, &[("etc/a", (0, 0)), ("etc/b", (0, 0)), ("etc/c", (1, 0))]);
}

/// Writes to a file through a shared mapping: the kernel reads bytes of another one to there.
const MAPPED: &str = "perl -e 'open(my $f, \"+<\", \"/etc/mapped\") or die; \
    open(my $g, \"<\", \"/etc/greeting\") or die; my $a = syscall(9, 0, 4096, 3, 1, fileno($f), 0); \
    $a > 0 or die $!; syscall(0, fileno($g), $a, 5) == 5 or die $!'";

fn a_write_through_a_mapping_is_of_the_step_that_made_it() {
    if !cfg!(target_arch = "x86_64") {
        return;
    }
    let mut fixture = Fixture::new();
    fixture.file("etc/mapped", &"a".repeat(4096));
    let found =
        recorded(&mut fixture, &["cat /etc/mapped > /dev/null", MAPPED, "cat /etc/mapped > /dev/null"]);
    assert_eq!(found.get("etc/mapped").map(|steps| steps.0), Some(1), "{found:?}");
}

fn a_folder_that_was_moved_is_of_the_step_that_moved_it() {
    let mut fixture = Fixture::new();
    fixture.add("var/one", meta(0o755), NodeKind::dir());
    fixture.file("var/one/file", "1\n");
    fixture.file("var/two/file", "2\n");
    let found = recorded(&mut fixture, &["mv /var/one /var/moved", "mv /var/two /var/late", "true"]);
    assert_steps(
        &found,
        &[("var/moved/file", (0, 0)), ("var/late", (1, 1)), ("var/late/file", (1, 1)), ("var", (0, 0))],
    );
}

fn two_runs_record_the_same() {
    let scripts = ["echo 1 > /etc/a", "cat /bin/* > /dev/null; echo 2 > /etc/b", "chmod 600 /etc/a /etc/b"];
    let mut fixture = Fixture::new();
    let first = recorded(&mut fixture, &scripts);
    assert_eq!(first, recorded(&mut fixture, &scripts));
    assert_steps(&first, &[("etc/a", (0, 2)), ("etc/b", (1, 2))]);
    let steps = scripts.iter().map(|script| SandboxStep::shell("the script", *script)).collect();
    let still = SandboxJob { clock: SandboxClock::Still, ..SandboxJob::new(steps, EPOCH) };
    let with = fixture.run_job(&SandboxJob { record_steps: true, ..still.clone() }).unwrap();
    let without = fixture.run_job(&still).unwrap();
    assert!(without.steps.is_empty());
    assert_eq!(with.tree.lookup(b"etc/b").is_some(), without.tree.lookup(b"etc/b").is_some());
    let dump = amiforge_formats::dump::to_string;
    assert_eq!(dump(&with.tree), dump(&without.tree));
}

fn one_step_records_nothing() {
    let mut fixture = Fixture::new();
    assert!(recorded(&mut fixture, &["echo 1 > /etc/a"]).is_empty());
}
