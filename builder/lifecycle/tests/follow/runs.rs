//! Runs by seeds: a fleet, faults, a kill, another operator; then reruns without faults until one ends. After each run
//! nothing is touched that did not opt in; at the end the fleet follows, or is as it was.

use amiforge_lifecycle::api::groups::RefreshPreferences;
use amiforge_lifecycle::follow::{FollowError, FollowRequest};

use crate::cases::{request, run};
use crate::service::{Script, Services, mix};
use crate::world::{ARM, NEW, OLD, OTHER, PARAMETER, World, fixed, mixed};

/// The number of seeds.
const SEEDS: u64 = 2000;

/// A run as a seed makes it.
struct Case {
    world: World,
    request: FollowRequest,
    script: Script,
    /// Whether another operator acts.
    interfered: bool,
}

fn other_refresh(world: &mut World) {
    let free: Vec<_> = world.groups.keys().filter(|name| world.running(name).is_none()).cloned().collect();
    if let Some(name) = free.first() {
        let source = world.groups[name].source.clone();
        world.begin(name, Some(source), RefreshPreferences::default());
    }
}

fn other_default(world: &mut World) {
    let template = world.templates.get_mut("lt-b").unwrap();
    template.default = 1;
}

fn other_cancel(world: &mut World) {
    for group in world.groups.values_mut() {
        if let Some(refresh) = group.refreshes.last_mut()
            && refresh.status == "InProgress"
        {
            refresh.status = "Cancelling";
        }
    }
}

fn other_configuration(world: &mut World) {
    let running = world.running("a").is_some();
    let group = world.groups.get_mut("a").unwrap();
    if !running {
        group.source = fixed("lt-a", "1");
    }
}

fn case(seed: u64) -> Case {
    let random = |salt: u64| mix(seed.wrapping_mul(1000).wrapping_add(salt));
    let mut world = World { parameter: NEW.to_owned(), ..World::default() };
    for id in ["lt-a", "lt-b", "lt-c", "lt-d", "lt-x"] {
        world.add_template(id, &[OTHER, OLD], 2);
    }
    world.add_template("lt-arm", &[ARM], 1);
    let size = 2 + random(1) as usize % 4;
    world.add_group("a", fixed("lt-a", "2"), size);
    world.add_group("b", fixed("lt-b", "$Default"), size);
    world.add_group("c", fixed("lt-c", "$Latest"), size);
    world.add_group("d", mixed("lt-d", "2", OLD), size + 1);
    // These do not opt in; the first shares a template by a fixed version.
    world.add_group("x", fixed("lt-a", "1"), 2);
    world.add_group("y", fixed("lt-x", "$Latest"), 2);
    let chosen: Vec<_> = ["a", "b", "c", "d"]
        .into_iter()
        .enumerate()
        .filter(|(index, _)| random(2) >> index & 1 == 1)
        .map(|(_, name)| name)
        .collect();
    let chosen = if chosen.is_empty() { vec!["a"] } else { chosen };
    let mut request = request(&chosen);
    request.preferences.auto_rollback = random(3).is_multiple_of(3);
    request.preferences.skip_matching = random(4).is_multiple_of(2);
    if random(5).is_multiple_of(6) {
        request.target.parameter = Some(PARAMETER.to_owned());
    }
    if random(6).is_multiple_of(4) {
        world.bad.insert(NEW.to_owned());
    }
    world.hangs = random(7).is_multiple_of(16);
    let others = [other_refresh, other_default, other_cancel, other_configuration];
    let interfered = random(8).is_multiple_of(5);
    let other = others[random(9) as usize % others.len()];
    let script = Script {
        seed,
        one_in: [0, 0, 12, 5][random(10) as usize % 4],
        kill: random(11).is_multiple_of(2).then(|| (1 + random(12) % 60, random(13).is_multiple_of(2))),
        other: interfered.then_some((1 + random(14) % 40, other as crate::service::OtherStep)),
    };
    Case { world, request, script, interfered }
}

/// What must hold after every run.
fn check_always(seed: u64, before: &World, services: &Services, case: &Case) {
    services.world(|world| {
        for name in before.groups.keys().filter(|name| !case.request.selection.groups.contains(name)) {
            if !case.interfered {
                assert_eq!(world.groups[name], before.groups[name], "{seed}: {name} did not opt in");
            }
            let (now, then) = (&world.groups[name].source, &before.groups[name].source);
            assert!(case.interfered || now == then, "{seed}: {name}");
        }
        for id in ["lt-x", "lt-arm"] {
            assert_eq!(world.templates[id], before.templates[id], "{seed}: {id}");
        }
        for (id, template) in &world.templates {
            let exists = |number: u64| template.versions.iter().any(|version| version.number == number);
            assert!(exists(template.default), "{seed}: {id}");
            let mut made: Vec<_> =
                template.versions.iter().filter_map(|version| version.description.as_ref()).collect();
            let count = made.len();
            made.sort();
            made.dedup();
            assert_eq!(made.len(), count, "{seed}: {id} has a version twice");
        }
        for (name, group) in &world.groups {
            assert_eq!(group.instances.len(), before.groups[name].instances.len(), "{seed}: {name}");
            // Every next launch has a version and an image.
            world.launches(name);
        }
    });
}

/// The fleet follows.
fn check_followed(seed: u64, services: &Services, case: &Case) {
    services.world(|world| {
        for name in &case.request.selection.groups {
            assert!(world.running(name).is_none(), "{seed}: {name}");
            let fits = |image: &String| image == NEW || image == ARM;
            assert!(world.launches(name).iter().all(fits), "{seed}: {name} {:?}", world.launches(name));
            let instances = &world.groups[name].instances;
            assert!(instances.iter().all(|one| fits(&one.image)), "{seed}: {name} {instances:?}");
        }
        for (group, id) in [("a", "lt-a"), ("b", "lt-b"), ("c", "lt-c"), ("d", "lt-d")] {
            if case.request.selection.groups.iter().any(|name| name == group) && !case.interfered {
                let template = &world.templates[id];
                let default = template.versions.iter().find(|one| one.number == template.default).unwrap();
                assert_eq!(default.image, case.request.target.text(), "{seed}: the default of {id}");
            }
        }
    });
}

/// The fleet is as it was.
fn check_taken_back(seed: u64, before: &World, services: &Services, case: &Case) {
    services.world(|world| {
        for name in &case.request.selection.groups {
            assert!(world.running(name).is_none(), "{seed}: {name}");
            assert_eq!(world.launches(name), before.launches(name), "{seed}: {name}");
            assert_eq!(world.groups[name].source, before.groups[name].source, "{seed}: {name}");
            let images = |world: &World| {
                world.groups[name].instances.iter().map(|one| one.image.clone()).collect::<Vec<_>>()
            };
            assert_eq!(images(world), images(before), "{seed}: {name}");
        }
        for (id, template) in &before.templates {
            assert_eq!(world.templates[id].default, template.default, "{seed}: {id}");
        }
    });
}

#[test]
fn whatever_happens_the_fleet_follows_or_is_as_it_was() {
    let (mut followed, mut taken_back, mut killed, mut conflicts) = (0, 0, 0, 0);
    for seed in 0..SEEDS {
        let case = case(seed);
        let before = case.world.clone();
        let services = Services::new(case.world.clone());
        let mut result = run(&services, &case.request, case.script.clone());
        killed += u32::from(result.is_none());
        check_always(seed, &before, &services, &case);
        let mut reruns = 0;
        // Faults end; the same command is run again, as an operator would.
        while !matches!(&result, Some(Ok(_) | Err(FollowError::TakenBack { .. }))) {
            reruns += 1;
            if reruns > 6 {
                break;
            }
            // A refresh of another operator, or one that takes the fleet back, ends in this time.
            services.world(|world| world.advance(3600));
            result = run(&services, &case.request, Script::quiet());
            check_always(seed, &before, &services, &case);
        }
        match result {
            Some(Ok(_)) => {
                followed += 1;
                if case.interfered {
                    // The other operator may have come after a group was done: the next run sees it.
                    services.world(|world| world.advance(3600));
                    let again = run(&services, &case.request, Script::quiet()).unwrap();
                    assert!(again.is_ok(), "{seed}: {again:?}");
                }
                check_followed(seed, &services, &case);
                let is_bad = services.world(|world| world.bad.contains(NEW));
                assert!(!is_bad, "{seed}: a bad image cannot succeed");
            }
            Some(Err(FollowError::TakenBack { .. })) => {
                taken_back += 1;
                if !case.interfered {
                    check_taken_back(seed, &before, &services, &case);
                }
            }
            other => {
                conflicts += 1;
                assert!(case.interfered, "{seed}: {other:?}\n{:#?}", services.log());
            }
        }
    }
    eprintln!(
        "{SEEDS} seeds: {followed} followed, {taken_back} taken back, {killed} killed, {conflicts} conflicts"
    );
    assert!(followed > SEEDS / 4 && taken_back > SEEDS / 10 && u64::from(killed) > SEEDS / 5);
}
