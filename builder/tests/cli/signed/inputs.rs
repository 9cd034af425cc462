//! Inputs that are signed: `sign --for inputs`, and `build --vendor FILE --signed-by POLICY`.

use std::fs;

use super::{expect, fixture, must};

#[test]
fn inputs_are_signed_by_several_and_a_build_demands_it() {
    let Some(cli) = fixture() else { return };
    cli.write("inputs.tar", "made up");
    let build = |policy: &str, out: &str, code: i32, words: &[&str]| {
        let command =
            ["build", "recipe.toml", "-q", "-o", out, "--vendor", "inputs.tar", "--signed-by", policy];
        expect(&cli, &command, code, words);
    };
    build("one.toml", "a", 3, &["nobody whom the policy asks has signed", "--for inputs"]);
    assert!(!cli.path("a").exists());
    expect(
        &cli,
        &["sign", "inputs.tar", "--key", "alice"],
        0,
        &["signing a file with inputs", "inputs.tar.sig"],
    );
    build("one.toml", "a", 0, &[]);
    build("two.toml", "b", 3, &["1 more signature is needed, of bob"]);
    expect(&cli, &["sign", "inputs.tar", "--for", "inputs", "--key", "bob"], 0, &[]);
    expect(&cli, &["sign", "inputs.tar", "--for", "inputs", "--key", "alice"], 0, &[]);
    build("two.toml", "b", 0, &[]);
    let signatures = cli
        .names(".")
        .into_iter()
        .filter(|name| std::path::Path::new(name).extension().is_some_and(|extension| extension == "sig"));
    assert_eq!(signatures.count(), 2);
    // ssh-keygen agrees.
    cli.write("allowed", &format!("alice {}", fs::read_to_string(cli.path("alice.pub")).unwrap()));
    let command =
        "ssh-keygen -Y verify -f allowed -I alice -n amiforge-inputs -s inputs.tar.sig < inputs.tar";
    must(&cli, "sh", &["-c", command]);
    // A signature of a bundle is none of inputs, and one of other bytes neither.
    fs::write(cli.path("inputs.tar"), "made  up").unwrap();
    build("one.toml", "c", 3, &["signatures that are none of this file"]);
    must(&cli, "ssh-keygen", &["-Y", "sign", "-n", "amiforge-bundle", "-f", "alice", "-q", "recipe.toml"]);
    fs::copy(cli.path("recipe.toml"), cli.path("inputs.tar")).unwrap();
    fs::copy(cli.path("recipe.toml.sig"), cli.path("inputs.tar.sig")).unwrap();
    build("one.toml", "c", 3, &["it was made for `amiforge-bundle`, not for `amiforge-inputs`"]);
}
