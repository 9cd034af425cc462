//! `completions` and `man`.

use std::fs;

use crate::fixture::CliFixture;

#[test]
fn completions_and_manual_pages_know_every_command() {
    let cli = CliFixture::new();
    for (shell, sign) in
        [("bash", "complete -F _amiforge"), ("zsh", "#compdef amiforge"), ("fish", "complete -c amiforge")]
    {
        let shown = cli.run(&["completions", shell]);
        assert!(
            shown.contains(sign) && shown.contains("preflight") && shown.ends_with("--- exit 0\n"),
            "{shell}"
        );
        assert!(!shown.contains("sandbox-init"), "{shell}");
    }
    assert!(cli.run(&["man", "share/man1"]).ends_with("--- exit 0\n"));
    let pages = cli.names("share/man1");
    for page in ["amiforge.1", "amiforge-build.1", "amiforge-verify.1", "amiforge-man.1"] {
        assert!(pages.iter().any(|there| there == page), "{pages:?}");
    }
    assert!(!pages.iter().any(|page| page.contains("docs")), "{pages:?}");
    let build = fs::read_to_string(cli.path("share/man1/amiforge-build.1")).unwrap();
    assert!(build.contains(".TH") && build.contains("force"), "{build}");
}
