//! What libsolv prefers among several answers, case by case, with the answer that it gives; dnf confirms each where it is installed.

use std::path::Path;

use amiforge_packages::rpm::resolve::{RequestedRpm, RpmRequest, RpmUniverse};

use crate::{oracle, request, small};

/// What is asked for, of which packages, and what is chosen.
struct Case {
    what: &'static str,
    names: &'static str,
    lines: &'static str,
    chosen: &'static str,
}

const fn case(what: &'static str, names: &'static str, lines: &'static str, chosen: &'static str) -> Case {
    Case { what, names, lines, chosen }
}

const CASES: &[Case] = &[
    case(
        "of several that provide it, the first by name",
        "app",
        "zeta 1-1 noarch; Provides: virt\napp 1-1 noarch; Requires: virt\nmid-dle 1-1 noarch; Provides: virt\nalpha 1-1 noarch; Provides: virt",
        "alpha app",
    ),
    case(
        "whatever their order in the repository",
        "app",
        "alpha 1-1 noarch; Provides: virt\nmid-dle 1-1 noarch; Provides: virt\napp 1-1 noarch; Requires: virt\nzeta 1-1 noarch; Provides: virt",
        "alpha app",
    ),
    case(
        "whatever their order in a relation",
        "app",
        "zeta 1-1 noarch\nalpha 1-1 noarch\napp 1-1 noarch; Requires: (zeta or alpha)",
        "alpha app",
    ),
    case(
        "a recommended one first",
        "app",
        "aa-r 1-1 noarch; Provides: virt\nzz-r 1-1 noarch; Provides: virt\napp 1-1 noarch; Requires: virt; Recommends: zz-r",
        "app zz-r",
    ),
    case(
        "a suggested one first",
        "app",
        "aa-r 1-1 noarch; Provides: virt\nzz-r 1-1 noarch; Provides: virt\napp 1-1 noarch; Requires: virt; Suggests: zz-r",
        "app zz-r",
    ),
    case(
        "one that supplements what is there first",
        "app",
        "aa-r 1-1 noarch; Provides: virt\nzz-r 1-1 noarch; Provides: virt; Supplements: app\napp 1-1 noarch; Requires: virt",
        "app zz-r",
    ),
    case(
        "one that enhances what is there first",
        "app",
        "aa-r 1-1 noarch; Provides: virt\nzz-r 1-1 noarch; Provides: virt; Enhances: app\napp 1-1 noarch; Requires: virt",
        "app zz-r",
    ),
    case(
        "one that needs more is not avoided",
        "app",
        "big 1-1 noarch; Provides: virt; Requires: dep1\nbigg 1-1 noarch; Provides: virt\ndep1 1-1 noarch\napp 1-1 noarch; Requires: virt",
        "app big dep1",
    ),
    case(
        "one that is requested besides is enough",
        "app zeta",
        "alpha 1-1 noarch; Provides: virt\nzeta 1-1 noarch; Provides: virt\napp 1-1 noarch; Requires: virt",
        "app zeta",
    ),
    case(
        "the package of that name before what provides it",
        "curl",
        "curl-minimal 1-1 x86_64; Provides: curl = 1-1; Conflicts: curl\ncurl 1-1 x86_64; Conflicts: curl-minimal",
        "curl",
    ),
    case(
        "noarch beside the own architecture",
        "app",
        "xa 1-1 x86_64; Provides: virt\nna 1-1 noarch; Provides: virt\napp 1-1 noarch; Requires: virt",
        "app na",
    ),
    case(
        "the higher version of what both provide",
        "app",
        "aa 1-1 noarch; Provides: virt, vv = 1\nzz 1-1 noarch; Provides: virt, vv = 9\napp 1-1 noarch; Requires: virt",
        "app zz",
    ),
    case(
        "digests are no versions",
        "app",
        "aa 1-1 noarch; Provides: virt, vv = abc1\nzz 1-1 noarch; Provides: virt, vv = fff9\napp 1-1 noarch; Requires: virt",
        "aa app",
    ),
    case(
        "one that takes the place of another",
        "app",
        "aa 1-1 noarch; Provides: virt\nzz 1-1 noarch; Provides: virt; Obsoletes: aa\napp 1-1 noarch; Requires: virt",
        "app zz",
    ),
    case(
        "what takes the place of a requested one",
        "oldname",
        "oldname 1-1 noarch\nnewname 1-1 noarch; Obsoletes: oldname < 2",
        "newname",
    ),
    case(
        "one of which there is a newer version last",
        "app",
        "aa 1-1 noarch; Provides: virt\naa 2-1 noarch\nzz 1-1 noarch; Provides: virt\napp 1-1 noarch; Requires: virt",
        "app zz",
    ),
    case(
        "one that came later anyway instead of a choice",
        "app",
        "aa 1-1 noarch; Provides: virt\nzz 1-1 noarch; Provides: virt\nmm 1-1 noarch; Requires: (zz or qq), (zz or rr)\nqq 1-1 noarch; Conflicts: rr\nrr 1-1 noarch\napp 1-1 noarch; Requires: virt, mm",
        "app mm zz",
    ),
    case(
        "a conflict leaves the other",
        "app",
        "aa 1-1 noarch; Provides: virt; Conflicts: app\nzz 1-1 noarch; Provides: virt\napp 1-1 noarch; Requires: virt",
        "app zz",
    ),
    case(
        "a choice that ends in a contradiction is taken back",
        "app",
        "aa 1-1 noarch; Provides: virt; Requires: bb, cc\nbb 1-1 noarch; Conflicts: cc\ncc 1-1 noarch\nzz 1-1 noarch; Provides: virt\napp 1-1 noarch; Requires: virt",
        "app zz",
    ),
    case(
        "conditions: either side of `else` will do",
        "app",
        "app 1-1 noarch; Requires: (aa if bb), (cc if dd else ee), bb\naa 1-1 noarch\nbb 1-1 noarch\ncc 1-1 noarch\ndd 1-1 noarch\nee 1-1 noarch",
        "aa app bb cc dd",
    ),
    case(
        "one package that provides both, or one of them only",
        "app",
        "app 1-1 noarch; Requires: (vv >= 2 with vv < 3), (ww without xx)\na1 1-1 noarch; Provides: vv = 1, ww, xx\na2 1-1 noarch; Provides: vv = 2, ww, xx\na4 1-1 noarch; Provides: vv = 4, ww",
        "a2 a4 app",
    ),
    case(
        "recommendations of recommendations; what cannot come is left",
        "app",
        "app 1-1 noarch; Recommends: aa, bb, nowhere\naa 1-1 noarch; Recommends: cc\nbb 1-1 noarch; Requires: nothing\ncc 1-1 noarch\nss 1-1 noarch; Supplements: (app and cc)",
        "aa app cc ss",
    ),
    case(
        "versions and epochs",
        "app",
        "app 1-1 noarch; Requires: lib >= 1:1, lib < 2:0\nlib 9-1 noarch\nlib 1:1-1 noarch\nlib 2:0-1 noarch\nlib 1:1~rc-1 noarch",
        "app lib-1:1-1",
    ),
    case(
        "paths",
        "/usr/bin/tool",
        "aa 1-1 noarch; Files: /usr/bin/tool, /etc/tool\nbb 1-1 noarch; Requires: /usr/bin/tool",
        "aa",
    ),
    case(
        "versions by name",
        "lib-1-1 tool.noarch",
        "lib 1-1 noarch\nlib 2-1 noarch\ntool 1-1 noarch",
        "lib-1-1 tool",
    ),
    case(
        "patterns",
        "lib-*",
        "lib-a 1-1 noarch\nlib-b 1-1 noarch\nlib-b 2-1 noarch\nlib 1-1 noarch",
        "lib-a lib-b-2-1",
    ),
    case(
        "several kernels may be there, one is enough",
        "kernel kernel-core",
        "kernel 1-1 x86_64; Requires: kernel-core = 1-1\nkernel 2-1 x86_64; Requires: kernel-core = 2-1\nkernel-core 1-1 x86_64; Provides: installonlypkg(kernel)\nkernel-core 2-1 x86_64; Provides: installonlypkg(kernel)",
        "kernel-2-1 kernel-core-2-1",
    ),
];

/// The names of an answer, with the versions where the case names them.
fn in_short(answer: &str, chosen: &str) -> String {
    let short = |label: &str| {
        let (name, _) =
            label.rsplit_once('-').and_then(|(name, _)| name.rsplit_once('-')).unwrap_or((label, ""));
        let version = label.rsplit_once('.').map_or(label, |(version, _)| version);
        let named = chosen.split(' ').any(|word| word == version);
        if named { version.to_owned() } else { name.to_owned() }
    };
    answer.split(' ').map(short).collect::<Vec<_>>().join(" ")
}

fn of(case: &Case) -> RpmRequest {
    request(&case.names.split(' ').collect::<Vec<_>>(), true)
}

#[test]
fn preferences_are_libsolvs() {
    let folder = tempfile::tempdir().unwrap();
    let mut batches = Vec::new();
    for (at, case) in CASES.iter().enumerate() {
        let packages = small::packages(case.lines, 0);
        let path = folder.path().join(at.to_string());
        small::write(&packages, &path);
        let ours = oracle::own(&RpmUniverse::new(packages, "x86_64", vec![99]), &of(case)).unwrap();
        assert_eq!(in_short(&ours, case.chosen), case.chosen, "{}", case.what);
        batches.push((vec![path.display().to_string()], vec![of(case)]));
    }
    for (case, theirs) in CASES.iter().zip(oracle::answers(&batches).into_iter().flatten()) {
        assert_eq!(in_short(&theirs, case.chosen), case.chosen, "dnf: {}", case.what);
    }
}

/// The answer from two repositories, ours and dnf's.
fn of_two(folder: &Path, first: &str, second: &str, priorities: [i32; 2], request: &RpmRequest) -> String {
    let parts = [small::packages(first, 0), small::packages(second, 1)];
    let mut repositories = Vec::new();
    for (at, (packages, priority)) in parts.iter().zip(priorities).enumerate() {
        let path = folder.join(at.to_string());
        small::write(packages, &path);
        repositories.push(format!("{}={priority}", path.display()));
    }
    let universe = RpmUniverse::new(parts.concat(), "x86_64", priorities.to_vec());
    let ours = oracle::own(&universe, request).unwrap();
    if let Some(theirs) = oracle::answers(&[(repositories, vec![request.clone()])]) {
        assert_eq!(ours, theirs[0]);
    }
    ours
}

#[test]
fn a_repository_with_priority_is_chosen_from_first() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) =
        ("app 1-1 noarch; Requires: lib\nlib 1-1 noarch", "app 2-1 noarch; Requires: lib\nlib 2-1 noarch");
    let of = |priorities| of_two(folder.path(), old, new, priorities, &request(&["app"], true));
    assert_eq!(of([99, 99]), "app-2-1.noarch lib-2-1.noarch");
    assert_eq!(of([10, 99]), "app-1-1.noarch lib-1-1.noarch");
    assert_eq!(of([99, 10]), "app-2-1.noarch lib-2-1.noarch");
}

#[test]
fn what_is_left_out_never_comes() {
    let folder = tempfile::tempdir().unwrap();
    let lines = "app 1-1 noarch; Requires: virt; Recommends: more\naa 1-1 noarch; Provides: virt\nzz 1-1 noarch; Provides: virt\nmore 1-1 noarch";
    let without = vec!["aa".to_owned(), "more".to_owned()];
    let request = RpmRequest { without, ..request(&["app"], true) };
    assert_eq!(of_two(folder.path(), lines, "", [99, 99], &request), "app-1-1.noarch zz-1-1.noarch");
}

#[test]
fn best_is_the_newest_or_nothing() {
    let lines = "app 1-1 noarch\napp 2-1 noarch; Requires: nowhere";
    let universe = RpmUniverse::new(small::packages(lines, 0), "x86_64", vec![99]);
    assert!(oracle::own(&universe, &request(&["app"], true)).is_err());
    let any = RpmRequest { best: false, ..request(&["app"], true) };
    assert_eq!(oracle::own(&universe, &any).unwrap(), "app-1-1.noarch");
    let exact = RpmRequest { packages: vec![RequestedRpm::named("app-1-1.noarch")], ..request(&[], true) };
    assert_eq!(oracle::own(&universe, &exact).unwrap(), "app-1-1.noarch");
}
