use super::*;
use crate::rpm::configure::testing::HeaderDraft;

#[test]
fn a_program_may_have_no_text_and_a_text_no_program() {
    let header = HeaderDraft::default()
        .texts(1086, &["/sbin/ldconfig"])
        .text(1023, "echo a")
        .texts(1085, &["/bin/sh", "-x"])
        .text(1152, "exit 0")
        .header();
    let scripts = RpmScripts::read(&header).unwrap();
    let post = RpmScript { program: vec![b"/sbin/ldconfig".to_vec()], body: None };
    assert_eq!(scripts.post.unwrap(), post);
    let pre =
        RpmScript { program: vec![b"/bin/sh".to_vec(), b"-x".to_vec()], body: Some(b"echo a".to_vec()) };
    assert_eq!(scripts.pre.unwrap(), pre);
    assert_eq!(scripts.posttrans.unwrap().program, [b"/bin/sh".to_vec()]);
    assert_eq!(scripts.pretrans, None);
}

/// A header with triggers of two scripts.
fn triggers(names: &[&str], versions: &[&str], flags: &[u32], indexes: &[u32]) -> RpmHeader {
    HeaderDraft::default()
        .texts(1065, &["one", "two"])
        .texts(1092, &["/bin/sh", "/bin/sh -x"])
        .texts(1066, names)
        .texts(1067, versions)
        .numbers(1068, flags)
        .numbers(1069, indexes)
        .header()
}

#[test]
fn triggers_have_conditions() {
    let header = triggers(&["a", "b", "c"], &["", "2", ""], &[1 << 16, 1 << 16 | 2, 1 << 17], &[0, 0, 1]);
    let scripts = RpmScripts::read(&header).unwrap();
    let [trigger] = scripts.triggers.as_slice() else { panic!("{scripts:?}") };
    assert_eq!(trigger.script.body.as_deref(), Some(&b"one"[..]));
    let holds = |name: &[u8], version| {
        trigger.conditions.iter().any(|one| one.holds(name, &crate::rpm::evr::Evr::parse(version)))
    };
    assert!(holds(b"a", "7-1") && holds(b"b", "1-9") && !holds(b"b", "2-1") && !holds(b"c", "1-1"));
}

#[test]
fn counts_and_indexes_that_are_wrong_are_errors() {
    let wrong = triggers(&["a", "b"], &["", ""], &[1 << 16], &[0, 0]);
    let error = RpmScripts::read(&wrong).unwrap_err();
    assert_eq!(error, RpmScriptError::Count { what: "triggers", found: 1, expected: 2 });
    let wrong = triggers(&["a"], &[""], &[1 << 16], &[2]);
    let error = RpmScripts::read(&wrong).unwrap_err();
    assert_eq!(error, RpmScriptError::Index { what: "triggers", index: 2, scripts: 2 });
    let wrong = HeaderDraft::default().texts(5066, &["a"]).numbers(5084, &[1, 2]).header();
    let error = RpmScripts::read(&wrong).unwrap_err();
    assert_eq!(error, RpmScriptError::Count { what: "priorities of triggers", found: 2, expected: 1 });
    let names = vec!["a"; 5000];
    let many = triggers(&names, &names, &vec![1 << 16; 5000], &vec![0; 5000]);
    assert_eq!(RpmScripts::read(&many).unwrap_err(), RpmScriptError::Conditions { found: 5000, most: 4096 });
}

#[test]
fn an_interpreter_is_a_path_and_macros_are_refused() {
    let header = HeaderDraft::default().text(1024, "x").texts(1086, &["sh"]).header();
    let error = RpmScripts::read(&header).unwrap_err();
    assert_eq!(error, RpmScriptError::Program { slot: "%post", program: "sh".to_owned() });
    let header = HeaderDraft::default().text(1024, "%{name}").numbers(5021, &[1]).header();
    assert_eq!(RpmScripts::read(&header).unwrap_err(), RpmScriptError::Expanded { slot: "%post" });
    let header = HeaderDraft::default().text(1024, "echo").numbers(5021, &[1]).header();
    assert!(RpmScripts::read(&header).is_ok());
}
