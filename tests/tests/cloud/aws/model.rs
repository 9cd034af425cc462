//! Every parameter and response field that the client names, checked with botocore's model of the service.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use amiforge_aws::query::{Description, Field, Protocol, Shape};
use amiforge_aws::{AUTO_SCALING_CALLS, EC2_CALLS, KMS_CALLS, SSM_CALLS, STS_CALLS};
use amiforge_tests::python;
use serde_json::Value;

/// The direction of a value: request and response differ in names and lists.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Out,
    Back,
}

/// A service model, and the mistakes that are found in a description.
struct Check<'a> {
    model: &'a Value,
    protocol: Protocol,
    mistakes: Vec<String>,
}

impl Check<'_> {
    fn structure(&mut self, at: &str, fields: &[Field], shape: &Value, way: Way) {
        let none = serde_json::Map::new();
        let members = shape["members"].as_object().unwrap_or(&none);
        for field in fields {
            let at = format!("{at}.{}", field.name);
            match members.iter().find(|(name, member)| self.wire_name(name, member, way) == field.name) {
                Some((_, member)) => self.shape(&at, &field.shape, member, way),
                None => self.mistakes.push(format!("{at}: the model has no such name")),
            }
        }
        if way == Way::Out {
            for name in shape["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                let wire = self.wire_name(name, &members[name], way);
                if !fields.iter().any(|field| field.name == wire) {
                    self.mistakes.push(format!("{at}.{wire}: the service requires it"));
                }
            }
        }
    }

    fn shape(&mut self, at: &str, shape: &Shape, member: &Value, way: Way) {
        let modelled = &self.model["shapes"][member["shape"].as_str().unwrap()];
        let kind = modelled["type"].as_str().unwrap();
        match (shape, kind) {
            (Shape::Text, "string")
            | (Shape::Boolean, "boolean")
            | (Shape::Integer, "integer" | "long")
            | (Shape::Timestamp, "timestamp")
            | (Shape::Blob, "blob") => {}
            (Shape::Structure(fields), "structure") => self.structure(at, fields, modelled, way),
            (Shape::List(element), "list") => {
                if !self.is_list_of_its_protocol(modelled, member, way) {
                    self.mistakes.push(format!("{at}: the list is written in another way"));
                }
                self.shape(&format!("{at}[]"), element, &modelled["member"], way);
            }
            _ => self.mistakes.push(format!("{at}: it is a {kind}, not {shape:?}")),
        }
        // A timestamp format of its own would need another serialization.
        if modelled.get("timestampFormat").or(member.get("timestampFormat")).is_some() {
            self.mistakes.push(format!("{at}: it has a format of its own"));
        }
    }

    /// The name of a member on the wire, by the rules of botocore's serializers and parsers.
    fn wire_name(&self, name: &str, member: &Value, way: Way) -> String {
        let location = member["locationName"].as_str();
        match (self.protocol, way) {
            (Protocol::Ec2, Way::Out) => {
                let capital = |word: &str| word[..1].to_uppercase() + &word[1..];
                let query = member["queryName"].as_str().map(str::to_owned);
                query.or_else(|| location.map(capital)).unwrap_or_else(|| name.to_owned())
            }
            _ => location.unwrap_or(name).to_owned(),
        }
    }

    /// Whether a list is written and read as ours are: numbered without a name for its elements (EC2 requests),
    /// wrapped in `item` (EC2 answers) or `member` (both of the other protocol).
    fn is_list_of_its_protocol(&self, list: &Value, member: &Value, way: Way) -> bool {
        let flat = list["flattened"] == true || member["flattened"] == true;
        let element = list["member"]["locationName"].as_str();
        match (self.protocol, way) {
            // botocore flattens every list of such a request, whatever its model says.
            (Protocol::Ec2, Way::Out) => true,
            (Protocol::Ec2, Way::Back) => !flat && element == Some("item"),
            // Lists in JSON have no names for their elements.
            (Protocol::Json, _) => !flat,
            _ => !flat && element.is_none_or(|element| element == "member"),
        }
    }
}

fn mistakes(model: &Value, call: &Description) -> Vec<String> {
    let protocol = call.service.protocol;
    let mut check = Check { model, protocol, mistakes: Vec::new() };
    let word = match protocol {
        Protocol::Ec2 => "ec2",
        Protocol::Query => "query",
        Protocol::Json => "json",
    };
    let metadata = &model["metadata"];
    for (key, value) in [
        ("protocol", word),
        ("apiVersion", call.service.version),
        ("endpointPrefix", call.service.name),
        ("serviceId", call.service.id),
    ] {
        if metadata[key] != value {
            check.mistakes.push(format!("{}: {key} is {}, not {value}", call.name, metadata[key]));
        }
    }
    let operation = &model["operations"][call.name];
    if operation["http"]["requestUri"] != "/" || operation["http"]["method"] != "POST" {
        check.mistakes.push(format!("{}: the model has no such call", call.name));
        return check.mistakes;
    }
    for (key, shape, way) in [("input", call.input, Way::Out), ("output", call.output, Way::Back)] {
        let Shape::Structure(fields) = shape else { panic!("{}: {shape:?}", call.name) };
        let modelled = operation[key]["shape"].as_str().map_or(&Value::Null, |name| &model["shapes"][name]);
        check.structure(&format!("{} {key}", call.name), fields, modelled, way);
    }
    check.mistakes
}

pub(super) fn model(python: &Path, path: &str) -> Value {
    let output = Command::new(python)
        .args(["-c", "import botocore; print(botocore.__path__[0])"])
        .output()
        .expect("Python starts");
    let folder = PathBuf::from(String::from_utf8(output.stdout).unwrap().trim()).join("data").join(path);
    let plain = folder.join("service-2.json");
    if plain.exists() {
        return serde_json::from_slice(&std::fs::read(plain).unwrap()).unwrap();
    }
    let mut bytes = Vec::new();
    let packed = std::fs::File::open(folder.join("service-2.json.gz")).expect("a model");
    flate2::read::GzDecoder::new(packed).read_to_end(&mut bytes).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

#[test]
fn every_parameter_and_field_is_one_of_the_model_of_ec2() {
    let Some(python) = python::with(&["botocore"]) else { return };
    let model = model(&python, "ec2/2016-11-15");
    let calls = EC2_CALLS.iter();
    let mistakes: Vec<_> = calls.flat_map(|call| mistakes(&model, call)).collect();
    assert!(mistakes.is_empty(), "{}", mistakes.join("\n"));
    assert!(EC2_CALLS.len() >= 18);
}

#[test]
fn every_parameter_and_field_is_one_of_the_models_of_the_services_with_json() {
    let Some(python) = python::with(&["botocore"]) else { return };
    for (path, calls) in [("kms/2014-11-01", KMS_CALLS), ("ssm/2014-11-06", SSM_CALLS)] {
        let model = model(&python, path);
        assert_eq!(model["metadata"]["jsonVersion"], "1.1", "{path}");
        let mistakes: Vec<_> = calls.iter().flat_map(|call| mistakes(&model, call)).collect();
        assert!(mistakes.is_empty(), "{path}: {}", mistakes.join("\n"));
    }
    let ssm = model(&python, "ssm/2014-11-06");
    let get = *SSM_CALLS.iter().find(|call| call.name == "GetParameter").unwrap();
    let wrong = Description { input: Shape::Structure(&[Field { name: "name", shape: TEXT }]), ..get };
    let found = mistakes(&ssm, &wrong);
    assert!(found.iter().any(|mistake| mistake.contains("no such name")), "{found:?}");
    assert!(found.iter().any(|mistake| mistake.contains("the service requires it")), "{found:?}");
}

#[test]
fn every_parameter_and_field_is_one_of_the_model_of_auto_scaling() {
    let Some(python) = python::with(&["botocore"]) else { return };
    let model = model(&python, "autoscaling/2011-01-01");
    let mistakes: Vec<_> = AUTO_SCALING_CALLS.iter().flat_map(|call| mistakes(&model, call)).collect();
    assert!(mistakes.is_empty(), "{}", mistakes.join("\n"));
    assert!(AUTO_SCALING_CALLS.len() >= 5);
}

#[test]
fn every_field_is_one_of_the_model_of_sts() {
    let Some(python) = python::with(&["botocore"]) else { return };
    let model = model(&python, "sts/2011-06-15");
    let mistakes: Vec<_> = STS_CALLS.iter().flat_map(|call| mistakes(&model, call)).collect();
    assert!(mistakes.is_empty(), "{}", mistakes.join("\n"));
}

const TEXT: Shape = Shape::Text;

#[test]
fn the_check_finds_every_kind_of_mistake() {
    let Some(python) = python::with(&["botocore"]) else { return };
    let model = model(&python, "ec2/2016-11-15");
    let describe = *EC2_CALLS.iter().find(|call| call.name == "DescribeImages").unwrap();
    let copy = *EC2_CALLS.iter().find(|call| call.name == "CopyImage").unwrap();
    let parameters = |fields| Description { input: Shape::Structure(fields), ..describe };
    let answer = |fields| Description { output: Shape::Structure(fields), ..describe };
    let service = |change: fn(&mut Description)| {
        let mut changed = describe;
        change(&mut changed);
        changed
    };
    for (wrong, words) in [
        (parameters(&[Field { name: "ImageIds", shape: Shape::List(&TEXT) }]), "no such name"),
        (parameters(&[Field { name: "imageId", shape: Shape::List(&TEXT) }]), "no such name"),
        (parameters(&[Field { name: "ImageId", shape: TEXT }]), "it is a list, not Text"),
        (parameters(&[Field { name: "MaxResults", shape: TEXT }]), "it is a integer, not Text"),
        (answer(&[Field { name: "imagesSet", shape: Shape::List(&TEXT) }]), "it is a structure, not Text"),
        (answer(&[Field { name: "Images", shape: Shape::List(&TEXT) }]), "no such name"),
        (answer(&[Field { name: "nextToken", shape: Shape::Integer }]), "it is a string, not Integer"),
        (Description { input: Shape::Structure(&[]), ..copy }, "the service requires it"),
        (Description { name: "DescribeImage", ..describe }, "no such call"),
        (service(|call| call.service.version = "2016-11-16"), "apiVersion is"),
        (service(|call| call.service.name = "ec3"), "endpointPrefix is"),
        (service(|call| call.service.protocol = Protocol::Query), "protocol is"),
    ] {
        let found = mistakes(&model, &wrong);
        assert!(found.iter().any(|mistake| mistake.contains(words)), "{words}: {found:?}");
    }
}
