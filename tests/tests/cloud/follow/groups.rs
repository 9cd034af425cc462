//! Groups of every kind follow.

use serde_json::json;

use super::fixture::{FleetFixture, at, images, status};

#[test]
fn a_group_of_ten_follows_and_is_read_back() {
    let Some(fixture) = FleetFixture::new(&at("1")) else { return };
    let [old, new] = &fixture.images;
    let before = fixture.read();
    assert_eq!(images(&before, "web"), std::slice::from_ref(old));
    let report = fixture.must(&[new, "--groups", "web", "--min-healthy", "50", "--warmup", "0"]);
    assert_eq!(report["groups"][0]["outcome"], "followed");
    assert_eq!(
        (&report["templates"][0]["source"], &report["templates"][0]["version"]),
        (&json!(1), &json!(2))
    );
    let after = fixture.read();
    assert_eq!(images(&after, "web"), std::slice::from_ref(new));
    assert_eq!(after["groups"]["web"]["Images"].as_array().unwrap().len(), 10);
    assert_eq!(status(&after, "web"), "Successful");
    assert_eq!(after["groups"]["web"]["LaunchTemplate"]["Version"], "2");
    assert_eq!(after["templates"]["web"]["DefaultVersionNumber"], 2);
    let refresh = &after["groups"]["web"]["Refreshes"][0];
    assert_eq!(refresh["Preferences"]["MinHealthyPercentage"], 50);
    assert_eq!(refresh["DesiredConfiguration"]["LaunchTemplate"]["Version"], "2");
    // Everything but the image is as before.
    let versions = after["templates"]["web"]["Versions"].as_array().unwrap();
    assert_eq!(versions[0]["LaunchTemplateData"]["UserData"], versions[1]["LaunchTemplateData"]["UserData"]);
    assert!(after["launched"][new].is_string() && before["launched"][new].is_null(), "{}", after["launched"]);
    let again = fixture.must(&[new, "--groups", "web"]);
    assert_eq!(again["groups"][0]["outcome"], "already");
    assert_eq!(fixture.region.successes("StartInstanceRefresh"), 1);
}

#[test]
fn selectors_stay_and_channels_are_parameters() {
    for version in ["$Default", "$Latest"] {
        let tags = json!({ "amiforge:follow": "web/stable" });
        let specification =
            json!({ "version": version, "size": 4, "tags": tags, "parameter": "/amiforge/web/stable" });
        let Some(fixture) = FleetFixture::new(&specification) else { return };
        let (out, _) = fixture.ends(3, &["--status", "--json"]);
        let status: serde_json::Value = serde_json::from_str(&out).unwrap();
        assert_eq!(status["groups"][0]["drift"], true, "{out}");
        assert_eq!(status["groups"][0]["expected"], *fixture.images[1]);
        fixture.must(&["--channel", "web/stable", "--warmup", "0"]);
        let after = fixture.read();
        assert_eq!(images(&after, "web"), [fixture.images[1].clone()]);
        assert_eq!(after["groups"]["web"]["LaunchTemplate"]["Version"], version);
        let (text, _) = fixture.ends(0, &["--status"]);
        assert!(text.starts_with(&format!("web web/stable: follows {}", fixture.images[1])), "{text}");
    }
}

#[test]
fn templates_refer_to_the_parameter_of_the_channel() {
    let specification = json!({ "version": "$Default", "size": 3, "parameter": "/amiforge/web/stable" });
    let Some(fixture) = FleetFixture::new(&specification) else { return };
    let args = ["--channel", "web/stable", "--groups", "web", "--resolve-ssm", "--warmup", "0"];
    fixture.must(&args);
    let after = fixture.read();
    assert_eq!(images(&after, "web"), [fixture.images[1].clone()]);
    let newest = &after["templates"]["web"]["Versions"][0]["LaunchTemplateData"]["ImageId"];
    assert_eq!(newest, "resolve:ssm:/amiforge/web/stable");
    let put = json!({ "Name": "/amiforge/web/stable", "Value": fixture.images[0], "Overwrite": true });
    fixture.call("ssm", "put_parameter", &put);
    fixture.must(&args);
    let back = fixture.read();
    assert_eq!(images(&back, "web"), [fixture.images[0].clone()]);
    assert_eq!(back["templates"]["web"]["Versions"].as_array().unwrap().len(), 2);
}

#[test]
fn a_mixed_policy_keeps_everything_that_does_not_follow() {
    let Some(fixture) = FleetFixture::new(&json!({ "mixed": true, "size": 8 })) else { return };
    let [old, new] = &fixture.images;
    let policy = |fleet: &serde_json::Value| fleet["groups"]["web"]["MixedInstancesPolicy"].clone();
    let before = policy(&fixture.read());
    let report = fixture.must(&[new, "--groups", "web", "--warmup", "0"]);
    let after = fixture.read();
    assert_eq!(status(&after, "web"), "Successful");
    // The version and the image, each in its place, are all that changed.
    let mut expected = before;
    let launch = &mut expected["LaunchTemplate"];
    launch["LaunchTemplateSpecification"]["Version"] = json!("2");
    launch["Overrides"][2]["ImageId"] = json!(new);
    assert_eq!(policy(&after), expected);
    let arm = report["kept"][0]["types"].as_str().unwrap();
    assert_eq!(arm, "m6g.large (arm64)");
    assert!(!images(&after, "web").contains(old), "{:?}", images(&after, "web"));
    assert_eq!(images(&after, "web").len(), 2, "the image, and that of the other architecture");
}

#[test]
fn nothing_is_touched_that_does_not_opt_in() {
    let specification = json!({ "groups": ["web", "other"], "version": "$Default", "size": 2 });
    let Some(fixture) = FleetFixture::new(&specification) else { return };
    let new = &fixture.images[1];
    let before = fixture.read();
    let (_, err) = fixture.ends(1, &[new, "--groups", "web"]);
    assert!(
        err.contains("`other` uses version `$Default`") && err.contains("hint: let that group opt in"),
        "{err}"
    );
    assert_eq!(fixture.read(), before);
    let (_, err) = fixture.ends(1, &[new, "--tag", "amiforge:follow=web/stable"]);
    assert!(err.contains("no group and no launch template opts in"), "{err}");
    fixture.must(&[new, "--groups", "web,other", "--warmup", "0"]);
    let (_, err) = fixture.ends(2, &[new]);
    assert!(err.contains("no group or launch template opts in"), "{err}");
    let (_, err) = fixture.ends(2, &["ami-x", "--groups", "web"]);
    assert!(err.contains("`ami-x` is not the id of an AMI"), "{err}");
}

#[test]
fn a_dry_run_changes_nothing_and_its_policy_is_what_the_calls_need() {
    for version in ["1", "$Default"] {
        let specification = json!({ "version": version, "size": 2, "parameter": "/amiforge/web/stable" });
        let Some(fixture) = FleetFixture::new(&specification) else { return };
        let args = ["--channel", "web/stable", "--groups", "web", "--warmup", "0"];
        let before = fixture.read();
        let dry: Vec<_> = args.iter().copied().chain(["--dry-run"]).collect();
        let plan = fixture.must(&dry);
        assert_eq!(fixture.read(), before);
        let statements = plan["policy"]["Statement"].as_array().unwrap();
        let allowed: std::collections::BTreeSet<String> = statements
            .iter()
            .flat_map(|one| one["Action"].as_array().unwrap())
            .map(|action| action.as_str().unwrap().split(':').next_back().unwrap().to_owned())
            .collect();
        let seen = fixture.region.request_log.requests().len();
        fixture.must(&args);
        let made: std::collections::BTreeSet<String> = fixture.region.request_log.requests()[seen..]
            .iter()
            .map(|request| request.action.clone())
            .collect();
        assert!(made.is_subset(&allowed), "{version}: not allowed: {:?}", made.difference(&allowed));
        // Made only where a refresh fails, or asked for by Auto Scaling.
        let rare = ["CancelInstanceRefresh", "RollbackInstanceRefresh", "RunInstances"];
        let idle: Vec<_> =
            allowed.difference(&made).filter(|action| !rare.contains(&action.as_str())).collect();
        assert!(idle.is_empty(), "{version}: allowed and not made: {idle:?}");
    }
}

#[test]
fn an_image_that_cannot_be_launched_is_refused_before_anything_changes() {
    let Some(fixture) = FleetFixture::new(&json!({ "size": 1, "mixed": true })) else { return };
    let new = &fixture.images[1];
    fixture.call("ec2", "disable_image", &json!({ "ImageId": new }));
    let (_, err) = fixture.ends(1, &[new, "--groups", "web"]);
    assert!(err.contains(&format!("{new} is `disabled`")), "{err}");
    let (_, err) = fixture.ends(1, &["ami-0000000000000000f", "--groups", "web"]);
    assert!(err.contains("there is no image"), "{err}");
    let (_, err) = fixture.ends(1, &[&fixture.images[0], "--groups", "none"]);
    assert!(err.contains("there is no group `none`"), "{err}");
}
