//! One situation after the other: what each kind of group needs, what is refused, and what is taken back.

use std::sync::Arc;
use std::time::Duration;

use amiforge_lifecycle::api::groups::RefreshPreferences;
use amiforge_lifecycle::follow::{
    Conflict, FollowError, FollowRegion, FollowRequest, Following, GroupOutcome, ImageTarget, Mismatch,
    Selection, TagChoice, WaitPolicy, follow, preview,
};
use amiforge_progress::Monitor;
use amiforge_publish::timer::Timer;

use crate::service::{Script, Services, WorldClock};
use crate::world::{ARM, NEW, OLD, OTHER, PARAMETER, World, fixed, mixed};

pub(crate) fn request(groups: &[&str]) -> FollowRequest {
    FollowRequest {
        target: ImageTarget { image: NEW.to_owned(), parameter: None },
        selection: Selection {
            groups: groups.iter().map(|name| (*name).to_owned()).collect(),
            ..Selection::default()
        },
        preferences: RefreshPreferences::default(),
        wait: WaitPolicy::UntilDone { stall: Duration::from_mins(30) },
    }
}

/// A run of a request with a script; `None` if the process was killed.
pub(crate) fn run(
    services: &Services,
    request: &FollowRequest,
    script: Script,
) -> Option<Result<Following, FollowError>> {
    let timer = Timer::new(Arc::new(WorldClock(services.clone())), script.seed);
    let region = FollowRegion {
        name: "eu-west-1",
        groups: services,
        templates: services,
        timer: &timer,
        monitor: Monitor::none(),
    };
    services.run(script, follow(&region, request))
}

fn must(services: &Services, request: &FollowRequest) -> Following {
    run(services, request, Script::quiet()).unwrap().unwrap()
}

fn fails(services: &Services, request: &FollowRequest) -> FollowError {
    run(services, request, Script::quiet()).unwrap().unwrap_err()
}

/// A world with a template of three versions, of which 2 is the default.
fn world(source: amiforge_lifecycle::api::groups::LaunchSource) -> World {
    let mut world = World { parameter: NEW.to_owned(), ..World::default() };
    world.add_template("lt-web", &["ami-00000009", OLD, OLD], 2);
    world.add_template("lt-arm", &[ARM], 1);
    world.add_group("web", source, 6);
    world
}

fn images(services: &Services) -> Vec<String> {
    services.world(|world| world.groups["web"].instances.iter().map(|one| one.image.clone()).collect())
}

#[test]
fn a_group_with_a_fixed_version_gets_another_one_when_its_refresh_has_succeeded() {
    let services = Services::new(world(fixed("lt-web", "2")));
    let following = must(&services, &request(&["web"]));
    assert_eq!(following.templates[0].version, 4);
    assert!(following.templates[0].is_default, "the default was the version of the group");
    services.world(|world| {
        assert_eq!(world.groups["web"].source, fixed("lt-web", "4"));
        assert!(world.groups["web"].refreshes[0].desired.is_some());
        assert_eq!(world.templates["lt-web"].default, 4);
    });
    assert_eq!(images(&services), [NEW; 6]);
    let again = must(&services, &request(&["web"]));
    assert_eq!(again.groups[0].outcome, GroupOutcome::Already);
    services.world(|world| assert_eq!(world.templates["lt-web"].versions.len(), 4));
}

#[test]
fn a_default_that_the_group_does_not_use_stays() {
    let services = Services::new(world(fixed("lt-web", "3")));
    must(&services, &request(&["web"]));
    services.world(|world| assert_eq!(world.templates["lt-web"].default, 2));
}

#[test]
fn a_group_at_the_default_keeps_its_selector_and_its_refresh_has_no_configuration() {
    let services = Services::new(world(fixed("lt-web", "$Default")));
    must(&services, &request(&["web"]));
    services.world(|world| {
        assert_eq!(world.groups["web"].source, fixed("lt-web", "$Default"));
        assert_eq!(world.groups["web"].refreshes[0].desired, None);
        assert_eq!(world.templates["lt-web"].default, 4);
    });
    assert_eq!(images(&services), [NEW; 6]);
}

#[test]
fn a_group_at_the_latest_version_is_refreshed_too() {
    let services = Services::new(world(fixed("lt-web", "$Latest")));
    must(&services, &request(&["web"]));
    assert_eq!(images(&services), [NEW; 6]);
    services
        .world(|world| assert_eq!(world.templates["lt-web"].default, 2, "no group here launches from it"));
}

#[test]
fn a_mixed_policy_changes_where_it_can_and_keeps_the_rest() {
    let services = Services::new(world(mixed("lt-web", "2", OLD)));
    let following = must(&services, &request(&["web"]));
    assert_eq!(images(&services), [NEW, ARM, NEW, NEW, ARM, NEW]);
    assert_eq!(following.kept[0].what, "lt-arm");
    services.world(|world| {
        assert_eq!(world.groups["web"].source, mixed("lt-web", "4", NEW));
        assert_eq!(world.templates["lt-arm"].versions.len(), 1);
    });
}

#[test]
fn templates_refer_to_the_parameter_if_they_are_asked_to() {
    let services = Services::new(world(fixed("lt-web", "$Default")));
    let mut resolving = request(&["web"]);
    resolving.target.parameter = Some(PARAMETER.to_owned());
    must(&services, &resolving);
    assert_eq!(images(&services), [NEW; 6]);
    services.world(|world| {
        assert_eq!(world.templates["lt-web"].versions[3].image, format!("resolve:ssm:{PARAMETER}"));
        world.parameter = OTHER.to_owned();
    });
    resolving.target.image = OTHER.to_owned();
    must(&services, &resolving);
    assert_eq!(images(&services), [OTHER; 6]);
    services.world(|world| assert_eq!(world.templates["lt-web"].versions.len(), 4, "no further version"));
}

#[test]
fn a_tag_opts_in_and_nothing_else_is_touched() {
    let mut start = world(fixed("lt-web", "$Default"));
    start.add_group("other", fixed("lt-web", "3"), 2);
    start.groups.get_mut("web").unwrap().tags.insert("amiforge:follow".to_owned(), "web/stable".to_owned());
    let before = start.groups["other"].clone();
    let services = Services::new(start);
    let mut tagged = request(&[]);
    let tag = TagChoice { key: "amiforge:follow".to_owned(), value: Some("web/stable".to_owned()) };
    tagged.selection.tag = Some(tag);
    must(&services, &tagged);
    services.world(|world| assert_eq!(world.groups["other"], before));
    tagged.selection.tag.as_mut().unwrap().value = Some("web/beta".to_owned());
    assert!(matches!(fails(&services, &tagged), FollowError::NoFollower { .. }));
}

#[test]
fn a_template_follows_without_a_group() {
    let services = Services::new(world(fixed("lt-arm", "1")));
    let mut alone = request(&[]);
    alone.selection.templates = vec!["lt-web".to_owned()];
    let following = must(&services, &alone);
    assert_eq!((following.templates[0].source, following.templates[0].version), (2, 4));
    services.world(|world| assert_eq!(world.templates["lt-web"].default, 4));
}

#[test]
fn what_would_change_a_group_that_does_not_opt_in_is_refused() {
    for (selector, of_web) in [("$Default", "$Default"), ("$Latest", "2")] {
        let mut start = world(fixed("lt-web", of_web));
        start.add_group("other", fixed("lt-web", selector), 1);
        let before = start.templates.clone();
        let services = Services::new(start);
        let error = fails(&services, &request(&["web"]));
        assert!(
            matches!(&error, FollowError::Conflict(Conflict::Bystander { other, .. }) if other == "other"),
            "{error}"
        );
        services.world(|world| assert_eq!(world.templates, before));
    }
    let mut start = world(fixed("lt-web", "$Latest"));
    start.add_group("fixed", fixed("lt-web", "2"), 1);
    let error = fails(&Services::new(start), &request(&["web", "fixed"]));
    assert!(matches!(error, FollowError::Conflict(Conflict::Latest { .. })), "{error}");
}

#[test]
fn a_group_of_another_architecture_is_refused() {
    let services = Services::new(world(fixed("lt-arm", "1")));
    let error = fails(&services, &request(&["web"]));
    assert!(matches!(error, FollowError::Mismatch(Mismatch::Architecture { .. })), "{error}");
    assert!(services.log().iter().all(|call| call.starts_with("Describe")), "{:?}", services.log());
}

#[test]
fn another_refresh_is_a_conflict_and_the_same_one_is_joined() {
    let services = Services::new(world(fixed("lt-web", "2")));
    services.world(|world| {
        world.begin("web", Some(fixed("lt-web", "3")), RefreshPreferences::default());
    });
    let error = fails(&services, &request(&["web"]));
    assert!(matches!(error, FollowError::Conflict(Conflict::Refresh { .. })), "{error}");
    services.world(|world| assert_eq!(world.templates["lt-web"].versions.len(), 3));
    services.world(|world| world.advance(1000));
    services.world(|world| world.groups.get_mut("web").unwrap().source = fixed("lt-web", "2"));
    let mut no_wait = request(&["web"]);
    no_wait.wait = WaitPolicy::Start;
    let first = must(&services, &no_wait);
    assert_eq!(first.groups[0].outcome, GroupOutcome::Started);
    services
        .world(|world| assert_eq!(world.templates["lt-web"].default, 2, "set when the refresh has ended"));
    let second = must(&services, &request(&["web"]));
    assert_eq!(first.groups[0].refresh, second.groups[0].refresh);
    services.world(|world| assert_eq!(world.templates["lt-web"].default, 4));
}

#[test]
fn a_bad_image_is_taken_back_from_every_kind_of_group() {
    for auto_rollback in [false, true] {
        for source in [
            fixed("lt-web", "2"),
            fixed("lt-web", "$Default"),
            fixed("lt-web", "$Latest"),
            mixed("lt-web", "2", OLD),
        ] {
            let mut start = world(source.clone());
            start.bad.insert(NEW.to_owned());
            let before = (start.launches("web"), start.templates["lt-web"].default);
            let services = Services::new(start);
            let mut given = request(&["web"]);
            given.preferences.auto_rollback = auto_rollback;
            let error = fails(&services, &given);
            assert!(matches!(error, FollowError::TakenBack { .. }), "{source:?}: {error}");
            assert!(!images(&services).contains(&NEW.to_owned()), "{source:?}");
            services.world(|world| {
                assert_eq!((world.launches("web"), world.templates["lt-web"].default), before, "{source:?}");
                assert_eq!(world.groups["web"].source, source);
                assert!(world.running("web").is_none());
            });
        }
    }
}

#[test]
fn a_group_that_succeeded_before_another_one_failed_is_taken_back_too() {
    let mut start = world(fixed("lt-web", "2"));
    start.add_template("lt-late", &[OLD], 1);
    start.add_group("late", fixed("lt-late", "1"), 3);
    let services = Services::new(start);
    // The image is bad only for the second group: it turns bad when that one begins.
    let turn_bad = |world: &mut World| {
        world.bad.insert(NEW.to_owned());
    };
    let first = must(&Services::new(services.world(|world| world.clone())), &request(&["web"]));
    assert_eq!(first.groups.len(), 1);
    let mut calls = 0;
    let error = loop {
        calls += 1;
        let copy = Services::new(services.world(|world| world.clone()));
        let script = Script { other: Some((calls, turn_bad)), ..Script::quiet() };
        let result = run(&copy, &request(&["web", "late"]), script).unwrap();
        let started = copy.log().iter().position(|call| call == "StartInstanceRefresh late");
        if started.is_some_and(|at| at as u64 + 1 == calls) {
            copy.world(|world| {
                assert_eq!(world.groups["web"].source, fixed("lt-web", "2"));
                assert!(world.groups["web"].instances.iter().all(|one| one.image == OLD));
            });
            break result.unwrap_err();
        }
    };
    assert!(matches!(&error, FollowError::TakenBack { group, .. } if group == "late"), "{error}");
}

#[test]
fn a_refresh_that_hangs_is_taken_back_after_the_limit_and_says_so() {
    let mut start = world(fixed("lt-web", "2"));
    start.hangs = true;
    let services = Services::new(start);
    let error = fails(&services, &request(&["web"]));
    let text = error.to_string();
    assert!(
        text.contains("made no progress for 30 minutes: it is `InProgress` at 0 % with 6 instances left"),
        "{text}"
    );
    assert!(matches!(error, FollowError::TakenBack { .. }), "{text}");
    assert_eq!(images(&services), [OLD; 6]);
}

#[test]
fn a_refresh_that_another_operator_cancels_is_left_to_them() {
    let services = Services::new(world(fixed("lt-web", "2")));
    let cancel = |world: &mut World| {
        if world.running("web").is_some() {
            world.groups.get_mut("web").unwrap().refreshes.last_mut().unwrap().status = "Cancelling";
        }
    };
    let calls = {
        let copy = Services::new(services.world(|world| world.clone()));
        must(&copy, &request(&["web"]));
        copy.calls()
    };
    let script = Script { other: Some((calls - 8, cancel)), ..Script::quiet() };
    let error = run(&services, &request(&["web"]), script).unwrap().unwrap_err();
    assert!(matches!(error, FollowError::Cancelled { .. }), "{error}");
    let mut rest = request(&["web"]);
    rest.preferences.skip_matching = true;
    must(&services, &rest);
    assert_eq!(images(&services), [NEW; 6]);
}

#[test]
fn a_preview_changes_nothing_and_says_what_would_change() {
    let start = world(mixed("lt-web", "2", OLD));
    let services = Services::new(start.clone());
    let timer = Timer::new(Arc::new(WorldClock(services.clone())), 1);
    let region = FollowRegion {
        name: "eu-west-1",
        groups: &services,
        templates: &services,
        timer: &timer,
        monitor: Monitor::none(),
    };
    let given = request(&["web"]);
    let plan = services.run(Script::quiet(), preview(&region, &given)).unwrap().unwrap();
    assert_eq!((plan.versions[0].source, plan.groups[0].outdated, plan.kept.len()), (2, 4, 1));
    services.world(|world| assert_eq!((&world.templates, &world.groups), (&start.templates, &start.groups)));
    let calls = amiforge_lifecycle::follow::calls(&plan, &given, "eu-west-1", None);
    let policy = amiforge_lifecycle::call_plan::policy(&calls).to_string();
    for part in ["ec2:CreateLaunchTemplateVersion", "launch-template/lt-web", "autoScalingGroupName/web"] {
        assert!(policy.contains(part), "{part}: {policy}");
    }
    assert!(!policy.contains("lt-arm"), "{policy}");
}
