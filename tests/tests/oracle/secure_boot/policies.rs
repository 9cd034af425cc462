//! Signed PCR policies of a built image: a TPM opens a secret by them, in the states that were signed for and in no other.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use amiforge_formats::pcr::{self, BankDigests};
use amiforge_formats::pe;
use amiforge_tests::secure_boot::{SecureBoot, UKI};
use amiforge_tests::{oracle, program, scratch};

/// The phases of the recipe's default.
const PHASES: [&str; 3] = ["", "sysinit", "sysinit:ready"];

/// A recipe with Secure Boot and a key of policies.
fn made() -> Option<SecureBoot> {
    let made = SecureBoot::new("")?;
    for name in ["pcr", "stranger"] {
        let (key, public) = (made.text(&format!("{name}.key")), made.text(&format!("{name}.pub")));
        oracle::must("openssl", &["genrsa", "-out", &key, "2048"]);
        oracle::must("openssl", &["pkey", "-in", &key, "-pubout", "-out", &public]);
    }
    let recipe = std::fs::read_to_string(made.path("recipe.toml")).unwrap();
    let recipe = recipe.replace("[trust]\n", "[trust]\npcr-policy = { key = \"pcr.pub\" }\n");
    std::fs::write(made.path("recipe.toml"), recipe).unwrap();
    Some(made)
}

/// The ids of the requests, in their order.
fn ids(bundle: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(bundle.join("signing/pcr-policy.json")).unwrap();
    let list: serde_json::Value = serde_json::from_str(&text).unwrap();
    let requests = list["requests"].as_array().unwrap();
    let phases: Vec<_> = requests.iter().map(|one| one["phases"].as_str().unwrap()).collect();
    assert_eq!(phases, [PHASES, PHASES].concat());
    requests.iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect()
}

/// Signs the requests of a bundle by openssl: arguments for the build.
fn sign(made: &SecureBoot, bundle: &Path, key: &str) -> Vec<String> {
    let one = |id: String| {
        let (tbs, sig) = (bundle.join(format!("signing/{id}.tbs")), made.text(&format!("{id}.sig")));
        let key = made.text(&format!("{key}.key"));
        oracle::must("openssl", &["dgst", "-sha256", "-sign", &key, "-out", &sig, &tbs.to_string_lossy()]);
        std::fs::copy(&tbs, made.path(&format!("{id}.tbs"))).unwrap();
        ["--signature".to_owned(), format!("{id}={sig}")]
    };
    ids(bundle).into_iter().flat_map(one).collect()
}

fn refused(made: &SecureBoot, signatures: &[String], words: &str) {
    let (recipe, out, store) = (made.text("recipe.toml"), made.text("refused"), made.text("store"));
    let command = ["--quiet", "build", &recipe, "-o", &out, "--store", &store];
    let more: Vec<_> = signatures.iter().map(String::as_str).collect();
    let output = program::run(&[&command[..], &more].concat());
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(err.contains(words), "{words}\n{err}");
    assert!(!output.status.success() && !Path::new(&out).exists());
}

/// What a TPM has to say of the policies while the image is measured and the system starts.
fn events(uki: &[u8], ids: &[String]) -> String {
    let mut text = String::new();
    let event = |text: &mut String, digests: &BankDigests| {
        let hex = |bank| digests.hex(bank);
        writeln!(text, "event {} {}", hex(pcr::Bank::Sha256), hex(pcr::Bank::Sha384)).unwrap();
    };
    for (name, content) in pcr::measure(&uki, None).unwrap().sections {
        event(&mut text, &BankDigests::of(&[name.as_bytes(), &[0]].concat()));
        event(&mut text, &content);
    }
    for (state, phase) in ["", "sysinit", "ready"].into_iter().enumerate() {
        if !phase.is_empty() {
            event(&mut text, &BankDigests::of(phase.as_bytes()));
        }
        for (at, id) in ids.iter().enumerate() {
            let word = if at % PHASES.len() == state { "open" } else { "closed" };
            let bank = if at < PHASES.len() { "sha256" } else { "sha384" };
            writeln!(text, "{word} {id} {bank}").unwrap();
        }
    }
    text
}

#[test]
fn a_tpm_opens_a_secret_in_the_states_that_were_signed_for_and_in_no_other() {
    if !oracle::ready(&["openssl", "swtpm", "tpm2_policyauthorize", "bash"], false) {
        return;
    }
    let Some(made) = made() else { return };
    let unsigned = made.build("unsigned", &[]);
    let report = program::must(&["verify", &unsigned.to_string_lossy()]);
    assert!(report.contains("PCR policies: 6, not signed yet"), "{report}");
    let signatures = sign(&made, &unsigned, "pcr");
    let more: Vec<_> = signatures.iter().map(String::as_str).collect();
    let built = made.build("built", &more);
    let (before, after) = (program::Bundle::open(&unsigned), program::Bundle::open(&built));
    let register = |bundle: &program::Bundle, number: &str| {
        bundle.manifest["measurements"]["secure_boot_on"]["sha384"][number].clone()
    };
    assert_eq!(register(&before, "11"), register(&after, "11"), "the policies are not measured with it");
    assert_ne!(register(&before, "4"), register(&after, "4"), "but they are part of the image");

    // Secure Boot signs what has the policies in it.
    let signature = made.openssl(&built, "db");
    let output = made.attach(&built, &signature, "signed", &[]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report = program::must(&["verify", &made.text("signed")]);
    assert!(report.contains("PCR policies: 6, signed by the key"), "{report}");
    assert!(report.contains("is signed by `db`"), "{report}");
    let all = [signatures.clone(), vec!["--signature".to_owned(), format!("{UKI}={signature}")]].concat();
    let more: Vec<_> = all.iter().map(String::as_str).collect();
    let whole = made.build("whole", &more);
    assert_eq!(program::Bundle::open(&whole).digest(), program::Bundle::open(&made.path("signed")).digest());

    let image: PathBuf = made.extract(&made.path("signed"), "uki.efi");
    let uki = std::fs::read(image).unwrap();
    let section = pe::read(&uki).unwrap().content(&uki, ".pcrsig", 1 << 16).unwrap().unwrap();
    let json: serde_json::Value = serde_json::from_slice(&section).unwrap();
    assert_eq!(json["sha384"].as_array().unwrap().len(), 3);
    std::fs::write(made.path("events"), events(&uki, &ids(&built))).unwrap();
    let script = scratch::repository().join("tests/oracles/pcr-policy.sh").to_string_lossy().into_owned();
    let folder = made.text("");
    oracle::must("bash", &[script.as_str(), &folder, &made.text("pcr.pub")]);
}

#[test]
fn signatures_of_policies_are_all_there_and_of_the_one_key() {
    if !oracle::ready(&["openssl"], false) {
        return;
    }
    let Some(made) = made() else { return };
    let unsigned = made.build("unsigned", &[]);
    let good = sign(&made, &unsigned, "pcr");
    refused(&made, &good[2..], "no signature was given for `pcr11-sha256-1`");
    let swapped = [&good[..2], &["--signature".to_owned(), good[1].replace("sha256-1=", "sha256-9=")]];
    refused(&made, &swapped.concat(), "there is no request `pcr11-sha256-9`");
    let other =
        [vec!["--signature".to_owned(), good[1].replace("sha256-1=", "sha256-2=")], good[..2].to_vec()];
    let other = [other.concat(), good[4..].to_vec()].concat();
    refused(&made, &other, "was not made by the key of `pcr-policy`");
    refused(&made, &sign(&made, &unsigned, "stranger"), "was not made by the key of `pcr-policy`");
    let recipe = std::fs::read_to_string(made.path("recipe.toml")).unwrap();
    std::fs::write(made.path("recipe.toml"), recipe.replace("pcr.pub", "pcr.key")).unwrap();
    refused(&made, &[], "it holds a private key");
}
