//! apt itself, with a root, lists and a status of its own: what it would install is what we are measured against.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use amiforge_tests::{oracle, scratch};

/// The suites, in the order in which both sides read them: archive, suite, names.
pub(crate) const SUITES: [(&str, &str, [&str; 2]); 4] = [
    ("debian", "bookworm", ["bookworm", "oldstable"]),
    ("debian", "bookworm-updates", ["bookworm-updates", "oldstable-updates"]),
    ("debian-security", "bookworm-security", ["bookworm-security", "oldstable-security"]),
    ("debian", "bookworm-backports", ["bookworm-backports", "oldstable-backports"]),
];

/// The architectures that the lists are fetched for.
pub(crate) const ARCHS: [&str; 2] = ["amd64", "i386"];

/// How many of the suites are there for both architectures. The others move from day to day, and a package that has
/// moved for one of them only is one that neither side can install.
pub(crate) const BOTH: usize = 2;

/// How many of the suites are asked where these architectures are.
pub(crate) fn suites_for(foreign: &[&str]) -> usize {
    if foreign.is_empty() { SUITES.len() } else { BOTH }
}

const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// A folder that apt takes for the whole system.
#[derive(Debug)]
pub(crate) struct Apt {
    folder: PathBuf,
    lists: PathBuf,
    mirrors: BTreeMap<&'static str, String>,
}

/// What apt is asked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Question<'a> {
    pub(crate) words: &'a [String],
    pub(crate) status: &'a str,
    pub(crate) recommends: bool,
    pub(crate) foreign: &'a [&'a str],
    pub(crate) preferences: &'a str,
}

impl Apt {
    /// apt with the lists of the archive that this machine's own apt uses, or `None` where there is none.
    pub(crate) fn new(folder: &Path) -> Option<Self> {
        let inputs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/inputs/resolve");
        fs::create_dir_all(inputs.join("lists/partial")).expect("the folder of inputs");
        let lists = fs::canonicalize(inputs.join("lists")).expect("the folder of lists");
        let apt = Self { folder: folder.to_owned(), lists, mirrors: mirrors()? };
        for folder in ["state", "cache/archives/partial", "log"] {
            fs::create_dir_all(apt.folder.join(folder)).expect("a folder");
        }
        // The tests share the lists.
        let _one_at_a_time = scratch::lock(&inputs);
        if !apt.lists.join("complete").exists() {
            let question =
                Question { words: &[], status: "", recommends: false, foreign: &ARCHS[1..], preferences: "" };
            apt.write_sources(SUITES.len(), &ARCHS);
            if let Err(fault) = apt.run(&question, &["update"]) {
                oracle::skip(&format!("the archive cannot be had: {fault}"));
                return None;
            }
            fs::write(apt.lists.join("complete"), "").expect("a mark");
        }
        Some(apt)
    }

    /// The bytes of a list: `InRelease`, or `main_binary-amd64_Packages`.
    pub(crate) fn list(&self, suite: &str, what: &str) -> Vec<u8> {
        let end = format!("_dists_{suite}_{what}");
        let entries =
            fs::read_dir(&self.lists).expect("the lists").map(|entry| entry.expect("a list").path());
        let path = entries.into_iter().find(|path| path.to_string_lossy().ends_with(&end));
        fs::read(path.unwrap_or_else(|| panic!("no list {end}"))).expect("a list")
    }

    /// The packages that apt would install: (name, arch) and version; or what it said.
    pub(crate) fn install(
        &self,
        question: &Question<'_>,
    ) -> Result<BTreeMap<(String, String), String>, String> {
        let suites = suites_for(question.foreign);
        self.write_sources(suites, if question.foreign.is_empty() { &ARCHS[..1] } else { &ARCHS });
        let mut args = vec!["--yes", "-s", "install"];
        args.extend(question.words.iter().map(String::as_str));
        let output = self.run(question, &args)?;
        Ok(output.lines().filter_map(|line| line.strip_prefix("Inst ")).map(installed).collect())
    }

    fn run(&self, question: &Question<'_>, args: &[&str]) -> Result<String, String> {
        fs::write(self.folder.join("status"), question.status).expect("status");
        fs::write(self.folder.join("preferences"), question.preferences).expect("preferences");
        let config = self.folder.join("apt.conf");
        fs::write(&config, self.config(question)).expect("apt.conf");
        let output = Command::new("apt-get")
            .args(args)
            .env("APT_CONFIG", &config)
            .env("LC_ALL", "C")
            .output()
            .expect("apt-get");
        let (out, fault) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        if output.status.success() { Ok(out.into_owned()) } else { Err(format!("{out}{fault}")) }
    }

    fn config(&self, question: &Question<'_>) -> String {
        let folder = self.folder.display();
        let mut text = format!(
            "Dir \"{folder}\";\nDir::Etc::main \"/dev/null\";\nDir::Etc::parts \"/nonexistent\";\n\
             Dir::Etc::sourcelist \"{folder}/sources.list\";\nDir::Etc::sourceparts \"/nonexistent\";\n\
             Dir::Etc::preferences \"{folder}/preferences\";\nDir::Etc::preferencesparts \"/nonexistent\";\n\
             Dir::State \"{folder}/state\";\nDir::State::lists \"{}\";\nDir::State::status \"{folder}/status\";\n\
             Dir::State::extended_states \"{folder}/extended\";\nDir::Cache \"{folder}/cache\";\n\
             Dir::Log \"{folder}/log\";\nAPT::Architecture \"amd64\";\nAPT::Sandbox::User \"root\";\n\
             APT::Install-Recommends \"{}\";\nAcquire::Languages \"none\";\nAcquire::GzipIndexes \"false\";\n\
             Acquire::Check-Valid-Until \"false\";\nDebug::NoLocking \"true\";\npkgCacheGen::ForceEssential \",\";\n",
            self.lists.display(),
            question.recommends,
        );
        for arch in std::iter::once(&ARCHS[0]).chain(question.foreign) {
            let _ = writeln!(text, "APT::Architectures:: \"{arch}\";");
        }
        // How this machine reaches a mirror is its own affair.
        let own = oracle::must("apt-config", &["dump"]);
        let proxies = own.lines().filter(|line| line.starts_with("Acquire::http") && line.contains("roxy"));
        text.extend(proxies.flat_map(|line| [line, "\n"]));
        text
    }

    fn write_sources(&self, suites: usize, archs: &[&str]) {
        let lines = SUITES.iter().take(suites).enumerate().map(|(at, (archive, suite, _))| {
            let archs = if at < BOTH { archs.join(",") } else { ARCHS[0].to_owned() };
            format!("deb [signed-by={KEYRING} arch={archs}] {} {suite} main\n", self.mirrors[archive])
        });
        fs::write(self.folder.join("sources.list"), lines.collect::<String>()).expect("sources.list");
    }
}

/// Where this machine gets Debian from: told by the environment, else by its own apt.
fn mirrors() -> Option<BTreeMap<&'static str, String>> {
    let listed = oracle::run(
        "apt-get",
        &["indextargets", "--format", "$(RELEASE) $(REPO_URI)", "Created-By: Packages"],
    );
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    let of = |variable: &str, suite: &str| {
        std::env::var(variable).ok().or_else(|| {
            listed.lines().find_map(|line| line.strip_prefix(suite)?.strip_prefix(' ').map(str::to_owned))
        })
    };
    let debian = of("AMIFORGE_DEB_MIRROR", "bookworm");
    let security = of("AMIFORGE_DEB_MIRROR_DEBIAN_SECURITY", "bookworm-security");
    let (Some(debian), Some(security)) = (debian, security) else {
        oracle::skip("no mirror of Debian bookworm: set AMIFORGE_DEB_MIRROR");
        return None;
    };
    Some([("debian", debian), ("debian-security", security)].into())
}

/// `Inst name[:arch] [old] (version origin [arch]) …`
fn installed(line: &str) -> ((String, String), String) {
    let name = line.split([' ', ':']).next().expect("a name");
    let (_, inner) = line.split_once('(').expect("a version");
    let version = inner.split(' ').next().expect("a version");
    let arch = inner.split(']').next().and_then(|text| text.rsplit('[').next()).expect("an architecture");
    ((name.to_owned(), arch.to_owned()), version.to_owned())
}
