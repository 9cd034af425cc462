//! Scripts as packages have them, followed by a host that only records its calls.

use super::*;

#[derive(Default)]
struct RecordingHost {
    calls: Vec<String>,
    written: Vec<String>,
}

impl Host for RecordingHost {
    fn call(&mut self, name: &[u8], args: &[Value], _input: Option<&[u8]>) -> CommandEffect {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let args: Vec<String> = args.iter().map(|arg| arg.as_deref().map_or("?".into(), text)).collect();
        match (text(name).as_str(), args.iter().map(String::as_str).collect::<Vec<_>>().as_slice()) {
            ("[", [a, "=", b, "]"]) if *a != "?" => CommandEffect::status(Truth::of(a == b)),
            ("[", ["-z", a, "]"]) if *a != "?" => CommandEffect::status(Truth::of(a.is_empty())),
            ("[", ["-n", a, "]"]) if *a != "?" => CommandEffect::status(Truth::of(!a.is_empty())),
            ("echo", words) => CommandEffect::prints(words.join(" ") + "\n"),
            ("stat" | "[", _) => CommandEffect::unknown(),
            ("missing", _) => CommandEffect::skipped(StopReason::Unknown),
            (name, words) => {
                self.calls.push([&[name], words].concat().join(" "));
                CommandEffect::done()
            }
        }
    }

    fn is_inert(&self, name: &[u8]) -> bool {
        matches!(name, b"stat" | b"echo")
    }

    fn glob(&self, _pattern: &[u8]) -> Vec<Vec<u8>> {
        vec![b"/a".to_vec(), b"/b".to_vec()]
    }

    fn redirect(&mut self, path: &[u8], bytes: &[u8], _append: Append) -> CommandEffect {
        self.written.push(format!("{} {}", String::from_utf8_lossy(path), String::from_utf8_lossy(bytes)));
        CommandEffect::done()
    }
}

/// The calls that a script makes, and what was skipped of it.
fn followed(script: &str) -> (Vec<String>, Vec<UnresolvedCommand>) {
    let mut host = RecordingHost::default();
    let skipped = interpret(&mut host, script.as_bytes(), &["configure", ""], &[("DPKG_ROOT", "")]).unwrap();
    (host.calls, skipped)
}

fn calls(script: &str) -> Vec<String> {
    let (calls, skipped) = followed(script);
    assert!(skipped.is_empty(), "{skipped:?}");
    calls
}

#[test]
fn only_the_branch_of_a_first_installation_is_taken() {
    let script = r#"#!/bin/sh
set -e
if [ "$1" = "configure" ] && [ -z "$2" ]; then
    make /a "$DPKG_ROOT/b"
elif [ "$1" = triggered ]; then
    never
fi
case "$1" in
    abort-*|failed) never ;;
    (configure)
        make /c
    ;;
    *) echo "unknown \`$1'" >&2; exit 1 ;;
esac
exit 0
never
"#;
    assert_eq!(calls(script), ["make /a /b", "make /c"]);
}

#[test]
fn functions_take_their_arguments_and_give_their_status() {
    let script =
        "f() { local x=\"$1\"; shift\n make $x \"$@\"; [ \"$x\" = a ]; }\nf a 'b c' && f d || make e\n";
    assert_eq!(calls(script), ["make a b c", "make d", "make e"]);
}

#[test]
fn words_are_expanded_as_the_shell_does() {
    let script = concat!(
        "A='x y'\nmake $A \"$A\" ${B:-none} ${A:+some} \"${A#x }\" ${A%% *} \"$(echo out)\" `echo old` $B end\n",
        "for f in one two /pattern/*; do make $f; done\n",
    );
    assert_eq!(
        calls(script),
        ["make x y x y none some y x out old end", "make one", "make two", "make /a", "make /b"]
    );
}

#[test]
fn texts_behind_a_line_are_written_where_they_are_sent() {
    let mut host = RecordingHost::default();
    let script = "V=1\ncat() { :; }\necho a > /etc/x\nmake <<EOF > /dev/null\n$V\nEOF\nmake <<-'EOF' 2>&1\n\t$V\n\tEOF\n";
    let skipped = interpret(&mut host, script.as_bytes(), &[], &[]).unwrap();
    assert!(skipped.is_empty());
    assert_eq!(host.written, ["/etc/x a\n"]);
    assert_eq!(host.calls.len(), 2);
}

#[test]
fn undecided_commands_are_reported_and_not_done() {
    let (calls, skipped) = followed("if stat /x; then make a; else make b; fi\nmake c\nmissing d\n");
    assert_eq!(calls, ["make c"]);
    let report: Vec<_> = skipped.iter().map(|skipped| skipped.command.as_str()).collect();
    assert_eq!(report, ["make a", "make b", "missing d"]);
    assert_eq!(skipped[0].why, StopReason::Undecided("stat /x".into()));
    assert_eq!(skipped[2].why, StopReason::Unknown);
}

#[test]
fn commands_after_a_possible_exit_are_unknown() {
    let (calls, skipped) =
        followed("f() { stat /x && return 0; make a; }\nf\nmake b\nif stat /y; then exit 0; fi\nmake c\n");
    assert_eq!(calls, ["make b"]);
    let report: Vec<_> = skipped.iter().map(|skipped| skipped.command.as_str()).collect();
    assert_eq!(report, ["make a", "make c"]);
}

#[test]
fn a_package_is_taken_to_configure_without_failing() {
    assert_eq!(
        calls("stat /x || exit 1\nmake a\nif ! stat /y; then echo no; exit 2; fi\nmake b\n"),
        ["make a", "make b"]
    );
}

#[test]
fn a_variable_that_is_not_known_makes_its_command_unknown() {
    let (calls, skipped) = followed("A=$(stat /x)\nmake $A\nmake \"$A\"\nA=1\nmake $A\n");
    assert_eq!(calls, ["make ?", "make 1"]);
    assert_eq!(skipped.len(), 1);
    assert_eq!((skipped[0].command.as_str(), &skipped[0].why), ("make $A", &StopReason::Argument));
}

#[test]
fn syntax_errors_are_reported_with_their_line() {
    for (script, line) in [("if a; then\n", 2), ("a\nb )\n", 2), ("case x in\n a) b\n", 3), ("echo 'a\n", 1)]
    {
        let error = interpret(&mut RecordingHost::default(), script.as_bytes(), &[], &[]).unwrap_err();
        assert_eq!(error.line, line, "{script}: {error}");
    }
    // Endless ones end.
    let script = "f() { f; }\nf\n";
    interpret(&mut RecordingHost::default(), script.as_bytes(), &[], &[]).unwrap();
    let deep = "(".repeat(100_000);
    assert!(interpret(&mut RecordingHost::default(), deep.as_bytes(), &[], &[]).is_err());
}

/// Follows a script that is made to take unbounded time or memory.
fn endless(script: &str) -> Vec<String> {
    let begun = std::time::Instant::now();
    let (calls, skipped) = followed(script);
    assert!(begun.elapsed().as_secs() < 30, "{:?}", begun.elapsed());
    assert!(skipped.len() <= 200_001);
    let longest = calls.iter().map(String::len).max().unwrap_or(0);
    assert!(longest < 1 << 20, "{longest}");
    skipped.into_iter().map(|skipped| format!("{} {:?}", skipped.command, skipped.why)).collect()
}

#[test]
fn values_that_grow_without_end_are_not_known() {
    let mut script = "a=xxxxxxxx\n".to_owned();
    script.push_str(&"a=\"$a$a$a$a$a$a$a$a\"\n".repeat(12));
    script.push_str("mkdir \"$a\"\nmkdir after\n");
    let (calls, _) = followed(&script);
    assert_eq!(calls, ["mkdir ?", "mkdir after"]);
    // Split, printed, as arguments, in a function, as a pattern.
    for use_of in [
        "for b in $a; do mkdir $b; done",
        "a=$(echo $a$a$a$a)\nmkdir $a",
        "set -- $a $a $a $a\nmkdir \"$@\" \"$@\" \"$@\" \"$@\"",
        "f() { g \"$@\" \"$@\" \"$@\"; }\ng() { f \"$@\" \"$@\" \"$@\"; }\nf $a $a",
        "b=${a%%*x*y}\nmkdir \"$b\"",
        "case $a in *x*x*y) mkdir x;; esac",
    ] {
        let script = format!("a='x x x x x x x x '\n{}{use_of}\n", "a=\"$a$a$a$a$a\"\n".repeat(6));
        endless(&script);
    }
}

#[test]
fn an_endless_script_is_stopped_and_reported() {
    let many = "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20";
    let mut script = String::new();
    for name in ["a", "b", "c", "d", "e"] {
        script.extend(["for ", name, " in ", many, "; do\n"]);
    }
    script.push_str("x=\"$a$b$c$d$e\"\n");
    script.push_str(&"done\n".repeat(5));
    let skipped = endless(&script);
    assert!(
        skipped.iter().any(|line| line.starts_with("the rest of the script") && line.contains("more steps")),
        "{skipped:?}"
    );
    // As much memory as all values may take, by names and by copies of them.
    let value = "x".repeat(60_000);
    let script = format!(
        "v={value}\nfor a in {many}; do for b in {many}; do for c in {many}; do ( w=$v; y=$(echo $v); Z=$v mkdir x ); done; done; done\n"
    );
    let skipped = endless(&script);
    assert!(skipped.iter().any(|line| line.contains("longer values")), "{skipped:?}");
    // Commands that are not followed count as well.
    let script = format!(
        "for a in {many}; do for b in {many}; do if stat x; then {} fi; done; done\n",
        "missing; ".repeat(3000)
    );
    endless(&script);
}
