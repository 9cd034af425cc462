//! Statements of a bundle: signed here or elsewhere, required by a policy, summarised, and judged by cosign where it is.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::*;

/// The statement in a DSSE envelope.
fn statement(cli: &CliFixture, file: &str) -> Value {
    let envelope: Value = serde_json::from_slice(&fs::read(cli.path(file)).unwrap()).unwrap();
    serde_json::from_slice(&STANDARD.decode(envelope["payload"].as_str().unwrap()).unwrap()).unwrap()
}

/// The only file with this ending in the folder of signatures.
fn signature(cli: &CliFixture, ending: &str) -> String {
    let names = cli.names("out/signatures");
    let name = names.iter().find(|name| name.ends_with(ending)).unwrap_or_else(|| panic!("{names:?}"));
    format!("out/signatures/{name}")
}

#[test]
fn provenance_is_signed_and_a_policy_may_require_it() {
    let Some(cli) = fixture() else { return };
    let policy = fs::read_to_string(cli.path("one.toml")).unwrap();
    cli.write("strict.toml", &format!("{policy}require = [\"bundle\", \"provenance\"]\n"));
    let strict = ["verify", "out", "--signed-by", "strict.toml"];
    expect(&cli, &["sign", "out", "--for", "bundle", "--key", "alice"], 0, &[]);
    let missing = ["the policy requires `provenance`", "--for provenance --key KEY"];
    for command in ["verify", "boot"] {
        expect(&cli, &[command, "out", "--signed-by", "strict.toml"], 3, &missing);
    }
    let line = ["provenance: signed by SHA256:", ".provenance.dsse.json", ".provenance.sigstore.json"];
    expect(&cli, &["sign", "out", "--for", "attestations", "--key", "alice"], 0, &line);
    expect(&cli, &strict, 0, &["signed by alice", "no difference"]);
    expect(&cli, &["sign", "out", "--for", "sbom-spdx", "--key", "alice"], 1, &["has no `sbom.spdx.json`"]);
    let report = json(&cli.command(&["--json", "verify", "out"]).output().unwrap());
    assert_eq!(report["attestations"].as_array().unwrap().len(), 2, "{report}");
    let stated = statement(&cli, &signature(&cli, ".provenance.dsse.json"));
    assert_eq!(stated["predicateType"], "https://slsa.dev/provenance/v1");
    assert_eq!(
        stated["predicate"]["buildDefinition"]["internalParameters"]["notHermetic"],
        serde_json::json!([])
    );
    // One of another key under this name, and one of another bundle.
    let name = signature(&cli, ".provenance.dsse.json");
    let text = fs::read_to_string(cli.path(&name)).unwrap();
    fs::write(cli.path(&name), text.replace("\"sig\":\"", "\"sig\":\"AAAA")).unwrap();
    // Refused although the same statement is signed beside it: a reader of this file alone would be deceived.
    let refused = ["is no attestation of this bundle", "checking the signature of the key"];
    expect(&cli, &strict, 3, &refused);
    fs::remove_file(cli.path(&signature(&cli, ".sigstore.json"))).unwrap();
    let alone = ["attestations that are none of this bundle", "checking the signature of the key"];
    expect(&cli, &strict, 3, &alone);
    let other = statement(&cli, &name).to_string();
    let payload = STANDARD.encode(other.replace("\"web\"", "\"db\""));
    fs::write(
        cli.path(&name),
        format!(
            "{{\"payload\":\"{payload}\",\"payloadType\":\"application/vnd.in-toto+json\",\"signatures\":[{{\"keyid\":\"\",\"sig\":\"AA==\"}}]}}"
        ),
    )
    .unwrap();
    expect(&cli, &["verify", "out"], 3, &["it is not what this bundle states"]);
}

#[test]
fn a_key_elsewhere_signs_the_bytes_that_are_written_out() {
    let Some(cli) = fixture() else { return };
    if !ready(&["openssl"]) {
        return;
    }
    must(
        &cli,
        "openssl",
        &[
            "genpkey",
            "-quiet",
            "-algorithm",
            "EC",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-out",
            "release.pem",
        ],
    );
    must(&cli, "openssl", &["pkey", "-in", "release.pem", "-pubout", "-out", "release.pub.pem"]);
    expect(&cli, &["sign", "out", "--for", "provenance", "--request", "pae"], 0, &["amiforge attach out"]);
    assert!(fs::read(cli.path("pae")).unwrap().starts_with(b"DSSEv1 28 application/vnd.in-toto+json "));
    must(&cli, "openssl", &["dgst", "-sha256", "-sign", "release.pem", "-out", "pae.sig", "pae"]);
    let attach = ["attach", "out", "--signature", "provenance=pae.sig", "--public-key", "release.pub.pem"];
    expect(&cli, &attach[..4], 2, &["add `--public-key KEY.pub.pem`"]);
    let other = ["attach", "out", "--signature", "provenance=pae.sig", "--public-key", "alice.pub"];
    expect(&cli, &other, 1, &["is not one by SHA256:"]);
    expect(&cli, &attach, 0, &["provenance: signed by SHA256:"]);
    expect(&cli, &["verify", "out"], 0, &["no difference"]);
    expect(&cli, &["sign", "out", "--for", "bundle", "--request", "pae"], 2, &["is for statements"]);
    let cosign = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tools/bin/cosign");
    if !cosign.is_file() {
        return;
    }
    let bundle = signature(&cli, ".provenance.sigstore.json");
    for subject in ["out/disk.raw", "out/manifest.json", "out/tree.txt"] {
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "--net"]).arg(&cosign).arg("verify-blob-attestation");
        command.args(["--insecure-ignore-tlog", "--type", "slsaprovenance1", "--key", "release.pub.pem"]);
        command.args(["--bundle", &bundle, subject]).current_dir(cli.path(".")).env("HOME", cli.path("."));
        let output = command.output().unwrap();
        assert!(output.status.success(), "{subject}: {}", shown(&output));
    }
}

#[test]
fn a_summary_says_what_was_verified_and_whether_it_passed() {
    let Some(cli) = fixture() else { return };
    expect(&cli, &["sign", "out", "--for", "bundle", "--key", "alice"], 0, &[]);
    let summary = [
        "verify",
        "out",
        "--signed-by",
        "one.toml",
        "--attest",
        "carol",
        "-o",
        "web.dsse.json",
        "--at",
        "2026-01-02T03:04:05Z",
    ];
    expect(&cli, &summary, 0, &["PASSED, signed by SHA256:"]);
    let stated = statement(&cli, "web.dsse.json");
    let predicate = &stated["predicate"];
    assert_eq!(stated["predicateType"], "https://slsa.dev/verification_summary/v1");
    assert_eq!(predicate["verificationResult"], "PASSED");
    assert_eq!(predicate["verifiedLevels"], serde_json::json!(["SLSA_BUILD_LEVEL_1"]));
    assert_eq!(predicate["timeVerified"], "2026-01-02T03:04:05Z");
    assert_eq!(predicate["resourceUri"], "pkg:generic/web?arch=x86_64");
    assert_eq!(predicate["policy"]["uri"], "file:one.toml");
    let attestations: Vec<_> = predicate["inputAttestations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["uri"].as_str().unwrap())
        .collect();
    assert!(attestations.contains(&"file:provenance.json") && attestations.len() == 2, "{attestations:?}");
    let again = fs::read(cli.path("web.dsse.json")).unwrap();
    expect(&cli, &summary, 0, &[]);
    assert_eq!(fs::read(cli.path("web.dsse.json")).unwrap(), again);
    let mut disk = fs::read(cli.path("out/disk.raw")).unwrap();
    disk[1 << 20] ^= 1;
    fs::write(cli.path("out/disk.raw"), disk).unwrap();
    expect(&cli, &["verify", "out", "--attest", "carol", "-o", "bad.dsse.json"], 3, &["FAILED"]);
    let predicate = &statement(&cli, "bad.dsse.json")["predicate"];
    assert_eq!(predicate["verificationResult"], "FAILED");
    assert_eq!(predicate["verifiedLevels"], serde_json::json!(["FAILED"]));
    expect(&cli, &["verify", "out", "--attest", "carol"], 2, &["--out"]);
}

#[test]
fn a_document_about_vulnerabilities_is_taken_from_beside_the_recipe() {
    let cli = CliFixture::new();
    cli.recipe();
    let vex = r#"{"@context":"https://openvex.dev/ns/v0.2.0","@id":"https://example.org/vex/1","author":"a",
        "timestamp":"2026-01-01T00:00:00Z","version":1,"statements":[{"vulnerability":{"name":"CVE-2026-0001"},
        "status":"not_affected","justification":"component_not_present"}]}"#;
    cli.write("recipe.openvex.json", vex);
    expect(&cli, &["build", "recipe.toml", "-q", "-o", "out"], 0, &[]);
    assert_eq!(fs::read_to_string(cli.path("out/openvex.json")).unwrap(), vex);
    expect(&cli, &["verify", "out"], 0, &["no difference"]);
    cli.write("bad.json", &vex.replace("not_affected", "affected"));
    let bad = ["build", "recipe.toml", "-q", "-o", "out2", "--vex", "bad.json"];
    expect(&cli, &bad, 2, &["`statements[0].action_statement` is not a text, which `affected` needs"]);
}
