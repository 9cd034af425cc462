//! `manifest.json`: its form, and the values in it that vouch for other values in it.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::bytes::{from_hex, hex, shown};
use crate::digest::{MerkleTree, Sha};
use crate::json::{quoted, Json};
use crate::report::Log;

/// Bytes of a block: the unit of EBS.
pub const BLOCK: u64 = 512 * 1024;
/// The largest volume of EBS.
const SIZE_MAX: u64 = 1 << 46;

/// Blocks of one kind in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockRun {
    /// One block of this digest.
    Data(Sha),
    /// So many blocks of zeros; what makes free ones different is only that nothing reads them before it wrote them.
    Empty(u64, BlockUse),
}

/// Whether zeros matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockUse {
    /// Something reads them as zeros.
    Zero,
    /// Nothing reads them before writing.
    Free,
}

/// A partition of the manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionClaim {
    /// Name in the recipe.
    pub id: String,
    /// Number in the GPT, from 1.
    pub number: u64,
    /// First byte.
    pub start: u64,
    /// Length in bytes.
    pub len: u64,
    /// Name in the GPT.
    pub label: String,
    /// GUID, lower case.
    pub guid: String,
    /// Type GUID, lower case.
    pub type_guid: String,
    /// `ext4`, `fat32`, `erofs`, `swap` or `verity`; none where no file system is.
    pub file_system: Option<String>,
    /// UUID of the file system, or volume id of FAT.
    pub uuid: Option<String>,
}

/// A partition with a hash tree of dm-verity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerityClaim {
    /// Id of the partition with the data.
    pub data: String,
    /// Id of the partition with the tree.
    pub hash: String,
    /// Blocks of data of 4096 bytes.
    pub data_blocks: u64,
    /// The root hash.
    pub root_hash: Sha,
    /// The salt.
    pub salt: [u8; 32],
}

/// An input of the build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputClaim {
    /// What it is, such as `deb` or `dir`.
    pub kind: String,
    /// Its name in the recipe or the archive.
    pub name: String,
    /// Its SHA-256, where one was taken.
    pub sha256: Option<String>,
}

/// What a manifest says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// Name of the image.
    pub name: String,
    /// Architecture of its machines.
    pub arch: String,
    /// Length of the image in bytes.
    pub size: u64,
    /// GUID of the disk.
    pub disk: String,
    /// SHA-256 of the image.
    pub sha256: Sha,
    /// Its blocks in order.
    pub blocks: Vec<BlockRun>,
    /// Digests of the documents beside it.
    pub documents: BTreeMap<String, Sha>,
    /// Partitions.
    pub partitions: Vec<PartitionClaim>,
    /// Hash trees.
    pub verity: Vec<VerityClaim>,
    /// Inputs.
    pub inputs: Vec<InputClaim>,
    /// SHA-256 of the recipe.
    pub recipe: String,
    /// SHA-256 of the lock.
    pub lock: Option<String>,
    /// Version of the image.
    pub version: Option<String>,
    /// Version of the program that built it.
    pub tool: String,
    /// Keys of this version that nothing here looks at.
    pub unread: Vec<&'static str>,
    /// Keys that this version does not know.
    pub unknown: Vec<String>,
}

/// Keys with what they hold, and whether every manifest has them.
const KEYS: [(&str, Shape, bool); 25] = [
    ("block_size", Shape::Number, true),
    ("blocks", Shape::List, true),
    ("cleaned", Shape::List, false),
    ("disk", Shape::Object, true),
    ("documents", Shape::Object, false),
    ("ebs", Shape::Object, true),
    ("image", Shape::Object, true),
    ("inputs", Shape::List, true),
    ("leaks_allowed", Shape::List, false),
    ("lock_sha256", Shape::Digest, false),
    ("measurements", Shape::Object, false),
    ("merkle_root", Shape::Digest, true),
    ("notes", Shape::Texts, true),
    ("partitions", Shape::List, true),
    ("pcr_policy", Shape::Object, false),
    ("private_keys", Shape::Texts, false),
    ("recipe_sha256", Shape::Digest, true),
    ("schema", Shape::Number, true),
    ("secrets", Shape::List, false),
    ("secrets_unknown", Shape::Texts, false),
    ("secure_boot", Shape::Object, false),
    ("sha256", Shape::Digest, true),
    ("skipped", Shape::Texts, false),
    ("tool", Shape::Object, true),
    ("verity", Shape::List, false),
];

/// Keys of which the values are claims about the image that nothing here checks.
const NOT_CHECKED: [&str; 3] = ["measurements", "pcr_policy", "secure_boot"];

#[derive(Clone, Copy)]
enum Shape {
    Number,
    List,
    Texts,
    Object,
    Digest,
}

/// Reads a manifest; `None`, with the reason in the report, when its image cannot be compared with it.
pub fn read(text: &[u8], log: &mut Log<'_>) -> Option<Claims> {
    let json = match Json::parse(text) {
        Ok(json) => json,
        Err(error) => {
            log.wrong(error.offset as u64, format!("it is not JSON: {}", error.reason));
            return None;
        }
    };
    match json.get("schema").and_then(Json::number) {
        Some(1) => {}
        Some(schema) => {
            log.unknown(format!("its schema is {schema}, and this program knows 1"));
            return None;
        }
        None => {
            log.wrong(None, "it has no schema");
            return None;
        }
    }
    // One manifest has one text, so that two of them can be compared by digest.
    if let Some(at) = difference(&canonical(&json), text) {
        log.wrong(at as u64, "it is not sorted and indented as a manifest is");
    }
    let claims = claims(&json).map_err(|reason| log.wrong(None, reason)).ok()?;
    totals(&json, &claims, log);
    for key in &claims.unknown {
        log.unknown(format!("its key {} is unknown to this version", shown(key)));
    }
    Some(claims)
}

pub(crate) fn difference(a: &str, b: &[u8]) -> Option<usize> {
    let at = a.bytes().zip(b).position(|(a, b)| a != *b).unwrap_or(a.len().min(b.len()));
    (at < a.len().max(b.len())).then_some(at)
}

/// The text of a value with two spaces for each level, and a line break at the end.
pub(crate) fn canonical(json: &Json) -> String {
    let mut out = String::new();
    indented(json, 0, &mut out);
    out.push('\n');
    out
}

fn indented(json: &Json, level: usize, out: &mut String) {
    let line = |out: &mut String, level: usize| {
        out.push('\n');
        (0..level).for_each(|_| out.push_str("  "));
    };
    match json {
        Json::Null => out.push_str("null"),
        Json::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Json::Number(digits) => out.push_str(digits),
        // Manifests hold DEL as it is.
        Json::Text(text) => out.push_str(&quoted(text).replace("\\u007f", "\u{7f}")),
        Json::List(all) if all.is_empty() => out.push_str("[]"),
        Json::Object(all) if all.is_empty() => out.push_str("{}"),
        Json::List(all) => {
            for (index, value) in all.iter().enumerate() {
                out.push(if index == 0 { '[' } else { ',' });
                line(out, level.saturating_add(1));
                indented(value, level.saturating_add(1), out);
            }
            line(out, level);
            out.push(']');
        }
        Json::Object(all) => {
            for (index, (key, value)) in all.iter().enumerate() {
                out.push(if index == 0 { '{' } else { ',' });
                line(out, level.saturating_add(1));
                out.push_str(&quoted(key));
                out.push_str(": ");
                indented(value, level.saturating_add(1), out);
            }
            line(out, level);
            out.push('}');
        }
    }
}

fn claims(json: &Json) -> Result<Claims, String> {
    let members = json.object().ok_or("it is no object")?;
    for (key, shape, required) in KEYS {
        match members.get(key) {
            None if required => return Err(format!("`{key}` is missing")),
            None => {}
            Some(value) if fits(value, shape) => {}
            Some(_) => return Err(format!("`{key}` has another type")),
        }
    }
    let unknown = members.keys().filter(|key| KEYS.iter().all(|(known, ..)| known != key)).cloned().collect();
    if number(json, "block_size")? != BLOCK {
        return Err("`block_size` is not 524288".to_string());
    }
    let image = &json.get("image").cloned().unwrap_or(Json::Null);
    exact("image", image, &["arch", "epoch", "name"], &["boot_mode", "version"])?;
    let tool = json.get("tool").unwrap_or(&Json::Null);
    exact("tool", tool, &["name", "version"], &[])?;
    for (object, key) in [(image, "arch"), (image, "name"), (tool, "name"), (tool, "version")] {
        text(object, key)?;
    }
    let epoch = match image.get("epoch") {
        Some(Json::Number(digits)) => digits.parse::<i64>().is_ok(),
        _ => false,
    };
    if !epoch {
        return Err("`image.epoch` is no whole number".to_string());
    }
    let disk = json.get("disk").unwrap_or(&Json::Null);
    exact("disk", disk, &["guid", "size"], &[])?;
    let size = number(disk, "size")?;
    if size > SIZE_MAX {
        return Err(format!("`disk.size` is {size}, which is more than 64 TiB"));
    }
    Ok(Claims {
        name: text(image, "name")?,
        arch: text(image, "arch")?,
        size,
        disk: guid(disk, "guid")?,
        sha256: sha(json, "sha256")?,
        blocks: block_runs(json, size)?,
        documents: documents(json)?,
        partitions: list(json, "partitions").iter().map(partition).collect::<Result<_, _>>()?,
        verity: list(json, "verity").iter().map(verity).collect::<Result<_, _>>()?,
        inputs: inputs(json)?,
        recipe: text(json, "recipe_sha256")?,
        lock: optional_text(json, "lock_sha256")?,
        version: optional_text(image, "version")?,
        tool: text(tool, "version")?,
        unread: NOT_CHECKED.into_iter().filter(|key| members.contains_key(*key)).collect(),
        unknown,
    })
}

fn fits(value: &Json, shape: Shape) -> bool {
    match shape {
        Shape::Number => value.number().is_some(),
        Shape::List => value.list().is_some(),
        Shape::Texts => value.list().is_some_and(|all| all.iter().all(|one| one.text().is_some())),
        Shape::Object => value.object().is_some(),
        Shape::Digest => value.text().is_some_and(|text| from_hex::<32>(text).is_some()),
    }
}

/// Checks that an object has these keys and no others but the optional ones.
fn exact(name: &str, json: &Json, required: &[&str], optional: &[&str]) -> Result<(), String> {
    let members = json.object().ok_or_else(|| format!("`{name}` is no object"))?;
    if let Some(key) = required.iter().find(|key| !members.contains_key(**key)) {
        return Err(format!("`{name}.{key}` is missing"));
    }
    let known = |key: &str| required.contains(&key) || optional.contains(&key);
    match members.keys().find(|key| !known(key)) {
        Some(key) => Err(format!("`{name}.{}` is unknown", shown(key))),
        None => Ok(()),
    }
}

fn list<'a>(json: &'a Json, key: &str) -> &'a [Json] {
    json.get(key).and_then(Json::list).unwrap_or(&[])
}

fn number(json: &Json, key: &str) -> Result<u64, String> {
    json.get(key).and_then(Json::number).ok_or_else(|| format!("`{key}` is no whole number"))
}

fn text(json: &Json, key: &str) -> Result<String, String> {
    let text = json.get(key).and_then(Json::text).map(ToString::to_string);
    text.ok_or_else(|| format!("`{key}` is no text"))
}

fn optional_text(json: &Json, key: &str) -> Result<Option<String>, String> {
    match json.get(key) {
        None => Ok(None),
        Some(_) => text(json, key).map(Some),
    }
}

fn sha(json: &Json, key: &str) -> Result<Sha, String> {
    let digest = json.get(key).and_then(Json::text).and_then(from_hex);
    digest.ok_or_else(|| format!("`{key}` is not 64 lower-case hexadecimal digits"))
}

fn guid(json: &Json, key: &str) -> Result<String, String> {
    let text = text(json, key)?;
    let dashes = [8, 13, 18, 23].iter().all(|at| text.as_bytes().get(*at) == Some(&b'-'));
    match from_hex::<16>(&text.replace('-', "")) {
        Some(_) if dashes && text.len() == 36 => Ok(text),
        _ => Err(format!("`{key}` is no GUID in lower case")),
    }
}

fn partition(json: &Json) -> Result<PartitionClaim, String> {
    let required = ["guid", "id", "label", "len", "number", "start", "type_guid"];
    exact("partitions", json, &required, &["file_system", "uuid"])?;
    Ok(PartitionClaim {
        id: text(json, "id")?,
        number: number(json, "number").and_then(|number| match u32::try_from(number) {
            Ok(_) => Ok(number),
            Err(_) => Err("`number` is too large".to_string()),
        })?,
        start: number(json, "start")?,
        len: number(json, "len")?,
        label: text(json, "label")?,
        guid: guid(json, "guid")?,
        type_guid: guid(json, "type_guid")?,
        file_system: optional_text(json, "file_system")?,
        uuid: optional_text(json, "uuid")?,
    })
}

fn verity(json: &Json) -> Result<VerityClaim, String> {
    exact("verity", json, &["data", "data_blocks", "hash", "root_hash", "salt"], &[])?;
    Ok(VerityClaim {
        data: text(json, "data")?,
        hash: text(json, "hash")?,
        data_blocks: number(json, "data_blocks")?,
        root_hash: sha(json, "root_hash")?,
        salt: sha(json, "salt")?,
    })
}

fn documents(json: &Json) -> Result<BTreeMap<String, Sha>, String> {
    let Some(members) = json.get("documents").and_then(Json::object) else { return Ok(BTreeMap::new()) };
    let digest = |(name, value): (&String, &Json)| Some((name.clone(), value.text().and_then(from_hex)?));
    let all: Option<_> = members.iter().map(digest).collect();
    all.ok_or_else(|| "a digest of `documents` is not 64 lower-case hexadecimal digits".to_string())
}

fn inputs(json: &Json) -> Result<Vec<InputClaim>, String> {
    let mut all = Vec::new();
    for input in list(json, "inputs") {
        exact("inputs", input, &["kind", "name"], &["sha256"])?;
        let sha256 = match input.get("sha256") {
            None | Some(Json::Null) => None,
            Some(_) => Some(hex(&sha(input, "sha256")?)),
        };
        all.push(InputClaim { kind: text(input, "kind")?, name: text(input, "name")?, sha256 });
    }
    Ok(all)
}

fn block_runs(json: &Json, size: u64) -> Result<Vec<BlockRun>, String> {
    let needed = size.div_ceil(BLOCK);
    let mut runs = Vec::new();
    let mut count = 0_u64;
    for entry in list(json, "blocks") {
        let run = entry.text().and_then(block_run);
        let run = run.ok_or("an entry of `blocks` is no digest, `zero*N` or `free*N`")?;
        let same = |last: &BlockRun| match (last, &run) {
            (BlockRun::Empty(_, last), BlockRun::Empty(_, this)) => last == this,
            _ => false,
        };
        if runs.last().is_some_and(same) {
            return Err("`blocks` has two entries for neighbouring blocks of a kind".to_string());
        }
        count = count.saturating_add(match run {
            BlockRun::Data(_) => 1,
            BlockRun::Empty(count, _) => count,
        });
        runs.push(run);
    }
    if count == needed {
        Ok(runs)
    } else {
        Err(format!("`blocks` lists {count} blocks, and {size} bytes have {needed}"))
    }
}

fn block_run(entry: &str) -> Option<BlockRun> {
    if let Some((word, digits)) = entry.split_once('*') {
        let count = digits.parse::<u64>().ok().filter(|count| *count > 0 && count.to_string() == digits)?;
        let kind = match word {
            "zero" => BlockUse::Zero,
            "free" => BlockUse::Free,
            _ => return None,
        };
        return Some(BlockRun::Empty(count, kind));
    }
    let digest = from_hex(entry)?;
    (digest != zero_block()).then_some(BlockRun::Data(digest))
}

/// The digest of a block of zeros.
pub(crate) fn zero_block() -> Sha {
    const ZERO: &str = "07854d2fef297a06ba81685e660c332de36d5d18d546927d30daad6d7fda1541";
    from_hex(ZERO).unwrap_or([0; 32])
}

/// Compares the values that follow from the list of blocks with it.
fn totals(json: &Json, claims: &Claims, log: &mut Log<'_>) {
    use sha2::{Digest as _, Sha256};
    let (mut tree, zero) = (MerkleTree::default(), zero_block());
    let (mut all, mut full) = ((0_u64, Sha256::new()), (0_u64, Sha256::new()));
    for run in &claims.blocks {
        let (digest, count) = match run {
            BlockRun::Data(digest) => {
                full.0 = full.0.saturating_add(1);
                full.1.update(digest);
                (digest, 1)
            }
            BlockRun::Empty(count, _) => (&zero, *count),
        };
        let free = matches!(run, BlockRun::Empty(_, BlockUse::Free));
        for _ in 0..count {
            tree.push(digest);
            if !free {
                all.0 = all.0.saturating_add(1);
                all.1.update(digest);
            }
        }
    }
    let text = |key: &str| json.get(key).and_then(Json::text).unwrap_or_default().to_string();
    log.equal(None, "`merkle_root` does not follow from `blocks`", hex(&tree.root()), text("merkle_root"));
    let ebs = json.get("ebs").unwrap_or(&Json::Null);
    if let Err(reason) = exact("ebs", ebs, &["without_free", "without_zero"], &[]) {
        log.wrong(None, reason);
    }
    for (key, (blocks, hash)) in [("without_free", all), ("without_zero", full)] {
        let claim = ebs.get(key).unwrap_or(&Json::Null);
        if let Err(reason) = exact(key, claim, &["blocks", "sha256"], &[]) {
            log.wrong(None, reason);
        }
        let is = claim.get("blocks").and_then(Json::number).zip(claim.get("sha256").and_then(Json::text));
        let is =
            is.map_or_else(|| "nothing".to_string(), |(blocks, sum)| format!("{sum} over {blocks} blocks"));
        let should = format!("{} over {blocks} blocks", hex(&hash.finalize()));
        log.equal(None, &format!("`ebs.{key}` does not follow from `blocks`"), should, is);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::sha256;

    #[test]
    fn blocks_are_digests_and_runs() {
        assert_eq!(sha256(&alloc::vec![0; 524_288]), zero_block());
        assert_eq!(block_run("zero*7"), Some(BlockRun::Empty(7, BlockUse::Zero)));
        for wrong in
            ["zero*0", "zero*07", "zero*", "none*1", "zero*18446744073709551616", "00", &hex(&zero_block())]
        {
            assert_eq!(block_run(wrong), None, "{wrong}");
        }
    }
}
