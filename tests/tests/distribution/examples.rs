//! Each example is built, inspected, published and launched once: it boots without a failed unit, the owner of the
//! instance's key becomes root, and its service works. A small change of an example rebuilds little.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use amiforge_tests::program::Bundle;
use amiforge_tests::recipe::Recipe;
use amiforge_tests::{explained, oracle, program, python};
use serde_json::Value;
use toml::Table;

use crate::booted;
use crate::fixtures::{LockedRecipe, assert_same, has_line, must, read_file, verified_listing};

/// An example, and the properties that its image must have.
struct Example {
    name: &'static str,
    /// Beginnings of lines of its listing.
    listed: &'static [&'static str],
    /// Beginnings of lines that its listing must not have.
    unlisted: &'static [&'static str],
    /// The layers that its build makes.
    layers: &'static [&'static str],
    /// A page that it serves, as `PORT/PATH`, and what is in it.
    page: Option<(&'static str, &'static str)>,
    /// A command that proves its purpose, and a part of its output.
    shows: Option<(&'static str, &'static str)>,
}

/// A user logs in, becomes root, and has a UTF-8 locale, on a machine whose units have all started.
pub(crate) const LOGIN: &str = "\
    systemctl is-system-running --wait || { systemctl --failed --no-legend --plain; exit 1; }; set -e; \
    test \"$(id -u)\" != 0; test \"$(sudo -n id -u)\" = 0; test \"$(locale charmap)\" = UTF-8; \
    test -z \"$(locale 2>&1 >/dev/null)\"; systemd-analyze time; systemd-analyze blame | head -n 5";

/// An example that was built.
struct Built {
    fixture: LockedRecipe,
    bundle: Bundle,
    /// The JSON report of the build.
    report: Value,
}

impl Example {
    /// Builds it and checks the image; `None` when no archive is reachable.
    fn build(&self) -> Option<Built> {
        let fixture = LockedRecipe::of_example(self.name)?;
        let start = Instant::now();
        let (bundle, report) = fixture.build_with_report("out");
        println!("{}: built in {:.1} s", self.name, start.elapsed().as_secs_f64());
        let listing = verified_listing(&bundle);
        for line in self.listed {
            assert!(has_line(&listing, line), "{} has no line `{line}…`", self.name);
        }
        for line in self.unlisted.iter().chain(&["/etc/ssh/ssh_host_"]) {
            assert!(!has_line(&listing, line), "{} has `{line}…`", self.name);
        }
        let layers: Vec<_> = report["layers"].as_array().unwrap().iter().map(|one| &one["name"]).collect();
        assert_eq!(layers, self.layers);
        let output = program::run(&["preflight", &bundle.folder.to_string_lossy(), "--json"]);
        let preflight: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(preflight["findings"], Value::Array(Vec::new()), "{}", self.name);
        Some(Built { fixture, bundle, report })
    }

    /// Publishes it to a local region and launches it.
    fn launch(&self, built: &Built) {
        if !booted::ready() {
            return;
        }
        let ami = built.fixture.publish();
        let mut args = vec!["--region", "local", "--run", LOGIN];
        args.extend(self.page.iter().flat_map(|(page, _)| ["--get", *page]));
        args.extend(self.shows.iter().flat_map(|(command, _)| ["--run", *command]));
        let start = Instant::now();
        let output = built.fixture.boot_successfully(&ami, &args);
        println!("{}: shown in {:.0} s\n{output}", self.name, start.elapsed().as_secs_f64());
        for (_, args) in self.page.iter().chain(&self.shows) {
            assert!(output.contains(args), "{}: no `{args}` in {output}", self.name);
        }
    }
}

#[test]
fn the_web_server_serves_its_page_and_a_rebuild_is_the_same() {
    let example = Example {
        name: "web-server",
        listed: &[
            "/etc/apache2/mods-enabled/headers.load symlink ",
            "/etc/apache2/sites-enabled/000-default.conf symlink ",
            "/etc/systemd/system/multi-user.target.wants/apache2.service symlink ",
            "/var/www/html/index.html file 0644 0:0 ",
            "/etc/machine-id file 0444 0:0 ",
        ],
        unlisted: &[],
        layers: &["packages", "run"],
        page: Some(("80/", "It works")),
        shows: None,
    };
    let Some(built) = example.build() else { return };
    let bundle = &built.bundle;
    let cleaned = bundle.manifest["cleaned"].as_array().unwrap();
    assert!(cleaned.iter().any(|one| one["rule"] == "ssh-host-keys"), "{cleaned:?}");
    assert!(built.report["layers"].as_array().unwrap().iter().all(|layer| layer["reused"] == false));
    let inputs = bundle.manifest["inputs"].as_array().unwrap();
    let is_apache =
        |one: &Value| one["kind"] == "deb" && one["name"].as_str().unwrap().starts_with("apache2 ");
    assert!(inputs.iter().any(is_apache));
    check_sbom(&bundle.folder.join("sbom.cdx.json"));
    bytes_are_explained_as_others_find_them(&built);
    no_damaged_byte_is_believed(&built);
    example.launch(&built);
}

/// Random bytes are what debugfs, mtools and the packages' own files have there.
fn bytes_are_explained_as_others_find_them(built: &Built) {
    if !oracle::ready(&["debugfs", "dumpe2fs", "mshowfat", "mtype", "dpkg-deb"], false) {
        return;
    }
    let Some(python) = python::with(&["json"]) else { return };
    let samples = built.fixture.path("samples.json");
    let sampled = explained::sample(&built.bundle.folder, 10_000, 15);
    fs::write(&samples, serde_json::to_vec(&sampled).unwrap()).unwrap();
    let args = [built.bundle.image(), samples, built.fixture.path("store/objects")];
    let counts: Value = serde_json::from_str(&python::must(&python, "explained.py", &args)).unwrap();
    println!("{counts}");
    for kind in ["content", "package", "inode", "free", "tail", "inode table", "fat content", "fat free"] {
        assert!(counts[kind].as_u64().is_some_and(|count| count > 0), "no comparison of {kind}: {counts}");
    }
}

/// The SBOM lists the packages, with digests of their files.
fn check_sbom(path: &Path) {
    let sbom: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    let components = sbom["components"].as_array().unwrap();
    let apache = components.iter().find(|one| one["name"] == "apache2-bin").unwrap();
    assert!(apache["purl"].as_str().unwrap().starts_with("pkg:deb/debian/apache2-bin@"), "{apache}");
    assert_eq!(apache["hashes"][0]["alg"], "SHA-256");
    let files = apache["components"].as_array().unwrap();
    let server = files.iter().find(|file| file["name"] == "/usr/sbin/apache2").unwrap();
    assert_eq!(server["hashes"][1]["content"].as_str().unwrap().len(), 64);
    assert!(components.iter().any(|one| one["type"] == "file" && one["name"] == "/var/www/html/index.html"));
}

/// A rebuild takes every layer from the store and gives the same bundle; a damaged entry of the store is detected and
/// rebuilt.
fn no_damaged_byte_is_believed(built: &Built) {
    let (fixture, first) = (&built.fixture, &built.bundle);
    let (again, report) = fixture.build_with_report("again");
    assert!(report["layers"].as_array().unwrap().iter().all(|layer| layer["reused"] == true), "{report}");
    assert_same(first, &again);
    verified_listing(&again);
    // The cached facts of the image are an entry of the store too.
    let small: Vec<_> =
        entries(fixture).into_iter().filter(|path| fs::metadata(path).unwrap().len() < 4096).collect();
    assert!(!small.is_empty(), "no facts of the image are cached");
    for path in &small {
        flip(path, fs::metadata(path).unwrap().len() as usize / 2);
    }
    assert_same(first, &fixture.build("again"));
    // A byte of a program that is in the image.
    let args = ["inspect", &format!("{}:root/usr/sbin/apache2", first.folder.display()), "--cat"];
    let program = Command::new(program::path()).args(args).output().unwrap().stdout;
    let middle = &program[program.len() / 2..][..256];
    let found = entries(fixture).into_iter().find_map(|path| {
        let bytes = fs::read(&path).unwrap();
        let at = find(&bytes, middle)?;
        Some((path, at))
    });
    let (path, at) = found.expect("the program is in the store");
    flip(&path, at);
    let output = fixture.command("again", "store").output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains(&*path.file_name().unwrap().to_string_lossy()), "{stderr}");
    assert!(!path.exists(), "the damaged entry is still there");
    assert_same(first, &fixture.build("again"));
}

/// The entries of the fixture's store, without the fetched files.
fn entries(fixture: &LockedRecipe) -> Vec<PathBuf> {
    let all = fs::read_dir(fixture.path("store")).unwrap().map(|entry| entry.unwrap().path());
    all.filter(|path| path.is_file()).collect()
}

/// Changes a byte of a file.
fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 1;
    fs::write(path, bytes).unwrap();
}

/// The offset of `part` in `bytes`.
fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}

#[test]
fn lamp_asks_its_database_and_a_changed_file_is_built_without_running_anything() {
    let example = Example {
        name: "lamp",
        listed: &[
            "/usr/sbin/mariadbd file 0755 ",
            "/etc/apache2/mods-enabled/php8.4.load symlink ",
            "/var/www/html/index.php file ",
            "/etc/systemd/system/multi-user.target.wants/greetings.service symlink ",
        ],
        // Apache would serve it instead of our page.
        unlisted: &["/var/www/html/index.html"],
        layers: &["packages"],
        page: Some(("80/", "Hello from the database")),
        shows: None,
    };
    let Some(built) = example.build() else { return };
    example.launch(&built);
    if !oracle::ready(&["strace"], false) {
        return;
    }
    let (fixture, table) = (&built.fixture, "/usr/local/share/greetings.sql");
    let changed = Recipe::example("lamp").replace_in_file(table, "Hello from the database", "Hello again");
    fs::write(fixture.recipe(), changed.to_string()).unwrap();
    let (log, command) = (fixture.path("strace.log"), fixture.command("out", "store"));
    let mut traced = Command::new(oracle::find("strace").unwrap());
    traced.args(["-f", "-e", "trace=execve,execveat", "-o"]).arg(&log).arg(command.get_program());
    let output = must(&traced.args(command.get_args()).output().unwrap());
    let output: Value = serde_json::from_str(&output).unwrap();
    assert!(output["layers"].as_array().unwrap().iter().all(|layer| layer["reused"] == true), "{output}");
    let log = fs::read_to_string(log).unwrap();
    assert_eq!(log.matches("exec").count(), 1, "only the program itself is started:\n{log}");
    let text = read_file(&built.bundle, table);
    assert!(text.contains("Hello again"), "{text}");
}

#[test]
fn a_server_compiled_from_source_leaves_its_tools_behind() {
    let example = Example {
        name: "from-source",
        listed: &[
            "/usr/sbin/nginx file 0755 0:0 ",
            "/etc/nginx/mime.types file 0644 0:0 ",
            "/etc/systemd/system/multi-user.target.wants/nginx.service symlink ",
        ],
        unlisted: &["/usr/bin/gcc"],
        layers: &["packages", "tools of nginx", "stage nginx"],
        page: Some(("80/version", "nginx 1.26.3")),
        shows: None,
    };
    let Some(built) = example.build() else { return };
    let inputs = built.bundle.manifest["inputs"].as_array().unwrap();
    let source = inputs.iter().find(|one| one["kind"] == "source").unwrap();
    assert_eq!(source["name"], "nginx: nginx_1.26.3.orig.tar.gz");
    // The same from a store with the fetched files only.
    let fixture = &built.fixture;
    fixture.add_store("other");
    must(&fixture.command("again", "other").output().unwrap());
    assert_same(&built.bundle, &Bundle::open(&fixture.path("again")));
    example.launch(&built);
}

#[test]
fn a_developers_machine_compiles_a_program_and_runs_it_in_a_container() {
    let example = Example {
        name: "dev-machine",
        listed: &[
            "/home/dev dir 0700 1000:1000 ",
            "/etc/sudoers.d/dev file 0440 0:0 ",
            "/etc/systemd/system/multi-user.target.wants/docker.service symlink ",
        ],
        unlisted: &[],
        layers: &["packages"],
        page: None,
        // The container holds the program only, so no image has to be fetched.
        shows: Some((
            "set -e; cd $(mktemp -d); git init -q .; \
             printf '#include <cstdio>\\nint main() { std::puts(\"compiled here\"); }\\n' >main.cc; \
             printf 'main: main.cc\\n\\tg++ -static -o main main.cc\\n' >Makefile; make -s; \
             git add .; git -c user.name=dev -c user.email=dev commit -q -m one; git log --oneline | grep -q one; \
             tar -c main | docker import - compiled >/dev/null; docker run --rm --network none compiled /main; \
             docker info --format '{{.ServerVersion}} with {{.Driver}}, cgroup {{.CgroupVersion}}'",
            "compiled here",
        )),
    };
    let Some(built) = example.build() else { return };
    example.launch(&built);
}

#[test]
fn a_node_for_computing_runs_jobs_whose_parts_talk() {
    let example = Example {
        name: "hpc-node",
        listed: &[
            "/etc/slurm/slurm.conf file 0644 0:0 ",
            "/etc/systemd/system/slurmd.service.requires/slurm-node.service symlink ",
            "/etc/systemd/system/multi-user.target.wants/chrony.service symlink ",
        ],
        // It would be the same for all machines.
        unlisted: &["/etc/munge/munge.key"],
        layers: &["packages"],
        page: None,
        shows: Some((
            "set -e; munge -n | unmunge | grep -q STATUS:.*Success; chronyc -n sources | grep 169.254.169.123; \
             test \"$(srun hostname)\" = \"$(hostname)\"; sinfo --noheader; \
             srun --ntasks 2 python3 -c 'from mpi4py import MPI; c = MPI.COMM_WORLD; \
             print(\"sum of\", c.size, \"ranks:\", c.allreduce(c.rank + 1))'; \
             mpirun -n 2 hostname",
            "sum of 2 ranks: 3",
        )),
    };
    let Some(built) = example.build() else { return };
    example.launch(&built);
}

#[test]
fn a_build_that_is_killed_leaves_its_packages_to_the_next() {
    let recipe = |command: &str| {
        let run = Table::from_iter([("command".to_owned(), command.into())]);
        Recipe::example("debian-minimal").set("source.0.scripts", "native").push("run", run).to_string()
    };
    let Some(fixture) = LockedRecipe::new(&recipe("sleep 300")) else { return };
    let mut command = fixture.command("out", "store");
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let layers = || {
        let names = entries(&fixture).into_iter().map(|path| path.file_name().unwrap().to_owned());
        names.filter(|name| name.to_string_lossy().starts_with("layer-")).count()
    };
    let end = Instant::now() + Duration::from_mins(2);
    while layers() == 0 {
        assert!(child.try_wait().unwrap().is_none(), "the build ended");
        assert!(Instant::now() < end, "no layer while the command runs");
        std::thread::sleep(Duration::from_millis(50));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    fs::write(fixture.recipe(), recipe("true")).unwrap();
    let (_, report) = fixture.build_with_report("out");
    assert_eq!(report["layers"][0]["reused"], true, "{report}");
}
