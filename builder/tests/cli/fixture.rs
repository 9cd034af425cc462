//! The program in an empty folder with an empty environment, and its output as one text.

use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// An empty folder in which the program runs with an empty environment.
pub(crate) struct CliFixture(TempDir);

impl CliFixture {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn command<S: AsRef<OsStr>>(&self, args: &[S]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_amiforge"));
        command.args(args).current_dir(self.0.path()).env_clear().stdin(Stdio::null());
        command
    }

    /// Runs the program and returns its output and exit code, see [`shown`].
    pub(crate) fn run(&self, args: &[&str]) -> String {
        shown(&self.command(args).output().unwrap())
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Writes [`RECIPE`] and one file for it.
    pub(crate) fn recipe(&self) {
        self.write("recipe.toml", RECIPE);
        self.write("files/hello", "hello\n");
    }

    /// The sorted names in a folder, hidden ones too.
    pub(crate) fn names(&self, folder: &str) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(self.path(folder))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

/// A recipe of an ext4 root with the files of the folder `files`.
pub(crate) const RECIPE: &str = r#"[image]
name = "web"
arch = "x86_64"
epoch = 1700000000
[disk]
size = "64 MiB"
[[partition]]
role = "root"
[[source]]
kind = "dir"
path = "files"
"#;

/// Standard output, standard error and exit code as one text.
pub(crate) fn shown(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!(
        "{}--- stderr\n{}--- exit {}\n",
        text(&output.stdout),
        text(&output.stderr),
        output.status.code().unwrap()
    )
}

/// Standard output as JSON.
pub(crate) fn json(output: &Output) -> serde_json::Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", shown(output)))
}
