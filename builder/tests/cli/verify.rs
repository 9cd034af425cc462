//! Paths for `verify` and `inspect` that are nearly right.

use std::fs;

use crate::fixture::CliFixture;

#[test]
fn a_path_that_is_nearly_right_is_answered_with_the_right_one() {
    let cli = CliFixture::new();
    cli.recipe();
    cli.run(&["build", "recipe.toml", "-q", "-o", "out"]);
    for (args, hint) in [
        (["verify", "out/disk.raw"], "hint: write `amiforge verify out`\n"),
        (
            ["verify", "recipe.toml"],
            "hint: an image without a manifest is only looked at: `amiforge inspect recipe.toml`",
        ),
        (["verify", "files"], "hint: name the folder that `amiforge build -o` wrote\n"),
        (
            ["inspect", "out/hello"],
            "hint: files in the image are named after a colon and the partition: `out:root/hello`\n",
        ),
        (["inspect", "out/disk.raw/etc/x"], ": `out/disk.raw:root/etc/x`\n"),
    ] {
        let shown = cli.run(&args);
        assert!(shown.contains(hint) && !shown.ends_with("--- exit 0\n"), "{args:?}\n{shown}");
    }
    for (name, said) in
        [("disk.raw", ": no block could be compared;"), ("manifest.json", ": nothing says what")]
    {
        fs::rename(cli.path(&format!("out/{name}")), cli.path(name)).unwrap();
        let shown = cli.run(&["verify", "out"]);
        assert!(shown.contains(&format!("`{name}` is missing{said}")), "{shown}");
        assert!(shown.ends_with("--- exit 3\n"), "{shown}");
        fs::rename(cli.path(name), cli.path(&format!("out/{name}"))).unwrap();
    }
}
