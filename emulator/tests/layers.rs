//! The dependencies between the crate's modules point one way: transport, state, authorization, services, page, server.
//! Within the services, only the listed ones may know another one.
#![expect(clippy::unwrap_used, reason = "a test that cannot read the sources fails")]

use std::path::{Path, PathBuf};

/// The layers from the lowest to the highest, and the modules of each.
const LAYERS: &[&[&str]] = &[
    &["clock", "digest", "error", "ids", "launch", "sync"],
    &["iam", "sigv4"],
    &["http"],
    &["state"],
    &["attestation"],
    &["authorization"],
    &["services"],
    &["page"],
    &["server"],
    &["lib"],
];

/// Services and protocols that a service may use. Everything else among the services is forbidden.
const SERVICES: &[(&str, &[&str])] = &[
    ("autoscaling", &["ec2", "failure", "form", "query_errors", "xml"]),
    ("ebs", &["failure"]),
    ("ec2", &["failure", "form", "s3", "ssm", "xml"]),
    ("failure", &[]),
    ("form", &[]),
    ("json", &["failure"]),
    ("kms", &["json"]),
    ("query_errors", &["xml"]),
    ("rbin", &["failure", "json"]),
    ("s3", &["failure", "xml"]),
    ("ssm", &["json"]),
    ("sts", &["failure", "form", "query_errors", "xml"]),
    ("xml", &[]),
];

/// The Rust files below a folder.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            all.push(path);
        }
    }
    all
}

/// The paths that a source text names below a prefix, as lists of identifiers.
fn paths<'t>(text: &'t str, prefix: &str) -> Vec<Vec<&'t str>> {
    let path = |rest: &'t str| {
        let end = rest.find(|one: char| !(one.is_alphanumeric() || one == '_' || one == ':'));
        rest[..end.unwrap_or(rest.len())].split("::").collect()
    };
    text.match_indices(prefix).map(|(at, _)| path(&text[at + prefix.len()..])).collect()
}

fn layer(module: &str) -> usize {
    LAYERS.iter().position(|layer| layer.contains(&module)).unwrap_or_else(|| panic!("no layer: {module}"))
}

#[test]
fn modules_use_lower_layers_only_and_services_only_the_listed_ones() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files = sources(&root);
    assert!(files.len() > 80, "only {} sources found", files.len());
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let relative = file.strip_prefix(&root).unwrap().with_extension("");
        let parts: Vec<_> = relative.iter().map(|part| part.to_str().unwrap()).collect();
        for used in paths(&text, "crate::") {
            let allowed = layer(used[0]) <= layer(parts[0]);
            assert!(allowed, "{} uses crate::{}", file.display(), used.join("::"));
        }
        let [first, own, ..] = parts[..] else { continue };
        if first != "services" || own == "mod" {
            continue;
        }
        let allowed = SERVICES.iter().find(|(name, _)| *name == own).map(|(_, allowed)| *allowed);
        let allowed = allowed.unwrap_or_else(|| panic!("a service that is not listed: {own}"));
        // `super::` leads to another service only from a service that is a single file.
        let siblings = if parts.len() == 2 { paths(&text, "super::") } else { Vec::new() };
        let siblings = siblings.into_iter().filter(|path| !path[0].is_empty());
        for used in paths(&text, "crate::services::").into_iter().chain(siblings) {
            let known = used[0] == own || allowed.contains(&used[0]);
            assert!(known, "{} uses the service {}", file.display(), used[0]);
        }
    }
}
