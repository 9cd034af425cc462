//! The variables of a bundle, as decoders of others read them.

use std::process::Command;

use amiforge_formats::digest::hex;
use amiforge_formats::guid::Guid;
use amiforge_formats::uefi_vars::{IMAGE_SECURITY_DATABASE, decode_ec2};
use amiforge_tests::python;
use amiforge_tests::secure_boot::SecureBoot;
use serde_json::Value;

/// Name, vendor, attributes and data in hexadecimal, sorted.
type Shown = Vec<(String, String, u64, String)>;

/// The variables in the JSON of virt-firmware, which python-uefivars writes too.
fn shown(json: &Value) -> Shown {
    let all = json["variables"].as_array().or(json.as_array()).expect("a list of variables");
    let text = |variable: &Value, key: &str| variable[key].as_str().unwrap_or_default().to_lowercase();
    let mut shown: Shown = all
        .iter()
        .map(|one| {
            (
                one["name"].as_str().unwrap().to_owned(),
                text(one, "guid"),
                one["attr"].as_u64().unwrap_or(0),
                text(one, "data"),
            )
        })
        .filter(|(name, ..)| ["PK", "KEK", "db", "dbx"].contains(&name.as_str()))
        .collect();
    shown.sort();
    shown
}

#[test]
fn decoders_of_others_read_the_variables_that_were_written() {
    let Some(python) = python::with(&["pyuefivars", "virt.firmware"]) else { return };
    let Some(made) =
        SecureBoot::new(", dbx = \"other.crt\", owner = \"6e1f7a2c-0d53-4d1c-9a3e-8c1f5b2d7e40\"")
    else {
        return;
    };
    let bundle = made.build("unsigned", &[]);
    let data = bundle.join("uefi-data").to_string_lossy().into_owned();
    let own = decode_ec2(&std::fs::read_to_string(&data).unwrap()).unwrap();
    let expected: Shown = own
        .iter()
        .map(|one| (one.name.clone(), one.guid.to_string(), one.attributes.into(), hex(&one.data)))
        .collect();
    assert_eq!(expected.len(), 4);
    let db = own.iter().find(|one| one.name == "db").unwrap();
    let owner: Guid = "6e1f7a2c-0d53-4d1c-9a3e-8c1f5b2d7e40".parse().unwrap();
    assert_eq!((db.guid, &db.data[28..44]), (IMAGE_SECURITY_DATABASE, &owner.to_bytes_le()[..]));

    let json = made.text("virt.json");
    let tool = |name: &str, args: &[&str]| {
        let output = Command::new(python.with_file_name(name)).args(args).output().expect("a decoder");
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    };
    tool("virt-fw-vars", &["--input", &data, "--output-json", &json]);
    let read = |path: &str| serde_json::from_slice::<Value>(&std::fs::read(path).unwrap()).unwrap();
    assert_eq!(shown(&read(&json)), expected);
    let json = made.text("uefivars.json");
    tool("uefivars", &["-i", "aws", "-o", "json", "-I", &data, "-O", &json]);
    assert_eq!(shown(&read(&json)), expected);
    // The store of edk2 that is made of it, and back.
    let (store, back) = (made.text("vars.fd"), made.text("back.json"));
    tool("uefivars", &["-i", "aws", "-o", "edk2", "-I", &data, "-O", &store]);
    tool("virt-fw-vars", &["--input", &store, "--output-json", &back]);
    assert_eq!(shown(&read(&back)), expected);
}

#[test]
fn the_form_of_others_is_refused_with_words_where_it_needs_the_dictionary() {
    let Some(python) = python::with(&["pyuefivars", "virt.firmware"]) else { return };
    let Some(made) = SecureBoot::new("") else { return };
    let data = made.build("unsigned", &[]).join("uefi-data").to_string_lossy().into_owned();
    let theirs = made.text("theirs");
    let output = Command::new(python.with_file_name("virt-fw-vars"))
        .args(["--input", &data, "--output-aws", &theirs])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let refused = decode_ec2(&std::fs::read_to_string(&theirs).unwrap()).unwrap_err();
    assert!(refused.to_string().contains("6bb7d9f7"), "{refused}");
}
