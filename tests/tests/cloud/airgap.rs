//! A hand-over between two hosts that share a file and nothing else: each command runs in a network namespace without an
//! interface, and in a mount namespace in which the other host's folder is empty. The second host publishes to a local
//! region on its own loopback. ssh-keygen signs, and checks what comes back.
#![expect(clippy::unwrap_used, reason = "a test that cannot prepare its case fails")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use amiforge_formats::digest::Digest;
use amiforge_tests::archive::noise;
use amiforge_tests::{oracle, program, scratch};

const PROGRAMS: [&str; 5] = ["unshare", "ip", "mount", "ssh-keygen", "dd"];

const RECIPE: &str = "[image]\nname = \"web\"\nversion = \"1\"\narch = \"x86_64\"\nepoch = \"2030-01-01T00:00:00Z\"\n\n\
    [disk]\nsize = \"64 MiB\"\n\n[[partition]]\nrole = \"esp\"\nsize = \"34 MiB\"\n[[partition]]\nrole = \"root\"\n\n\
    [[source]]\nkind = \"dir\"\npath = \"tree\"\n";

/// Two hosts and the medium between them.
struct Hosts {
    root: tempfile::TempDir,
}

/// One of the hosts: its own folder, and the other's.
#[derive(Clone, Copy)]
struct Host {
    own: &'static str,
    other: &'static str,
}

const BUILDER: Host = Host { own: "builder", other: "publisher" };
const PUBLISHER: Host = Host { own: "publisher", other: "builder" };

impl Hosts {
    /// `None` without the programs or without root.
    fn new() -> Option<Self> {
        if !oracle::ready(&PROGRAMS, true) {
            return None;
        }
        let hosts = Self { root: scratch::folder() };
        for name in ["builder/tree/etc", "publisher", "medium"] {
            fs::create_dir_all(hosts.path(name)).unwrap();
        }
        hosts.write_tree(1);
        fs::write(hosts.path("builder/recipe.toml"), RECIPE).unwrap();
        Some(hosts)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// The files of a version of the image: some stay, one changes.
    fn write_tree(&self, version: u32) {
        fs::write(self.path("builder/tree/etc/motd"), format!("version {version}\n")).unwrap();
        fs::write(self.path("builder/tree/stays"), noise(4 << 20, 1)).unwrap();
        fs::write(self.path("builder/tree/changes"), noise(1 << 20, 10 + version)).unwrap();
    }

    /// A command on a host, in its folder.
    fn command(&self, host: Host, args: &[&str]) -> Command {
        let script = "mount -t tmpfs -o size=4k none \"$1\" && ip link set lo up && test -z \"$(ip -o link | grep -v ' lo:')\" \
                      && shift && exec \"$@\"";
        let mut command = Command::new(oracle::find("unshare").unwrap());
        command.args(["--net", "--mount", "sh", "-c", script, "sh"]).arg(self.path(host.other));
        command.args(args).current_dir(self.path(host.own)).stdin(Stdio::null());
        command.env("AMIFORGE_LOCAL_REGION", self.path(host.own).join("region"));
        command.env("XDG_CACHE_HOME", self.path(host.own).join("cache"));
        command.env("HOME", self.path(host.own)).env_remove("SSH_AUTH_SOCK").env_remove("XDG_CONFIG_HOME");
        command
    }

    /// Runs the program on a host: its exit code, and everything that it wrote.
    fn amiforge(&self, host: Host, args: &[&str]) -> (i32, String) {
        let program = program::path();
        let output = self.command(host, &[&[program.to_str().unwrap()], args].concat()).output().unwrap();
        (output.status.code().unwrap_or(-1), text(&output))
    }

    fn must(&self, host: Host, args: &[&str]) -> String {
        let (code, text) = self.amiforge(host, args);
        assert_eq!(code, 0, "{}: amiforge {args:?}: {text}", host.own);
        text
    }

    /// The program has to end with `code` and to say `part`.
    fn refused(&self, host: Host, code: i32, part: &str, args: &[&str]) {
        let (status, text) = self.amiforge(host, args);
        assert_eq!(status, code, "amiforge {args:?}: {text}");
        assert!(text.contains(part), "amiforge {args:?}: `{part}` is not in {text}");
    }

    fn tool(&self, host: Host, args: &[&str]) -> String {
        let output = self.command(host, args).output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", text(&output));
        text(&output)
    }

    /// A key of a host, and the policy that trusts it.
    fn key(&self, host: Host, name: &str) -> String {
        self.tool(host, &["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", name]);
        let public = fs::read_to_string(self.path(host.own).join(format!("{name}.pub"))).unwrap();
        let policy = format!(
            "[[signer]]\nname = \"{name}\"\nkeys = [\"{}\"]\n\n[[rule]]\nnames = [\"web\"]\nsigners = [\"{name}\"]\n",
            public.trim()
        );
        fs::write(self.path(&format!("medium/{name}.toml")), policy).unwrap();
        public
    }

    fn build(&self, out: &str) {
        self.must(BUILDER, &["build", "recipe.toml", "-o", out]);
    }

    /// Signs a bundle with ssh-keygen, as its documentation says.
    fn sign(&self, bundle: &str, public: &str) {
        let sums = format!("{bundle}/SHA256SUMS");
        self.tool(
            BUILDER,
            &["ssh-keygen", "-q", "-Y", "sign", "-n", "amiforge-bundle", "-f", "alice", &sums],
        );
        let blob = base64(public.split(' ').nth(1).unwrap());
        let id = Digest::of(&blob).to_string();
        let folder = self.path("builder").join(bundle);
        fs::create_dir(folder.join("signatures")).unwrap();
        let signature = folder.join(format!("signatures/{}.sig", &id[..16]));
        fs::rename(folder.join("SHA256SUMS.sig"), signature).unwrap();
    }
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Decodes base64 (RFC 4648, section 4).
fn base64(text: &str) -> Vec<u8> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut bytes = Vec::new();
    let (mut held, mut bits) = (0u32, 0);
    for byte in text.bytes().filter(|byte| *byte != b'=') {
        held = held << 6 | ALPHABET.iter().position(|one| *one == byte).unwrap() as u32;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push((held >> bits) as u8);
        }
    }
    bytes
}

/// The first id with this prefix in a text.
fn id(text: &str, prefix: &str) -> String {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
    words
        .into_iter()
        .find(|word| word.starts_with(prefix))
        .unwrap_or_else(|| panic!("{prefix} in {text}"))
        .to_owned()
}

#[test]
fn a_hand_over_goes_to_another_host_and_receipts_come_back() {
    let Some(hosts) = Hosts::new() else { return };
    let alice = hosts.key(BUILDER, "alice");
    let bob = hosts.key(PUBLISHER, "bob");
    hosts.build("web-1");
    hosts.sign("web-1", &alice);

    let export =
        ["export", "web-1", "-o", "../medium/web-1.amx", "--name", "web-planned", "--tag", "Team=edge"];
    let export =
        [&export[..], &["--region", "local", "--key", "alice", "--signed-by", "../medium/alice.toml"]]
            .concat();
    hosts.must(BUILDER, &export);
    let amx = "../medium/web-1.amx";
    let verified = hosts.must(PUBLISHER, &["verify", amx, "--signed-by", "../medium/alice.toml"]);
    assert!(
        verified.contains("signed by  alice") && verified.contains("plan       name web-planned"),
        "{verified}"
    );
    hosts.refused(PUBLISHER, 3, "signature", &["verify", amx, "--signed-by", "../medium/bob.toml"]);

    let published = hosts.must(PUBLISHER, &["publish", amx, "--as-planned"]);
    let image = id(&published, "ami-");
    let again = hosts.must(PUBLISHER, &["publish", amx, "--as-planned"]);
    assert!(again.contains(&image) && again.contains("sent 0 blocks"), "the same is adopted: {again}");
    hosts.must(PUBLISHER, &["verify", &image, "--bundle", amx, "--region", "local"]);

    let receipts =
        ["receipts", "export", amx, "--region", "local", "-o", "../medium/web.amr", "--key", "bob"];
    hosts.must(PUBLISHER, &receipts);
    let amr = "../medium/web.amr";
    let imported =
        hosts.must(BUILDER, &["receipts", "import", amr, "web-1", "--signed-by", "../medium/bob.toml"]);
    assert!(imported.contains(&image) && imported.contains("signed by bob"), "{imported}");
    assert!(hosts.must(BUILDER, &["receipts", "list", "web-1"]).contains(&image));
    hosts.must(BUILDER, &["verify", "web-1"]);
    hosts.refused(
        BUILDER,
        3,
        "not accepted",
        &["receipts", "import", amr, "web-1", "--signed-by", "../medium/alice.toml"],
    );
    ssh_keygen_accepts(&hosts, &bob);
    kept_receipts_are_verified(&hosts, &image);

    // Another image: its receipts are not those, and its delta continues the first.
    hosts.write_tree(2);
    hosts.build("web-2");
    hosts.refused(BUILDER, 3, "the receipt is of `web`", &["receipts", "import", amr, "web-2"]);
    delta(&hosts);
}

/// The receipt's signature, split off with sed, is one for ssh-keygen.
fn ssh_keygen_accepts(hosts: &Hosts, public: &str) {
    fs::write(hosts.path("builder/allowed"), format!("bob {public}")).unwrap();
    let script = "sed '/^-----BEGIN SSH SIGNATURE-----$/,$d' ../medium/web.amr > r.json \
        && sed -n '/^-----BEGIN SSH SIGNATURE-----$/,$p' ../medium/web.amr > r.sig \
        && ssh-keygen -Y verify -f allowed -I bob -n amiforge-receipts -s r.sig < r.json";
    hosts.tool(BUILDER, &["sh", "-c", script]);
    let edited =
        fs::read_to_string(hosts.path("medium/web.amr")).unwrap().replace("\"held\": ", "\"held\": 1");
    fs::write(hosts.path("medium/edited.amr"), edited).unwrap();
    hosts.refused(BUILDER, 3, "is not good", &["receipts", "import", "../medium/edited.amr", "web-1"]);
}

/// `verify` reads the receipts beside a bundle and a hand-over: it names what they are of, and refuses damaged ones, those of
/// another image, and, where one is demanded, those of others and none at all.
fn kept_receipts_are_verified(hosts: &Hosts, image: &str) {
    let (web, amx) = ("web-1", "../medium/web-1.amx");
    let by = |image, policy| ["verify", image, "--receipts-by", policy];
    let text = hosts.must(BUILDER, &by(web, "../medium/bob.toml"));
    assert!(text.contains(&format!("published as {image} in local, says a receipt signed by bob")), "{text}");
    hosts.refused(BUILDER, 3, "it is not accepted", &by(web, "../medium/alice.toml"));
    hosts.refused(BUILDER, 3, "no receipt is kept beside it", &by(amx, "../medium/bob.toml"));
    hosts.must(BUILDER, &["receipts", "import", "../medium/web.amr", amx]);
    let text = hosts.must(BUILDER, &by(amx, "../medium/bob.toml"));
    assert!(text.contains(&format!("published  {image} in local")), "{text}");
    let again = hosts.must(PUBLISHER, &["publish", amx, "--as-planned"]);
    assert!(again.contains(&format!("a receipt names {image} in local")), "{again}");
    fs::remove_dir_all(hosts.path("medium/web-1.amx.receipts")).unwrap();
    let kept = hosts.path("builder/web-1.receipts/edited.amr");
    fs::copy(hosts.path("medium/edited.amr"), &kept).unwrap();
    hosts.refused(BUILDER, 3, "a signature of it is not good", &["verify", web]);
    fs::remove_file(kept).unwrap();
}

/// A delta is published as a child of the snapshot that it continues, and of no other.
fn delta(hosts: &Hosts) {
    hosts.must(BUILDER, &["export", "web-2", "-o", "../medium/web-2.amx", "--parent", "../medium/web-1.amx"]);
    let size = |name: &str| fs::metadata(hosts.path(&format!("medium/{name}"))).unwrap().len();
    assert!(size("web-2.amx") < size("web-1.amx") / 2, "{} of {}", size("web-2.amx"), size("web-1.amx"));
    let amx = "../medium/web-2.amx";
    let publish = ["publish", amx, "--name", "web-2", "--region", "local"];
    hosts.refused(PUBLISHER, 1, "holds only what differs", &publish);
    let published = hosts.must(PUBLISHER, &[&publish[..], &["--parent", "auto"]].concat());
    let image = id(&published, "ami-");
    hosts.must(PUBLISHER, &["verify", &image, "--bundle", amx, "--region", "local"]);
    let third = ["publish", amx, "--name", "web-3", "--region", "local", "--parent", &image];
    hosts.refused(PUBLISHER, 1, "and the hand-over continues", &third);
    hosts.must(BUILDER, &["unpack", amx, "--parent", "web-1", "-o", "again"]);
    for name in ["disk.raw", "manifest.json", "SHA256SUMS", "tree.txt"] {
        let read = |folder: &str| fs::read(hosts.path("builder").join(folder).join(name)).unwrap();
        assert!(read("again") == read("web-2"), "{name}");
    }
}

#[test]
fn a_copy_that_stopped_goes_on_and_parts_cross_on_several_media() {
    let Some(hosts) = Hosts::new() else { return };
    hosts.build("web");
    hosts.must(BUILDER, &["export", "web", "-o", "../medium/web.amx"]);
    let whole = fs::read(hosts.path("medium/web.amx")).unwrap();
    for end in [0, 100, 5000, whole.len() / 2, whole.len() - 1] {
        fs::write(hosts.path("publisher/web.amx"), &whole[..end]).unwrap();
        let (code, text) = hosts.amiforge(PUBLISHER, &["verify", "--partial", "web.amx", "--json"]);
        assert_eq!(code, 3, "{text}");
        let report: serde_json::Value =
            serde_json::from_str(text.split("\nerror").next().unwrap()).expect(&text);
        let good = report["good"]["offset"].as_u64().unwrap_or(0);
        assert!(good <= end as u64, "{report}");
        let dd = ["dd", "if=../medium/web.amx", "of=web.amx", "conv=notrunc", "bs=64K", "status=none"];
        let (skip, seek) = (format!("skip={good}"), format!("seek={good}"));
        hosts.tool(PUBLISHER, &[&dd[..], &["iflag=skip_bytes", "oflag=seek_bytes", &skip, &seek]].concat());
        hosts.must(PUBLISHER, &["verify", "--partial", "web.amx"]);
    }
    hosts.must(BUILDER, &["export", "web", "-o", "../medium/parts.amx", "--split", "1MiB"]);
    fs::create_dir(hosts.path("publisher/parts")).unwrap();
    hosts.tool(PUBLISHER, &["sh", "-c", "cp ../medium/parts.amx.* parts/"]);
    hosts.must(PUBLISHER, &["verify", "parts"]);
    hosts.tool(PUBLISHER, &["sh", "-c", &format!("cat parts/* | {} verify -", program::path().display())]);
    hosts.must(PUBLISHER, &["unpack", "parts/parts.amx.002", "-o", "web"]);
    assert!(
        fs::read(hosts.path("publisher/web/disk.raw")).unwrap()
            == fs::read(hosts.path("builder/web/disk.raw")).unwrap()
    );
    fs::remove_file(hosts.path("publisher/parts/parts.amx.002")).unwrap();
    hosts.refused(PUBLISHER, 3, "part 2 of", &["verify", "parts"]);
    hosts.refused(PUBLISHER, 1, "parts.amx.002", &["publish", "parts", "--region", "local"]);
    hosts.tool(PUBLISHER, &["mkfifo", "pipe.amx"]);
    hosts.refused(PUBLISHER, 1, "it is a FIFO", &["verify", "pipe.amx"]);
}

#[test]
fn a_full_disk_and_a_kill_leave_no_file_of_the_final_name() {
    let Some(hosts) = Hosts::new() else { return };
    hosts.build("web");
    let small = hosts.path("small");
    fs::create_dir(&small).unwrap();
    let mount = "mount -t tmpfs -o size=2m none ../small && shift";
    let program = program::path().display().to_string();
    hosts.must(BUILDER, &["export", "web", "-o", "web.amx"]);
    for work in [
        "export web -o ../small/web.amx",
        "export web -o ../small/web.amx --split 1MiB",
        "unpack web.amx -o ../small/out",
    ] {
        let script = format!("{mount}; {program} {work}; code=$?; ls -A ../small; exit $code");
        let output = hosts.command(BUILDER, &["sh", "-c", &script, "sh", ""]).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{work}: {}", text(&output));
        assert!(text(&output).contains("No space left on device"), "{}", text(&output));
        assert_eq!(String::from_utf8_lossy(&output.stdout), "", "{work}: something is left");
    }
    let full = hosts
        .command(BUILDER, &["sh", "-c", &format!("{program} export web -o - > /dev/full")])
        .output()
        .unwrap();
    assert_eq!(full.status.code(), Some(1), "{}", text(&full));
    killed(&hosts);
}

/// Kills exports at many moments.
fn killed(hosts: &Hosts) {
    let mut killed = 0;
    let out = hosts.path("builder/killed.amx");
    for delay in [0, 5, 10, 20, 30, 40, 60, 80, 120] {
        let mut command = Command::new(program::path());
        command.args(["export", "web", "-o", "killed.amx"]).current_dir(hosts.path("builder"));
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let start = Instant::now();
        while start.elapsed() < Duration::from_millis(delay) && child.try_wait().unwrap().is_none() {
            std::hint::spin_loop();
        }
        child.kill().unwrap();
        if child.wait().unwrap().success() {
            fs::remove_file(&out).unwrap();
        } else {
            killed += 1;
            assert!(!out.exists(), "a killed export has the final name");
        }
    }
    assert!(killed > 0, "every export was done before it was killed");
    hosts.must(BUILDER, &["export", "web", "-o", "killed.amx"]);
    let same = |name: &str| fs::read(hosts.path("builder").join(name)).unwrap();
    assert!(same("killed.amx") == same("web.amx"));
    let partial = |name: &Path| name.to_string_lossy().ends_with(".partial");
    assert!(!fs::read_dir(hosts.path("builder")).unwrap().any(|entry| partial(&entry.unwrap().path())));
}
