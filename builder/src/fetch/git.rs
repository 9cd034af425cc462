//! Commits of git repositories as tar archives, made by the `git` program.

use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::NamedTempFile;

/// Writes the output of `git archive` for a commit to a file in `folder`. Configuration of this machine that would
/// change the archive is overridden.
pub(super) fn export(url: &str, commit: &str, folder: &Path) -> io::Result<NamedTempFile> {
    std::fs::create_dir_all(folder)?;
    let repository = tempfile::Builder::new().prefix(".get-git-").tempdir_in(folder)?;
    let output = tempfile::Builder::new().prefix(".get-git-").tempfile_in(folder)?;
    let at = repository.path();
    git(at, &["init", "--quiet", "--bare"])?;
    // Many servers serve a commit by its id; for the others all refs are fetched.
    if git(at, &["fetch", "--quiet", "--depth=1", "--", url, commit]).is_err() {
        git(at, &["fetch", "--quiet", "--", url, "+refs/*:refs/*"])?;
    }
    let output_path = output.path().display().to_string();
    let settings =
        ["-c", "tar.umask=0022", "-c", "core.attributesFile=/dev/null", "-c", "core.autocrlf=false"];
    let archive = ["archive", "--format=tar", "--output", &output_path, commit];
    git(at, &[settings.as_slice(), &archive].concat())?;
    Ok(output)
}

/// A name in a repository: a branch, a tag, or `HEAD`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteRef {
    /// Its full name, such as `refs/tags/v1.2`; of an annotated tag the one that ends in `^{}` names the commit.
    pub name: String,
    /// Id of the object that it names.
    pub id: String,
}

/// The branches and tags of a repository, and its `HEAD`. Fetches no object.
pub(super) fn remote_refs(url: &str) -> io::Result<Vec<RemoteRef>> {
    let mut command = Command::new("git");
    command.args(["ls-remote", "--quiet", "--", url, "HEAD", "refs/heads/*", "refs/tags/*"]);
    let output = run(&mut command)?;
    let refs = output.lines().filter_map(|line| {
        let (id, name) = line.split_once('\t')?;
        Some(RemoteRef { name: name.to_owned(), id: id.to_owned() })
    });
    Ok(refs.collect())
}

fn git(repository: &Path, args: &[&str]) -> io::Result<()> {
    let mut command = Command::new("git");
    command.arg("--git-dir").arg(repository).args(args);
    run(&mut command).map(drop)
}

/// Runs git, which may ask no question, and returns its standard output.
fn run(command: &mut Command) -> io::Result<String> {
    command.env("GIT_TERMINAL_PROMPT", "0").env("LC_ALL", "C");
    let output = command.stdin(Stdio::null()).output().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => io::Error::other("there is no program `git`; install it"),
        _ => error,
    })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let message = String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(format!("git failed: {}", message.trim())))
}
