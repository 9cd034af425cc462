//! Private keys of every format, by the programs that make them.

use std::fs;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use super::secrets::Secret;
use super::tool::{find, letters, random, run, text};

/// A key of openssl.
fn openssl(args: &[&str]) -> Vec<u8> {
    run("openssl", args)
}

/// A key of openssl in another format.
fn converted(key: &[u8], args: &[&str]) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    fs::write(&path, key).unwrap();
    openssl(&[args, &["-in", text(&path)]].concat())
}

fn rsa() -> Vec<u8> {
    openssl(&["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"])
}

/// A certificate, which is public.
pub(crate) fn certificate() -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key");
    openssl(&["req", "-x509", "-newkey", "ed25519", "-nodes", "-subj", "/CN=app", "-keyout", text(&key)])
}

/// A key of ssh-keygen.
fn ssh_keygen(kind: &str) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    run("ssh-keygen", &["-q", "-t", kind, "-N", "", "-C", "", "-f", text(&path)]);
    fs::read(path).unwrap()
}

fn pkcs12() -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let [key, certificate] = ["key", "certificate"].map(|name| folder.path().join(name));
    let args =
        ["req", "-x509", "-newkey", "ed25519", "-nodes", "-subj", "/CN=app", "-keyout", text(&key), "-out"];
    openssl(&[&args[..], &[text(&certificate)]].concat());
    let args = ["pkcs12", "-export", "-passout", "pass:x", "-inkey", text(&key), "-in", text(&certificate)];
    openssl(&args)
}

/// An armoured key of `GnuPG`.
fn gpg() -> Vec<u8> {
    let home = tempfile::tempdir().unwrap();
    let home = text(home.path());
    let own = ["--homedir", home, "--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase", ""];
    run("gpg", &[&own[..], &["--quick-gen-key", "a@example.invalid", "ed25519", "sign", "never"]].concat());
    let key = run("gpg", &[&own[..], &["--armor", "--export-secret-keys"]].concat());
    let _ = Command::new("gpgconf").args(["--homedir", home, "--kill", "all"]).output();
    key
}

/// A key of `PuTTY`: of puttygen where there is one, else composed as its manual describes the format.
fn putty() -> Vec<u8> {
    if find("puttygen").is_some() {
        let folder = tempfile::tempdir().unwrap();
        let (path, phrase) = (folder.path().join("key.ppk"), folder.path().join("phrase"));
        fs::write(&phrase, "\n").unwrap();
        run("puttygen", &["-q", "-t", "ed25519", "--new-passphrase", text(&phrase), "-o", text(&path)]);
        return fs::read(path).unwrap();
    }
    let (public, private) = (STANDARD.encode(random(51)), STANDARD.encode(random(36)));
    let mac = letters(b"0123456789abcdef", 64);
    format!(
        "PuTTY-User-Key-File-3: ssh-ed25519\r\nEncryption: none\r\nComment: key\r\nPublic-Lines: 1\r\n{public}\r\n\
         Private-Lines: 1\r\n{private}\r\nPrivate-MAC: {mac}\r\n"
    )
    .into_bytes()
}

/// A store of Java with one key, as keytool of old versions wrote it.
fn java_key_store() -> Vec<u8> {
    let mut store = vec![0xfe, 0xed, 0xfe, 0xed, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 1, 0, 3];
    store.extend_from_slice(b"app");
    store.extend_from_slice(&[0; 8]);
    store.extend_from_slice(&600_u32.to_be_bytes());
    store.extend(random(620));
    store
}

/// A keytab of one principal.
fn keytab() -> Vec<u8> {
    let mut entry = vec![0, 1, 0, 11];
    entry.extend_from_slice(b"EXAMPLE.ORG\0\x04host\0\0\0\x01\0\0\0\0\x01\0\x12\0\x20");
    entry.extend(random(32));
    let mut keytab = vec![5, 2];
    keytab.extend_from_slice(&(entry.len() as u32).to_be_bytes());
    keytab.extend(entry);
    keytab
}

fn jwk() -> String {
    let part = |len: usize| URL_SAFE_NO_PAD.encode(random(len));
    format!(r#"{{"kty":"OKP","crv":"Ed25519","d":"{}","x":"{}","kid":"1"}}"#, part(32), part(32))
}

/// The keys.
pub(crate) fn secrets() -> Vec<Secret> {
    let age = format!("AGE-SECRET-{}{}\n", "KEY-1", letters(b"QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L", 58));
    let wireguard =
        format!("[Interface]\nPrivateKey = {}\nAddress = 10.0.0.1/24\n", STANDARD.encode(random(32)));
    let tsig = format!(
        "key \"ddns\" {{\n\talgorithm hmac-sha256;\n\tsecret \"{}\";\n}};\n",
        STANDARD.encode(random(32))
    );
    let pkcs1 = converted(&rsa(), &["rsa", "-traditional"]);
    let pkcs1_der = converted(&rsa(), &["rsa", "-traditional", "-outform", "DER"]);
    let pkcs8_der = converted(&rsa(), &["pkcs8", "-topk8", "-nocrypt", "-outform", "DER"]);
    let encrypted = converted(&rsa(), &["pkcs8", "-topk8", "-passout", "pass:x", "-v2", "aes-256-cbc"]);
    let ec = openssl(&["ecparam", "-name", "prime256v1", "-genkey", "-noout"]);
    let pkcs8 = openssl(&["genpkey", "-algorithm", "ED25519"]);
    vec![
        Secret::new("RSA key (PKCS #1)", "root/.ssh/id_rsa", pkcs1, &["private-key", "ssh-private-key"]),
        Secret::new("RSA key (PKCS #1, DER)", "opt/app/rsa.der", pkcs1_der, &["private-key"]),
        Secret::new("RSA key (PKCS #8, DER)", "opt/app/key.der", pkcs8_der, &["private-key"]),
        Secret::new("Ed25519 key (PKCS #8)", "srv/app/server.pem", pkcs8, &["private-key"]),
        Secret::new(
            "EC key (SEC 1)",
            "etc/ssl/private/app.key",
            ec,
            &["private-key", "tls-private-key-file"],
        ),
        Secret::new("encrypted key (PKCS #8)", "srv/app/locked.pem", encrypted, &["encrypted-private-key"]),
        Secret::new("PKCS #12 store", "opt/app/store.p12", pkcs12(), &["pkcs12-key"]),
        Secret::new("OpenSSH key", "home/deploy/deploy_key", ssh_keygen("ed25519"), &["openssh-private-key"]),
        Secret::new(
            "SSH host key",
            "etc/ssh/ssh_host_ecdsa_key",
            ssh_keygen("ecdsa"),
            &["ssh-host-key", "openssh-private-key"],
        ),
        Secret::new("PuTTY key", "home/deploy/deploy.ppk", putty(), &["putty-private-key"]),
        Secret::new("OpenPGP key", "root/backup.asc", gpg(), &["openpgp-secret-key"]),
        Secret::new("age identity", "root/.config/age/keys.txt", age, &["age-key"]),
        Secret::new("WireGuard key", "etc/wireguard/wg0.conf", wireguard, &["wireguard-private-key"]),
        Secret::new("JSON Web Key", "opt/app/jwk.json", jwk(), &["json-web-key"]),
        Secret::new("Java key store", "opt/app/app.jks", java_key_store(), &["java-key-store"]),
        Secret::new("Kerberos keytab", "etc/krb5.keytab", keytab(), &["kerberos-keytab"]),
        Secret::new("TSIG key", "etc/bind/ddns.key", tsig, &["tsig-key"]),
    ]
}
