use super::*;
use crate::rpm::configure::testing::HeaderDraft;

const PRE: u32 = 1 << 9;
const POSTUN: u32 = 1 << 12;

/// A package that requires others, with the flags of each requirement.
fn package(name: &str, requires: &[(&str, u32)], provides: &[&str]) -> UnpackedRpm {
    let names: Vec<&str> = requires.iter().map(|(name, _)| *name).collect();
    let flags: Vec<u32> = requires.iter().map(|(_, flags)| *flags).collect();
    let mut draft = HeaderDraft::default();
    if !requires.is_empty() {
        draft = draft.texts(tag::REQUIRENAME, &names).numbers(tag::REQUIREFLAGS, &flags);
        draft = draft.texts(tag::REQUIREVERSION, &vec![""; names.len()]);
    }
    let provides: Vec<&str> = provides.iter().copied().chain([name]).collect();
    draft.texts(tag::PROVIDENAME, &provides).package(name, &[])
}

fn names(packages: &[UnpackedRpm]) -> String {
    let names: Vec<_> = order(packages).into_iter().map(|at| packages[at].locked.name.as_str()).collect();
    names.join(" ")
}

#[test]
fn what_is_required_comes_first() {
    let packages = [
        package("app", &[("(lib >= 1 or other(x))", 0), ("/bin/sh", 1 << 8), ("rpmlib(X)", 1 << 24)], &[]),
        package("lib", &[("virtual", 0)], &[]),
        package("other", &[], &["other(x)"]),
        package("sh", &[], &["/bin/sh"]),
        package("z", &[], &["virtual"]),
    ];
    assert_eq!(names(&packages), "z lib other sh app");
}

#[test]
fn loops_are_cut_where_no_script_needs_them() {
    let packages = [
        package("a", &[("b", 0)], &[]),
        package("b", &[("c", PRE)], &[]),
        package("c", &[("a", PRE), ("b", POSTUN)], &[]),
    ];
    assert_eq!(names(&packages), "a c b");
    let packages =
        [package("a", &[("b", PRE)], &[]), package("b", &[("a", PRE)], &[]), package("c", &[], &[])];
    assert_eq!(names(&packages), "a b c");
}

#[test]
fn a_version_that_is_not_provided_orders_nothing() {
    let versioned = |name: &str, requires: Option<(&str, u32, &str)>| {
        let mut draft = HeaderDraft::default();
        if let Some((name, flags, version)) = requires {
            draft = draft.texts(tag::REQUIRENAME, &[name]).numbers(tag::REQUIREFLAGS, &[flags]);
            draft = draft.texts(tag::REQUIREVERSION, &[version]);
        }
        draft = draft.texts(tag::PROVIDENAME, &[name]).numbers(tag::PROVIDEFLAGS, &[8]);
        draft.texts(tag::PROVIDEVERSION, &["2-1"]).package(name, &[])
    };
    let after = [versioned("a", Some(("b", 4 | 8, "2"))), versioned("b", None)];
    assert_eq!(names(&after), "b a");
    let never = [versioned("a", Some(("b", 4, "2-1"))), versioned("b", None)];
    assert_eq!(names(&never), "a b");
}
