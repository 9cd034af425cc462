//! What names and bytes of foreign origin do to a terminal: nothing. Each command is run on a terminal of its own and with
//! its output in a pipe.

use std::os::unix::ffi::OsStrExt as _;
use std::process::Stdio;

use super::*;

/// A title, the clipboard, a query for an answer, a cleared screen, and a C1 byte in UTF-8.
const HOSTILE: &[u8] = b"\x1b]0;pwned\x07\x1b]52;c;eA==\x07\x1b[6n\x1b[2J\xc2\x9b31m";
/// The same as this program shows it in a name.
const SHOWN: &str = r"\x1b]0;pwned\x07\x1b]52;c;eA==\x07\x1b[6n\x1b[2J\xc2\x9b31m";

/// A folder with a recipe, and the program run in it.
struct CliFixture(tempfile::TempDir);

impl CliFixture {
    /// Two bundles, `a` and `b`, which differ in files with hostile names and contents.
    fn new() -> Option<Self> {
        if !oracle::ready(&["script"], false) {
            return None;
        }
        let fixture = Self(scratch::folder());
        let recipe = "[image]\nname = \"web\"\narch = \"x86_64\"\nepoch = 1700000000\n[disk]\nsize = \"64 MiB\"\n\
            [[partition]]\nrole = \"root\"\n[[source]]\nkind = \"dir\"\npath = \"files\"\n";
        fs::write(fixture.path("recipe.toml"), recipe).unwrap();
        fs::create_dir(fixture.path("files")).unwrap();
        fs::write(fixture.path("files").join(std::ffi::OsStr::from_bytes(HOSTILE)), HOSTILE).unwrap();
        fs::write(fixture.path("files/grüße 日本 🚀"), "x").unwrap();
        fs::write(fixture.path("files/data"), [b"plain ", HOSTILE, b"\xff\n"].concat()).unwrap();
        fixture.must(&["build", "recipe.toml", "-o", "a", "-q"]);
        fs::write(fixture.path("files").join(std::ffi::OsStr::from_bytes(HOSTILE)), "other").unwrap();
        fixture.must(&["build", "recipe.toml", "-o", "b", "-q"]);
        Some(fixture)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn must(&self, args: &[&str]) {
        let (code, text) = self.piped(args);
        assert_eq!(code, Some(0), "{args:?}: {}", String::from_utf8_lossy(&text));
    }

    /// Exit code, and standard output and error as pipes get them.
    fn piped(&self, args: &[&str]) -> (Option<i32>, Vec<u8>) {
        let mut command = std::process::Command::new(program::path());
        let output = command.args(args).current_dir(self.0.path()).stdin(Stdio::null()).output().unwrap();
        (output.status.code(), [output.stdout, output.stderr].concat())
    }

    /// The same as a terminal gets it.
    fn on_terminal(&self, args: &[&str]) -> (Option<i32>, Vec<u8>) {
        let quoted = |word: &str| format!("'{}'", word.replace('\'', r"'\''"));
        let program = program::path();
        let words = std::iter::once(program.to_str().unwrap()).chain(args.iter().copied());
        let line = words.map(quoted).collect::<Vec<_>>().join(" ");
        let mut command = std::process::Command::new("script");
        command.args(["-q", "-e", "-c", &line, "/dev/null"]).current_dir(self.0.path()).stdin(Stdio::null());
        let output = command.env("NO_COLOR", "1").env("TERM", "xterm").output().unwrap();
        (output.status.code(), output.stdout)
    }

    /// What a command says, which has no control character but tabs and line ends, on a terminal and in a pipe.
    fn harmless(&self, args: &[&str], code: i32) -> String {
        let mut output = String::new();
        // What draws a progress bar is this program's own; it is left out.
        let quiet = [args, &["-q"]].concat();
        for (how, (status, bytes)) in [("terminal", self.on_terminal(&quiet)), ("pipe", self.piped(args))] {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            assert_eq!(status, Some(code), "{args:?} ({how}): {text:?}");
            let controls = text.chars().filter(|c| c.is_control() && !"\n\r\t".contains(*c));
            assert_eq!(controls.count(), 0, "{args:?} ({how}): {text:?}");
            assert!(!text.contains('\u{202e}'), "{args:?} ({how}): {text:?}");
            output.push_str(&text);
        }
        output
    }
}

#[test]
fn names_are_shown_and_not_done_in_every_command() {
    let Some(fixture) = CliFixture::new() else { return };
    let listed = fixture.harmless(&["inspect", "a:root", "-R"], 0);
    assert!(listed.contains(SHOWN), "{listed}");
    assert!(listed.contains("grüße 日本 🚀"), "printable text stays as it is: {listed}");
    fixture.harmless(&["inspect", "a"], 0);
    fixture.harmless(&["inspect", "a:root", "--dump"], 0);
    let json = fixture.harmless(&["inspect", "a:root", "--json"], 0);
    assert!(json.contains("grüße 日本 🚀"), "{json}");
    let different = fixture.harmless(&["diff", "a", "b"], 3);
    assert!(different.contains(r"\x1b]0;pwned"), "{different}");
    fixture.harmless(&["diff", "a", "b", "--json"], 3);
    // A file in the bundle, and lines of its texts, with such a name.
    fs::write(fixture.path("a").join(std::ffi::OsStr::from_bytes(HOSTILE)), "x").unwrap();
    let mut sums = fs::read(fixture.path("a/SHA256SUMS")).unwrap();
    sums.extend([&[b'0'; 64][..], b"  x\x1b[2J\xe2\x80\xae\n"].concat());
    fs::write(fixture.path("a/SHA256SUMS"), sums).unwrap();
    let tree = fs::read(fixture.path("a/tree.txt")).unwrap();
    fs::write(fixture.path("a/tree.txt"), [&tree[..], b"/x\x1b]0;y\x07 file 0644 0:0 0 0\n"].concat())
        .unwrap();
    let verified = fixture.harmless(&["verify", "a"], 3);
    assert!(verified.contains(SHOWN) && verified.contains("does not belong"), "{verified}");
    fixture.harmless(&["verify", "a", "--json"], 3);
}

#[test]
fn mistakes_that_repeat_what_they_were_given_are_harmless() {
    let Some(fixture) = CliFixture::new() else { return };
    let name = "no\x1b]0;pwned\x07\u{9b}2J\u{202e}";
    for (args, code) in [
        (vec!["inspect", name], 2),
        (vec!["verify", name], 1),
        (vec!["diff", name, "a"], 1),
        (vec!["build", name, "-o", "out"], 2),
        (vec!["preflight", name], 1),
        (vec!["boot", name], 1),
        (vec!["fetch", name], 2),
        (vec!["lock", name], 2),
        (vec![name], 2),
        (vec!["inspect", "a", "--threads", name], 2),
    ] {
        fixture.harmless(&args, code);
    }
    // A recipe of somebody else, whose lines an error shows.
    let recipe = "[image]\nname = \"web\x07\x1b]0;x\x07\"\narch = \"x86_64\"\n\"k\\u001b[2J\" = 1\n";
    fs::write(fixture.path("recipe.toml"), recipe).unwrap();
    fixture.harmless(&["build", "recipe.toml", "-o", "out"], 2);
    // Names of packages in a lock that somebody else made.
    fs::write(fixture.path("recipe.lock"), "schema = 1\n[[x\x1b[2J]]\n").unwrap();
    fixture.harmless(&["fetch", "recipe.toml"], 2);
}

#[test]
fn bytes_of_a_file_go_to_a_pipe_as_they_are_and_to_a_terminal_escaped() {
    let Some(fixture) = CliFixture::new() else { return };
    let cat = ["inspect", "a:root/data", "--cat"];
    let data = [b"plain ", HOSTILE, b"\xff\n"].concat();
    assert_eq!(fixture.piped(&cat), (Some(0), data));
    let shown = fixture.on_terminal(&cat);
    let expected = r"plain \x1b]0;pwned\x07\x1b]52;c;eA==\x07\x1b[6n\x1b[2J\u{9b}31m\xff";
    assert_eq!((shown.0, String::from_utf8_lossy(&shown.1).trim_end()), (Some(0), expected));
}
