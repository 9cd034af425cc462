//! Bundles whose files, manifest, listing, sums or image were changed.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::{Value, json};

use crate::edits::{Edited, Remake};
use crate::tally::{Sequence, Tally};

const LEVELS: [Remake; 3] = [Remake::Nothing, Remake::Sums, Remake::Manifest];

#[test]
fn digests_that_are_made_anew_for_the_same_image_are_the_same() {
    for name in ["ext4", "verity-erofs"] {
        let edited = Edited::new(name);
        let before = edited.text("manifest.json");
        edited.remake(Remake::Manifest);
        assert_eq!(edited.text("manifest.json"), before);
    }
}

/// Flips bits of the image near other data, with and without digests that fit.
fn image(name: &str, count: usize, tally: &mut Tally) {
    let edited = Edited::new(name);
    let near = |at: usize| edited.disk[at..(at + 16).min(edited.disk.len())].iter().any(|byte| *byte != 0);
    let places: Vec<usize> = (0..edited.disk.len()).step_by(16).filter(|at| near(*at)).collect();
    let mut sequence = Sequence(7);
    for index in 0..count {
        let at = places[sequence.below(places.len())] + sequence.below(16);
        let byte = edited.disk[at] ^ 1 << sequence.below(8);
        edited.poke(at, &[byte]);
        let level = if index % 4 == 0 { Remake::Nothing } else { Remake::Manifest };
        edited.ask(&format!("{name}: byte {at} becomes {byte:#04x}"), level, tally);
        edited.poke(at, &[edited.disk[at]]);
        edited.restore(false);
    }
}

/// The partition table, where every field is looked at.
fn table(count: usize, tally: &mut Tally) {
    let edited = Edited::new("ext4");
    let len = edited.disk.len();
    let mut sequence = Sequence(11);
    for _ in 0..count {
        let ranges =
            [446..512, 512..604, 1024..1400, len - 512..len - 420, len - 33 * 512..len - 33 * 512 + 400];
        let range = ranges[sequence.below(ranges.len())].clone();
        let at = range.start + sequence.below(range.len());
        let byte = edited.disk[at] ^ 1 << sequence.below(8);
        let mut disk = edited.disk.clone();
        disk[at] = byte;
        let repaired = sequence.below(3) > 0;
        if repaired {
            repair_table(&mut disk);
        }
        edited.write("disk.raw", &disk);
        edited.ask(
            &format!("table: byte {at} becomes {byte:#04x}, checksums repaired: {repaired}"),
            Remake::Manifest,
            tally,
        );
    }
}

/// Makes the checksums of both headers and arrays good.
fn repair_table(disk: &mut [u8]) {
    let crc = |bytes: &[u8]| {
        !bytes.iter().fold(!0_u32, |state, byte| {
            (0..8).fold(state ^ u32::from(*byte), |state, _| {
                state >> 1 ^ if state & 1 == 1 { 0xedb8_8320 } else { 0 }
            })
        })
    };
    let last = disk.len() - 512;
    for (header, array) in [(512, 1024), (last, last - 32 * 512)] {
        let sum = crc(&disk[array..array + 128 * 128]).to_le_bytes();
        disk[header + 88..header + 92].copy_from_slice(&sum);
        disk[header + 16..header + 20].fill(0);
        let sum = crc(&disk[header..header + 92]).to_le_bytes();
        disk[header + 16..header + 20].copy_from_slice(&sum);
    }
}

/// Files that are missing, of another kind, or too many.
fn files(tally: &mut Tally) {
    let edited = Edited::new("ext4");
    let path = |name: &str| edited.folder().join(name);
    for name in ["SHA256SUMS", "disk.raw", "manifest.json", "tree.txt"] {
        for level in LEVELS {
            if name == "disk.raw" && level == Remake::Manifest
                || name == "manifest.json" && level == Remake::Manifest
            {
                continue;
            }
            fs::remove_file(path(name)).unwrap();
            if name != "tree.txt" || level != Remake::Manifest {
                edited.ask(&format!("{name} is missing"), level, tally);
            }
            edited.restore(true);
            symlink("/etc/passwd", path("linked")).unwrap();
            fs::rename(path("linked"), path(name)).unwrap();
            if level == Remake::Nothing {
                edited.ask(&format!("{name} is a link"), level, tally);
            }
            fs::remove_file(path(name)).unwrap();
            edited.restore(true);
        }
        for len in [0, 1, 4095, edited.disk.len() - 512] {
            let bytes = fs::read(path(name)).unwrap();
            edited.write(name, &bytes[..len.min(bytes.len().saturating_sub(1))]);
            edited.ask(&format!("{name} is cut to {len} bytes"), Remake::Nothing, tally);
            edited.restore(true);
        }
    }
    for name in [
        "extra",
        "sbom.cdx.json",
        "uefi-data",
        "signing/requests.json",
        "signing/x",
        "signatures/x",
        "measurements.json",
    ] {
        fs::create_dir_all(path(name).parent().unwrap()).unwrap();
        edited.write(name, "{}\n");
        edited.ask(&format!("{name} is too many"), Remake::Nothing, tally);
        let sums = edited.text("SHA256SUMS");
        edited.write(
            "SHA256SUMS",
            format!("{sums}{}  {name}\n", "ca3d163bab055381827226140568f3bef7eaac187cebd76878e0b63e9e442356"),
        );
        edited.ask(&format!("{name} is too many, with a line"), Remake::Nothing, tally);
        edited.restore(false);
    }
    for (from, to) in
        [("tree.txt", "manifest.json"), ("manifest.json", "SHA256SUMS"), ("disk.raw", "tree.txt")]
    {
        fs::copy(path(from), path(to)).unwrap();
        edited.ask(&format!("{to} is a copy of {from}"), Remake::Nothing, tally);
        edited.restore(false);
    }
}

/// Lines of the sums and of the listing.
fn lines(tally: &mut Tally) {
    let edited = Edited::new("ext4");
    for name in ["SHA256SUMS", "tree.txt"] {
        let text = edited.text(name);
        let all: Vec<&str> = text.lines().collect();
        let level = if name == "tree.txt" { Remake::Manifest } else { Remake::Nothing };
        let step = all.len().div_ceil(12);
        for index in (0..all.len()).step_by(step) {
            let line = all[index];
            let mut without = all.clone();
            without.remove(index);
            let with = |new: String| {
                all.iter()
                    .enumerate()
                    .map(|(at, old)| if at == index { new.clone() + "\n" } else { format!("{old}\n") })
                    .collect::<String>()
            };
            for (what, text) in [
                ("removed", without.join("\n") + "\n"),
                ("doubled", with(format!("{line}\n{line}"))),
                ("longer", with(format!("{line} "))),
                ("upper case", with(line.to_uppercase())),
                ("empty", with(String::new())),
                ("other digits", with(line.replace('0', "1"))),
                ("a mode", with(line.replace("0644", "0645").replace("0755", "4755"))),
                ("an owner", with(line.replace(" 0:0 ", " 1:0 "))),
                ("a time", with(line.replace("1767225600.", "1767225601."))),
            ] {
                if text == edited.text(name) {
                    continue;
                }
                edited.write(name, text);
                edited.ask(&format!("{name}: line {} {what}", index + 1), level, tally);
                edited.restore(false);
            }
        }
        for (what, text) in [
            ("no end of the last line", text.trim_end().to_owned()),
            ("ends of DOS", text.replace('\n', "\r\n")),
            ("a line before the first", format!("x\n{text}")),
            ("not UTF-8 after all", text.replace("root", "r\u{f8}t")),
            ("a head without lines", format!("{text}# nowhere ext4 /\n")),
        ] {
            edited.write(name, text);
            edited.ask(&format!("{name}: {what}"), level, tally);
            edited.restore(false);
        }
    }
}

/// Every value of the manifest: another one, another type, missing, beside one more.
fn manifest(stride: usize, tally: &mut Tally) {
    for name in ["ext4", "verity-erofs"] {
        let edited = Edited::new(name);
        let manifest = edited.manifest();
        let mut pointers = Vec::new();
        collect(&manifest, "", &mut pointers);
        // Digests are all alike.
        pointers.retain(|pointer| !pointer.starts_with("/blocks/") || pointer.len() < "/blocks/10".len());
        if name != "ext4" {
            pointers.retain(|pointer| pointer.starts_with("/verity"));
        }
        let first = if name == "ext4" { 0 } else { 1 };
        for pointer in pointers.iter().skip(first).step_by(stride) {
            for (what, value) in others(manifest.pointer(pointer).unwrap()) {
                let mut changed = manifest.clone();
                *changed.pointer_mut(pointer).unwrap() = value;
                edited.write_manifest(&changed);
                edited.ask(&format!("manifest: {pointer} {what}"), Remake::Sums, tally);
            }
            let (parent, key) = pointer.rsplit_once('/').unwrap();
            let mut changed = manifest.clone();
            if let Some(Value::Object(members)) = changed.pointer_mut(parent) {
                members.remove(key);
                edited.write_manifest(&changed);
                edited.ask(&format!("manifest: {pointer} missing"), Remake::Sums, tally);
                let mut changed = manifest.clone();
                changed.pointer_mut(parent).unwrap()["zzz"] = json!(1);
                edited.write_manifest(&changed);
                edited.ask(&format!("manifest: {parent} has one more key"), Remake::Sums, tally);
            }
        }
        let text = edited.text("manifest.json");
        for (what, text) in [
            ("on one line", manifest.to_string()),
            ("with a doubled key", text.replacen('{', "{\n  \"arch\": 1,\n  \"arch\": 1,", 1)),
            ("with something behind it", format!("{text}x")),
            ("without its last line break", text.trim_end().to_owned()),
            ("with a number as a float", text.replace("\"schema\": 1", "\"schema\": 1.0")),
        ] {
            edited.write("manifest.json", text);
            edited.ask(&format!("manifest: {what}"), Remake::Sums, tally);
        }
    }
}

fn collect(value: &Value, at: &str, all: &mut Vec<String>) {
    match value {
        Value::Object(members) => members.iter().for_each(|(key, value)| {
            all.push(format!("{at}/{key}"));
            collect(value, &format!("{at}/{key}"), all);
        }),
        Value::Array(values) => values.iter().enumerate().for_each(|(index, value)| {
            all.push(format!("{at}/{index}"));
            collect(value, &format!("{at}/{index}"), all);
        }),
        _ => {}
    }
}

/// Other values for one.
fn others(value: &Value) -> Vec<(&'static str, Value)> {
    let mut all = vec![("null", Value::Null), ("an object", json!({})), ("a list", json!([]))];
    match value {
        Value::Number(number) => {
            let number = number.as_i64().unwrap();
            all.extend([
                ("one more", json!(number + 1)),
                ("zero", json!(0)),
                ("negative", json!(-1)),
                ("a text", json!("1")),
            ]);
            all.push(("too large", json!(u64::MAX)));
        }
        Value::String(text) => {
            let swapped = text.replacen(|one: char| one.is_ascii_alphanumeric(), "7", 1);
            all.extend([
                ("another text", json!(swapped)),
                ("upper case", json!(text.to_uppercase())),
                ("empty", json!("")),
            ]);
            all.extend([("longer", json!(format!("{text}a"))), ("a number", json!(1))]);
        }
        _ => {}
    }
    all.retain(|(_, other)| other != value);
    all
}

/// Sweeps with so many changes of the image, and every so manieth value of the manifest.
fn sweep(count: usize, stride: usize) {
    let mut tally = Tally::default();
    files(&mut tally);
    lines(&mut tally);
    manifest(stride, &mut tally);
    table(count, &mut tally);
    image("ext4", count, &mut tally);
    image("verity-erofs", count / 10, &mut tally);
    image("verity-ext4", count / 10, &mut tally);
    tally.finish("bundles", count);
}

#[test]
fn both_agree_about_changed_bundles() {
    sweep(40, 5);
}

#[test]
#[ignore = "a long sweep, at night"]
fn both_agree_about_very_many_changed_bundles() {
    sweep(1500, 1);
}
