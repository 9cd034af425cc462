//! Keys in agents, on tokens and in files of openssl.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::{check, expect, fixture, must, ready};

/// An agent, ended when dropped.
struct Agent(Child);

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn keys_of_an_agent_are_named_in_three_ways() {
    let Some(cli) = fixture() else { return };
    if !ready(&["ssh-agent", "ssh-add"]) {
        return;
    }
    expect(&cli, &["sign", "out", "--key", "agent"], 1, &["SSH_AUTH_SOCK is not set", "hint: "]);
    let socket = cli.path("agent.sock");
    let mut command = Command::new("ssh-agent");
    command.arg("-D").arg("-a").arg(&socket).stdout(Stdio::null()).stderr(Stdio::null());
    let _agent = Agent(command.spawn().unwrap());
    let add = |key: &str| {
        Command::new("ssh-add").arg(cli.path(key)).env("SSH_AUTH_SOCK", &socket).output().unwrap()
    };
    let begun = Instant::now();
    while !add("alice").status.success() {
        assert!(begun.elapsed() < Duration::from_secs(30), "the agent does not start");
        std::thread::sleep(Duration::from_millis(10));
    }
    let sign = |key: &str, code: i32, words: &[&str]| {
        let arguments = ["sign", "out", "--key", key];
        let output = cli.command(&arguments).env("SSH_AUTH_SOCK", &socket).output().unwrap();
        check(&arguments, &output, code, words);
    };
    sign("agent", 0, &["ssh-ed25519"]);
    assert!(add("bob").status.success());
    sign("agent", 1, &["2 of the ssh-agent's keys", "--key agent:FINGERPRINT", " bob"]);
    sign("agent:bob", 0, &["ecdsa-sha2-nistp256"]);
    let line = must(&cli, "ssh-keygen", &["-l", "-f", "alice.pub"]);
    sign(&format!("agent:{}", line.split(' ').nth(1).unwrap()), 0, &["ssh-ed25519"]);
    sign("bob.pub", 0, &["ecdsa-sha2-nistp256"]);
    sign("carol.pub", 1, &["0 of the ssh-agent's keys"]);
    sign("agent:\u{1b}[31m", 1, &["`\\x1b[31m`"]);
    expect(&cli, &["verify", "out", "--signed-by", "two.toml"], 0, &["signed by alice, bob"]);
}

#[test]
fn keys_of_a_token_sign() {
    let Some(cli) = fixture() else { return };
    if !ready(&["softhsm2-util", "pkcs11-tool", "openssl"]) {
        return;
    }
    let modules = ["/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so"];
    let module = modules.into_iter().find(|path| Path::new(path).is_file()).expect("the library of SoftHSM2");
    fs::create_dir(cli.path("tokens")).unwrap();
    cli.write("softhsm2.conf", &format!("directories.tokendir = {}\n", cli.path("tokens").display()));
    let settings = cli.path("softhsm2.conf");
    let softhsm = |arguments: &[&str]| {
        let mut command = Command::new("softhsm2-util");
        command.args(arguments).current_dir(cli.path(".")).env("SOFTHSM2_CONF", &settings);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{output:?}");
    };
    softhsm(&["--init-token", "--free", "--label", "build", "--pin", "1234", "--so-pin", "5678"]);
    let p256 = ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"];
    let p384 = ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"];
    let rsa = ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"];
    let kinds = [(&p256[..], "0a"), (&p384, "0b"), (&rsa, "0c"), (&["-algorithm", "ed25519"], "0d")];
    for (options, id) in kinds {
        must(&cli, "openssl", &[&["genpkey", "-out", id], options].concat());
        must(&cli, "openssl", &["pkey", "-in", id, "-pubout", "-out", &format!("{id}.pem")]);
        softhsm(&["--import", id, "--token", "build", "--label", id, "--id", id, "--pin", "1234"]);
        let uri = format!("pkcs11:token=build;object={id}?module-path={module}");
        // Not every version of pkcs11-tool reads the public half of each kind.
        let public = format!("{id}.pem");
        let mut arguments = vec!["sign", "out", "--key", uri.as_str()];
        if ["0b", "0d"].contains(&id) {
            arguments.extend(["--public-key", &public]);
        }
        let mut command = cli.command(&arguments);
        command.env("SOFTHSM2_CONF", &settings).env("AMIFORGE_PKCS11_PIN", "1234");
        let output = command.env("PATH", std::env::var_os("PATH").unwrap()).output().unwrap();
        check(&arguments, &output, 0, &["signed with "]);
        // The key in the file is the same, so its signature takes the place of the token's.
        let before = cli.names("out/signatures");
        expect(&cli, &["sign", "out", "--key", id], 0, &["signed with "]);
        assert_eq!(cli.names("out/signatures"), before);
    }
    expect(&cli, &["verify", "out"], 0, &["no difference"]);
    // A public half that is not the key's is found by the signature.
    let uri = format!("pkcs11:token=build;object=0a?module-path={module}");
    let arguments = ["sign", "out", "--key", uri.as_str(), "--public-key", "bob.pub"];
    let mut command = cli.command(&arguments);
    command.env("SOFTHSM2_CONF", &settings).env("AMIFORGE_PKCS11_PIN", "1234");
    let output = command.env("PATH", std::env::var_os("PATH").unwrap()).output().unwrap();
    check(&arguments, &output, 1, &["checking the signature that the key gave"]);
}

#[test]
fn encrypted_and_other_keys_are_refused_with_a_way_out() {
    let Some(cli) = fixture() else { return };
    must(&cli, "ssh-keygen", &["-q", "-t", "ed25519", "-N", "secret", "-f", "locked"]);
    expect(&cli, &["sign", "out", "--key", "locked"], 1, &["is encrypted", "ssh-add locked"]);
    expect(&cli, &["sign", "out", "--key", "recipe.toml"], 1, &["holds no private key"]);
    expect(&cli, &["sign", "out", "--key", "nowhere"], 1, &["reading `nowhere`"]);
    expect(&cli, &["sign", "out", "--key", "awskms:"], 2, &["a key id, an ARN"]);
    expect(&cli, &["sign", "files", "--key", "alice"], 1, &["hint: name the folder"]);
    expect(&cli, &["sign", "out", "--key", "alice", "--out", "x"], 2, &["Secure Boot alone"]);
    expect(&cli, &["sign", "out", "--key", "alice", "--for", "secure-boot"], 1, &["[trust]"]);
}
