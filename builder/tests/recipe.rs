//! The messages for mistakes in recipes, and the values of valid recipes.

use std::path::{Path, PathBuf};

use amiforge::recipe::{PackageSource, Recipe, RecipeContent, RecipeError, Recommends, Scripts, SourceFrom};
use amiforge_formats::volume::VolumeOptions;
use amiforge_image::disk::{DiskSize, PartitionSize};
use amiforge_packages::deb::resolve::BasePackages;
use amiforge_packages::rpm::source::{ModularPackages, RepositoryAddress, RepositorySigners};

/// The line before the recipe of each case.
const CASE: &str = "#### ";
/// The line before the messages for it.
const MESSAGES: &str = "#--- said\n";

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/recipes").join(name)
}

/// The fixture with the messages of this version.
fn updated(fixture: &str) -> String {
    let cases = fixture.split(CASE).skip(1).map(|case| {
        let recipe = case.split(MESSAGES).next().unwrap_or_default();
        let (title, recipe) = recipe.split_once('\n').unwrap_or_default();
        let messages = match Recipe::parse(recipe, Path::new("recipe.toml")) {
            Ok(_) => "nothing\n".to_owned(),
            Err(error) => format!("{error}\n"),
        };
        format!("{CASE}{title}\n{recipe}{MESSAGES}{messages}\n")
    });
    cases.collect()
}

#[test]
fn every_mistake_reads_as_the_fixture_says() {
    let path = fixture("mistakes.txt");
    let fixture = std::fs::read_to_string(&path).unwrap();
    let now = updated(&fixture);
    if std::env::var_os("UPDATE_FIXTURES").is_some() {
        std::fs::write(&path, &now).unwrap();
        return;
    }
    for (now, then) in now.split(CASE).zip(fixture.split(CASE)) {
        assert_eq!(now, then, "UPDATE_FIXTURES=1 rewrites {}", path.display());
    }
    assert!(!now.contains("said\nnothing"), "a case has no mistake");
    assert_eq!(now, fixture);
}

fn parse(text: &str) -> Recipe {
    Recipe::parse(text, Path::new("folder/recipe.toml")).unwrap_or_else(|error| panic!("{error}"))
}

const IMAGE: &str = "[image]\nname = \"web\"\narch = \"x86_64\"\n";

#[test]
fn without_partitions_there_are_an_esp_and_a_root_that_fills() {
    let recipe = parse(IMAGE);
    assert_eq!(recipe.size, DiskSize::Minimal);
    let [esp, root] = recipe.partitions.as_slice() else { panic!("{:?}", recipe.partitions) };
    assert_eq!(
        (esp.id.as_str(), esp.mount.as_deref(), esp.size),
        ("esp", Some("/boot/efi"), PartitionSize::Exact(128 << 20))
    );
    assert!(
        matches!(&esp.holds, RecipeContent::Volume(VolumeOptions::Fat32 { label, .. }) if label == "ESP")
    );
    assert_eq!(
        (root.id.as_str(), root.mount.as_deref(), root.size),
        ("root", Some("/"), PartitionSize::Fill)
    );
    assert_eq!(root.type_guid.to_string(), "4f68bce3-e8cd-4db1-96e7-fbcaf984b709");
    assert_eq!(root.attributes, 1 << 59);
    let arm = parse(&IMAGE.replace("x86_64", "aarch64"));
    assert_eq!(arm.partitions[1].type_guid.to_string(), "b921b045-1df0-41c3-af44-4c6f280d3fae");
}

#[test]
fn types_ids_and_labels_follow_from_role_and_mount() {
    let recipe = parse(&format!(
        "{IMAGE}[disk]\nsize = 8\n\
         [[partition]]\nrole = \"bios-boot\"\nnumber = 14\n\
         [[partition]]\nrole = \"root\"\nsize = \"minimal + 256 MiB\"\n\
         [[partition]]\nrole = \"data\"\nmount = \"/var/lib/db\"\nsize = \"1 GiB\"\nattributes = [\"read-only\", 55]\n\
         [[partition]]\nrole = \"data\"\nmount = \"/home\"\nsize = \"fill\"\nreserved = 0.25\njournal = \"none\"\n\
         [[partition]]\nrole = \"swap\"\nsize = \"64 MiB\"\n"
    ));
    assert_eq!(recipe.size, DiskSize::Exact(8 << 30));
    let shown: Vec<_> =
        recipe.partitions.iter().map(|p| (p.id.as_str(), p.label.as_str(), p.number)).collect();
    let expected = [
        ("bios-boot", "bios-boot", Some(14)),
        ("root", "root", None),
        ("var-lib-db", "var-lib-db", None),
        ("home", "home", None),
        ("swap", "swap", None),
    ];
    assert_eq!(shown, expected);
    assert_eq!(recipe.partitions[1].size, PartitionSize::Minimal { slack: 256 << 20 });
    assert_eq!(recipe.partitions[2].attributes, 1 << 60 | 1 << 55);
    assert_eq!(recipe.partitions[3].type_guid.to_string(), "933ac7e1-2eb4-4f13-b844-0e14e2aef915");
    assert!(matches!(
        recipe.partitions[3].holds,
        RecipeContent::Volume(VolumeOptions::Ext4 { reserved: 25, .. })
    ));
}

#[test]
fn an_epoch_may_be_seconds_a_text_or_a_time_of_toml() {
    for epoch in ["1793491200", "\"1793491200\"", "\"2026-11-01T00:00:00Z\"", "2026-11-01T00:00:00Z"] {
        let recipe = parse(&format!("{IMAGE}epoch = {epoch}\n"));
        assert_eq!(recipe.image.epoch, Some(1_793_491_200), "{epoch}");
    }
}

#[test]
fn paths_are_relative_to_the_folder_of_the_recipe() {
    let recipe = parse(&format!(
        "{IMAGE}[[source]]\nkind = \"tar\"\npath = \"in/base.tar.zst\"\n[[file]]\npath = \"/a\"\nsource = \"/etc/a\"\n"
    ));
    assert_eq!(recipe.sources[0].label, "source 1 (base.tar.zst)");
    let amiforge_rootfs::sources::SourceKind::Tar { path } = &recipe.sources[0].kind else { panic!() };
    assert_eq!(path, Path::new("folder/in/base.tar.zst"));
    let amiforge::recipe::FilePut::HostFile { path, .. } = &recipe.files[0].put else { panic!() };
    assert_eq!(path, Path::new("/etc/a"));
}

#[test]
fn a_file_that_is_not_utf8_or_too_long_or_missing_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("recipe.toml");
    assert!(matches!(Recipe::load(&path), Err(RecipeError::Read { .. })));
    std::fs::write(&path, b"# \xff").unwrap();
    assert!(matches!(Recipe::load(&path), Err(RecipeError::NotText { at: 2, .. })));
    std::fs::write(&path, vec![b'#'; (4 << 20) + 1]).unwrap();
    assert!(matches!(Recipe::load(&path), Err(RecipeError::TooLong { .. })));
}

const DEB: &str = "[[source]]\nkind = \"deb\"\ndistribution = \"debian\"\n\
    suites = [\"bookworm\", \"bookworm-updates\", \"bookworm-security\"]\n";

#[test]
fn security_suites_of_debian_are_a_separate_archive() {
    let mirrors =
        "mirror = \"https://deb.example/debian/\"\napt-mirror = \"https://inside.example/debian\"\n";
    let recipe = parse(&format!("{IMAGE}{DEB}{mirrors}"));
    let Some(PackageSource::Deb(deb)) = recipe.packages else { panic!() };
    let shown: Vec<_> = deb
        .archives
        .iter()
        .map(|archive| (archive.name.as_str(), archive.suites.join(" "), archive.mirror.as_deref()))
        .collect();
    let expected = [
        ("debian", "bookworm bookworm-updates".to_owned(), Some("https://deb.example/debian")),
        ("debian-security", "bookworm-security".to_owned(), Some("https://deb.example/debian-security")),
    ];
    assert_eq!(shown, expected);
    let of_machines: Vec<_> = deb.archives.iter().map(|archive| archive.apt_mirror.as_deref()).collect();
    let expected = ["https://inside.example/debian", "https://inside.example/debian-security"];
    assert_eq!(of_machines, expected.map(Some));
    assert_eq!(
        (deb.base, deb.recommends, deb.scripts),
        (BasePackages::Required, Recommends::Leave, Scripts::Run)
    );
    assert_eq!(deb.arch, "amd64");
    let ubuntu = parse(&format!(
        "{IMAGE}[[source]]\nkind = \"deb\"\ndistribution = \"ubuntu\"\nsuites = [\"noble\", \"noble-security\"]\n"
    ));
    assert_eq!(ubuntu.packages.unwrap().backend().archives(), ["ubuntu"]);
}

#[test]
fn stages_runs_and_limits_have_their_usual_values() {
    let recipe = parse(&format!(
        "{IMAGE}{DEB}[[stage]]\nname = \"httpd\"\nrun = [\"make\"]\n\
         [[stage.source]]\nurl = \"https://src.example/httpd-2.4.tar.gz?raw\"\nsha256 = \"{}\"\n\
         [[stage.source]]\npath = \"in/extra.tar\"\nstrip = 0\n\
         [[stage.install]]\nfrom = \"/opt/httpd/\"\n\
         [[run]]\ncommand = \"a2enmod rewrite\"\n[sandbox]\nseconds = 60\nmemory = 1\ndisk = \"512 MiB\"\n",
        "ab".repeat(32)
    ));
    let [stage] = recipe.stages.as_slice() else { panic!() };
    let shown: Vec<_> = stage.sources.iter().map(|source| (source.folder.as_str(), source.strip)).collect();
    assert_eq!(shown, [("httpd-2.4", 1), ("extra", 0)]);
    assert_eq!(stage.sources[1].from, SourceFrom::Path("folder/in/extra.tar".into(), "in/extra.tar".into()));
    assert_eq!(stage.installs, [("/opt/httpd".to_owned(), "/opt/httpd".to_owned())]);
    assert_eq!(recipe.runs[0].command, "a2enmod rewrite");
    assert_eq!(
        (recipe.limits.time.as_secs(), recipe.limits.memory, recipe.limits.disk),
        (60, 1 << 30, 512 << 20)
    );
    assert_eq!(recipe.limits.processes, 4096);
}

#[test]
fn the_examples_of_amazon_linux_are_valid() {
    for example in ["amazon-linux-web", "amazon-linux-lamp"] {
        let path =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples").join(example).join("recipe.toml");
        let recipe = Recipe::load(&path).unwrap_or_else(|error| panic!("{error}"));
        let Some(PackageSource::Rpm(rpm)) = recipe.packages else { panic!("{example}") };
        let [amazon] = rpm.repositories.as_slice() else { panic!("{:?}", rpm.repositories) };
        assert_eq!((amazon.name.as_str(), rpm.arch.as_str()), ("amazonlinux", "x86_64"));
        assert!(rpm.packages.iter().any(|name| name == "httpd"));
    }
}

#[test]
fn sources_of_rpm_packages_have_repositories_with_keys() {
    let recipe = parse(&format!(
        "{IMAGE}[[source]]\nkind = \"rpm\"\ndistribution = \"amazonlinux\"\nrelease = \"2023.12.20260817\"\n\
         packages = [\"httpd\", \"@core\"]\nrecommends = true\n[[source.repository]]\nname = \"own\"\nmetalink = \"https://m/x\"\n\
         keyring = \"own.asc\"\nfingerprints = [\"B21C 50FA 44A9 9720 EAA7 2F7F E951 904A D832 C631\"]\npriority = 10\nmodules = []\n"
    ));
    let Some(PackageSource::Rpm(rpm)) = recipe.packages else { panic!("{:?}", recipe.packages) };
    assert_eq!((rpm.release.as_str(), rpm.recommends), ("2023.12.20260817", Recommends::Take));
    let [amazon, own] = rpm.repositories.as_slice() else { panic!("{:?}", rpm.repositories) };
    assert!(matches!(&amazon.address, RepositoryAddress::MirrorList(list) if list.ends_with("/mirror.list")));
    let pinned = ["B21C50FA44A99720EAA72F7FE951904AD832C631".to_owned()];
    assert!(matches!(&amazon.keys, RepositorySigners::Known { fingerprints, .. } if *fingerprints == pinned));
    assert_eq!(own.address, RepositoryAddress::Metalink("https://m/x".to_owned()));
    assert!(matches!(&own.keys, RepositorySigners::File { fingerprints, .. } if *fingerprints == pinned));
    assert_eq!((own.priority, own.modules), (10, ModularPackages::Hide));
}
