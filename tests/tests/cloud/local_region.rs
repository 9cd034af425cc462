//! The local region with a client that others wrote: boto3, and its responses checked by botocore's service models.

use std::time::Duration;

use amiforge_emulator::{Quotas, RegionConfig, RegionServer, Windows};
use amiforge_tests::python;

/// Short windows of eventual consistency: what a real region reports late is reported late here, by enough to be seen
/// on a busy machine.
fn lagging() -> Windows {
    Windows {
        completion: Duration::from_millis(150),
        copy: Duration::from_secs(2),
        task: Duration::from_secs(2),
        ..Windows::default()
    }
}

/// Runs a script against a region of its own.
fn script(name: &str, modules: &[&str], windows: Windows, accounts: Option<&str>) {
    let change = |config: &mut RegionConfig| config.windows = windows;
    script_with(name, modules, accounts, change);
}

fn script_with(name: &str, modules: &[&str], accounts: Option<&str>, change: impl FnOnce(&mut RegionConfig)) {
    let Some(python) = python::with(modules) else { return };
    let folder = tempfile::tempdir().expect("a scratch folder");
    if let Some(accounts) = accounts {
        std::fs::write(folder.path().join("accounts.json"), accounts).expect("accounts.json");
    }
    let mut config = RegionConfig::new(folder.path());
    change(&mut config);
    let running = RegionServer::start(config).expect("the local region starts");
    let output = python::must(&python, &format!("local_region/{name}"), &[running.endpoint()]);
    assert_eq!(output.lines().last(), Some("OK"), "{name}: {output}");
}

/// Another account, with which resources are shared.
const OTHER: &str = r#"[{"account": "210987654321", "access_key_id": "AKIAOTHERACCOUNT0000", "secret_access_key": "other-secret"}]"#;

#[test]
fn boto3_runs_the_whole_life_of_an_ami() {
    script("life.py", &["boto3"], lagging(), None);
}

#[test]
fn every_answer_is_of_the_shape_that_the_service_models_say() {
    script("shapes.py", &["boto3"], lagging(), Some(OTHER));
}

#[test]
fn ebs_direct_keeps_to_the_limits_errors_and_keys_that_its_model_and_manual_say() {
    script("ebs.py", &["boto3"], Windows::default(), None);
}

#[test]
fn parameters_that_name_images_keep_to_the_rules_of_their_check_labels_versions_and_tiers() {
    let windows = Windows { task: Duration::from_millis(500), ..Windows::default() };
    script("channels.py", &["boto3"], windows, None);
}

#[test]
fn requests_that_aws_refuses_are_refused_with_the_same_code() {
    script("refusals.py", &["boto3"], Windows::default(), Some(OTHER));
}

#[test]
fn responses_lag_behind_effects_by_the_configured_windows() {
    let windows = Windows { describe_after_creation: Duration::from_secs(3), ..lagging() };
    script("eventually.py", &["boto3"], windows, None);
}

#[test]
fn an_account_that_exceeds_its_quota_is_throttled_with_each_services_error() {
    let quotas = Quotas { others: Some(5), ..Quotas::default() };
    script_with("throttled.py", &["boto3"], None, |config| config.quotas = quotas);
}

#[test]
fn objects_of_every_size_and_name_are_kept() {
    script("objects.py", &["boto3"], Windows::default(), Some(OTHER));
}

/// The names of regions in a text.
fn regions(text: &str) -> impl Iterator<Item = &str> {
    let plain = |c: char| !(c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    text.split(plain).filter(|word| {
        let digit = word.rsplit_once('-').filter(|(_, end)| end.parse::<u8>().is_ok());
        digit.is_some_and(|(start, _)| {
            start == "local"
                || ["east", "west", "north", "south", "central"].iter().any(|end| start.ends_with(end))
        })
    })
}

#[test]
fn every_region_that_the_documents_and_the_help_name_is_one() {
    let Some(python) = python::with(&["boto3"]) else { return };
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let read = |path: &std::path::Path| std::fs::read_to_string(path).expect("a document");
    let mut texts = vec![read(&root.join("README.md"))];
    // `cli.md` has the help of every command.
    for entry in std::fs::read_dir(root.join("docs")).expect("docs") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|end| end == "md") {
            texts.push(read(&path));
        }
    }
    let mut named: Vec<_> = texts.iter().flat_map(|text| regions(text)).map(str::to_owned).collect();
    named.sort();
    named.dedup();
    assert!(
        ["local-2", "eu-west-1", "us-east-1"].iter().all(|name| named.iter().any(|one| one == name)),
        "{named:?}"
    );
    let folder = tempfile::tempdir().expect("a scratch folder");
    let running = RegionServer::start(RegionConfig::new(folder.path())).expect("the local region starts");
    let args: Vec<_> = std::iter::once(running.endpoint()).chain(named).collect();
    let output = python::must(&python, "local_region/regions.py", &args);
    assert_eq!(output.lines().last(), Some("OK"), "{output}");
}

/// Amazon, a seller of the Marketplace, and another account.
const OWNERS: &str = r#"[
    {"account": "137112412989", "alias": "amazon", "access_key_id": "AKIAAMAZON0000000000", "secret_access_key": "amazon-secret"},
    {"account": "679593333241", "alias": "aws-marketplace", "access_key_id": "AKIASELLER0000000000", "secret_access_key": "seller-secret"},
    {"account": "210987654321", "access_key_id": "AKIAOTHERACCOUNT0000", "secret_access_key": "other-secret"}]"#;

#[test]
fn owners_with_an_alias_have_public_images_and_parameters_that_others_read_and_no_more() {
    script("owners.py", &["boto3"], Windows::default(), Some(OWNERS));
}

/// Two users with policies.
const USERS: &str = r#"[
    {"account": "123456789012", "access_key_id": "AKIAREADER0000000000", "secret_access_key": "reader-secret",
     "policy": {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": ["ec2:Describe*", "s3:GetObject"], "Resource": "*"},
        {"Effect": "Deny", "Action": "ec2:DescribeLaunchTemplates", "Resource": "*"}]}},
    {"account": "123456789012", "access_key_id": "AKIAREMOVER000000000", "secret_access_key": "remover-secret",
     "policy": {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "ec2:DeregisterImage", "Resource": "arn:aws:ec2:*::image/*"}]}}]"#;

#[test]
fn what_a_policy_does_not_allow_is_refused_in_the_form_of_each_service() {
    script("policies.py", &["boto3"], Windows::default(), Some(USERS));
}
