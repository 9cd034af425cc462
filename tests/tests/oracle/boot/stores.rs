//! Variable stores of OVMF that we write, as another reader takes them.

use std::fs;
use std::process::Command;

use amiforge_formats::uefi_vars::{Enrolment, GLOBAL_VARIABLE, SignatureKind, SignatureList, Variable, edk2};
use amiforge_tests::{oracle, python, scratch};
use serde_json::Value;

use super::measured::owner;

/// Non-volatile, visible to boot services and at run time.
const BOOT_ATTRIBUTES: u32 = 7;

/// A `Boot####` or `Driver####` variable (UEFI 2.10, section 3.1.3) with the path of a file and load options.
pub(super) fn load_option(name: &str, file: &str, options: &str) -> Variable {
    let wide = |text: &str| text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect::<Vec<_>>();
    let file = wide(file);
    let node = [&[4, 4][..], &(file.len() as u16 + 4).to_le_bytes(), &file, &[0x7f, 0xff, 4, 0]].concat();
    let mut data =
        [&1_u32.to_le_bytes()[..], &(node.len() as u16).to_le_bytes(), &wide("amiforge"), &node].concat();
    if !options.is_empty() {
        data.extend(wide(options));
    }
    global(name, data)
}

pub(super) fn global(name: &str, data: Vec<u8>) -> Variable {
    let (name, guid) = (name.to_owned(), GLOBAL_VARIABLE);
    Variable { name, guid, attributes: BOOT_ATTRIBUTES, data, timestamp: [0; 16] }
}

/// Paths of blank variables of OVMF in the packages of distributions.
const TEMPLATES: [&str; 2] = ["/usr/share/OVMF/OVMF_VARS_4M.fd", "/usr/share/edk2/ovmf/OVMF_VARS.fd"];

#[test]
fn writes_stores_that_another_reader_takes() {
    let Some(template) = TEMPLATES.iter().find_map(|path| fs::read(path).ok()) else {
        return oracle::skip("not installed: OVMF (package ovmf)");
    };
    let Some(python) = python::with(&["virt.firmware.vars"]) else { return };
    let folder = scratch::folder();
    let list =
        |byte| vec![SignatureList { kind: SignatureKind::Sha256, entries: vec![(owner(), vec![byte; 32])] }];
    let mut variables = Enrolment { pk: list(1), kek: list(2), db: list(3), dbx: list(4) }.variables();
    variables.push(load_option("Boot0000", "\\EFI\\BOOT\\BOOTX64.EFI", "quiet"));
    variables.push(global("BootOrder", vec![0, 0]));
    let flash = edk2::write(&template, &variables).expect("a store");
    assert_eq!(flash.len(), template.len());
    let (store, json) = (folder.path().join("vars.fd"), folder.path().join("vars.json"));
    fs::write(&store, flash).expect("a file");
    let mut command = Command::new(python);
    command.args(["-m", "virt.firmware.vars", "-i"]).arg(&store).arg("--output-json").arg(&json);
    let output = command.output().expect("python starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let read: Value = serde_json::from_slice(&fs::read(json).expect("a file")).expect("JSON");
    let read = read["variables"].as_array().expect("variables");
    assert_eq!(read.len(), variables.len(), "{read:?}");
    for variable in &variables {
        let other = read.iter().find(|other| other["name"] == variable.name.as_str()).expect("the variable");
        let data = amiforge_formats::digest::hex(&variable.data);
        assert_eq!(other["data"], data.as_str());
        assert_eq!(other["guid"], variable.guid.to_string().as_str());
        assert_eq!(other["attr"], variable.attributes);
    }
}
