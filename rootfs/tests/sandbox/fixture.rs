//! The fixture of the tests: a small tree of programs of the host, a sandbox, and jobs on the tree.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use amiforge_formats::plan::Sources as _;
use amiforge_formats::time::Time;
use amiforge_formats::tree::{Content, Meta, Name, Node, NodeId, NodeKind, Origin, Tree};
use amiforge_progress::Monitor;
use amiforge_sandbox::{Captured, Launcher, Sandbox, SandboxError, SandboxJob, SandboxStep};
use amiforge_store::blobs::{Blobs, FileStamp};

/// `SOURCE_DATE_EPOCH` of the jobs.
pub(crate) const EPOCH: Time = Time::from_secs(1_600_000_000);

/// The mtime of every node of the tree.
pub(crate) const OLD: Time = Time::from_secs(1_500_000_000);

/// Programs of the host that are copied into the tree.
const PROGRAMS: &[&str] = &[
    "sh", "perl", "cat", "chmod", "chown", "cp", "dd", "env", "head", "id", "ln", "ls", "mkdir", "mknod",
    "mv", "nproc", "readlink", "rm", "rmdir", "sleep", "stat", "touch", "truncate", "tty", "uname", "mkfifo",
    "stty",
];

/// A tree with its contents, and a sandbox.
pub(crate) struct Fixture {
    pub(crate) tree: Tree,
    pub(crate) blobs: Blobs,
    pub(crate) sandbox: Sandbox,
    _scratch: tempfile::TempDir,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let sandbox = Sandbox { launcher: Launcher::own().unwrap(), scratch: scratch.path().join("packs") };
        let mut fixture =
            Self { tree: Tree::new(meta(0o755)), blobs: Blobs::new(), sandbox, _scratch: scratch };
        for folder in ["bin", "dev", "etc", "proc", "root", "run", "sys", "tmp", "var"] {
            fixture.add(folder, meta(0o755), NodeKind::dir());
        }
        let mut files = BTreeSet::new();
        for program in PROGRAMS {
            let path = find(program);
            files.extend(libraries(&path));
            fixture.copy(&path, &format!("bin/{program}"));
        }
        for file in files {
            fixture.copy(&file, file.strip_prefix("/").unwrap().to_str().unwrap());
        }
        fixture.file("etc/greeting", "hello\n");
        fixture
    }

    /// Adds a node and its parent folders.
    pub(crate) fn add(&mut self, path: &str, meta: Meta, kind: NodeKind) -> NodeId {
        let (dir, name) = path.rsplit_once('/').unwrap_or(("", path));
        let dir = match self.tree.lookup(dir.as_bytes()) {
            Some(dir) => dir,
            None => self.add(dir, self::meta(0o755), NodeKind::dir()),
        };
        self.tree.add(dir, Name::new(name.as_bytes()).unwrap(), Node { meta, kind }).unwrap()
    }

    pub(crate) fn file(&mut self, path: &str, text: &str) -> NodeId {
        self.add(path, meta(0o644), NodeKind::File(Content::Inline(Arc::from(text.as_bytes()))))
    }

    fn copy(&mut self, from: &Path, to: &str) {
        if self.tree.lookup(to.as_bytes()).is_some() {
            return;
        }
        let metadata = std::fs::metadata(from).unwrap();
        let source = self.blobs.add_closed(from.canonicalize().unwrap(), FileStamp::of(&metadata));
        let mode = (metadata.permissions().mode() & 0o777) as u16;
        self.add(to, meta(mode), NodeKind::File(Content::Slice { source, at: 0, len: metadata.size() }));
    }

    /// Runs a script, at most a minute.
    pub(crate) fn run(&mut self, script: &str) -> Result<Captured, SandboxError> {
        let mut job = job(script);
        job.limits.time = Duration::from_mins(1);
        // The tree has no locales, of which perl would warn every time.
        job.env.insert("PERL_BADLANG".into(), "0".into());
        self.run_job(&job)
    }

    pub(crate) fn run_job(&mut self, job: &SandboxJob) -> Result<Captured, SandboxError> {
        self.sandbox.run(&self.tree, &mut self.blobs, job, Monitor::none())
    }

    /// The output of a script.
    pub(crate) fn output(&mut self, script: &str) -> String {
        match self.run(script) {
            Ok(captured) => String::from_utf8(captured.log.0).unwrap(),
            Err(error) => panic!("{error}"),
        }
    }

    /// The content of a file.
    pub(crate) fn read(&self, tree: &Tree, path: &str) -> Vec<u8> {
        let id = tree.lookup(path.as_bytes()).unwrap_or_else(|| panic!("no {path}"));
        let NodeKind::File(content) = &tree.node(id).kind else { panic!("{path} is no file") };
        let mut bytes = vec![0; content.len() as usize];
        for segment in content.segments() {
            let into = &mut bytes[segment.offset as usize..][..segment.len as usize];
            match segment.origin {
                Origin::Inline { bytes, at } => into.copy_from_slice(&bytes[at..][..into.len()]),
                Origin::Slice { source, at } => self.blobs.read_exact_at(source, at, into).unwrap(),
            }
        }
        bytes
    }
}

/// A line for every name of a tree, with its attributes and the digest of its content.
pub(crate) fn listing(fixture: &Fixture, tree: &Tree) -> String {
    let mut out = String::new();
    for (line, entry) in amiforge_formats::dump::to_string(tree).lines().zip(tree.walk()) {
        out.push_str(line);
        if let NodeKind::File(_) = tree.node(entry.id).kind {
            let bytes = fixture.read(tree, std::str::from_utf8(&entry.path).unwrap());
            write!(out, " {}", amiforge_formats::digest::Digest::of(&bytes)).unwrap();
        }
        out.push('\n');
    }
    out
}

pub(crate) fn meta(mode: u16) -> Meta {
    Meta::root_owned(mode, OLD)
}

pub(crate) fn job(script: &str) -> SandboxJob {
    SandboxJob::new(vec![SandboxStep::shell("the script", script)], EPOCH)
}

fn find(program: &str) -> PathBuf {
    let folders = ["/usr/bin", "/bin", "/usr/sbin", "/sbin"];
    let found = folders.iter().map(|folder| Path::new(folder).join(program)).find(|path| path.exists());
    found.unwrap_or_else(|| panic!("this system has no `{program}`"))
}

/// The shared libraries of a program.
fn libraries(program: &Path) -> Vec<PathBuf> {
    let listed = Command::new("ldd").arg(program).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let paths = listed.split_ascii_whitespace().filter(|word| word.starts_with('/'));
    paths.map(PathBuf::from).collect()
}
