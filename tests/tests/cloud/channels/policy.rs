//! The IAM policy that a dry run prints allows exactly the calls that the command makes.

use std::collections::BTreeSet;

use super::fixture::ChannelFixture;

fn allowed(fixture: &ChannelFixture, args: &[&str]) -> BTreeSet<String> {
    let plan = fixture.must(&[args, &["--dry-run"]].concat());
    let statements = plan["policy"]["Statement"].as_array().unwrap().clone();
    let actions = statements.iter().flat_map(|one| one["Action"].as_array().unwrap().clone());
    actions.map(|action| action.as_str().unwrap().split(':').next_back().unwrap().to_owned()).collect()
}

#[test]
fn a_policy_is_what_the_calls_need() {
    let Some(fixture) = ChannelFixture::new() else { return };
    let promotion = fixture.promotion(1);
    let promotion: Vec<_> = promotion.iter().map(String::as_str).collect();
    let second = fixture.promotion(2);
    let second: Vec<_> = second.iter().map(String::as_str).collect();
    fixture.act("local", &["share", &fixture.images[0][0]]);
    let shared = [&promotion[..], &["--regions", "local", "--shared-with", "111122223333"]].concat();
    let back = vec!["rollback", "--channel", "stable", "--name", "web"];
    for args in [shared, promotion, second, back] {
        let allowed = allowed(&fixture, &args);
        fixture.ami.region.request_log.clear();
        fixture.must(&args);
        let log = fixture.ami.region.request_log.requests();
        let made: BTreeSet<String> = log.into_iter().map(|seen| seen.action).collect();
        let forbidden: Vec<_> = made.difference(&allowed).collect();
        assert!(forbidden.is_empty(), "{args:?}: these calls are made and not allowed: {forbidden:?}");
        let rare = ["DeleteParameter", "UnlabelParameterVersion"];
        let idle: Vec<_> =
            allowed.difference(&made).filter(|action| !rare.contains(&action.as_str())).collect();
        assert!(idle.is_empty(), "{args:?}: these calls are allowed and not made: {idle:?}");
    }
}

#[test]
fn a_dry_run_makes_no_call_and_names_the_resources() {
    let Some(fixture) = ChannelFixture::new() else { return };
    fixture.ami.region.request_log.clear();
    let image = &fixture.images[0][0];
    let plan = fixture.must(&["promote", image, "--channel", "stable", "--dry-run"]);
    assert!(fixture.ami.region.request_log.requests().is_empty());
    let text = plan["policy"].to_string();
    assert!(text.contains("arn:aws:ssm:local:*:parameter/amiforge/*/stable"), "{text}");
    let promotion = fixture.promotion(1);
    let promotion: Vec<_> = promotion.iter().map(String::as_str).collect();
    let plan = fixture.must(&[&promotion[..], &["--dry-run"]].concat());
    assert_eq!(plan["regions"], serde_json::json!(["local", "local-2", "local-3"]));
    assert_eq!(plan["parameters"], serde_json::json!(["/amiforge/web/stable"]));
}
