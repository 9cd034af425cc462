//! Every address, parameter, header and element that the client of S3 names, checked with botocore's model.

use std::collections::BTreeSet;

use amiforge_aws::{RestCall, S3_CALLS};
use amiforge_tests::python;
use serde_json::Value;

use super::model::model;

/// Members of a shape that are somewhere: their names on the wire.
fn located(model: &Value, shape: &Value, location: &str) -> BTreeSet<String> {
    let members = model["shapes"][shape["shape"].as_str().unwrap_or_default()]["members"].as_object();
    let at = members.into_iter().flatten().filter(|(_, member)| member["location"] == location);
    at.map(|(name, member)| member["locationName"].as_str().unwrap_or(name).to_ascii_lowercase()).collect()
}

/// Whether a shape has elements with these names, one below the other.
fn has_path(model: &Value, shape: &str, path: &str) -> bool {
    let (name, rest) = path.split_once('.').map_or((path, None), |(name, rest)| (name, Some(rest)));
    let members = model["shapes"][shape]["members"].as_object();
    let member = members.into_iter().flatten().find(|(other, member)| {
        member["locationName"].as_str().unwrap_or(other.as_str()) == name && member.get("location").is_none()
    });
    let Some((_, member)) = member else { return false };
    let inner = member["shape"].as_str().unwrap();
    // Lists of S3 have no element of their own.
    let list = &model["shapes"][inner];
    let inner = if list["type"] == "list" { list["member"]["shape"].as_str().unwrap() } else { inner };
    rest.is_none_or(|rest| has_path(model, inner, rest))
}

fn mistakes(model: &Value, call: &RestCall) -> Vec<String> {
    let mut mistakes = Vec::new();
    let mut check = |ok: bool, what: String| {
        if !ok {
            mistakes.push(format!("{}: {what}", call.name));
        }
    };
    let operation = &model["operations"][call.name];
    check(
        operation["http"]["method"] == call.method,
        format!("the method is {}", operation["http"]["method"]),
    );
    check(
        operation["http"]["requestUri"] == call.uri,
        format!("the address is {}", operation["http"]["requestUri"]),
    );
    let input = operation["input"]["shape"].as_str().unwrap_or_default();
    let output = operation["output"]["shape"].as_str().unwrap_or_default();
    for (names, side, location) in [
        (call.query, "input", "querystring"),
        (call.headers, "input", "header"),
        (call.read_headers, "output", "header"),
    ] {
        let known = located(model, &operation[side], location);
        for name in names {
            let name = name.to_ascii_lowercase();
            // The type of a document is a rule of the protocol.
            let of_protocol = name == "content-type" && call.name == "CompleteMultipartUpload";
            check(of_protocol || known.contains(&name), format!("`{name}` is no {location} of the {side}"));
        }
    }
    for (paths, shape) in [(call.body, input), (call.read, output)] {
        for path in paths {
            check(has_path(model, shape, path), format!("`{path}` is no element of {shape}"));
        }
    }
    let required =
        model["shapes"][input]["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
    for name in required {
        let member = &model["shapes"][input]["members"][name];
        let wire = member["locationName"].as_str().unwrap_or(name);
        let sent = member["location"] == "uri" || call.query.contains(&wire);
        check(sent, format!("the service requires `{wire}`"));
    }
    mistakes
}

#[test]
fn every_call_of_s3_is_one_of_its_model() {
    let Some(python) = python::with(&["botocore"]) else { return };
    let model = model(&python, "s3/2006-03-01");
    assert_eq!(model["metadata"]["protocol"], "rest-xml");
    let mistakes: Vec<_> = S3_CALLS.iter().flat_map(|call| mistakes(&model, call)).collect();
    assert!(mistakes.is_empty(), "{}", mistakes.join("\n"));
    assert!(S3_CALLS.len() >= 9);
}

#[test]
fn the_check_of_s3_finds_every_kind_of_mistake() {
    let Some(python) = python::with(&["botocore"]) else { return };
    let model = model(&python, "s3/2006-03-01");
    let part = *S3_CALLS.iter().find(|call| call.name == "UploadPart").unwrap();
    let list = *S3_CALLS.iter().find(|call| call.name == "ListParts").unwrap();
    for (wrong, words) in [
        (RestCall { method: "POST", ..part }, "the method is"),
        (RestCall { uri: "/{Key+}", ..part }, "the address is"),
        (RestCall { query: &["partnumber_", "uploadId", "partNumber"], ..part }, "is no querystring"),
        (RestCall { query: &["uploadId"], ..part }, "requires `partNumber`"),
        (RestCall { headers: &["x-amz-checksum-sha255"], ..part }, "is no header of the input"),
        (RestCall { read_headers: &["e-tag"], ..part }, "is no header of the output"),
        (RestCall { read: &["Part.Etag"], ..list }, "is no element"),
        (RestCall { read: &["Parts.ETag"], ..list }, "is no element"),
    ] {
        let found = mistakes(&model, &wrong);
        assert!(found.iter().any(|mistake| mistake.contains(words)), "{words}: {found:?}");
    }
}
