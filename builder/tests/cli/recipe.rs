//! `new`, `schema`, and the errors of recipes.

use crate::fixture::{CliFixture, json};

#[test]
fn a_recipe_that_is_not_there() {
    let expected = "--- stderr\n\
        error: cannot use the recipe `none.toml`\n  \
          caused by: reading `none.toml`\n  \
          caused by: No such file or directory (os error 2)\n\
        hint: `amiforge new DIR` starts a recipe that builds as it is\n\
        --- exit 2\n";
    assert_eq!(CliFixture::new().run(&["build", "none.toml", "-o", "out"]), expected);
}

#[test]
fn mistakes_in_a_recipe() {
    let cli = CliFixture::new();
    cli.write("recipe.toml", "[image]\nname = \"web\"\narch = \"x86-64\"\nepoc = 1\n");
    let expected = "--- stderr\n\
        error: cannot use the recipe `recipe.toml`\n  \
          caused by: 2 mistakes\n    \
            recipe.toml:3:8: `x86-64` is not `x86_64` or `aarch64`; write `x86_64`\n      \
              3 | arch = \"x86-64\"\n        \
                | ^^^^^^^^\n    \
            recipe.toml:4:1: unknown key `epoc` in `[image]`; did you mean `epoch`?\n      \
              4 | epoc = 1\n        \
                | ^^^^\n\
        hint: `amiforge schema` prints every key, for editors that complete and check them\n\
        --- exit 2\n";
    // A caret stands below its character, which a literal of Rust with its lines joined cannot show.
    let squeeze = |text: &str| {
        text.lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ") + "\n")
            .collect::<String>()
    };
    assert_eq!(squeeze(&cli.run(&["build", "recipe.toml", "-o", "out"])), squeeze(expected));
    assert_eq!(cli.names("."), ["recipe.toml"]);
}

#[test]
fn a_new_recipe_is_not_written_over_anything() {
    let cli = CliFixture::new();
    let shown = cli.run(&["new", "web"]);
    assert_eq!(
        shown,
        "web/recipe.toml\n--- stderr\nnext: amiforge build web/recipe.toml -o out/web\n--- exit 0\n"
    );
    let expected = "--- stderr\n\
        error: cannot start a recipe in `web`\n  \
          caused by: `web` is there already and not an empty folder\n\
        hint: choose a folder that is not there yet\n\
        --- exit 2\n";
    assert_eq!(cli.run(&["new", "web"]), expected);
}

#[test]
fn the_schema_is_json_that_knows_the_keys() {
    let schema = json(&CliFixture::new().command(&["schema"]).output().unwrap());
    assert_eq!(schema["properties"]["image"]["properties"]["name"]["type"], "string");
    assert_eq!(schema["additionalProperties"], false);
}
