//! Packages in an image, configured natively: their states, accounts and pins, with archives that the tests make.

use std::fs;
use std::path::Path;

use amiforge_tests::debs::{Deb, Suite};
use amiforge_tests::lock_fixture::LockFixture;
use amiforge_tests::{oracle, program};

/// Locks, fetches and builds the fixture's recipe, and returns the path of the bundle.
fn build(fixture: &LockFixture, mirror: &str) -> String {
    for verb in ["lock", "fetch"] {
        fixture.must(verb, mirror, &[]);
    }
    let out = fixture.path("out").to_string_lossy().into_owned();
    fixture.must("build", mirror, &["-o", &out]);
    out
}

/// Extracts a folder of the image to the fixture's folder.
fn extract(out: &str, path: &str, fixture: &LockFixture) -> String {
    let to = fixture.path(path.rsplit('/').next().unwrap()).to_string_lossy().into_owned();
    program::must(&["inspect", &format!("{out}:root{path}"), "--extract", &to]);
    to
}

#[test]
fn packages_that_were_not_configured_natively_are_named_by_the_machines_dpkg() {
    let Some(fixture) = LockFixture::new(&["whole", "partly"]) else { return };
    let script = |text: &str| format!("#!/bin/sh\nset -e\n{text}\n");
    let suite = Suite::new(
        "stable",
        vec![
            Deb::new("whole", "1").control("postinst", &script("mkdir -p /var/lib/whole")),
            Deb::new("partly", "1").control("postinst", &script("an-unknown-program /var/lib/partly")),
        ],
    );
    let mirror = fixture.write_archive(&suite).url();
    fixture.write_recipe(&["whole", "partly"], "scripts = \"native\"\n");
    let out = build(&fixture, &mirror);
    if !oracle::ready(&["dpkg", "dpkg-query"], false) {
        return;
    }
    let admin = format!("--admindir={}", extract(&out, "/var/lib/dpkg", &fixture));
    let audit = oracle::must("dpkg", &[&admin, "--audit"]);
    assert!(audit.contains("partly") && !audit.contains("whole"), "{audit}");
    let states = oracle::must("dpkg-query", &[&admin, "-W", "-f", "${Package} ${db:Status-Status}\n"]);
    assert_eq!(states, "partly half-configured\nwhole installed\n");
}

#[test]
fn accounts_that_packages_make_natively_have_the_numbers_of_the_recipe() {
    let Some(fixture) = LockFixture::new(&["store", "web"]) else { return };
    let script = |text: &str| format!("#!/bin/sh\nset -e\n{text}\n");
    let store = script(
        "adduser --system --group --home /var/lib/store --no-create-home store\nid -u store >/etc/store.uid\n\
         addgroup --system readers",
    );
    let web = script("groupadd -r web\nuseradd -r -g web -d /srv/web -s /usr/sbin/nologin web");
    let suite = Suite::new(
        "stable",
        vec![
            Deb::new("store", "1")
                .file("/etc/passwd", b"root:x:0:0:root:/root:/bin/sh\n")
                .file("/etc/group", b"root:x:0:\n")
                // Without it useradd puts the password of an account into `passwd`.
                .file("/etc/shadow", b"root:*:19000:0:99999:7:::\n")
                .control("postinst", &store),
            Deb::new("web", "1").field("Depends", "store").control("postinst", &web),
        ],
    );
    let mirror = fixture.write_archive(&suite).url();
    fixture.write_recipe(
        &["web"],
        "scripts = \"native\"\n[[user]]\nname = \"store\"\nuid = 5432\n[[user]]\nname = \"web\"\nuid = 5433\n\
         [[group]]\nname = \"store\"\ngid = 5431\n[[group]]\nname = \"readers\"\ngid = 5430\n",
    );
    let out = build(&fixture, &mirror);
    let read = |path: &str| program::must(&["inspect", &format!("{out}:root{path}"), "--cat"]);
    let passwd = read("/etc/passwd");
    assert!(passwd.contains("store:x:5432:5431::/var/lib/store:/usr/sbin/nologin\n"), "{passwd}");
    assert!(passwd.contains("web:x:5433:5433::/srv/web:/usr/sbin/nologin\n"), "{passwd}");
    let group = read("/etc/group");
    assert!(group.contains("readers:x:5430:\n"), "{group}");
}

#[test]
fn apt_of_the_machine_follows_the_pins_of_the_recipe() {
    let Some(fixture) = LockFixture::new(&["apt"]) else { return };
    let apt = Deb::new("apt", "1").program("/usr/bin/apt-get", b"");
    let packages =
        |version: &str| ["app", "library-a", "library-b", "other"].map(|name| Deb::new(name, version));
    let own = |suite: &str, version: &str, more: Vec<Deb>| {
        let suite = Suite::new(suite, packages(version).into_iter().chain(more).collect());
        fixture.write_archive(&suite)
    };
    own("stable", "1.0", vec![apt]);
    let mirror = own("newer", "2.0", Vec::new()).url();
    let text = "[image]\nname = \"pinned\"\narch = \"x86_64\"\n[[source]]\nkind = \"deb\"\ndistribution = \"tests\"\n\
                suites = [\"stable\", \"newer\"]\nbase = \"none\"\nkeyring = \"archive.gpg\"\npackages = [\"apt\"]\n\
                scripts = \"none\"\n\
                [[source.pin]]\npackage = \"app\"\nversion = \"1.*\"\n\
                [[source.pin]]\npackage = \"library-*\"\nsuite = \"stable\"\npriority = 700\n\
                [[source.pin]]\npackage = \"library-b\"\nsuite = \"newer\"\npriority = 900\n";
    fs::write(fixture.path("recipe.toml"), text).unwrap();
    let out = build(&fixture, &mirror);
    if !oracle::ready(&["apt-get", "apt-cache"], false) {
        return;
    }
    let etc = extract(&out, "/etc/apt", &fixture);
    let root = fixture.path("system");
    for folder in ["state/lists/partial", "cache/archives/partial"] {
        fs::create_dir_all(root.join(folder)).unwrap();
    }
    fs::write(root.join("status"), "").unwrap();
    let sources = format!("deb [trusted=yes] {mirror} stable main\ndeb [trusted=yes] {mirror} newer main\n");
    fs::write(root.join("sources.list"), sources).unwrap();
    let ask = |program: &str, args: &[&str]| {
        let options = options(&root, &etc);
        let options = options.iter().flat_map(|option| ["-o", option.as_str()]);
        oracle::must(program, &options.chain(args.iter().copied()).collect::<Vec<_>>())
    };
    ask("apt-get", &["update"]);
    for (package, candidate) in [("app", "1.0"), ("library-a", "1.0"), ("library-b", "2.0"), ("other", "2.0")]
    {
        let policy = ask("apt-cache", &["policy", package]);
        assert!(policy.contains(&format!("Candidate: {candidate}\n")), "{policy}");
    }
}

/// Options with which apt uses a folder as the system, and only the preferences of an image.
fn options(root: &Path, etc: &str) -> Vec<String> {
    let root = root.display();
    vec![
        "Dir::Etc::main=/dev/null".to_owned(),
        "Dir::Etc::parts=/nonexistent".to_owned(),
        format!("Dir::Etc::sourcelist={root}/sources.list"),
        "Dir::Etc::sourceparts=/nonexistent".to_owned(),
        "Dir::Etc::preferences=/nonexistent".to_owned(),
        format!("Dir::Etc::preferencesparts={etc}/preferences.d"),
        format!("Dir::State={root}/state"),
        format!("Dir::State::status={root}/status"),
        format!("Dir::Cache={root}/cache"),
        "APT::Architecture=amd64".to_owned(),
        "APT::Sandbox::User=root".to_owned(),
        "Acquire::Languages=none".to_owned(),
    ]
}
