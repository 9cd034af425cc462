//! `manifest.json`: its form, and the values in it that vouch for other values in it.

mod runs;
mod text;
mod totals;

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::bytes::{from_hex, hex, shown};
use crate::digest::Sha;
use crate::json::Json;
use crate::report::Log;

use runs::block_runs;
pub(crate) use runs::zero_block;
pub(crate) use text::{canonical, difference};
use totals::totals;

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

fn claims(json: &Json) -> Result<Claims, String> {
    let members = json.object().ok_or("it is no object")?;
    for (key, shape, required) in KEYS {
        match members.get(key) {
            None if required => return Err(format!("`{key}` is missing")),
            None => {}
            // What is empty is left out.
            Some(Json::List(all)) if !required && all.is_empty() => return Err(format!("`{key}` is empty")),
            Some(Json::Object(all)) if !required && all.is_empty() => {
                return Err(format!("`{key}` is empty"))
            }
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
    if text(tool, "name")? != "amiforge" {
        return Err("`tool.name` is not `amiforge`".to_string());
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
        version: optional_text(image, "version")
            .and_then(|version| optional_text(image, "boot_mode").map(|_| version))?,
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
        exact("inputs", input, &["kind", "name", "sha256"], &[])?;
        let sha256 = match input.get("sha256") {
            None | Some(Json::Null) => None,
            Some(_) => Some(hex(&sha(input, "sha256")?)),
        };
        all.push(InputClaim { kind: text(input, "kind")?, name: text(input, "name")?, sha256 });
    }
    Ok(all)
}
